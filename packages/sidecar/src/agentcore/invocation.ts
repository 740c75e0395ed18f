/**
 * Interprets an invocation's JSON. Its content determines one of three kinds:
 *
 * - `{"messages": [...]}`: an OpenAI chat completion, answered as one.
 * - `{"input": "..." | [...]}`: an OpenAI response, answered as one.
 * - `{"prompt": "..."}`: as in AgentCore's samples, answered with
 *   `{"response": "...", "status": "success"}`. Also `message`, and `{"input": {"prompt": "..."}}`.
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
 * @throws HttpRefusal 400
 */
export function parseInvocation(text: string, accept: string | undefined): Invocation {
	const { identityToken, user: _, ...given } = parseObject(text);
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
		throw refuse(400, "REQUEST_INVALID", {
			reason: `the body is not JSON: ${shortened((error as Error).message)}`,
		});
	}
	if (typeof value !== "object" || value === null || Array.isArray(value))
		throw invalid("the body", "must be a JSON object");
	return value as Record<string, unknown>;
}

function understood(given: Record<string, unknown>): Pick<Invocation, "kind" | "body"> {
	const { messages, input, prompt, message, ...rest } = given;
	if (messages !== undefined) {
		if (!Array.isArray(messages) || messages.length === 0)
			throw invalid("messages", "must be a list of at least one message");
		return { kind: "chat", body: given };
	}
	if (typeof input === "string" || Array.isArray(input)) return { kind: "responses", body: given };
	const asked =
		prompt ?? message ?? (input as { readonly prompt?: unknown } | null | undefined)?.prompt;
	if (asked === undefined) throw invalid("the body", 'needs "prompt", "messages" or "input"');
	if (typeof asked !== "string" || asked === "") throw invalid("prompt", "must be text");
	return { kind: "prompt", body: { ...rest, messages: [{ role: "user", content: asked }] } };
}

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

/** V8 quotes the text it cannot parse: a little of it helps, more of it could reveal a secret. */
function shortened(message: string): string {
	return message.replace(/"[\s\S]*" is not valid JSON/, "unexpected text").slice(0, 120);
}

function invalid(value: string, reason: string) {
	return refuse(400, "REQUEST_INVALID", { value, reason });
}
