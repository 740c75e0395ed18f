import { createHash } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { Readable } from "node:stream";
import { crc32 } from "node:zlib";
import { bufferFor } from "./buffer-for.ts";
import type { GetOptions, GetResult, ObjectInfo } from "./port.ts";
import type { S3Response } from "./s3-client.ts";
import { NO_MESSAGE } from "./s3-failure.ts";
import { parseXml, textOf } from "./s3-xml.ts";

/**
 * Reads S3's answers without trusting them. A proxy, a captive portal or a half-compatible store
 * can answer 200 with anything. A page without the marks of a listing is not an empty listing, and
 * a PUT is done only if nothing contradicts it.
 */

/** An answer that cannot be a valid one; a repeated request may succeed. */
export function unusable(what: string, name = "UnusableResponse"): Error {
	const error = new Error(what);
	error.name = name;
	return error;
}

/**
 * Bytes of a body that are written at once. In one piece, an upload over TLS shows no progress
 * until it is complete, so a slow one counts as idle, and it is encrypted as a whole in memory.
 */
const WRITE_BYTES = 64 * 1024;

/** The body in the form in which it is written. */
export function inPieces(body: Buffer): Buffer | Readable {
	if (body.length <= WRITE_BYTES) return body;
	return Readable.from(slices(body), { objectMode: false, highWaterMark: WRITE_BYTES });
}

function* slices(body: Buffer): Generator<Buffer> {
	for (let at = 0; at < body.length; at += WRITE_BYTES) yield body.subarray(at, at + WRITE_BYTES);
}

/** An error document of S3 has a few hundred bytes, a proxy's page some thousands. */
const MAX_ERROR_BYTES = 64 * 1024;

/** A successful PUT has no body. With an error document in it, it was not carried out. */
export async function requireEmpty({ body }: S3Response, status: number): Promise<void> {
	const text = await readText(body, MAX_ERROR_BYTES);
	if (text === "") return;
	throw unusable(`a ${status} with a body`, /<Code>(\w{1,64})<\/Code>/.exec(text)?.[1]);
}

/** The error that an answer other than 2xx reports, with S3's own code as its name. */
export async function refused(response: IncomingMessage): Promise<Error> {
	// One that breaks off says no more than its status.
	const text = await readText(response, MAX_ERROR_BYTES).catch(() => "");
	const root = parseXml(text);
	const document = root?.children.find(({ name }) => name === "Error") ?? root;
	const code = document?.name === "Error" ? textOf(document, "Code") : undefined;
	const message = code && document && textOf(document, "Message");
	return Object.assign(unusable(message || NO_MESSAGE, code || "UnknownError"), {
		requestId: response.headers["x-amz-request-id"],
	});
}

/** The first bytes of a body; the rest is not read. */
async function readText(body: Readable, limitBytes: number): Promise<string> {
	const chunks: Buffer[] = [];
	let sizeBytes = 0;
	for await (const chunk of body) {
		chunks.push(chunk);
		sizeBytes += chunk.length;
		// Leaving the loop destroys the stream.
		if (sizeBytes > limitBytes) break;
	}
	return Buffer.concat(chunks).toString("utf8");
}

export interface S3Listing {
	readonly objects: ObjectInfo[];
	/** The next page's token. */
	readonly next: string | undefined;
}

/**
 * One page; its keys are complete, its order is not checked.
 * @param isEncoded keys were requested in the encoding of URLs
 */
export async function readPage(
	{ body }: S3Response,
	prefix: string,
	isEncoded = false,
): Promise<S3Listing> {
	const root = parseXml(await readText(body, Number.POSITIVE_INFINITY));
	const truncated = root && textOf(root, "IsTruncated");
	if (
		root?.name !== "ListBucketResult" ||
		!textOf(root, "Name") ||
		(truncated !== "true" && truncated !== "false")
	)
		throw unusable("a 200 that is not a listing");
	const next = truncated === "true" ? textOf(root, "NextContinuationToken") : undefined;
	if (truncated === "true" && !next) throw unusable("a listing that is cut off");
	// A server may ignore the request for an encoding.
	const decode =
		isEncoded && textOf(root, "EncodingType") === "url" ? decoded : (key: string) => key;
	const objects: ObjectInfo[] = [];
	for (const element of root.children) {
		if (element.name !== "Contents") continue;
		const key = textOf(element, "Key");
		const sizeBytes = wholeNumber(textOf(element, "Size"));
		const lastModifiedMs = Date.parse(textOf(element, "LastModified") ?? "");
		if (key === undefined || sizeBytes === undefined || Number.isNaN(lastModifiedMs))
			throw unusable("a listing that lacks keys, sizes or times");
		const plain = decode(key);
		if (!plain.startsWith(prefix)) throw unusable("a listing of another prefix");
		const etag = textOf(element, "ETag") || undefined;
		objects.push({ key: plain, sizeBytes, lastModifiedMs, etag });
	}
	return { objects, next };
}

