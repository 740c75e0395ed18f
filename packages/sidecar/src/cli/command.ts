import type { LoadedConfig } from "../config/load.ts";
import type { Config } from "../config/options.ts";
import type { Logger, Progress } from "../telemetry/types.ts";
import type { Ending } from "./ending.ts";
import type { Output } from "./output.ts";

/** The input of a command: settings by the options' keys, and its output. */
export interface Context {
	readonly config: Config;
	/** Where each setting comes from, in the words of messages. */
	readonly sources: LoadedConfig["sources"];
	/** Absolute. */
	readonly configFile: string;
	readonly logger: Logger;
	readonly progress: Progress;
	/** Removes a failed command's progress line from the terminal. */
	readonly clearProgress: () => void;
	/** For the result only. */
	readonly out: Output;
}

/** One command, without its code, which is loaded when the command runs. */
export interface Command {
	readonly name: string;
	/** Another name under which people look for it. */
	readonly alias?: string;
	/** In commander's syntax: `[PATH]`. */
	readonly args?: string;
	/** The values of its arguments, if there are only a few. */
	readonly choices?: readonly string[];
	readonly summary: string;
	/** Further help: one line each. */
	readonly notes?: readonly string[];
	/** It runs until it is stopped, so without a terminal it writes log lines. */
	readonly isDaemon?: boolean;
	readonly options?: readonly { readonly flags: string; readonly description: string }[];
	/** The file that --config names need not exist: the command writes it. */
	readonly writesConfig?: boolean;
	/**
	 * Prints the result. An error with a status for it is returned rather than thrown if the result
	 * is complete and printed.
	 */
	run(
		context: Context,
		args: readonly string[],
		options: Readonly<Record<string, unknown>>,
	): Promise<Ending>;
}

export const AT_OPTION = {
	flags: "--at <WHEN>",
	description:
		'A commit (41, its ID, a tag, latest~3), an age (2h, 1h30m), or a local time ("yesterday 18:00", monday).',
} as const;

/** An option's value as text; undefined if it was not given. */
export function textOf(value: unknown): string | undefined {
	return value === undefined ? undefined : String(value);
}
