#!/usr/bin/env node
// Starts the bundled command in this very process, so that signals and the exit status are its own.
// In a checkout that was never built it builds first. Plain JavaScript, so that an old Node can
// read the message below.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import module from "node:module";
import { join } from "node:path";

const COMMAND = join(import.meta.dirname ?? "", "../dist/openclaw-sidecar.js");
const BUILD = join(import.meta.dirname ?? "", "../build.ts");
const LEAST_NODE = 24;

/** Exit status 2: this machine cannot do what was asked. */
function refuse(message) {
	process.stderr.write(`openclaw-sidecar: ${message}\n`);
	process.exit(2);
}

if (Number.parseInt(process.versions.node, 10) < LEAST_NODE) {
	refuse(
		`needs Node ${LEAST_NODE} or newer, this is ${process.versions.node}; in a checkout, \`pnpm openclaw-sidecar\` brings its own`,
	);
}

if (!existsSync(COMMAND)) {
	if (!existsSync(BUILD)) refuse(`${COMMAND} is missing; install the package again`);
	// Its messages go to stderr: stdout belongs to the command.
	const { status } = spawnSync(process.execPath, [BUILD, "--bundles-only"], {
		stdio: ["ignore", 2, 2],
	});
	if (status !== 0) refuse("could not be built");
}

const cache = compileCacheDirectory();
if (cache !== undefined) module.enableCompileCache(cache);

await import(COMMAND);

/** In the user's own directory, never in /tmp: a process that can write the cache decides what runs. */
function compileCacheDirectory() {
	const { HOME, XDG_CACHE_HOME } = process.env;
	if (XDG_CACHE_HOME?.startsWith("/")) return join(XDG_CACHE_HOME, "openclaw-sidecar");
	return HOME?.startsWith("/") ? join(HOME, ".cache/openclaw-sidecar") : undefined;
}
