/**
 * Asks OpenClaw's gateway to end within a time limit while a turn may be running.
 *
 * A signal alone lets the gateway wait for the turn, up to 315 s, and it must be killed then
 * (OpenClaw 2026.9.6). Its own request for a restart under a supervisor takes a limit: the turn may
 * end until then, the gateway ends 1.9 s later, and leaves no lease behind.
 *
 * An interrupted turn stays "running" in the agent's database. The next gateway takes it up by
 * itself, on any machine. With the policy `end` the turn is aborted instead, and not taken up.
 *
 * Does not guarantee that the gateway ends: the caller kills it when its own budget is over.
 */
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { SidecarError } from "../errors.ts";
import { connectGateway, refusalText } from "./gateway-client.ts";
import { readText } from "./read-text.ts";

export const INTERRUPTED_TURNS = ["resume", "end"] as const;
export type InterruptedTurns = (typeof INTERRUPTED_TURNS)[number];

/** Without it, the request restarts the gateway within its process. */
export const SUPERVISED = { OPENCLAW_SUPERVISOR_MODE: "external" } as const;

export interface StopOptions {
	/** E.g. `http://127.0.0.1:18789`. */
	readonly url: string;
	readonly token: string | undefined;
	/** OpenClaw's state directory, absolute. */
	readonly workspace: string;
	/** The user id that the gateway runs as. */
	readonly uid: number;
	readonly policy: InterruptedTurns;
	/** How long a turn may still run. */
	readonly turnMs: number;
	/** Aborted when the gateway has ended. */
	readonly signal: AbortSignal;
}

/** For all questions together; without an answer the gateway gets a signal. */
const ASK_MS = 2_000;
/** Between two questions whether a turn still runs. */
const LOOK_MS = 200;
const MAX_LOCK_BYTES = 64 * 1024;

/**
 * Resolves when the gateway has accepted to end.
 * @throws SidecarError AGENT_UNREACHABLE: it did not, so send a signal
 */
export async function askToStop(options: StopOptions): Promise<void> {
	const { url, token, signal, policy, turnMs } = options;
	const endMs = performance.now() + turnMs;
	const leftMs = () => Math.max(0, Math.floor(endMs - performance.now()));
	const gateway = await connectGateway({ url, token, signal, timeoutMs: ASK_MS });
	const askedUntilMs = policy === "resume" ? endMs - turnMs + ASK_MS : endMs + ASK_MS;
	const call = async (method: string, params: object) => {
		const timeoutMs = Math.max(1, askedUntilMs - performance.now());
		const answer = await gateway.call(method, params, { timeoutMs });
		if (answer.kind === "ok") return answer.payload;
		throw unreachable(url, `${method}: ${refusalText(answer)}`);
	};
	try {
		if (policy === "end") await abortTurns(call, leftMs, signal);
		await call("gateway.restart.request", {
			reason: "the machine ends",
			target: runningGateway(options),
			restartIntent: { force: true, drainBudgetMs: policy === "end" ? 0 : leftMs() },
		});
	} finally {
		await gateway.close();
	}
}

/** Gives turns the time that is left to end, and aborts the others. */
async function abortTurns(
	call: (method: string, params: object) => Promise<unknown>,
	leftMs: () => number,
	signal: AbortSignal,
): Promise<void> {
	const active = async () => {
		const listed = (await call("sessions.list", { activeOnly: true })) as {
			readonly sessions?: readonly { readonly key: string }[];
		};
		return listed.sessions ?? [];
	};
	let running = await active();
	while (running.length > 0 && leftMs() > 0) {
		await delay(LOOK_MS, undefined, { signal });
		running = await active();
	}
	for (const { key } of running) await call("sessions.abort", { key, clearQueued: true });
}

/** The gateway accepts only a request that names its own process, from its lock file. */
function runningGateway({ url, workspace, uid }: StopOptions): object {
	const text = readText(join(workspace, `tmp/openclaw-${uid}/gateway.state.lock`), MAX_LOCK_BYTES);
	try {
		const { pid, ownerId, port } = JSON.parse(text ?? "");
		return { pid, ownerId, port };
	} catch {
		throw unreachable(url, "its lock file is missing or is not JSON");
	}
}

const unreachable = (value: string, reason: string) =>
	new SidecarError("AGENT_UNREACHABLE", { value, reason });
