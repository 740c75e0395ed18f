import type { Forwarded } from "./agent-api.ts";
import type { Invocation } from "./invocation.ts";

/** What one agent does otherwise than an OpenAI-compatible API. */
export interface AgentDialect {
	/**
	 * The same request in the form that the agent understands.
	 * @throws HttpRefusal: the agent would drop a part of it, or refuse it without a reason
	 */
	translate(invocation: Invocation): Invocation;
	/**
	 * Runs a command of the agent. @returns its answer; undefined: the request is no command
	 * @throws SidecarError AGENT_UNREACHABLE; HttpRefusal
	 */
	command(request: Forwarded, signal: AbortSignal): Promise<string | undefined>;
	/**
	 * Runs a turn. Calls `send` again only if it is certain that the agent did nothing for the request
	 * before.
	 * @param send throws AgentFailure if the agent fails before its answer has begun
	 */
	turn(
		request: Forwarded,
		signal: AbortSignal,
		send: (signal: AbortSignal) => Promise<void>,
	): Promise<void>;
}
