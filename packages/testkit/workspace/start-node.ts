import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { onTestFinished } from "vitest";

export interface Child {
	/** The next line that it prints. */
	line(): Promise<string>;
	/** Writes a line to its standard input. */
	tell(text: string): void;
	kill(signal: NodeJS.Signals): Promise<void>;
	readonly ended: Promise<number | null>;
}

/**
 * Runs an ES module, given as text, in another process. `args` are `process.argv.slice(1)`, and
 * `line()` waits for a line of input. The process is killed at the end of the test.
 */
export function startNode(script: string, ...args: string[]): Child {
	const prelude = `
		import * as fs from "node:fs";
		import { DatabaseSync } from "node:sqlite";
		import { createInterface } from "node:readline";
		const input = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
		const line = async () => (await input.next()).value;
		const say = (text) => fs.writeSync(1, text + "\\n");
		const args = process.argv.slice(1);
	`;
	const child = spawn(
		process.execPath,
		["--input-type=module", "--eval", `${prelude}${script}\nprocess.exit();`, ...args],
		{
			stdio: ["pipe", "pipe", "inherit"],
		},
	);
	const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
	const ended = once(child, "close").then(([code]) => code as number | null);
	onTestFinished(async () => {
		child.kill("SIGKILL");
		await ended;
	});
	return {
		ended,
		async line() {
			const next = await lines.next();
			if (next.done) throw new Error("the child ended without another line");
			return next.value;
		},
		tell: (text) => void child.stdin.write(`${text}\n`),
		async kill(signal) {
			child.kill(signal);
			await ended;
		},
	};
}
