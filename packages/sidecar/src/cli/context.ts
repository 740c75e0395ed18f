/** Turns a command line into the input of a command. */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { loadConfig } from "../config/load.ts";
import { createLogger } from "../telemetry/logger.ts";
import { logProgress, terminalProgress } from "../telemetry/progress.ts";
import type { Context } from "./command.ts";
import type { Output } from "./output.ts";

/** @param flags by commander's names @throws SidecarError USAGE, and the errors of wrong values */
export function makeContext(flags: Readonly<Record<string, unknown>>, out: Output): Context {
	const { config, warnings, sources } = loadConfig({
		flags,
		env: process.env,
		homeDir: homedir(),
		workingDir: process.cwd(),
		readFile,
	});
	// On a terminal the progress line and the result replace the log lines.
	const isForPeople = process.stderr.isTTY === true && !config.json;
	const isLevelGiven = !sources.logLevel.startsWith("default");
	const logLevel = isForPeople && !isLevelGiven ? "warn" : config.logLevel;
	const logger = createLogger(logLevel);
	const clock = () => performance.now();
	const progress = isForPeople
		? terminalProgress(process.stderr, clock)
		: logProgress(logger, clock);
	for (const reason of warnings) logger.warn("config.ignored", { reason });
	const clearProgress = () => {
		if (isForPeople) progress.end();
	};
	return { config: { ...config, logLevel }, logger, progress, clearProgress, out };
}

function readFile(path: string): string | undefined {
	try {
		return readFileSync(path, "utf8");
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
		throw error;
	}
}
