/**
 * Sends a user's message to their agent. The outcome must be exact: an agent may have acted although
 * nobody received its answer, and would act twice if asked again.
 *
 * `answered`  with the text
 * `not-asked` the agent certainly did not start; asking again is safe
 * `refused`   the agent certainly did not start, and would not with the same message
 * `stopped`   the user ended the turn with /stop
 * `unknown`   the connection broke, or the machine failed while it answered
 */
import {
	BedrockAgentCoreClient,
	InvokeAgentRuntimeCommand,
} from "@aws-sdk/client-bedrock-agentcore";
import { isRecord, parseJson } from "../shared/environment.ts";
import { sessionIdOf } from "./session-id.ts";

export type Outcome =
	| { readonly kind: "answered"; readonly text: string }
	| {
			readonly kind: "not-asked" | "refused" | "stopped" | "unknown";
			readonly reason: string;
	  };

export interface Runtime {
	readonly arn: string;
	readonly qualifier: string;
}

/** The SDK retries failures unless it is configured not to. */
const client = new BedrockAgentCoreClient({
	maxAttempts: 1,
	requestHandler: { connectionTimeout: 5_000 },
});

/**
 * Refused before anything reached the machine: by AgentCore itself, or by a network that passed
 * nothing.
 */
const NOT_BEGUN = new Set([
	"AccessDeniedException",
	"ConflictException",
	"ResourceNotFoundException",
	"RetryableConflictException",
	"ServiceQuotaExceededException",
	"ThrottlingException",
	"UnauthorizedException",
	"ValidationException",
	"CredentialsProviderError",
	"ECONNREFUSED",
	"ENOTFOUND",
	"EAI_AGAIN",
]);
/**
 * The statuses that the daemon returns before it passes a request on: see docs/agentcore.md. 500
 * and 502 can come after that.
 */
const DAEMON_NOT_BEGUN = new Set([401, 403, 404, 405, 408, 431, 503]);
const DAEMON_REFUSED = new Set([400, 413, 415]);
const DAEMON_STOPPED = 409;

/**
 * @param request `prompt` or `messages`, as docs/agentcore.md describes
 * @param signal ends the wait; the agent continues
 */
export async function askAgent(
	runtime: Runtime,
	userId: string,
	request: object,
	token: string,
	signal: AbortSignal,
): Promise<Outcome> {
	const payload = Buffer.from(JSON.stringify({ ...request, identityToken: token }));
	try {
		const { response } = await client.send(
			new InvokeAgentRuntimeCommand({
				agentRuntimeArn: runtime.arn,
				qualifier: runtime.qualifier,
				runtimeSessionId: sessionIdOf(userId),
				contentType: "application/json",
				accept: "application/json",
				payload,
			}),
			{ abortSignal: signal },
		);
		const text = textOf(parseJson((await response?.transformToString("utf-8")) ?? ""));
		if (text !== undefined) return { kind: "answered", text };
		return { kind: "unknown", reason: "the answer contains no text" };
	} catch (error) {
		return outcomeOf(error);
	}
}

/** The answer to a `prompt`, or a chat completion. */
function textOf(body: unknown): string | undefined {
	if (!isRecord(body)) return undefined;
	if (typeof body.response === "string") return body.response;
	const choice: unknown = Array.isArray(body.choices) ? body.choices[0] : undefined;
	const message = isRecord(choice) ? choice.message : undefined;
	return isRecord(message) && typeof message.content === "string" ? message.content : undefined;
}

function outcomeOf(error: unknown): Outcome {
	const {
		name = "Error",
		message = "",
		code,
	} = (isRecord(error) ? error : {}) as Readonly<Record<string, string | undefined>>;
	const reason = code ?? `${name}: ${message}`.slice(0, 300);
	const status = statusInMachine(name, message);
	if (DAEMON_REFUSED.has(status)) return { kind: "refused", reason };
	if (status === DAEMON_STOPPED) return { kind: "stopped", reason };
	const hasBegun =
		!NOT_BEGUN.has(name) && !NOT_BEGUN.has(code ?? "") && !DAEMON_NOT_BEGUN.has(status);
	return { kind: hasBegun ? "unknown" : "not-asked", reason };
}

/**
 * AgentCore answers 424 for every failure of the machine, and gives its status only in words:
 * "Received error (503) from runtime".
 */
function statusInMachine(name: string, message: string): number {
	return name === "RuntimeClientError" ? Number(/\((\d{3})\)/.exec(message)?.[1] ?? 0) : 0;
}
