/**
 * Sends a user's message to their agent. The outcome is one of three and must be exact: an agent
 * may have acted although nobody received its answer, and would act twice if asked again.
 *
 * `answered`  with the text
 * `not-asked` the agent certainly did not start; asking again is safe
 * `unknown`   the connection broke, or the machine failed while it answered
 */
import {
	BedrockAgentCoreClient,
	InvokeAgentRuntimeCommand,
} from "@aws-sdk/client-bedrock-agentcore";
import { isRecord, parseJson } from "../environment.ts";
import { sessionIdOf } from "./session-id.ts";

export type Outcome =
	| { readonly kind: "answered"; readonly text: string }
	| { readonly kind: "not-asked"; readonly reason: string }
	| { readonly kind: "unknown"; readonly reason: string };

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
const DAEMON_NOT_BEGUN = new Set([400, 401, 403, 404, 405, 408, 413, 415, 431, 503]);

/** @param signal ends the wait; the agent continues */
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
		return { kind: "unknown", reason: "the answer contains no text" };
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
 * AgentCore answers 424 for every failure of the machine, and gives its status only in words:
 * "Received error (503) from runtime".
 */
function statusInMachine(name: string, message: string): number {
	return name === "RuntimeClientError" ? Number(/\((\d{3})\)/.exec(message)?.[1] ?? 0) : 0;
}
