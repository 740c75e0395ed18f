import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import type { S3Response } from "./s3-client.ts";
import { inPieces, readBody } from "./s3-wire.ts";

describe("a request's body", () => {
	it.each([65_537, 200_000, 16 * 1024 * 1024])(
		"of %i bytes is written in pieces, so that progress is visible",
		async (sizeBytes) => {
			const body = Buffer.alloc(sizeBytes, "0123456789abcdef!");
			const sent = inPieces(body);
			expect(sent).toBeInstanceOf(Readable);
			const pieces: Buffer[] = [];
			for await (const piece of sent as Readable) pieces.push(piece);
			expect(Math.max(...pieces.map(({ length }) => length))).toBe(65_536);
			expect(Buffer.concat(pieces).equals(body)).toBe(true);
		},
	);

	it("is sent unchanged if it is small", () => {
		const body = Buffer.alloc(65_536);
		expect(inPieces(body)).toBe(body);
	});
});

describe("a response's body", () => {
	const output = (body: Readable, length: number, range?: string): S3Response => ({
		headers: {
			"content-length": String(length),
			"last-modified": new Date(0).toUTCString(),
			...(range && { "content-range": range }),
		},
		body,
	});

	it("is assembled from its pieces", async () => {
		const read = await readBody(
			output(Readable.from([Buffer.from("the "), Buffer.from("body")]), 8),
			undefined,
		);
		expect(read).toEqual({ body: Buffer.from("the body"), totalBytes: 8, lastModifiedMs: 0 });
	});

	it.each([
		["shorter", 9],
		["longer", 7],
	])(
		"is refused if it is %s than announced: the rest would be unrelated memory",
		async (_, length) => {
			const body = Readable.from([Buffer.from("the "), Buffer.from("body")]);
			await expect(readBody(output(body, length), undefined)).rejects.toMatchObject({
				name: "UnusableResponse",
			});
		},
	);

	it("does not keep its connection if it is refused unread", async () => {
		const body = Readable.from([Buffer.from("the body")]);
		await expect(
			readBody(output(body, 8, "bytes 8-15/16"), { offset: 0, length: 8 }),
		).rejects.toThrow("another range");
		expect(body.destroyed).toBe(true);
	});
});
