/**
 * The command's entry point. Starts fast: a command's code is loaded when the command runs, and
 * `--version` loads nothing at all.
 */
import { setFlagsFromString } from "node:v8";
import manifest from "../../package.json" with { type: "json" };

// Under a stream of short-lived objects V8 lets its young generation grow to 150 MB of memory that
// it never gives back. This flag keeps its initial size: a restore of 4 GB peaks at 190 MB rather
// than 226-260, for about a tenth more processor time in a large flush.
setFlagsFromString("--semi-space-growth-factor=1");

const LEAST_NODE = Number(/\d+/.exec(manifest.engines.node));
if (Number.parseInt(process.versions.node, 10) < LEAST_NODE) {
	process.stderr.write(
		`openclaw-sidecar: needs Node ${LEAST_NODE} or newer, this is ${process.versions.node}\n`,
	);
	process.exit(2);
}

const argv = process.argv.slice(2);
if (argv.length === 1 && (argv[0] === "--version" || argv[0] === "-V")) {
	process.stdout.write(`${manifest.version}\n`);
} else if (argv[0] === "end-agent" && argv.length === 3) {
	// Not a user's command: see daemon/death-watch.ts.
	const { endAgent } = await import("./end-agent.ts");
	process.exit(await endAgent(argv[1] as string, argv[2] as string));
} else {
	const { main } = await import("./program.ts");
	const status = await main(argv, manifest.version);
	// An open handle must not keep a finished command alive; all output is written.
	process.exit(status);
}
