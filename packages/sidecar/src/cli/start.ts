/** Runs a command line, and ends the process. A command's code is loaded when the command runs. */
export async function start(argv: readonly string[], version: string): Promise<void> {
	if (argv[0] === "end-agent" && argv.length === 3) {
		// Not a user's command: see daemon/death-watch.ts.
		const { endAgent } = await import("./end-agent.ts");
		process.exit(await endAgent(argv[1] as string, argv[2] as string));
	} else if (argv[0] === "__complete") {
		// Not a user's command: see `completion-scripts.ts`.
		const { complete, completionLines } = await import("./complete.ts");
		process.stdout.write(completionLines(complete(argv.slice(1))));
	} else {
		const { main } = await import("./program.ts");
		const status = await main(argv, version);
		// An open handle must not keep a finished command alive; all output is written.
		process.exit(status);
	}
}
