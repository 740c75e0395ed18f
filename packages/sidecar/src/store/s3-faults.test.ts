import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer, type Server } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { inspect } from "node:util";
import { afterEach, describe, expect, it, vi } from "vitest";
import {
	type Answer,
	answer,
	cutOff,
	errorDocument,
	type FaultServer,
	reset,
	s3Error,
	silence,
	startFaultServer,
} from "../../../testkit/store/fault-server.ts";
import type { ListOptions, ListPage } from "./port.ts";
import { S3Store, type S3StoreOptions } from "./s3.ts";

/** How the store handles each way in which S3, or a server in its place, can fail. */

const undo: (() => unknown)[] = [];
afterEach(async () => {
	for (const step of undo.splice(0).reverse()) await step();
});

const SECRETS = {
	accessKeyId: "ASIATESTTESTTESTTEST",
	secretAccessKey: "the-secret-key",
	sessionToken: "the-session-token",
};
const MODIFIED = "Wed, 21 Oct 2015 07:28:00 GMT";
const OBJECT = { "last-modified": MODIFIED, etag: '"e"' };

async function open(endpoint: string, options: Partial<S3StoreOptions> = {}): Promise<S3Store> {
	const store = await S3Store.open({
		bucket: "bucket",
		prefix: "pre",
		endpoint,
		region: "eu-west-1",
		credentials: SECRETS,
		backoffMs: [1, 1],
		...options,
	});
	undo.push(() => store.close());
	return store;
}

async function facing(
	...answers: [Answer, ...Answer[]]
): Promise<{ store: S3Store; server: FaultServer }> {
	return await facingWith({}, ...answers);
}

async function facingWith(
	options: Partial<S3StoreOptions>,
	...answers: [Answer, ...Answer[]]
): Promise<{ store: S3Store; server: FaultServer }> {
	const server = await startFaultServer(...answers);
	undo.push(() => server.stop());
	return { store: await open(server.endpoint, options), server };
}

/** For answers that stop; long enough for a busy machine to answer. */
const IMPATIENT = { timeouts: { idleMs: 400, bulkIdleMs: 400 } };

async function pagesOf(
	store: S3Store,
	options?: ListOptions,
	prefix = "log/",
): Promise<ListPage[]> {
	const pages: ListPage[] = [];
	for await (const page of store.list(prefix, options)) pages.push(page);
	return pages;
}

const BODY = Buffer.from("the body");
const created = answer(200, { etag: '"e"' });

describe("DELETE", () => {
	it("is repeated, succeeds if the object is missing, and does nothing else", async () => {
		const { store, server } = await facing(reset, s3Error(503, "SlowDown"), answer(204, {}));
		await store.delete("log/1");
		expect(server.requests.map(({ method, url }) => [method, url?.split("?")[0]])).toEqual(
			Array(3).fill(["DELETE", "/bucket/pre/log/1"]),
		);
		const absent = await facing(s3Error(404, "NoSuchKey"));
		await absent.store.delete("log/1");
		expect(absent.server.requests).toHaveLength(1);
		const gone = await facing(s3Error(404, "NoSuchBucket"));
		await expect(gone.store.delete("log/1")).rejects.toMatchObject({
			code: "STORE_BUCKET_MISSING",
		});
		const down = await facing(
			s3Error(500, "InternalError"),
			s3Error(500, "InternalError"),
			s3Error(500, "InternalError"),
		);
		await expect(down.store.delete("log/1")).rejects.toMatchObject({ code: "STORE_UNREACHABLE" });
	});
});

