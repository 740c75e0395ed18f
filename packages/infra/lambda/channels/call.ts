/**
 * One call of a channel's API: a POST of JSON with a JSON response.
 *
 * Waits and retries only if the channel says that nothing was done (429). Errors contain neither
 * the URL, which holds the bot's token at Telegram, nor anything that was sent.
 */
import { setTimeout as wait } from "node:timers/promises";
import { isRecord, parseJson } from "../environment.ts";

const TIMEOUT_MS = 10_000;
const MAX_ATTEMPTS = 4;
/** The longest wait that a channel can request here; the queue handles longer ones. */
const MAX_PAUSE_S = 30;
const MAX_ANSWER_LENGTH = 1_000_000;

export class ChannelFailure extends Error {
	readonly code = "CHANNEL_FAILED";

	/** @param what e.g. `telegram sendMessage` */
	constructor(what: string, reason: string) {
		super(`${what}: ${reason}`);
		this.name = "ChannelFailure";
	}
}

export type Answer = Readonly<Record<string, unknown>>;

/** @throws ChannelFailure if unreachable, if the response is not JSON, or on repeated 429 */
export async function call(
	what: string,
	url: string,
	body: object,
	headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
	for (let attempt = 1; ; attempt++) {
		const { status, retryAfterS, answer } = await post(what, url, body, headers);
		if (status !== 429) {
			if (answer === undefined) throw new ChannelFailure(what, `status ${status} without JSON`);
			return answer;
		}
		const pauseS = retryAfterS ?? 1;
		if (attempt === MAX_ATTEMPTS || pauseS > MAX_PAUSE_S)
			throw new ChannelFailure(what, `too many requests, again in ${pauseS} s`);
		await wait(pauseS * 1_000);
	}
}

interface Posted {
	readonly status: number;
	readonly retryAfterS: number | undefined;
	readonly answer: Answer | undefined;
}

async function post(
	what: string,
	url: string,
	body: object,
	headers: Readonly<Record<string, string>>,
): Promise<Posted> {
	let response: Response;
	let text: string;
	try {
		response = await fetch(url, {
			method: "POST",
			headers: { "content-type": "application/json; charset=utf-8", ...headers },
			body: JSON.stringify(body),
			redirect: "error",
			signal: AbortSignal.timeout(TIMEOUT_MS),
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
