import { Readable } from "node:stream";
import type { GetObjectCommandOutput, ListObjectsV2CommandOutput } from "@aws-sdk/client-s3";
import { bufferFor } from "./buffer-for.ts";
import type { GetOptions, GetResult, ObjectInfo } from "./port.ts";
import type { Wire } from "./s3-failure.ts";

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

/** A PUT's answer has no body except an error document of a few hundred bytes. */
const MAX_PUT_BODY_BYTES = 64 * 1024;

/**
 * Bytes of a body that are written at once. In one piece, an upload over TLS shows no progress
 * until it is complete, so a slow one counts as idle, and it is encrypted as a whole in memory.
 */
const WRITE_BYTES = 64 * 1024;

/** @returns the signed request in the form to be sent */
export function observeRequest(wire: Wire, request: unknown): object {
	const signed = request as {
		method?: string;
		protocol?: string;
		hostname?: string;
		port?: number;
		body?: unknown;
	};
	wire.sent++;
	wire.verb = signed.method ?? "";
	wire.endpoint = `${signed.protocol}//${signed.hostname}${signed.port === undefined ? "" : `:${signed.port}`}`;
	if (!Buffer.isBuffer(signed.body) || signed.body.length <= WRITE_BYTES) return signed;
	return {
		...signed,
		body: Readable.from(slices(signed.body), { objectMode: false, highWaterMark: WRITE_BYTES }),
	};
}

function* slices(body: Buffer): Generator<Buffer> {
	for (let at = 0; at < body.length; at += WRITE_BYTES) yield body.subarray(at, at + WRITE_BYTES);
}

/**
 * Records what later layers lose, and inspects the body of a successful PUT: the SDK sees an error
 * document there only if its very last bytes are `</Error>`.
 */
export async function observeResponse(wire: Wire, response: unknown): Promise<void> {
	const seen = response as {
		statusCode: number;
		headers: Record<string, string | undefined>;
		body?: Readable | Uint8Array;
	};
	wire.status = seen.statusCode;
	const dateMs = Date.parse(seen.headers.date ?? "");
	if (!Number.isNaN(dateMs)) wire.dateMs = dateMs;
	const region = seen.headers["x-amz-bucket-region"];
	if (region !== undefined) wire.bucketRegion = region;
	if (wire.method !== "put" || wire.status < 200 || wire.status > 299) return;
	const body = await collectAtMost(seen.body, MAX_PUT_BODY_BYTES);
	if (body.length > 0)
		throw unusable(
			`a ${wire.status} with a body`,
			/<Code>(\w{1,64})<\/Code>/.exec(body.toString("utf8"))?.[1],
		);
	seen.body = body;
}

async function collectAtMost(
	body: Readable | Uint8Array | undefined,
	limitBytes: number,
): Promise<Buffer> {
	const chunks: Uint8Array[] = [];
	let sizeBytes = 0;
	for await (const chunk of body instanceof Uint8Array || body === undefined
		? [body ?? Buffer.alloc(0)]
		: body) {
		chunks.push(chunk);
		sizeBytes += chunk.length;
		// Leaving the loop destroys the stream.
		if (sizeBytes > limitBytes) break;
	}
	return Buffer.concat(chunks);
}

/** One page; its keys are complete, its order is not checked. */
export function parsePage(
	output: ListObjectsV2CommandOutput,
	prefix: string,
): { objects: ObjectInfo[]; next: string | undefined } {
	if (!output.Name || output.IsTruncated === undefined)
		throw unusable("a 200 that is not a listing");
	if (output.IsTruncated && !output.NextContinuationToken)
		throw unusable("a listing that is cut off");
	const objects = (output.Contents ?? []).map(
		({ Key: key, Size: sizeBytes, LastModified: lastModified, ETag: etag }) => {
			if (key === undefined || sizeBytes === undefined || lastModified === undefined)
				throw unusable("a listing that lacks keys, sizes or times");
			if (!key.startsWith(prefix)) throw unusable("a listing of another prefix");
			return { key, sizeBytes, lastModifiedMs: lastModified.getTime(), etag: etag || undefined };
		},
	);
	return { objects, next: output.IsTruncated ? output.NextContinuationToken : undefined };
}

/** Reads a GET's body into one buffer of the announced size. */
export async function readBody(
	output: GetObjectCommandOutput,
	range: GetOptions["range"],
	into?: Buffer,
): Promise<GetResult> {
	const stream = output.Body as Readable;
	try {
		const { ContentLength: length, LastModified: lastModified } = output;
		if (length === undefined || lastModified === undefined)
			throw unusable("a GET without a size or a time");
		const sent = parseContentRange(output.ContentRange);
		if (sent !== undefined && (sent.first !== range?.offset || length > range.length))
			throw unusable("another range than asked for");
		const body = await collect(stream, bufferFor(length, into));
		const lastModifiedMs = lastModified.getTime();
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
