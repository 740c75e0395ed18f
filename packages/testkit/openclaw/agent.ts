import { setTimeout as delay } from "node:timers/promises";
import type { Running } from "../processes.ts";

export interface Turn {
	/**
	 * How many messages the model was given at last: a conversation that goes on has ever more of
	 * them.
	 */
	readonly messages: number;
	/** Ids of the transcript rows that the turn added, where the agent tells. */
	readonly rows?: { readonly first: number; readonly last: number };
}

/** What keeps its state in the workspace: OpenClaw's gateway, or what stands in for it. */
export interface Agent {
	readonly name: string;
	/** Absolute directories it uses outside its state directory. */
	readonly scratch: readonly string[];
	readonly env: Readonly<Record<string, string>>;
	/** Its command as people would type it. */
	readonly shown: string;
	command(stateDirectory: string): readonly string[];
	/** Makes what has to be there before the first start, and says what. */
	prepare(stateDirectory: string): Promise<string>;
	/** Settled when it takes turns. @throws when its process ends before */
	ready(process: Running): Promise<void>;
	/** One turn of the same user's conversation. */
	turn(text: string): Promise<Turn>;
	close(): Promise<void>;
}

/**
 * For each `fetch` of an agent: no connection is used twice. A gateway that computes for longer
 * than it keeps an idle connection open (5 s) resets what arrives on it meanwhile.
 */
export const ONE_USE: Readonly<Record<string, string>> = { connection: "close" };

/** Settled when `GET url` says 200. */
export async function answers(url: string, process: Running, timeoutMs: number): Promise<void> {
	const until = performance.now() + timeoutMs;
	while (performance.now() < until) {
		if (process.exit !== undefined)
			throw new Error(`${process.name} ended before the agent was ready\n${process.tail}`);
		const status = await fetch(url, { headers: ONE_USE, signal: AbortSignal.timeout(2_000) }).then(
			(response) => response.status,
			() => 0,
		);
		if (status === 200) return;
		await delay(100);
	}
	throw new Error(`the agent was not ready within ${timeoutMs / 1000} s\n${process.tail}`);
}
