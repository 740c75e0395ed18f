import type { Config } from "../config/options.ts";
import type { Logger, Progress } from "../telemetry/types.ts";
import type { Output } from "./output.ts";

/** The input of a command: settings by the options' keys, and its output. */
export interface Context {
	readonly config: Config;
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
	/** In commander's syntax: `[PATH]`. */
	readonly args?: string;
	readonly summary: string;
	/** Further help: one line each. */
	readonly notes?: readonly string[];
	readonly options?: readonly { readonly flags: string; readonly description: string }[];
	/** @returns the exit status */
	run(
		context: Context,
		args: readonly string[],
		options: Readonly<Record<string, unknown>>,
	): Promise<number>;
}

export const AT_OPTION = {
	flags: "--at <SEQ|TIME>",
	description:
		"A commit's number, an ISO time (UTC unless it names a zone; by the store's clock), or an age: 30m, 2h, 1d.",
} as const;

/** An option's value as text; undefined if it was not given. */
export function textOf(value: unknown): string | undefined {
	return value === undefined ? undefined : String(value);
}
