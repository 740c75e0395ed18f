/** Which options a command has: help, man pages and completion tell the same. */
import { type CommandLineOption, commandLineOptions } from "../config/options.ts";
import type { Command } from "./command.ts";

/** An option in commander's syntax. */
export interface ShownOption {
	readonly flags: string;
	readonly description: string;
}

export interface OptionsOf {
	/** The command's own, then those of the configuration that concern it. */
	readonly own: readonly ShownOption[];
	readonly configured: readonly CommandLineOption[];
	/** Those that every command accepts. */
	readonly common: readonly CommandLineOption[];
}

export const HELP_OPTIONS = [
	{ flags: "-h, --help", description: "Show this help." },
	{ flags: "--help-all", description: "Show every option, with all that there is to say." },
] as const satisfies readonly ShownOption[];

export function optionsOf(command: Command): OptionsOf {
	const options = commandLineOptions();
	return {
		own: command.options ?? [],
		configured: options.filter(({ commands }) => commands?.includes(command.name)),
		common: commonOptions(options),
	};
}

export function commonOptions(options = commandLineOptions()): readonly CommandLineOption[] {
	return options.filter(({ commands }) => commands === undefined);
}

/** All of an option's description. */
export function inFull({ flags, meaning, defaultText }: CommandLineOption): ShownOption {
	const description = defaultText === undefined ? meaning : `${meaning} (default: ${defaultText})`;
	return { flags, description };
}

/** The first sentence, and the default if it is short. */
export function inShort({ flags, meaning, defaultText = "" }: CommandLineOption): ShownOption {
	const first = /^.*?\.(?=\s|$)/.exec(meaning)?.[0] ?? meaning;
	const isShort = defaultText !== "" && defaultText.length <= SHORT_DEFAULT;
	return { flags, description: isShort ? `${first} (default: ${defaultText})` : first };
}

const SHORT_DEFAULT = 12;

/** `--store` of `--store <URL>` and of `-s, --store <URL>`. */
export function longFlag(flags: string): string {
	return /--[a-z0-9-]+/.exec(flags)?.[0] ?? flags;
}

/** `--no-…` says nothing that the switch does not say. */
export function isUndo(flags: string): boolean {
	return flags.startsWith("--no-");
}
