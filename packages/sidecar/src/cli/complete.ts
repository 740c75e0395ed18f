/**
 * What a shell offers for a command line that is being typed: commands, options, values, and where
 * files fit. The scripts of `completion` ask for it at each TAB; `main.ts` starts it.
 *
 * The store is never read for this: a TAB must not wait for a network.
 */
import { commandLineOptions } from "../config/options.ts";
import type { Command } from "./command.ts";
import {
	commonOptions,
	HELP_OPTIONS,
	inShort,
	longFlag,
	optionsOf,
	type ShownOption,
} from "./options-of.ts";
import { COMMANDS } from "./program.ts";

/** Kinds of file names that the shell adds itself. */
export type Files = "none" | "files" | "dirs";

export interface Completions {
	/** Each begins with the word that is being typed. */
	readonly found: readonly (readonly [value: string, description: string])[];
	readonly files: Files;
}

interface TypedOption extends ShownOption {
	readonly choices?: readonly string[] | undefined;
}

const HELP: Command = { name: "help", summary: "Explain a command.", run: async () => 0 };

/** @param words after the program; the last one is being typed, and may be empty */
export function complete(words: readonly string[], commands = COMMANDS): Completions {
	const { before, typed } = readWords(words);
	if (before.includes("--")) return { found: [], files: "files" };
	const { command, waiting, given, places } = readBefore(before, commands);
	if (waiting !== undefined) return valuesOf(waiting, typed, "");
	const [, flag, value] = /^(--[^=]+)=(.*)$/s.exec(typed) ?? [];
	if (flag !== undefined) {
		const option = optionsFor(command).find(({ flags }) => longFlag(flags) === flag);
		return option === undefined ? NOTHING : valuesOf(option, value ?? "", `${flag}=`);
	}
	if (typed.startsWith("-")) {
		const options = optionsFor(command).map((option) => [longFlag(option.flags), option] as const);
		const open = options.filter(([name]) => !given.has(name) || name === "--root");
		return matching(
			open.map(([name, { description }]) => [name, description]),
			typed,
			"none",
		);
	}
	if (command === undefined || command === HELP)
		return places > 0 ? NOTHING : matching([...commands, HELP].flatMap(namesOf), typed, "none");
	const place = placeOf(command, places);
	if (place?.choices !== undefined)
		return matching(
			place.choices.map((choice) => [choice, ""]),
			typed,
			"none",
		);
	return { found: [], files: filesOf(place?.name ?? "") };
}

/** One per line with its description, and the kind of files last. */
export function completionLines({ found, files }: Completions): string {
	return [...found.map(([value, about]) => `${value}\t${about}`), `:${files}`, ""].join("\n");
}

const NOTHING: Completions = { found: [], files: "none" };

/** bash makes `=` a word of its own. */
function readWords(words: readonly string[]): { before: readonly string[]; typed: string } {
	// The last one is being typed: it may become an option.
	const end = words.slice(0, -1).indexOf("--");
	const own = end < 0 ? words : words.slice(0, end);
	const joined = own.filter((word, index) => word !== "=" || !own[index - 1]?.startsWith("--"));
	if (own.at(-1) === "=") joined.push("");
	const typed = end < 0 ? (joined.at(-1) ?? "") : "";
	return { before: end < 0 ? joined.slice(0, -1) : words, typed };
}

function readBefore(before: readonly string[], commands: readonly Command[]) {
	const given = new Set<string>();
	let command: Command | undefined;
	let waiting: TypedOption | undefined;
	let places = 0;
	for (const word of before) {
		if (waiting !== undefined) waiting = undefined;
		else if (word.startsWith("-")) {
			const name = word.split("=")[0] as string;
			given.add(name);
			const known = [...optionsFor(command), ...everyOption()];
			const option = known.find(({ flags }) => longFlag(flags) === name);
			if (option?.flags.includes("<") === true && !word.includes("=")) waiting = option;
		} else if (command === undefined)
			command = [...commands, HELP].find(
				({ name, alias }) => name === word || (alias !== undefined && alias === word),
			);
		else places++;
	}
	return { command, waiting, given, places };
}

/** An option of the configuration is accepted before the command's name too. */
function everyOption(): readonly TypedOption[] {
	return commandLineOptions().map((option) => ({ ...inShort(option), choices: option.choices }));
}

function optionsFor(command: Command | undefined): readonly TypedOption[] {
	const { own, configured, common } =
		command === undefined
			? { own: [], configured: [], common: commonOptions() }
			: optionsOf(command);
	const configuration = [...configured, ...common].map((option) => ({
		...inShort(option),
		choices: option.choices,
	}));
	const version = { flags: "--version", description: "Print the version." };
	return [...own, ...configuration, ...HELP_OPTIONS, ...(command === undefined ? [version] : [])];
}

function valuesOf({ flags, choices }: TypedOption, typed: string, prefix: string): Completions {
	const placeholder = /<([^>]*)>/.exec(flags)?.[1] ?? "";
	const listed = choices ?? alternatives(placeholder) ?? [];
	const files = prefix === "" ? filesOf(placeholder) : "none";
	return matching(
		listed.map((value) => [`${prefix}${value}`, ""]),
		`${prefix}${typed}`,
		files,
	);
}

/** `a` and `b` of `<a|b>`; undefined for a placeholder such as `NAME|URL`. */
function alternatives(placeholder: string): readonly string[] | undefined {
	return /^[a-z0-9-]+(\|[a-z0-9-]+)+$/.test(placeholder) ? placeholder.split("|") : undefined;
}

function filesOf(placeholder: string): Files {
	if (/^(DIR|TARGET|SOURCE)(\.\.\.)?$/.test(placeholder)) return "dirs";
	return /^(FILE|PATH)(\.\.\.)?$/.test(placeholder) ? "files" : "none";
}

/** The argument at a place, of `<A> [B]` or `[PATH...]`; a repeated one is also the next. */
function placeOf({ args = "", choices }: Command, index: number) {
	const all = [...args.matchAll(/[<[]([A-Za-z_|-]+)(\.\.\.)?[>\]]/g)];
	const place = all[index] ?? (all.at(-1)?.[2] === undefined ? undefined : all.at(-1));
	if (place === undefined) return undefined;
	const name = place[1] as string;
	return { name, choices: choices ?? alternatives(name) };
}

function namesOf({ name, alias, summary }: Command): (readonly [string, string])[] {
	return [[name, summary], ...(alias === undefined ? [] : [[alias, summary] as const])];
}

function matching(all: Completions["found"], typed: string, files: Files): Completions {
	return { found: all.filter(([value]) => value.startsWith(typed)), files };
}
