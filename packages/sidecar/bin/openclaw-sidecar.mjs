#!/usr/bin/env node
// Starts the bundled command in this very process, so that signals and the exit status are its own.
// In a checkout that was never built it builds first. Plain JavaScript, so that an old Node can
// read the message below.
//
// Without imports: an import of a module of Node looks up every export, and some load many others
// (15 ms).
const LEAST_NODE = 24;

/** Exit status 2: this machine cannot do what was asked. */
function refuse(message) {
	process.stderr.write(`openclaw-sidecar: ${message}\n`);
	process.exit(2);
}

if (Number.parseInt(process.versions.node, 10) < LEAST_NODE) {
	refuse(
		`needs Node ${LEAST_NODE} or newer, this is ${process.versions.node}\nwhat to do: in a project, \`npm install node-linux-${process.arch}@${LEAST_NODE}\`, which npx then uses; in a clone, \`npx -y pnpm openclaw-sidecar\` brings its own`,
	);
}

const { existsSync } = process.getBuiltinModule("node:fs");
const { join } = process.getBuiltinModule("node:path");
const COMMAND = join(import.meta.dirname, "../dist/openclaw-sidecar.js");
const BUILD = join(import.meta.dirname, "../build.ts");

if (!existsSync(COMMAND)) {
	if (!existsSync(BUILD)) refuse(`${COMMAND} is missing; install the package again`);
	// Its messages go to stderr: stdout belongs to the command.
	const { spawnSync } = process.getBuiltinModule("node:child_process");
	const { status } = spawnSync(process.execPath, [BUILD, "--bundles-only"], {
		stdio: ["ignore", 2, 2],
	});
	if (status !== 0) refuse("could not be built");
}

startWhereCalled();
const cache = compileCacheDirectory();
if (cache !== undefined) process.getBuiltinModule("node:module").enableCompileCache(cache);

await import(COMMAND);

/** pnpm runs the script of a clone in the clone, but relative paths mean the caller's directory. */
function startWhereCalled() {
	const { INIT_CWD, npm_lifecycle_event: script } = process.env;
	const isClone = existsSync(BUILD) && process.cwd() === join(import.meta.dirname, "../../..");
	if (!isClone || script !== "openclaw-sidecar" || INIT_CWD === undefined) return;
	process.chdir(INIT_CWD);
}

/** In the user's own directory, never in /tmp: a process that can write the cache decides what runs. */
function compileCacheDirectory() {
	const { HOME, XDG_CACHE_HOME } = process.env;
	if (XDG_CACHE_HOME?.startsWith("/")) return join(XDG_CACHE_HOME, "openclaw-sidecar");
	return HOME?.startsWith("/") ? join(HOME, ".cache/openclaw-sidecar") : undefined;
}
