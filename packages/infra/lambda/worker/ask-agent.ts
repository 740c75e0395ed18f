/**
 * Puts a user's words to their agent. What came of it is one of three things, and they are never
 * mixed up: an agent may have acted on what it was asked although nobody heard its answer, and
 * asked again would act twice.
 *
 * `answered`  with the text
 * `not-asked` it certainly has not begun; asking again is safe
 * `unknown`   the connection broke, or the machine failed at work
 */
import {
	BedrockAgentCoreClient,
	InvokeAgentRuntimeCommand,
} from "@aws-sdk/client-bedrock-agentcore";
import { isRecord, parseJson } from "../environment.ts";
import { sessionIdOf } from "./user-token.ts";

export type Outcome =
	| { readonly kind: "answered"; readonly text: string }
	| { readonly kind: "not-asked"; readonly reason: string }
	| { readonly kind: "unknown"; readonly reason: string };

export interface Runtime {
	readonly arn: string;
	readonly qualifier: string;
}

/** The SDK repeats what failed unless told not to. */
const client = new BedrockAgentCoreClient({
	maxAttempts: 1,
	requestHandler: { connectionTimeout: 5_000 },
});

/**
 * Refused before anything was sent into the machine: by AgentCore itself, or by a network that let
 * nothing through.
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
 * What the daemon says before it passes a request on: see docs/agentcore.md. 500 and 502 may come
 * after.
 */
const DAEMON_NOT_BEGUN = new Set([400, 401, 403, 404, 405, 408, 413, 415, 431, 503]);

/** @param signal ends the wait; the agent works on */
export async function askAgent(
	runtime: Runtime,
	userId: string,
	text: string,
	token: string,
	signal: AbortSignal,
): Promise<Outcome> {
	const payload = Buffer.from(JSON.stringify({ prompt: text, identityToken: token }));
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
		const body = parseJson((await response?.transformToString("utf-8")) ?? "");
		if (isRecord(body) && typeof body.response === "string")
			return { kind: "answered", text: body.response };
		return { kind: "unknown", reason: "the answer holds no text" };
	} catch (error) {
		return outcomeOf(error);
	}
}

function outcomeOf(error: unknown): Outcome {
	const {
		name = "Error",
		message = "",
		code,
	} = (isRecord(error) ? error : {}) as Readonly<Record<string, string | undefined>>;
	const hasBegun =
		!NOT_BEGUN.has(name) &&
		!NOT_BEGUN.has(code ?? "") &&
		!DAEMON_NOT_BEGUN.has(statusInMachine(name, message));
	return {
		kind: hasBegun ? "unknown" : "not-asked",
		reason: code ?? `${name}: ${message}`.slice(0, 300),
	};
}

/**
 * AgentCore answers 424 for whatever the machine answers, and says that status only in words:
 * "Received error (503) from runtime".
 */
function statusInMachine(name: string, message: string): number {
	return name === "RuntimeClientError" ? Number(/\((\d{3})\)/.exec(message)?.[1] ?? 0) : 0;
}
