/**
 * Interprets an invocation's body. Its content determines one of three kinds:
 *
 * - `{"messages": [...]}`: an OpenAI chat completion, answered as one.
 * - `{"input": "..." | [...]}`: an OpenAI response, answered as one.
 * - `{"prompt": "..."}`: as in AgentCore's samples, answered with
 *   `{"response": "...", "status": "success"}`, or with events that are JSON texts. Also `message`,
 *   `payload`, `{"input": {"prompt": "..."}}`, `{"payload": {"prompt": "..."}}`, and plain text.
 *
 * The agent never sees `identityToken`; its `user` is the namespace, from which it derives one
 * lasting conversation.
 */
import { refuse } from "./http-refusal.ts";

export type InvocationKind = "chat" | "responses" | "prompt";

export interface Invocation {
	readonly kind: InvocationKind;
	/** The caller wants events instead of one answer. */
	readonly isStream: boolean;
	/** The body sent to the agent, without `user`. */
	readonly body: Readonly<Record<string, unknown>>;
	readonly identityToken: string | undefined;
}

export const AGENT_PATHS: Readonly<Record<InvocationKind, string>> = {
	chat: "/v1/chat/completions",
	prompt: "/v1/chat/completions",
	responses: "/v1/responses",
};

/** OpenClaw's default agent. */
const DEFAULT_MODEL = "openclaw/default";

/**
 * @param accept the request's Accept header
 * @param isPlain the body is a prompt, whatever it looks like
 * @throws HttpRefusal 400
 */
export function parseInvocation(
	text: string,
	accept: string | undefined,
	isPlain = false,
): Invocation {
	const { identityToken, user: _, ...given } = isPlain ? { prompt: text } : parseObject(text);
	if (identityToken !== undefined && typeof identityToken !== "string")
		throw invalid("identityToken", "must be a string");
	const { stream } = given;
	if (stream !== undefined && typeof stream !== "boolean")
		throw invalid("stream", "must be true or false");
	const isStream = stream ?? /\btext\/event-stream\b/i.test(accept ?? "");
	const { kind, body } = understood(given);
	return {
		kind,
		isStream,
		body: { model: DEFAULT_MODEL, ...body, stream: isStream },
		identityToken,
	};
}

function parseObject(text: string): Record<string, unknown> {
	let value: unknown;
	try {
		value = JSON.parse(text);
	} catch (error) {
		// Text from a client that knows one content type only. Broken JSON is not meant as text.
		if (/^\s*[^\s{["]/.test(text)) return { prompt: text };
		throw refuse(400, "REQUEST_INVALID", {
			reason: `the body is not JSON: ${shortened((error as Error).message)}`,
		});
	}
	// AWS's client parses what its user types: 42 arrives as a number.
	if (typeof value === "string") return { prompt: value };
	if (typeof value === "number" || typeof value === "boolean") return { prompt: text };
	if (typeof value !== "object" || value === null || Array.isArray(value))
		throw invalid("the body", "must be a JSON object");
	return value as Record<string, unknown>;
}

function understood(given: Record<string, unknown>): Pick<Invocation, "kind" | "body"> {
	const { messages, input, prompt, message, payload, ...rest } = given;
	if (messages !== undefined) {
		if (!Array.isArray(messages) || messages.length === 0)
			throw invalid("messages", "must be a list of at least one message");
		return { kind: "chat", body: given };
	}
	if (typeof input === "string" || Array.isArray(input)) return { kind: "responses", body: given };
	const asked = prompt ?? message ?? promptIn(input) ?? promptIn(payload) ?? payload;
	if (asked === undefined) throw invalid("the body", 'needs "prompt", "messages" or "input"');
	if (typeof asked !== "string" || asked === "") throw invalid("prompt", "must be text");
	return { kind: "prompt", body: { ...rest, messages: [{ role: "user", content: asked }] } };
}

const promptIn = (value: unknown) =>
	(value as { readonly prompt?: unknown } | null | undefined)?.prompt;

/** The answer to a `prompt`, from the agent's chat completion; undefined if it has no text. */
export function promptAnswer(
	completion: unknown,
): { readonly response: string; readonly status: "success" } | undefined {
	const choices = (
		completion as {
			readonly choices?: readonly { readonly message?: { readonly content?: unknown } }[];
		} | null
	)?.choices;
	const content = Array.isArray(choices) ? choices[0]?.message?.content : undefined;
	return typeof content === "string" ? { response: content, status: "success" } : undefined;
}

/** The text of a part of the agent's streamed chat completion; undefined if it has none. */
export function promptPart(chunk: unknown): string | undefined {
	const { choices } = (chunk ?? {}) as {
		readonly choices?: readonly { readonly delta?: { readonly content?: unknown } | null }[];
	};
	const content = Array.isArray(choices) ? choices[0]?.delta?.content : undefined;
	return typeof content === "string" && content !== "" ? content : undefined;
}

/** V8 quotes the text it cannot parse: a little of it helps, more of it could reveal a secret. */
function shortened(message: string): string {
	return message.replace(/"[\s\S]*" is not valid JSON/, "unexpected text").slice(0, 120);
}

function invalid(value: string, reason: string) {
	return refuse(400, "REQUEST_INVALID", { value, reason });
}