describe("PUT", () => {
	it("is one request with everything that makes it create-only", async () => {
		const { store, server } = await facing(created);
		expect(await store.putIfAbsent("log/1", BODY)).toMatchObject({ kind: "created" });
		expect(server.requests).toMatchObject([
			{ method: "PUT", headers: { "if-none-match": "*", "content-length": "8" }, body: BODY },
		]);
		expect(server.requests[0]?.url).toMatch(/^\/bucket\/pre\/log\/1(\?|$)/);
		expect(server.requests[0]?.headers).toHaveProperty("x-amz-checksum-crc32");
	});

	it.each<[string, Answer]>([
		["412 with a document", s3Error(412, "PreconditionFailed")],
		["412 without", answer(412)],
	])("%s: exists", async (_, respond) => {
		const { store } = await facing(respond);
		expect(await store.putIfAbsent("log/1", BODY)).toEqual({ kind: "exists" });
		expect(store.requests.put).toBe(1);
	});

	it.each<[string, Answer]>([
		["409 ConditionalRequestConflict", s3Error(409, "ConditionalRequestConflict")],
		["408 RequestTimeout", s3Error(408, "RequestTimeout")],
		["429", answer(429)],
		["500 InternalError", s3Error(500, "InternalError")],
		[
			"502 with a page",
			answer(502, { "content-type": "text/html" }, "<html><body>Bad gateway</body></html>"),
		],
		["503 SlowDown", s3Error(503, "SlowDown")],
		["503 that names a denial", s3Error(503, "AccessDenied")],
		["504 without a body", answer(504)],
		["307 TemporaryRedirect", s3Error(307, "TemporaryRedirect")],
		["400 BadDigest", s3Error(400, "BadDigest")],
		["400 RequestTimeout", s3Error(400, "RequestTimeout")],
		["400 IncompleteBody", s3Error(400, "IncompleteBody")],
		["400 ThrottlingException", s3Error(400, "ThrottlingException")],
		["400 without a body", answer(400)],
		// @id s3-400-page-unknown
		[
			"400 with a page",
			answer(400, { "content-type": "text/html" }, "<html><body>Bad Request</body></html>"),
		],
		["409 OperationAborted", s3Error(409, "OperationAborted")],
		["500 KMS.InternalException", s3Error(500, "KMS.InternalException")],
		["404 of no bucket", s3Error(404, "NoSuchKey")],
		["404 with a page", answer(404, {}, "<html>Not found</html>")],
		["403 RequestTimeTooSkewed", s3Error(403, "RequestTimeTooSkewed")],
		["200 with an error", answer(200, { etag: '"e"' }, errorDocument("InternalError"))],
		[
			"200 with an error that names a denial",
			answer(200, { etag: '"e"' }, errorDocument("AccessDenied")),
		],
		[
			"200 with an error and a line feed",
			answer(200, { etag: '"e"' }, `${errorDocument("SlowDown")}\n`),
		],
		["200 with a page", answer(200, { etag: '"e"' }, "<html>Please log in</html>")],
		["200 without an ETag", answer(200)],
		["200 cut off", cutOff(200, { etag: '"e"' }, 100, reset)],
		["a reset", reset],
		["a closed connection", (_, { socket }) => socket.end()],
		["half a response's head", (_, { socket }) => socket.end("HTTP/1.1 200 OK\r\nETag:")],
		["something that is not HTTP", (_, { socket }) => socket.end("SSH-2.0-OpenSSH_9.9\r\n")],
	])("%s: unknown, and one request only", async (_, respond) => {
		const { store, server } = await facing(respond);
		expect(await store.putIfAbsent("log/1", BODY)).toEqual({
			kind: "unknown",
			cause: expect.any(Error),
		});
		expect(server.requests).toHaveLength(1);
		expect(store.requests).toEqual({ list: 0, get: 0, put: 1 });
	});

	it.each<[string, Answer, Buffer]>([
		["silence", silence, BODY],
		["silence after a large body", silence, Buffer.alloc(1_000_000)],
		["200 that never ends", cutOff(200, { etag: '"e"' }, 100, silence), BODY],
	])("%s: unknown after the timeout, and one request only", async (_, respond, body) => {
		const { store, server } = await facingWith(IMPATIENT, respond);
		expect(await store.putIfAbsent("log/1", body)).toEqual({
			kind: "unknown",
			cause: expect.objectContaining({ name: "TimeoutError" }),
		});
		expect(server.requests).toHaveLength(1);
	});

	it.each<[string, string, Answer]>([
		["403 AccessDenied", "STORE_ACCESS_DENIED", s3Error(403, "AccessDenied")],
		["403 without a body", "STORE_ACCESS_DENIED", answer(403)],
		["401", "STORE_ACCESS_DENIED", answer(401)],
		["403 InvalidAccessKeyId", "STORE_ACCESS_DENIED", s3Error(403, "InvalidAccessKeyId")],
		["403 SignatureDoesNotMatch", "STORE_ACCESS_DENIED", s3Error(403, "SignatureDoesNotMatch")],
		["400 ExpiredToken", "STORE_ACCESS_DENIED", s3Error(400, "ExpiredToken")],
		["404 NoSuchBucket", "STORE_BUCKET_MISSING", s3Error(404, "NoSuchBucket")],
		["501 NotImplemented", "STORE_UNSUPPORTED", s3Error(501, "NotImplemented")],
		[
			"400 about If-None-Match",
			"STORE_UNSUPPORTED",
			s3Error(400, "InvalidArgument", "If-None-Match is not supported"),
		],
	])("%s: %s", async (_, code, respond) => {
		const { store, server } = await facing(respond);
		await expect(store.putIfAbsent("log/1", BODY)).rejects.toMatchObject({
			name: "SidecarError",
			code,
		});
		expect(server.requests).toHaveLength(1);
	});

	it("is never treated as done if the answer comes before the body was sent", async () => {
		const server = createServer((socket) => {
			socket.on("error", () => {});
			socket.once("data", () =>
				socket.end(
					"HTTP/1.1 412 Precondition Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
				),
			);
		});
		const store = await open(await listening(server));
		const { kind } = await store.putIfAbsent("log/1", Buffer.alloc(16_000_000));
		expect(["exists", "unknown"]).toContain(kind);
	});

	it("is unknown with the caller's reason if the caller aborts", async () => {
		const controller = new AbortController();
		const { store } = await facing(() => controller.abort(new Error("the drain is over")));
		const outcome = await store.putIfAbsent("log/1", BODY, { signal: controller.signal });
		expect(outcome).toEqual({ kind: "unknown", cause: new Error("the drain is over") });
	});
});

