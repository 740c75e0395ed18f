/** Runs the command on a terminal of its own, as a person would. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { text } from "node:stream/consumers";
import { CLI_BUNDLE, type Place } from "./cli.ts";

export interface TerminalOptions {
	readonly columns?: number;
	readonly env?: NodeJS.ProcessEnv;
	/** Typed once the output contains this. */
	readonly types?: { readonly after: string; readonly keys: string };
}

export interface TerminalEnded {
	readonly status: number;
	/** stdout and stderr, as the terminal shows them; lines end in `\n`. */
	readonly output: string;
}

const KILL_AFTER_MS = 20_000;

export async function onTerminal(
	place: Place,
	machine: string,
	args: readonly string[],
	{ columns = 80, env = {}, types }: TerminalOptions = {},
): Promise<TerminalEnded> {
	const command = [process.execPath, CLI_BUNDLE, ...place.args(machine), ...args];
	const quoted = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
	const script = `stty cols ${columns} rows 12; exec ${quoted}`;
	const terminal = spawn("script", ["-qec", script, "/dev/null"], {
		env: { PATH: process.env.PATH, HOME: place.dir, TERM: "xterm", ...env },
		timeout: KILL_AFTER_MS,
	});
	if (types !== undefined) {
		let seen = "";
		terminal.stdout.on("data", (chunk: Buffer) => {
			const hadSeen = seen.includes(types.after);
			seen += chunk.toString();
			if (!hadSeen && seen.includes(types.after)) terminal.stdin.write(types.keys);
		});
	}
	const output = text(terminal.stdout);
	const [status] = await once(terminal, "close");
	// `script` reports no signal that it passed on.
	if (terminal.killed) throw new Error(`it did not end: ${await output}`);
	return { status, output: (await output).replaceAll("\r\n", "\n") };
}
