import { Readable } from "node:stream";
import { afterEach, describe, expect, it } from "vitest";
import {
	type Answer,
	answer,
	cutOff,
	reset,
	s3Error,
	startFaultServer,
} from "../../../testkit/store/fault-server.ts";
import { plainBucket } from "../../../testkit/store/plain-bucket.ts";
import { makeRestrictedUser, s3TestServer } from "../../../testkit/store/s3-server.ts";
import { openPlace, openSink, parsePlace } from "./place.ts";
import type { PlainObject, PlainObjects } from "./plain.ts";
import { S3Store } from "./s3.ts";

const cleanups: (() => Promise<void>)[] = [];
afterEach(async () => {
	for (const cleanup of cleanups.splice(0)) await cleanup();
});

/** A store with a scripted server, without pauses between attempts. */
async function plainOf(
	...answers: readonly [Answer, ...Answer[]]
): Promise<{ objects: PlainObjects; requests: readonly { url: string; headers: object }[] }> {
	const server = await startFaultServer(...answers);
	const store = await S3Store.open({
		bucket: "bucket",
		endpoint: server.endpoint,
		region: "us-east-1",
		credentials: { accessKeyId: "a", secretAccessKey: "b" },
		backoffMs: [0, 0],
	});
	cleanups.push(async () => {
		await store.close();
		await server.stop();
	});
	const place = store.plain("p/");
	if (place.kind !== "objects") throw new Error("objects were expected");
	return { objects: place.objects, requests: server.requests };
}

const page = (keys: readonly string[], more: { next?: string; encoding?: string } = {}) =>
	answer(
		200,
		{ "content-type": "application/xml" },
		`<ListBucketResult><Name>bucket</Name>${more.encoding === undefined ? "" : `<EncodingType>${more.encoding}</EncodingType>`}<IsTruncated>${
			more.next !== undefined
		}</IsTruncated>${more.next === undefined ? "" : `<NextContinuationToken>${more.next}</NextContinuationToken>`}${keys
			.map(
				(key) =>
					`<Contents><Key>${key}</Key><Size>3</Size><ETag>&quot;e&quot;</ETag><LastModified>2026-01-01T00:00:00.000Z</LastModified></Contents>`,
			)
			.join("")}</ListBucketResult>`,
	);

const listed: PlainObject = { key: "k", sizeBytes: 3, lastModifiedMs: 0, etag: '"e"' };
const body = (text: string, headers: Record<string, string> = {}) =>
	answer(200, { "last-modified": "Thu, 01 Jan 2026 00:00:00 GMT", etag: '"e"', ...headers }, text);

async function allOf(objects: PlainObjects): Promise<string[]> {
	const keys: string[] = [];
	for await (const objectsOfPage of objects.list())
		keys.push(...objectsOfPage.map(({ key }) => key));
	return keys;
}

describe("a listing", () => {
	it("continues to its last page, and its keys are decoded", async () => {
		const { objects, requests } = await plainOf(
			page(["p/", "p/a%2Bb+c", "p/..%2F%0A"], { next: "t", encoding: "url" }),
			page(["p/%C3%A9"], { encoding: "url" }),
		);
		expect(await allOf(objects)).toEqual(["", "a+b c", "../\n", "é"]);
		expect(requests.map(({ url }) => /continuation-token=t/.test(url))).toEqual([false, true]);
		expect(requests[0]?.url).toMatch(/encoding-type=url/);
	});

	it("is used unchanged if the server encodes nothing", async () => {
		const { objects } = await plainOf(page(["p/a+b%41"]));
		expect(await allOf(objects)).toEqual(["a+b%41"]);
	});

	it.each([
		[
			"that fails on its second page",
			[page(["p/a"], { next: "t" }), s3Error(500, "InternalError")],
			"STORE_UNREACHABLE",
		],
		[
			"that is denied on its second page",
			[page(["p/a"], { next: "t" }), s3Error(403, "AccessDenied")],
			"STORE_ACCESS_DENIED",
		],
		["that is cut off", [page(["p/a"], { next: "" })], "STORE_UNREACHABLE"],
		["of another place", [page(["q/a"])], "STORE_UNREACHABLE"],
		["that is no listing", [answer(200, {}, "<html>welcome</html>")], "STORE_UNREACHABLE"],
		[
			"whose keys are not encoded as it says",
			[page(["p/%zz"], { encoding: "url" })],
			"STORE_UNREACHABLE",
		],
	] as const)("%s is an error, never a short one", async (_, answers, code) => {
		const { objects } = await plainOf(...(answers as unknown as [Answer]));
		await expect(allOf(objects)).rejects.toMatchObject({ code });
	});
});

