/**
 * Turns a command line into the input of a command. Log lines are written by daemons, and on
 * request. Every other command prints its result, and in words what the result does not say.
 */
import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { loadConfig } from "../config/load.ts";
import { createLogger } from "../telemetry/logger.ts";
import { ERASE_LINE, logProgress, terminalProgress } from "../telemetry/progress.ts";
import type { Command, Context } from "./command.ts";
import type { Output } from "./output.ts";
import { warningLines, warningsInWords } from "./warnings.ts";

/**
 * @param flags by commander's names
 * @throws SidecarError USAGE, and the errors of wrong values
 */
export function makeContext(
	flags: Readonly<Record<string, unknown>>,
	out: Output,
	{ isDaemon = false, writesConfig = false }: Pick<Command, "isDaemon" | "writesConfig">,
): Context {
	const { config, warnings, sources, configFile } = loadConfig({
		flags,
		env: process.env,
		homeDir: homedir(),
		workingDir: process.cwd(),
		readFile: (path) => readFile(path) ?? (writesConfig ? "{}" : undefined),
	});
	const hasLines = !sources.logLevel.startsWith("default");
	const isForPeople = process.stderr.isTTY === true && !config.json;
	const clock = () => performance.now();
	const logger =
		hasLines || (isDaemon && !isForPeople)
			? createLogger(config.logLevel)
			: config.json
				? warningLines()
				: warningsInWords(isDaemon, (line) =>
						process.stderr.write(isForPeople ? `${ERASE_LINE}${line}` : line),
					);
	const progress = isForPeople
		? terminalProgress(process.stderr, clock)
		: logProgress(logger, clock);
	for (const reason of warnings) logger.warn("config.ignored", { reason });
	const clearProgress = () => {
		if (isForPeople) progress.end();
	};
	return { config, sources, configFile, logger, progress, clearProgress, out };
}

function readFile(path: string): string | undefined {
	try {
		return readFileSync(path, "utf8");
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
		throw error;
	}
}
