/**
 * The command's entry point. Starts fast: the rest is another file of the bundle (`PARTS` of
 * `build.ts`), and `--version` loads nothing of it.
 */
import { setFlagsFromString } from "node:v8";
import manifest from "../../package.json" with { type: "json" };

// Memory limits of V8, which otherwise spends memory to save time. The young generation keeps its
// initial size: under a stream of short-lived objects it would grow to 150 MB that it never gives
// back. The old one is collected when it has grown by two fifths, not by up to four times. A restore
// of 50,000 files peaks at 232 MB rather than 344 by the first, their first commit at 304 MB rather
// than 380 by the second. The price is a sixth more processor time in a first commit of 10,000
// files, and a twentieth in one of 50,000.
setFlagsFromString("--semi-space-growth-factor=1");
setFlagsFromString("--heap-growing-percent=40");

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
} else {
	const { start } = await import("./start.ts");
	await start(argv, manifest.version);
}
