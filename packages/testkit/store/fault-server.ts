import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";

/**
 * An HTTP server in place of S3 that returns scripted answers, right or wrong. It uses the answers
 * in order and repeats the last one.
 */

export interface SeenRequest {
	readonly method: string;
	/** Path and query. */
	readonly url: string;
	readonly headers: IncomingMessage["headers"];
	readonly body: Buffer;
	readonly socket: Socket;
}

export type Answer = (response: ServerResponse, request: SeenRequest) => unknown;

export interface FaultServer {
	readonly endpoint: string;
	/** In order of arrival, each with its whole body. */
	readonly requests: readonly SeenRequest[];
	/** The number of connections accepted so far. */
	readonly connections: () => number;
	stop(): Promise<void>;
}

export async function startFaultServer(
	...answers: readonly [Answer, ...Answer[]]
): Promise<FaultServer> {
	const requests: SeenRequest[] = [];
	let connections = 0;
	const server = createServer(async (incoming, response) => {
		const chunks: Buffer[] = [];
		try {
			for await (const chunk of incoming) chunks.push(chunk);
		} catch {
			// The client disconnected in the middle of its request.
			return;
		}
		const { method = "", url = "", headers, socket } = incoming;
		const request = { method, url, headers, socket, body: Buffer.concat(chunks) };
		requests.push(request);
		const answer = answers[Math.min(requests.length, answers.length) - 1] as Answer;
		await answer(response, request);
	});
	server.on("connection", () => connections++);
	server.listen(0, "127.0.0.1");
	await once(server, "listening");
	return {
		endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
		requests,
		connections: () => connections,
		stop: async () => {
			server.close();
			server.closeAllConnections();
			await once(server, "close");
		},
	};
}

/** A complete response. */
export function answer(
	status: number,
	headers: Record<string, string> = {},
	body: string | Buffer = "",
): Answer {
	return (response) => {
		response.writeHead(status, { "content-length": Buffer.byteLength(body), ...headers }).end(body);
	};
}

/** An error as S3 formats it; `more` adds elements to the document. */
export function s3Error(
	status: number,
	code: string,
	message = `about ${code}`,
	more = "",
): Answer {
	return answer(status, { "content-type": "application/xml" }, errorDocument(code, message, more));
}

export function errorDocument(code: string, message = `about ${code}`, more = ""): string {
	return `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>${message}</Message>${more}<RequestId>R1</RequestId></Error>`;
}

/** The connection breaks instead of an answer. */
export const reset: Answer = (_, { socket }) => {
	socket.resetAndDestroy();
};

/** No answer, ever. */
export const silence: Answer = () => {};

/** The head and the beginning of a body of `length` bytes; then `end`. */
export function cutOff(
	status: number,
	headers: Record<string, string>,
	length: number,
	end: Answer,
): Answer {
	return (response, request) => {
		response.writeHead(status, { ...headers, "content-length": length });
		response.write("x".repeat(Math.floor(length / 2)), () => end(response, request));
	};
}