describe("GET", () => {
	const found = answer(200, OBJECT, BODY);

	it("gives body, size and time", async () => {
		const { store } = await facing(found);
		expect(await store.get("packs/a")).toEqual({
			body: BODY,
			totalBytes: 8,
			lastModifiedMs: Date.parse(MODIFIED),
		});
	});

	it.each<[string, Answer]>([
		["500", s3Error(500, "InternalError")],
		["503 SlowDown", s3Error(503, "SlowDown")],
		["503 without a body", answer(503)],
		["408", answer(408)],
		["429", answer(429)],
		["403 RequestTimeTooSkewed", s3Error(403, "RequestTimeTooSkewed")],
		["400 RequestTimeout", s3Error(400, "RequestTimeout")],
		["a reset", reset],
		["a closed connection", (_, { socket }) => socket.end()],
		["something that is not HTTP", (_, { socket }) => socket.end("SSH-2.0-OpenSSH_9.9\r\n")],
		["a body that is cut off", cutOff(200, OBJECT, 100, reset)],
		["a body that is cut off politely", cutOff(200, OBJECT, 100, (_, { socket }) => socket.end())],
		["a body without a time", answer(200, {}, BODY)],
	])("%s: tried again, three times in all", async (_, respond) => {
		const { store: patient } = await facing(respond, respond, found);
		expect((await patient.get("packs/a")).body).toEqual(BODY);
		expect(patient.requests).toEqual({ list: 0, get: 3, put: 0 });

		const { store: unlucky, server } = await facing(respond, respond, respond, found);
		const failed = unlucky.get("packs/a");
		await expect(failed).rejects.toMatchObject({
			code: "STORE_UNREACHABLE",
			value: "s3://bucket/pre/packs/a",
			cause: expect.any(Error),
		});
		await expect(failed).rejects.toThrow(server.endpoint);
		await expect(failed).rejects.toThrow("3 attempts");
	});

	it.each<[string, Answer]>([
		["silence", silence],
		["a body that stops", cutOff(200, OBJECT, 100, silence)],
	])("%s: tried again after the timeout", async (_, respond) => {
		const { store } = await facingWith(IMPATIENT, respond, found);
		expect((await store.get("packs/a")).body).toEqual(BODY);
		expect(store.requests.get).toBe(2);
	});

	it.each<[string, string, Answer]>([
		["404 NoSuchKey", "OBJECT_NOT_FOUND", s3Error(404, "NoSuchKey")],
		["404 NoSuchBucket", "STORE_BUCKET_MISSING", s3Error(404, "NoSuchBucket")],
		["404 with a page", "STORE_UNREACHABLE", answer(404, {}, "<html>Not found</html>")],
		["403 AccessDenied", "STORE_ACCESS_DENIED", s3Error(403, "AccessDenied")],
		["403 without a body", "STORE_ACCESS_DENIED", answer(403)],
		["400 InvalidToken", "STORE_ACCESS_DENIED", s3Error(400, "InvalidToken")],
		["400 of another kind", "STORE_REFUSED", s3Error(400, "InvalidRequest")],
		[
			"400 with a page",
			"STORE_UNREACHABLE",
			answer(400, { "content-type": "text/html" }, "<html><body>Bad Request</body></html>"),
		],
		["403 InvalidObjectState", "STORE_REFUSED", s3Error(403, "InvalidObjectState")],
		["400 KMS.DisabledException", "STORE_REFUSED", s3Error(400, "KMS.DisabledException")],
		["405 MethodNotAllowed", "STORE_REFUSED", s3Error(405, "MethodNotAllowed")],
		["501 NotImplemented", "STORE_UNSUPPORTED", s3Error(501, "NotImplemented")],
		["301 PermanentRedirect", "STORE_REFUSED", s3Error(301, "PermanentRedirect")],
		["416 without a range", "STORE_UNREACHABLE", answer(416)],
	])("%s: %s, not tried again", async (_, code, respond) => {
		const { store } = await facing(respond);
		await expect(store.get("packs/a")).rejects.toMatchObject({ name: "SidecarError", code });
		expect(store.requests.get).toBe(1);
	});

	it.each([
		["301 PermanentRedirect", 301, "PermanentRedirect"],
		["400 AuthorizationHeaderMalformed", 400, "AuthorizationHeaderMalformed"],
	])("%s: names the region the bucket is in", async (_, status, code) => {
		const { store } = await facing(
			answer(status, { "x-amz-bucket-region": "ap-south-2" }, errorDocument(code)),
		);
		await expect(store.get("packs/a")).rejects.toThrow(
			`${status} ${code}: about ${code}; the bucket is in ap-south-2`,
		);
	});

	describe("of a range", () => {
		const range = { offset: 4, length: 2 };
		const part = (text: string, contentRange: string) =>
			answer(206, { ...OBJECT, "content-range": contentRange }, text);

		it("asks for it, and returns the size of the whole", async () => {
			const { store, server } = await facing(part("bo", "bytes 4-5/8"));
			expect(await store.get("packs/a", { range })).toMatchObject({
				body: Buffer.from("bo"),
				totalBytes: 8,
			});
			expect(server.requests[0]?.headers.range).toBe("bytes=4-5");
		});

		it("takes its part of the whole if a server ignores ranges", async () => {
			const { store } = await facing(found);
			expect(await store.get("packs/a", { range })).toMatchObject({
				body: Buffer.from("bo"),
				totalBytes: 8,
			});
		});

		it.each([
			["another one", part("th", "bytes 0-1/8")],
			["a longer one", part("body", "bytes 4-7/8")],
			["one of unknown size", part("bo", "bytes 4-5/*")],
		])("is not satisfied with %s", async (_, respond) => {
			const { store } = await facing(respond);
			await expect(store.get("packs/a", { range })).rejects.toMatchObject({
				code: "STORE_UNREACHABLE",
			});
			expect(store.requests.get).toBe(3);
		});

		it.each([
			["with", { "content-range": "bytes */8" }],
			["without", {}],
		])("past the end, 416 %s a size: no bytes, and the size from a HEAD", async (_, headers) => {
			const { store, server } = await facing(
				answer(416, headers, errorDocument("InvalidRange")),
				answer(200, { ...OBJECT, "content-length": "8" }),
			);
			const read = await store.get("packs/a", { range: { offset: 8, length: 5 } });
			expect(read).toEqual({
				body: Buffer.alloc(0),
				totalBytes: 8,
				lastModifiedMs: Date.parse(MODIFIED),
			});
			expect(server.requests.map(({ method }) => method)).toEqual(["GET", "HEAD"]);
			expect(store.requests.get).toBe(2);
		});

		it("does not accept a 416 for existing bytes", async () => {
			const { store } = await facing(
				answer(416),
				answer(200, { ...OBJECT, "content-length": "9" }),
			);
			await expect(store.get("packs/a", { range: { offset: 8, length: 5 } })).rejects.toMatchObject(
				{ code: "STORE_UNREACHABLE" },
			);
		});
	});

	it("may take longer than the timeout while bytes arrive", async () => {
		const { store } = await facingWith({ timeouts: { idleMs: 600 } }, async (response) => {
			response.writeHead(200, { ...OBJECT, "content-length": 8 });
			for (const byte of BODY) {
				await sleep(100);
				response.write(Buffer.of(byte));
			}
			response.end();
		});
		expect((await store.get("packs/a")).body).toEqual(BODY);
		expect(store.requests.get).toBe(1);
	});

	it("waits out a store that asks to slow down, for longer than a fault, and counts the two apart", async () => {
		const busy: Answer[] = [
			s3Error(503, "SlowDown"),
			answer(429),
			s3Error(400, "KMS.ThrottlingException"),
		];
		const patience = { backoffMs: [1], throttledMs: [1, 1, 1] };
		const { store } = await facingWith(patience, ...(busy as [Answer]), reset, found);
		expect((await store.get("packs/a")).body).toEqual(BODY);
		expect(store.requests.get).toBe(5);

		const { store: unlucky } = await facingWith(
			patience,
			...(busy as [Answer]),
			s3Error(503, "SlowDown"),
		);
		await expect(unlucky.get("packs/a")).rejects.toMatchObject({ code: "STORE_UNREACHABLE" });
		expect(unlucky.requests.get).toBe(4);

		const { store: broken } = await facingWith(patience, answer(503), answer(503), found);
		await expect(broken.get("packs/a")).rejects.toMatchObject({ code: "STORE_UNREACHABLE" });
		expect(broken.requests.get).toBe(2);
	});

	it("sends fewer at once after the store asked to slow down, and more again as it answers", async () => {
		let requests = 0;
		let inFlight = 0;
		let most = 0;
		const { store } = await facingWith(
			{ throttledMs: Array<number>(6).fill(1) },
			(response, request) => {
				if (++requests <= 6) return s3Error(503, "SlowDown")(response, request);
				most = Math.max(most, ++inFlight);
				return setImmediate(() => {
					inFlight--;
					found(response, request);
				});
			},
		);
		await store.get("packs/a");
		await Promise.all(Array.from({ length: 8 }, (_, index) => store.get(`packs/${index}`)));
		expect(requests).toBe(6 + 1 + 8);
		expect(most).toBeLessThanOrEqual(5);
	});

	it("ends during its pause when the caller aborts", async () => {
		const controller = new AbortController();
		const reason = new Error("enough");
		const { store } = await facingWith({ backoffMs: [3_600_000] }, (response, request) => {
			answer(503)(response, request);
			response.once("close", () => controller.abort(reason));
		});
		const failed = store.get("packs/a", { signal: controller.signal });
		await expect(failed).rejects.toMatchObject({ code: "STORE_UNREACHABLE", cause: reason });
		expect(store.requests.get).toBe(1);
	});
});

