import { Readable } from "node:stream";
import { describe, expect, it } from "vitest";
import type { Wire } from "./s3-failure.ts";
import { observeRequest } from "./s3-wire.ts";

describe("a request's body", () => {
	const wire = (): Wire => ({ method: "put", sent: 0 });

	it.each([65_537, 200_000, 16 * 1024 * 1024])("of %i bytes is written in pieces, so that progress shows", async (sizeBytes) => {
		const body = Buffer.alloc(sizeBytes, "0123456789abcdef!");
		const sent = observeRequest(wire(), { body }) as { body: Readable };
		expect(sent.body).toBeInstanceOf(Readable);
		const pieces: Buffer[] = [];
		for await (const piece of sent.body) pieces.push(piece);
		expect(Math.max(...pieces.map(({ length }) => length))).toBe(65_536);
		expect(Buffer.concat(pieces).equals(body)).toBe(true);
	});

	it("is sent as it is when it is small", () => {
		const request = { body: Buffer.alloc(65_536) };
		expect(observeRequest(wire(), request)).toBe(request);
	});
});
