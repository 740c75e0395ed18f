/** The process's own streams, for the files in `bin/`. */
import { terminal } from "./ask.ts";
import type { Io } from "./tool.ts";

export async function runAsProcess(
	tool: (argv: readonly string[], io: Io) => Promise<number>,
): Promise<void> {
	process.exitCode = await tool(process.argv.slice(2), {
		out: (line) => console.log(line),
		err: (line) => console.error(line),
		ask: terminal(),
	});
}
