/**
 * OpenClaw as an agent behind the platform's contract: its commands, the attachments that it would
 * drop, and the one failure after which a request may be sent again.
 *
 * Guarantees: no turn is sent twice unless OpenClaw's own record of the conversation shows that no
 * turn began there since it was sent. A command never breaks a running turn; `/stop` never waits.
 *
 * Does not guarantee that a turn which a channel or OpenClaw itself begins in the same moment as a
 * command survives it.
 */
import { setTimeout as delay } from "node:timers/promises";
import type { Forwarded } from "../agentcore/agent-api.ts";
import type { AgentDialect } from "../agentcore/dialect.ts";
import { AgentFailure, refuse } from "../agentcore/http-refusal.ts";
import type { Invocation } from "../agentcore/invocation.ts";
import { printable, SidecarError } from "../errors.ts";
import type { Logger } from "../telemetry/types.ts";
import { translateAttachments } from "./attachments.ts";
import {
	agentOf,
	commandLine,
	commandName,
	knownCommands,
	type OwnCommand,
	ownCommand,
	sessionKey,
} from "./commands.ts";
import { connectGateway, type GatewayConnection, refusalText } from "./gateway-client.ts";
import { Turns, until } from "./turns.ts";

export interface DialectOptions {
	/** Of the gateway. */
	readonly url: string;
	readonly token: () => string | undefined;
	/** The machine is ending, and the agent with it. */
	readonly isEnding: () => boolean;
	/** Does the agent's model take images, according to its configuration? */
	readonly takesImages: (agent: string | undefined) => boolean;
	/**
	 * Names a run for good: OpenClaw runs no second command of the same id, on any machine. So it must
	 * come from the kernel's generator, whose state no copy of this machine shares.
	 */
	readonly newId: () => string;
	/**
	 * Runs a command of the sidecar's own. Never throws: a failure is its answer, because a request that
	 * failed may be sent again. Default: there are no such commands.
	 * @param conversation its key; only for `/undo`
	 */
	readonly runOwn?: (command: OwnCommand, conversation: string | undefined) => Promise<string>;
	/**
	 * Commits what earlier turns changed, so that no commit holds the changes of two turns. Default:
	 * turns do not wait.
	 */
	readonly settle?: () => Promise<void>;
	readonly logger: Logger;
	/** For tests. */
	readonly pauseMs?: number;
}

/** The platform's limit for an answer. */
const ANSWER_TIMEOUT_MS = 15 * 60_000;
/** A turn waits no longer for the commit of the turn before: the store may be away. */
const SETTLE_MS = 2_000;
const PAUSE_MS = 250;
const MAX_PAUSE_MS = 5_000;

export class OpenClawDialect implements AgentDialect {
	readonly #options: DialectOptions;
	readonly #turns = new Turns();
	/** A turn ended here, and no turn has begun since. */
	#hasEnded = false;

	constructor(options: DialectOptions) {
		this.#options = options;
	}

	translate(invocation: Invocation): Invocation {
		const takesImages = () => this.#options.takesImages(agentOf(invocation));
		return translateAttachments(invocation, takesImages);
	}

