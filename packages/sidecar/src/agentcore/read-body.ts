import type { IncomingMessage } from "node:http";
import { refuse } from "./http-refusal.ts";

/**
 * Reads a request's whole body as text; refuses it as soon as it is known to be too large.
 * @throws HttpRefusal 400, 413
 */
export async function readBody(request: IncomingMessage, limitBytes: number): Promise<string> {
	const declared = Number(request.headers["content-length"] ?? 0);
	if (declared > limitBytes) throw tooLarge(limitBytes);
	const parts: Buffer[] = [];
	let sizeBytes = 0;
	for await (const part of request as AsyncIterable<Buffer>) {
		sizeBytes += part.length;
		if (sizeBytes > limitBytes) throw tooLarge(limitBytes);
		parts.push(part);
	}
	try {
		return new TextDecoder("utf-8", { fatal: true }).decode(Buffer.concat(parts));
	} catch {
		throw refuse(400, "REQUEST_INVALID", { reason: "the body is not UTF-8" });
	}
}

/** The rest of the body is not read: the connection ends. */
const tooLarge = (limitBytes: number) =>
	refuse(
		413,
		"REQUEST_INVALID",
		{ reason: `the body exceeds ${limitBytes} bytes` },
		{ connection: "close" },
	);