describe("LIST", () => {
	interface Listing {
		readonly keys?: readonly string[];
		readonly next?: string;
		readonly truncated?: boolean;
		readonly name?: string;
	}
	const document = ({
		keys = [],
		next,
		truncated = next !== undefined,
		name = "bucket",
	}: Listing) =>
		[
			'<?xml version="1.0" encoding="UTF-8"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">',
			`<Name>${name}</Name><IsTruncated>${truncated}</IsTruncated>`,
			next === undefined ? "" : `<NextContinuationToken>${next}</NextContinuationToken>`,
			...keys.map(
				(key) =>
					`<Contents><Key>${key}</Key><Size>5</Size><LastModified>2015-10-21T07:28:00.123Z</LastModified></Contents>`,
			),
			"</ListBucketResult>",
		].join("");
	const listing = (listed: Listing, headers: Record<string, string> = {}) =>
		answer(200, { "content-type": "application/xml", ...headers }, document(listed));

	it("follows the pages, and takes the time from the server", async () => {
		const date = { date: "Tue, 01 Feb 2022 00:00:00 GMT" };
		const { store, server } = await facing(
			listing({ keys: ["pre/log/1", "pre/log/2"], next: "token" }, date),
			listing({ next: "token2" }, date),
			listing({ keys: ["pre/log/3"] }, date),
		);
		const info = { sizeBytes: 5, lastModifiedMs: Date.parse("2015-10-21T07:28:00.123Z") };
		const storeTimeMs = Date.parse("2022-02-01T00:00:00Z");
		expect(await pagesOf(store, { startAfter: "log/0" })).toEqual([
			{ storeTimeMs, objects: ["log/1", "log/2"].map((key) => ({ key, ...info })) },
			{ storeTimeMs, objects: [] },
			{ storeTimeMs, objects: [{ key: "log/3", ...info }] },
		]);
		const queries = server.requests.map(
			({ url }) => new URLSearchParams(url.slice(url.indexOf("?"))),
		);
		expect(queries.map((query) => query.get("prefix"))).toEqual([
			"pre/log/",
			"pre/log/",
			"pre/log/",
		]);
		expect(queries.map((query) => query.get("start-after"))).toEqual(["pre/log/0", null, null]);
		expect(queries.map((query) => query.get("continuation-token"))).toEqual([
			null,
			"token",
			"token2",
		]);
		expect(store.requests.list).toBe(3);
	});

	it("uses this machine's clock if the server reports no time", async () => {
		const { store } = await facing((response, request) => {
			response.sendDate = false;
			listing({})(response, request);
		});
		const [page] = await pagesOf(store);
		expect(Math.abs((page?.storeTimeMs ?? 0) - Date.now())).toBeLessThan(60_000);
	});

	it("leaves out entries that are not objects of the store, and still fills the limit", async () => {
		const { store, server } = await facing(
			listing({ keys: ["pre/log/", "pre/log/a b"], next: "t" }),
			listing({ keys: ["pre/log/c"], next: "u" }),
			listing({ keys: ["pre/log/d"] }),
		);
		const pages = await pagesOf(store, { limit: 2 });
		expect(pages.flatMap(({ objects }) => objects.map(({ key }) => key))).toEqual([
			"log/c",
			"log/d",
		]);
		expect(server.requests.map(({ url }) => /max-keys=(\d+)/.exec(url)?.[1])).toEqual([
			"2",
			"1000",
			"1",
		]);
	});

	it.each<[string, Answer]>([
		[
			"a page of a portal",
			answer(
				200,
				{ "content-type": "text/html" },
				"<html><head><title>Logger in</title></head><body></body></html>",
			),
		],
		["nothing", answer(200)],
		["JSON", answer(200, {}, "{}")],
		["half a document", answer(200, {}, document({ keys: ["pre/log/1"] }).slice(0, 250))],
		["an error", answer(200, {}, errorDocument("InternalError"))],
		["a listing that names no bucket", listing({ name: "" })],
		[
			"a truncated listing without a continuation",
			listing({ keys: ["pre/log/1"], truncated: true }),
		],
		["another prefix", listing({ keys: ["pre/other/1"] })],
		[
			"an object without a key",
			answer(200, {}, document({ keys: ["pre/log/1"] }).replace(/<Key>.*<\/Key>/, "")),
		],
		["500", s3Error(500, "InternalError")],
		["silence", silence],
	])("is never empty because of %s", async (_, respond) => {
		const { store } = await facingWith(IMPATIENT, respond);
		await expect(pagesOf(store)).rejects.toMatchObject({
			name: "SidecarError",
			code: "STORE_UNREACHABLE",
		});
		expect(store.requests.list).toBe(3);
	});

	it.each<[string, string, Answer]>([
		["403", "STORE_ACCESS_DENIED", s3Error(403, "AccessDenied")],
		["404 NoSuchBucket", "STORE_BUCKET_MISSING", s3Error(404, "NoSuchBucket")],
		["404 of something else", "STORE_UNREACHABLE", answer(404)],
		["a listing out of order", "STORE_UNSUPPORTED", listing({ keys: ["pre/log/2", "pre/log/1"] })],
		["a key twice", "STORE_UNSUPPORTED", listing({ keys: ["pre/log/1", "pre/log/1"] })],
	])("is never empty because of %s: %s", async (_, code, respond) => {
		const { store } = await facing(respond);
		await expect(pagesOf(store)).rejects.toMatchObject({ name: "SidecarError", code });
		expect(store.requests.list).toBe(1);
	});

	it("does not loop over repeated pages", async () => {
		const { store } = await facing(listing({ keys: ["pre/log/1"], next: "again" }));
		await expect(pagesOf(store)).rejects.toMatchObject({ code: "STORE_UNSUPPORTED" });
		expect(store.requests.list).toBe(2);
	});

	it("fails on its second page as on its first", async () => {
		const { store } = await facing(listing({ keys: ["pre/log/1"], next: "token" }), answer(503));
		await expect(pagesOf(store)).rejects.toMatchObject({ code: "STORE_UNREACHABLE" });
		expect(store.requests.list).toBe(4);
	});
});

