import type { Config } from "../config/options.ts";
import type { Logger, Progress } from "../telemetry/types.ts";
import type { Output } from "./output.ts";

/** What a command runs with: settings by the options' keys, and where it may write. */
export interface Context {
	readonly config: Config;
	readonly log: Logger;
	readonly progress: Progress;
	/** Takes what a command that failed left of it off the terminal. */
	readonly clearProgress: () => void;
	/** For the result alone. */
	readonly out: Output;
}

/** One command, without the code it runs: that is loaded when the command is. */
export interface Command {
	readonly name: string;
	/** As commander writes them: `[PATH]`. */
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
		"A commit by its number, by an ISO time (UTC unless it names a zone; the store's clock counts), or by how long ago: 30m, 2h, 1d.",
} as const;

/** An option's value as text; undefined where it was not given. */
export function textOf(value: unknown): string | undefined {
	return value === undefined ? undefined : String(value);
}