	async command(request: Forwarded, caller: AbortSignal): Promise<string | undefined> {
		const line = commandLine(request.invocation);
		if (line === undefined) return undefined;
		const signal = AbortSignal.any([caller, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]);
		const own = ownCommand(line);
		const { runOwn } = this.#options;
		if (own !== undefined && runOwn !== undefined) {
			this.#options.logger.info("agent.command", { command: own.name });
			return await this.#own(own, runOwn, request, signal);
		}
		return await this.#withGateway(signal, async (gateway) => {
			const agentId = agentOf(request.invocation);
			const scope = {
				...(agentId !== undefined && { agentId }),
				scope: "text",
				includeArgs: false,
			};
			const listed = await gateway.call("commands.list", scope);
			// It knows no such agent, and says so to the request itself.
			const known = listed.kind === "ok" ? knownCommands(listed.payload) : [];
			const name = commandName(line, known);
			if (name === undefined) return undefined;
			const key = await this.#sessionKey(gateway, request);
			this.#options.logger.info("agent.command", { command: name });
			if (name === "stop") return await this.#stop(gateway, key, conversationOf(request));
			return await this.#turns.command(conversationOf(request), signal, async () => {
				// On a connection of its own: the command goes on if its caller disconnects.
				const lasting = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
				return await this.#withGateway(lasting, async (own) => {
					await this.#untilIdle(own, key, lasting);
					return await this.#run(own, key, line, lasting);
				});
			});
		});
	}

	async turn(
		request: Forwarded,
		caller: AbortSignal,
		send: (signal: AbortSignal) => Promise<void>,
	): Promise<void> {
		const lastMs = performance.now() + ANSWER_TIMEOUT_MS;
		await this.#turns.turn(conversationOf(request), caller, async (signal) => {
			await this.#settle(signal);
			try {
				for (let pauseMs = this.#pauseMs; ; pauseMs = Math.min(2 * pauseMs, MAX_PAUSE_MS)) {
					const sentAtMs = Date.now();
					try {
						return await send(signal);
					} catch (error) {
						if (!(error instanceof AgentFailure) || error.agentStatus !== 500) throw error;
						if (performance.now() + pauseMs >= lastMs) throw error;
						if (!(await this.#neverBegan(request, sentAtMs, signal))) throw error;
						this.#options.logger.warn("agent.request-repeated", { pauseMs, error: error.error });
					}
					await until(delay(pauseMs), signal);
				}
			} finally {
				this.#hasEnded = true;
			}
		});
	}

	/** The first turn of a machine waits for nothing: its answer would be later. */
	async #settle(signal: AbortSignal): Promise<void> {
		const { settle } = this.#options;
		if (!this.#hasEnded || settle === undefined) return;
		this.#hasEnded = false;
		const either = AbortSignal.any([signal, AbortSignal.timeout(SETTLE_MS)]);
		await until(settle(), either).catch(() => signal.throwIfAborted());
	}

	/** `/history` only reads, so it waits for no turn. */
	async #own(
		command: OwnCommand,
		run: NonNullable<DialectOptions["runOwn"]>,
		request: Forwarded,
		signal: AbortSignal,
	): Promise<string> {
		if (command.name === "history") return await run(command, undefined);
		return await this.#turns.command(conversationOf(request), signal, async () => {
			if (command.name !== "undo") return await run(command, undefined);
			// It goes on if its caller disconnects.
			const lasting = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
			const key = await this.#withGateway(lasting, async (gateway) => {
				const found = await this.#sessionKey(gateway, request);
				await this.#untilIdle(gateway, found, lasting);
				return found;
			});
			return await run(command, key);
		});
	}

	get #pauseMs(): number {
		return this.#options.pauseMs ?? PAUSE_MS;
	}

	async #withGateway<T>(
		signal: AbortSignal,
		use: (gateway: GatewayConnection) => Promise<T>,
	): Promise<T> {
		const { url, token } = this.#options;
		const gateway = await connectGateway({ url, token: token(), signal });
		try {
			return await use(gateway);
		} finally {
			void gateway.close();
		}
	}

	async #sessionKey(gateway: GatewayConnection, request: Forwarded): Promise<string> {
		const named = agentOf(request.invocation);
		if (named !== undefined) return sessionKey(request, named);
		const { defaultAgentId } = (await this.#call(gateway, "health", {})) as {
			readonly defaultAgentId?: unknown;
		};
		return sessionKey(request, String(defaultAgentId ?? "main"));
	}

	async #call(gateway: GatewayConnection, method: string, params: object): Promise<unknown> {
		const answer = await gateway.call(method, params);
		if (answer.kind === "ok") return answer.payload;
		throw this.#unreachable(`its gateway refuses ${method}: ${refusalText(answer)}`);
	}

	/** Turns that go through this process may not have begun yet, so their requests end as well. */
	async #stop(gateway: GatewayConnection, key: string, conversation: string): Promise<string> {
		const stopped = refuse(409, "REQUEST_INVALID", {
			reason: "/stop ended its turn",
			remedy: "send it again if you still want an answer",
		});
		const [{ status }, ours] = await Promise.all([
			this.#call(gateway, "sessions.abort", { key }) as Promise<{ readonly status?: unknown }>,
			this.#turns.stop(conversation, stopped),
		]);
		return status === "aborted" || ours > 0 ? "Stopped." : "Nothing is running.";
	}

	async #untilIdle(gateway: GatewayConnection, key: string, signal: AbortSignal): Promise<void> {
		while ((await this.#session(gateway, key)).status === "running")
			await delay(2 * this.#pauseMs, undefined, { signal });
	}

	async #session(gateway: GatewayConnection, key: string): Promise<SessionRecord> {
		const { session } = (await this.#call(gateway, "sessions.describe", { key })) as {
			readonly session?: SessionRecord | null;
		};
		return session ?? {};
	}

	async #run(
		gateway: GatewayConnection,
		key: string,
		message: string,
		signal: AbortSignal,
	): Promise<string> {
		const runId = this.#options.newId();
		const { promise, resolve, reject } = Promise.withResolvers<string>();
		const unsubscribe = gateway.events.subscribe(({ name, payload }) => {
			const event = (payload ?? {}) as ChatEvent;
			if (name !== "chat" || event.runId !== runId) return;
			if (event.state === "final") resolve(messageText(event.message));
			if (event.state === "aborted") resolve("Stopped.");
			if (event.state === "error")
				reject(this.#unreachable(`it fails: ${printable(String(event.errorMessage), 1_000)}`));
		});
		const cut = () => reject(this.#unreachable(String((gateway.ended.reason as Error)?.message)));
		gateway.ended.addEventListener("abort", cut, { once: true });
		promise.catch(() => {});
		try {
			await this.#call(gateway, "chat.send", { sessionKey: key, message, idempotencyKey: runId });
			return await until(promise, signal);
		} finally {
			unsubscribe();
		}
	}

	/** Asked after a failure. If it cannot be asked, it may have begun. */
	async #neverBegan(request: Forwarded, sentAtMs: number, signal: AbortSignal): Promise<boolean> {
		try {
			return await this.#withGateway(signal, async (gateway) =>
				neverBegan(
					await this.#session(gateway, await this.#sessionKey(gateway, request)),
					sentAtMs,
				),
			);
		} catch {
			signal.throwIfAborted();
			return false;
		}
	}

	#unreachable(reason: string): SidecarError {
		if (this.#options.isEnding()) return new SidecarError("TURN_INTERRUPTED", { reason });
		return new SidecarError("AGENT_UNREACHABLE", { value: this.#options.url, reason });
	}
}

interface ChatEvent {
	readonly runId?: unknown;
	readonly state?: unknown;
	readonly message?: unknown;
	readonly errorMessage?: unknown;
}

/** OpenClaw's record of a conversation: its last turn. */
export interface SessionRecord {
	/** `running`, or how the turn ended. */
	readonly status?: unknown;
	/** Milliseconds since the epoch, by this machine's clock. */
	readonly startedAt?: unknown;
	readonly endedAt?: unknown;
}

/**
 * Is it certain that no turn of the conversation began since `sentAtMs`? Another turn must have held
 * the conversation then: one that began before, and runs or has ended since. A failure for any other
 * reason is no evidence.
 */
export function neverBegan(
	{ status, startedAt, endedAt }: SessionRecord,
	sentAtMs: number,
): boolean {
	if (typeof startedAt !== "number" || startedAt >= sentAtMs) return false;
	return status === "running" || (typeof endedAt === "number" && endedAt >= sentAtMs);
}

const conversationOf = (request: Forwarded) =>
	sessionKey(request, agentOf(request.invocation) ?? "default");

function messageText(message: unknown): string {
	const { content } = (message ?? {}) as { readonly content?: unknown };
	if (typeof content === "string") return content;
	if (!Array.isArray(content)) return "";
	const texts = (content as readonly ({ readonly text?: unknown } | null)[]).map(
		(part) => part?.text,
	);
	return texts.filter((text) => typeof text === "string").join("\n");
}