describe("an object", () => {
	it("is requested as it was listed, whole or in part", async () => {
		const { objects, requests } = await plainOf(
			body("abc", { "x-amz-meta-mode": "100644" }),
			answer(
				206,
				{ "last-modified": "Thu, 01 Jan 2026 00:00:00 GMT", "content-range": "bytes 1-2/3" },
				"bc",
			),
		);
		expect(await objects.get(listed)).toEqual({
			body: Buffer.from("abc"),
			metadata: { mode: "100644" },
		});
		expect((await objects.get(listed, { range: { offset: 1, length: 2 } })).body.toString()).toBe(
			"bc",
		);
		expect(requests.map(({ headers }) => headers)).toMatchObject([
			{ "if-match": '"e"' },
			{ "if-match": '"e"', range: "bytes=1-2" },
		]);
	});

	it.each([
		["replaced since (412)", [s3Error(412, "PreconditionFailed")], "SOURCE_CHANGED"],
		["gone since", [s3Error(404, "NoSuchKey")], "SOURCE_CHANGED"],
		["longer than listed", [body("abcd")], "SOURCE_CHANGED"],
		["behind a 404 that S3 did not send", [answer(404)], "STORE_UNREACHABLE"],
		["that may not be read", [s3Error(403, "AccessDenied")], "STORE_ACCESS_DENIED"],
		["that the store cannot give now", [s3Error(503, "SlowDown")], "STORE_UNREACHABLE"],
		[
			"whose body always ends early",
			[cutOff(200, { "last-modified": "Thu, 01 Jan 2026 00:00:00 GMT" }, 3, reset)],
			"STORE_UNREACHABLE",
		],
	] as const)("%s is an error", async (_, answers, code) => {
		const { objects } = await plainOf(...(answers as unknown as [Answer]));
		await expect(objects.get(listed)).rejects.toMatchObject({ code });
	});

	it("is read again if that may help", async () => {
		const { objects, requests } = await plainOf(reset, s3Error(500, "InternalError"), body("abc"));
		expect((await objects.get(listed)).body.toString()).toBe("abc");
		expect(requests).toHaveLength(3);
	});
});

describe.skipIf(s3TestServer() === undefined)("with a real server", () => {
	const noise = (size: number) =>
		Buffer.from(
			Uint32Array.from({ length: size / 4 }, (_, index) => Math.imul(index, 2654435761)).buffer,
		);

	it("lists and reads what was written, whatever the key and the size", async () => {
		await using own = await plainBucket();
		const place = parsePlace(`s3://${own.bucket}/to/ü/`) as Parameters<typeof openSink>[0];
		const sink = await openSink(place, own.connection);
		const large = noise(20 * 1024 * 1024 + 4);
		const written = new Map([
			["a", Buffer.from("a")],
			["empty", Buffer.alloc(0)],
			["d/e é+%/new\nline\u0001&<", Buffer.from("odd")],
			["d/", Buffer.alloc(0)],
			["", Buffer.alloc(0)],
		]);
		for (const [key, bytes] of written)
			await sink.put(key, bytes, { sizeBytes: bytes.length, metadata: { mode: "100600" } });
		const parts = async function* () {
			for (let at = 0; at < large.length; at += 1_000_000) yield large.subarray(at, at + 1_000_000);
		};
		await sink.put("large", Readable.from(parts(), { objectMode: false }), {
			sizeBytes: large.length,
			metadata: { mtime: "1.5" },
		});
		written.set("large", large);

		const opened = await openPlace(place, own.connection);
		if (opened.place.kind !== "objects") throw new Error("objects were expected");
		const { objects } = opened.place;
		const found = new Map<string, Buffer>();
		for await (const objectsOfPage of objects.list()) {
			for (const object of objectsOfPage) {
				const { body: bytes, metadata } = await objects.get(object);
				found.set(object.key, bytes);
				expect(metadata).toEqual(object.key === "large" ? { mtime: "1.5" } : { mode: "100600" });
			}
		}
		expect([...found.keys()].sort()).toEqual([...written.keys()].sort());
		for (const [key, bytes] of written) expect(found.get(key)?.equals(bytes), key).toBe(true);
		await Promise.all([opened.close(), sink.close()]);
	});

	it("leaves no object and no upload behind if a stream fails", async () => {
		await using own = await plainBucket();
		const sink = await openSink(
			parsePlace(`s3://${own.bucket}/to/`) as Parameters<typeof openSink>[0],
			own.connection,
		);
		const failing = async function* () {
			yield noise(17 * 1024 * 1024);
			throw new Error("the source failed");
		};
		await expect(
			sink.put("large", Readable.from(failing(), { objectMode: false }), {
				sizeBytes: 30 * 1024 * 1024,
				metadata: {},
			}),
		).rejects.toThrow("the source failed");
		expect([...(await own.read()).keys()]).toEqual([]);
		expect(await own.openUploads()).toBe(0);
		await sink.close();
	});

	it("reports invalid keys, and keys that may not be written", async () => {
		await using own = await plainBucket();
		const place = parsePlace(`s3://${own.bucket}/to/`) as Parameters<typeof openSink>[0];
		const nobody = await makeRestrictedUser(
			JSON.stringify({
				Version: "2012-10-17",
				Statement: [{ Effect: "Deny", Action: "s3:PutObject", Resource: "arn:aws:s3:::*" }],
			}),
		);
		const sink = await openSink(place, { ...own.connection, credentials: async () => nobody });
		expect(sink.unfit("é".repeat(510))).toBe(undefined);
		expect(sink.unfit("é".repeat(511))).toMatch(/1025 bytes/);
		expect(sink.unfit("\udcff")).toMatch(/UTF-8/);
		await expect(
			sink.put("k", Buffer.from("1"), { sizeBytes: 1, metadata: {} }),
		).rejects.toMatchObject({ code: "STORE_ACCESS_DENIED" });
		await sink.close();
		const missing = await openSink({ ...place, bucket: "no-such-bucket-here" }, own.connection);
		await expect(
			missing.put("k", Buffer.from("1"), { sizeBytes: 1, metadata: {} }),
		).rejects.toMatchObject({
			code: "STORE_BUCKET_MISSING",
		});
		await missing.close();
	});
});