describe("connections", () => {
	it("are kept and reused", async () => {
		const { store, server } = await facing(answer(200, OBJECT, BODY));
		for (let index = 0; index < 5; index++) await store.get("packs/a");
		expect(server.connections()).toBe(1);
	});

	// @id s3-dead-connections
	it("are all dropped if one was dead: a machine that was frozen has only dead ones", async () => {
		let held: (() => void)[] = [];
		const dead = new Set<unknown>();
		const { store, server } = await facing((response, request) => {
			if (dead.has(request.socket)) {
				reset(response, request);
				return;
			}
			held.push(() => answer(200, OBJECT, BODY)(response, request));
			// Answers only after all 10 arrived, so that there are 10 connections.
			if (held.length === 10 || dead.size > 0) for (const go of held.splice(0)) go();
		});
		await Promise.all(Array.from({ length: 10 }, () => store.get("packs/a")));
		for (const { socket } of server.requests) dead.add(socket);
		expect(dead.size).toBe(10);
		held = [];
		await store.get("packs/a");
		expect(store.requests.get).toBe(12);
		expect(server.connections()).toBe(11);
	});

	it("number 64 at most, and waiting for one is not a failure to connect", async () => {
		let now = 0;
		let most = 0;
		const { store } = await facingWith(
			{ timeouts: { connectMs: 300 } },
			async (response, request) => {
				most = Math.max(most, ++now);
				await sleep(100);
				now--;
				answer(200, OBJECT, BODY)(response, request);
			},
		);
		await Promise.all(Array.from({ length: 64 * 5 }, () => store.get("packs/a")));
		expect(store.requests.get).toBe(64 * 5);
		expect(most).toBe(64);
	});

	it("that nothing accepts: STORE_UNREACHABLE after the time to connect", async () => {
		// A stopped process with a full queue: Linux drops every further SYN, like a firewall.
		const script = `require("node:net").createServer().listen({ port: 0, host: "127.0.0.1", backlog: 1 }, function () { console.log(this.address().port); });`;
		const listener = spawn(process.execPath, ["-e", script], {
			stdio: ["ignore", "pipe", "inherit"],
		});
		undo.push(() => listener.kill("SIGKILL"));
		const port = Number(await once(listener.stdout, "data"));
		listener.kill("SIGSTOP");
		const waiting = Array.from({ length: 10 }, () =>
			connect(port, "127.0.0.1").on("error", () => {}),
		);
		undo.push(() => waiting.forEach((socket) => void socket.destroy()));
		await Promise.all(waiting.slice(0, 2).map((socket) => once(socket, "connect")));
		const store = await open(`http://127.0.0.1:${port}`, { timeouts: { connectMs: 100 } });
		await expect(store.get("packs/a")).rejects.toMatchObject({
			code: "STORE_UNREACHABLE",
			message: expect.stringContaining("TimeoutError"),
		});
		expect(await store.putIfAbsent("log/1", BODY)).toEqual({
			kind: "unknown",
			cause: expect.objectContaining({ name: "TimeoutError" }),
		});
	});

	it("go to the bucket's own host when told to", async () => {
		const endpoint = "http://localhost:9";
		const store = await open(endpoint, { forcePathStyle: false, backoffMs: [] });
		// Whether or not the name resolves here, the error names it.
		await expect(store.get("packs/a")).rejects.toThrow(
			endpoint.replace("localhost", "bucket.localhost"),
		);
	});

	it("that are refused: STORE_UNREACHABLE with the endpoint and ECONNREFUSED", async () => {
		const server = createServer();
		const endpoint = await listening(server);
		await new Promise((resolve) => server.close(resolve));
		const store = await open(endpoint);
		await expect(store.get("packs/a")).rejects.toMatchObject({
			code: "STORE_UNREACHABLE",
			message: expect.stringContaining("ECONNREFUSED"),
		});
		await expect(pagesOf(store)).rejects.toThrow(endpoint);
		expect(await store.putIfAbsent("log/1", BODY)).toEqual({
			kind: "unknown",
			cause: expect.objectContaining({ code: "ECONNREFUSED" }),
		});
	});
});

