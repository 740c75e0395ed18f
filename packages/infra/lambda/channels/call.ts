/**
 * One call of a channel's API: usually a POST of JSON with a JSON response.
 *
 * Waits and retries only if the channel says that nothing was done (429). Errors contain neither
 * the URL, which holds the bot's token at Telegram, nor anything that was sent.
 */
import { setTimeout as wait } from "node:timers/promises";
import { isRecord, parseJson } from "../shared/environment.ts";

const TIMEOUT_MS = 10_000;
const DOWNLOAD_TIMEOUT_MS = 60_000;
const MAX_ATTEMPTS = 4;
/** The longest wait that a channel can request here; the queue handles longer ones. */
const MAX_PAUSE_S = 30;
const MAX_ANSWER_LENGTH = 1_000_000;

export class ChannelFailure extends Error {
	readonly code = "CHANNEL_FAILED";
	/**
	 * `large`: a download is larger than was asked for. `refused`: the channel answered that it will
	 * not do this.
	 */
	readonly kind: "large" | "refused" | undefined;

	/** @param what e.g. `telegram sendMessage` */
	constructor(what: string, reason: string, kind?: "large" | "refused") {
		super(`${what}: ${reason}`);
		this.name = "ChannelFailure";
		this.kind = kind;
	}
}

export type Answer = Readonly<Record<string, unknown>>;
export type Headers = Readonly<Record<string, string>>;

export interface CallOptions {
	readonly headers?: Headers;
	/** Default: POST with the body. */
	readonly method?: "GET" | "DELETE";
	/** Ends the call and its repetitions. */
	readonly signal?: AbortSignal | undefined;
}

export interface DownloadOptions {
	readonly maxBytes: number;
	/** Ends the download. */
	readonly signal: AbortSignal;
	readonly headers?: Headers;
	/** The channel answers with a page for logging in if the token may not read files. */
	readonly mayBeLogin?: boolean;
}

/** @throws ChannelFailure if unreachable, if the response is not JSON, or on repeated 429 */
export async function call(
	what: string,
	url: string,
	body: object,
	options: CallOptions = {},
): Promise<Answer> {
	for (let attempt = 1; ; attempt++) {
		const { status, retryAfterS, answer } = await request(what, url, body, options);
		if (status !== 429) {
			if (answer === undefined) throw new ChannelFailure(what, `status ${status} without JSON`);
			return answer;
		}
		const pauseS = retryAfterS ?? 1;
		if (attempt === MAX_ATTEMPTS || pauseS > MAX_PAUSE_S)
			throw new ChannelFailure(what, `too many requests, again in ${pauseS} s`);
		await wait(pauseS * 1_000, undefined, { signal: options.signal }).catch((error: unknown) => {
			throw new ChannelFailure(what, reasonOf(error));
		});
	}
}

/** Gets a file. @throws ChannelFailure */
export async function download(
	what: string,
	url: string,
	{ maxBytes, signal, headers = {}, mayBeLogin = false }: DownloadOptions,
): Promise<Buffer> {
	const either = AbortSignal.any([signal, AbortSignal.timeout(DOWNLOAD_TIMEOUT_MS)]);
	try {
		const response = await fetch(url, { headers, redirect: "error", signal: either });
		if (!response.ok || response.body === null) {
			await response.body?.cancel();
			throw new ChannelFailure(what, `status ${response.status}`);
		}
		const isPage = (response.headers.get("content-type") ?? "").startsWith("text/html");
		if (mayBeLogin && isPage && !/\.html?$/i.test(new URL(url).pathname))
			throw new ChannelFailure(what, "a web page instead of the file");
		const parts: Uint8Array[] = [];
		let bytes = 0;
		for await (const part of response.body) {
			bytes += part.byteLength;
			if (bytes > maxBytes) throw new ChannelFailure(what, `over ${maxBytes} bytes`, "large");
			parts.push(part);
		}
		return Buffer.concat(parts);
	} catch (error) {
		if (error instanceof ChannelFailure) throw error;
		throw new ChannelFailure(what, reasonOf(error));
	}
}

interface Answered {
	readonly status: number;
	readonly retryAfterS: number | undefined;
	readonly answer: Answer | undefined;
}

async function request(
	what: string,
	url: string,
	body: object,
	{ headers, method, signal }: CallOptions,
): Promise<Answered> {
	const timeout = AbortSignal.timeout(TIMEOUT_MS);
	let response: Response;
	let text: string;
	try {
		response = await fetch(url, {
			redirect: "error",
			signal: signal === undefined ? timeout : AbortSignal.any([timeout, signal]),
			...(method === undefined
				? {
						method: "POST",
						headers: { "content-type": "application/json; charset=utf-8", ...headers },
						body: JSON.stringify(body),
					}
				: { method, headers: headers ?? {} }),
		});
		text = (await response.text()).slice(0, MAX_ANSWER_LENGTH);
	} catch (error) {
		throw new ChannelFailure(what, reasonOf(error));
	}
	const answer = parseJson(text);
	return {
		status: response.status,
		retryAfterS: pauseOf(response, answer),
		answer: isRecord(answer) ? answer : undefined,
	};
}

/** Telegram puts it in the body, Slack in the header. */
function pauseOf(response: Response, answer: unknown): number | undefined {
	const parameters = isRecord(answer) ? answer.parameters : undefined;
	const said = isRecord(parameters) ? parameters.retry_after : response.headers.get("retry-after");
	const pauseS = Number(said ?? Number.NaN);
	return pauseS >= 0 ? pauseS : undefined;
}

function reasonOf(error: unknown): string {
	const { cause, name } = error as Error;
	return cause instanceof Error && "code" in cause ? String(cause.code) : name;
}