/** The encoding is that of a form, so `+` is a space. */
function decoded(key: string): string {
	try {
		return decodeURIComponent(key.replaceAll("+", " "));
	} catch {
		throw unusable("a listing whose keys are not encoded as it says");
	}
}

/** What the head of an answer says about an object. */
export function aboutObject(headers: IncomingMessage["headers"]): {
	readonly sizeBytes: number | undefined;
	readonly lastModifiedMs: number | undefined;
} {
	const lastModifiedMs = Date.parse(headers["last-modified"] ?? "");
	return {
		sizeBytes: wholeNumber(headers["content-length"]),
		lastModifiedMs: Number.isNaN(lastModifiedMs) ? undefined : lastModifiedMs,
	};
}

function wholeNumber(text: string | undefined): number | undefined {
	return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** Checksums that Node can compute. Every object of the log is verified by SHA-256 as well. */
const CHECKSUMS: readonly (readonly [string, () => Sum])[] = [
	["x-amz-checksum-crc32", crcSum],
	["x-amz-checksum-sha256", () => createHash("sha256")],
	["x-amz-checksum-sha1", () => createHash("sha1")],
];

interface Sum {
	update(data: Buffer): unknown;
	digest(encoding: "base64"): string;
}

function crcSum(): Sum {
	let sum = 0;
	return {
		update: (data) => {
			sum = crc32(data, sum);
		},
		digest: (encoding) => {
			const bytes = Buffer.alloc(4);
			bytes.writeUInt32BE(sum);
			return bytes.toString(encoding);
		},
	};
}

/** The body's CRC-32 as a header has it. */
export function crc32Header(body: Buffer): string {
	const sum = crcSum();
	sum.update(body);
	return sum.digest("base64");
}

/** The body, which fails at its end if it contradicts the checksum that came with it. */
export function checkedBody(response: IncomingMessage): Readable {
	const [name, make] = CHECKSUMS.find(([header]) => header in response.headers) ?? [];
	const announced = name && response.headers[name];
	// One of an object that was uploaded in parts is a checksum of checksums.
	if (make === undefined || typeof announced !== "string" || announced.includes("-"))
		return response;
	const sum = make();
	const checked = Readable.from(
		(async function* checked() {
			for await (const chunk of response as AsyncIterable<Buffer>) {
				sum.update(chunk);
				yield chunk;
			}
			if (sum.digest("base64") !== announced) throw unusable(`a body that contradicts its ${name}`);
		})(),
		{ objectMode: false },
	);
	// A generator that never started closes nothing.
	return checked.once("close", () => response.destroy());
}

/** Reads a GET's body into one buffer of the announced size. */
export async function readBody(
	{ headers, body: stream }: S3Response,
	range: GetOptions["range"],
	into?: Buffer,
): Promise<GetResult> {
	try {
		const { sizeBytes: length, lastModifiedMs } = aboutObject(headers);
		if (length === undefined || lastModifiedMs === undefined)
			throw unusable("a GET without a size or a time");
		const sent = parseContentRange(headers["content-range"]);
		if (sent !== undefined && (sent.first !== range?.offset || length > range.length))
			throw unusable("another range than asked for");
		const body = await collect(stream, bufferFor(length, into));
		if (sent !== undefined) return { body, totalBytes: sent.totalBytes, lastModifiedMs };
		// RFC 9110 lets a server ignore a range and send the whole object.
		const wanted =
			range === undefined ? body : body.subarray(range.offset, range.offset + range.length);
		return { body: wanted, totalBytes: length, lastModifiedMs };
	} finally {
		// An unread body would block its connection.
		stream.destroy();
	}
}

/** `bytes 5-9/100`; `undefined` if the server sent no range. */
function parseContentRange(
	header: string | undefined,
): { first: number; totalBytes: number } | undefined {
	if (header === undefined) return undefined;
	const match = /^bytes (\d+)-\d+\/(\d+)$/.exec(header);
	if (match === null) throw unusable("a Content-Range without a size");
	return { first: Number(match[1]), totalBytes: Number(match[2]) };
}

async function collect(stream: Readable, body: Buffer): Promise<Buffer> {
	const { length } = body;
	let filled = 0;
	for await (const chunk of stream as AsyncIterable<Buffer>) {
		if (filled + chunk.length > length) throw unusable("a body longer than announced");
		filled += chunk.copy(body, filled);
	}
	if (filled < length) throw unusable("a body that ends early");
	return body;
}