describe("a wrong clock", () => {
	// @id s3-clock-corrected
	it("is corrected by the answer that complains of it", async () => {
		const date = new Date(Date.now() + 3 * 3_600_000);
		const { store, server } = await facing(
			answer(403, { date: date.toUTCString() }, errorDocument("RequestTimeTooSkewed")),
			answer(200, { date: date.toUTCString(), etag: '"e"' }),
		);
		expect(await store.putIfAbsent("log/1", BODY)).toMatchObject({ kind: "unknown" });
		expect(await store.putIfAbsent("log/1", BODY)).toMatchObject({ kind: "created" });
		const signedHours = server.requests.map(({ headers }) =>
			String(headers["x-amz-date"]).slice(0, 11),
		);
		expect(signedHours[1]).toBe(date.toISOString().replace(/[-:]/g, "").slice(0, 11));
		expect(signedHours[0]).not.toBe(signedHours[1]);
	});
});

describe("secrets", () => {
	const tell = (more: string) =>
		s3Error(403, "SignatureDoesNotMatch", `The key ${SECRETS.accessKeyId} is wrong`, more);

	it.each(["putIfAbsent", "get", "list"] as const)(
		"are in no error of %s, although the server returns them all",
		async (verb) => {
			const { store, server } = await facing((response, request) => {
				const { authorization } = request.headers;
				const signed = `x-amz-security-token:${request.headers["x-amz-security-token"]} ${authorization}`;
				tell(
					`<AWSAccessKeyId>${SECRETS.accessKeyId}</AWSAccessKeyId><CanonicalRequest>${signed}</CanonicalRequest>`,
				)(response, request);
			});
			const call = {
				putIfAbsent: () => store.putIfAbsent("log/1", BODY),
				get: () => store.get("log/1"),
				list: () => pagesOf(store),
			}[verb];
			const error = await call().then(
				() => undefined,
				(thrown: unknown) => thrown,
			);
			expect(error).toMatchObject({ code: "STORE_ACCESS_DENIED" });
			const shown =
				inspect(error, { depth: Number.POSITIVE_INFINITY, showHidden: true }) +
				JSON.stringify(error);
			const signature = /Signature=([0-9a-f]{64})/.exec(
				String(server.requests[0]?.headers.authorization),
			)?.[1];
			expect(signature).toBeDefined();
			for (const secret of [...Object.values(SECRETS), signature as string])
				expect(shown).not.toContain(secret);
			expect(shown).toContain("SignatureDoesNotMatch");
		},
	);

	it("are in no cause of an unknown PUT", async () => {
		const { store } = await facing(
			s3Error(
				500,
				"InternalError",
				`for ${SECRETS.accessKeyId}`,
				`<Token>${SECRETS.sessionToken}</Token>`,
			),
		);
		const shown = inspect(await store.putIfAbsent("log/1", BODY), {
			depth: Number.POSITIVE_INFINITY,
			showHidden: true,
		});
		expect(shown).toContain("InternalError");
		for (const secret of Object.values(SECRETS)) expect(shown).not.toContain(secret);
	});

	it("that cannot be found: STORE_ACCESS_DENIED with a remedy, and nothing is sent", async () => {
		for (const name of Object.keys(process.env).filter((key) => key.startsWith("AWS_")))
			vi.stubEnv(name, undefined);
		vi.stubEnv("HOME", "/nonexistent");
		vi.stubEnv("AWS_EC2_METADATA_DISABLED", "true");
		undo.push(() => vi.unstubAllEnvs());
		const server = await startFaultServer(created);
		undo.push(() => server.stop());
		const store = await S3Store.open({
			bucket: "bucket",
			endpoint: server.endpoint,
			region: "eu-west-1",
		});
		const denied = { code: "STORE_ACCESS_DENIED", remedy: expect.stringContaining("AWS_PROFILE") };
		await expect(store.putIfAbsent("log/1", BODY)).rejects.toMatchObject(denied);
		await expect(store.get("log/1")).rejects.toMatchObject(denied);
		await expect(pagesOf(store)).rejects.toMatchObject(denied);
		expect(server.requests).toEqual([]);
		expect(store.requests).toEqual({ list: 0, get: 0, put: 0 });
	});
});

async function listening(server: Server): Promise<string> {
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	undo.push(() => server.listening && server.close());
	const address = server.address();
	return `http://127.0.0.1:${typeof address === "object" ? address?.port : ""}`;
}
