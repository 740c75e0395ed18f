/** The command's entry. Starts fast: a command's code is loaded when the command is run, and `--version` loads nothing at all. */
import manifest from "../../package.json" with { type: "json" };

const argv = process.argv.slice(2);
if (argv.length === 1 && (argv[0] === "--version" || argv[0] === "-V")) {
	process.stdout.write(`${manifest.version}\n`);
} else {
	const { main } = await import("./program.ts");
	const status = await main(argv, manifest.version);
	// Whatever still has a handle open must not keep a finished command alive; all output is written.
	process.exit(status);
}
