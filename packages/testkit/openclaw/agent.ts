import { setTimeout as delay } from "node:timers/promises";
import type { Running } from "../processes.ts";

export interface Turn {
	/**
	 * The number of messages in the last request to the model. It grows as a conversation continues.
	 */
	readonly messages: number;
	/** Ids of the transcript rows that the turn added, if the agent reports them. */
	readonly rows?: { readonly first: number; readonly last: number };
}

/** The program that keeps its state in the workspace: OpenClaw's gateway, or its substitute. */
export interface Agent {
	readonly name: string;
	/** Absolute directories that it uses outside its state directory. */
	readonly scratch: readonly string[];
	readonly env: Readonly<Record<string, string>>;
	/** Its command as a user would type it. */
	readonly shown: string;
	command(stateDirectory: string): readonly string[];
	/** Creates what must exist before the first start, and returns a description. */
	prepare(stateDirectory: string): Promise<string>;
	/** Resolves when it accepts turns. @throws if its process ends before */
	ready(process: Running): Promise<void>;
	/** One turn of the conversation with the same user. */
	turn(text: string): Promise<Turn>;
	close(): Promise<void>;
}

/**
 * For each `fetch` of an agent: never reuse a connection. A gateway that computes for longer than
 * its keep-alive timeout (5 s) resets requests that arrive meanwhile.
 */
export const ONE_USE: Readonly<Record<string, string>> = { connection: "close" };

/** Resolves when `GET url` returns 200. */
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
