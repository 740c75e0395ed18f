/** Requests to the page's own server. */
import type { ApiError } from "../../sidecar/src/ui/api.ts";

const STORED = "token";

/**
 * The token comes in the fragment, which no server and no log sees. It leaves the address bar at
 * once, and is kept for this tab only, so that it can be reloaded.
 */
function takeToken(): string {
	const found = /^#token=([\w-]+)$/.exec(location.hash)?.[1];
	if (found !== undefined) {
		sessionStorage.setItem(STORED, found);
		history.replaceState(history.state, "", location.pathname);
	}
	return found ?? sessionStorage.getItem(STORED) ?? "";
}

const token = takeToken();

export class AskError extends Error {
	readonly code: string;
	readonly remedy: string;

	constructor({ code, message, remedy }: ApiError) {
		super(message);
		this.code = code;
		this.remedy = remedy;
	}
}

/** The command has ended, or this machine sleeps. */
export const GONE: ApiError = { code: "GONE", message: "", remedy: "" };

async function send(name: string, body: object, signal?: AbortSignal): Promise<Response> {
	let response: Response;
	try {
		response = await fetch(`/api/${name}`, {
			method: "POST",
			headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
			body: JSON.stringify(body),
			...(signal && { signal }),
		});
	} catch (error) {
		if (signal?.aborted) throw error;
		throw new AskError(GONE);
	}
	if (!response.ok) throw new AskError((await response.json()) as ApiError);
	return response;
}

/** @throws AskError */
export async function ask<T>(name: string, body: object = {}, signal?: AbortSignal): Promise<T> {
	return (await (await send(name, body, signal)).json()) as T;
}

/** An answer that comes line by line. @throws AskError */
export async function* askLines<T>(
	name: string,
	body: object,
	signal?: AbortSignal,
): AsyncGenerator<Awaited<T>> {
	const response = await send(name, body, signal);
	const reader = (response.body as ReadableStream<Uint8Array>)
		.pipeThrough(new TextDecoderStream() as ReadableWritablePair<string, Uint8Array>)
		.getReader();
	let rest = "";
	for (;;) {
		const { done, value } = await reader.read();
		if (done) return;
		const lines = (rest + value).split("\n");
		rest = lines.pop() ?? "";
		for (const line of lines) {
			const parsed = JSON.parse(line) as Awaited<T> & { readonly error?: ApiError };
			if (parsed.error !== undefined) throw new AskError(parsed.error);
			yield parsed;
		}
	}
}

export function toAskError(error: unknown): AskError {
	return error instanceof AskError
		? error
		: new AskError({ code: "INTERNAL", message: String(error), remedy: "" });
}

export function isAbort(error: unknown): boolean {
	return error instanceof DOMException && error.name === "AbortError";
}
