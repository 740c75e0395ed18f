/**
 * Help that fits a screen: a command's own options first, those of every command in one line.
 * `--help-all` explains every option in full.
 */
import { commandLineOptions } from "../config/options.ts";
import type { Command } from "./command.ts";
import {
	commonOptions,
	HELP_OPTIONS,
	inFull,
	inShort,
	isUndo,
	longFlag,
	optionsOf,
	type ShownOption,
} from "./options-of.ts";

export interface HelpStyle {
	/** Columns. */
	readonly width: number;
	/** `--help-all` */
	readonly isFull: boolean;
}

/** What commands are for; others are listed last. */
export const GROUPS: readonly (readonly [title: string, names: readonly string[]])[] = [
	["Start here", ["init", "doctor", "service", "completion"]],
	["Every day", ["run", "status", "flush", "restore", "undo", "ui"]],
	["Look back", ["history", "find", "ls", "cat", "diff", "tag", "why"]],
	["Repair", ["rollback", "recover", "trash", "verify", "repair"]],
	["Move and clean up", ["export", "import", "gc"]],
];

export const EXIT_STATUS =
	"Exit status: 0 all durable, 2 usage or configuration, 3 something is not durable, 4 another writer owns the workspace, 5 integrity, 6 denied or refused by the store, 7 store unreachable, 1 a bug. `run` exits with the agent's own if everything is durable.";

const EXIT_STATUS_SHORT =
	"Exit status 0 means: everything is durable. With any other, the last lines say what happened and what to do.";

export const EXAMPLES = [
	"openclaw-sidecar run --store s3://my-bucket -- openclaw gateway",
	"openclaw-sidecar history --limit 5",
	"openclaw-sidecar cat openclaw.json --at 2h",
] as const;

/** Commands in groups, in the order of `GROUPS`; what no group names is last. */
export function grouped(
	commands: readonly Command[],
): readonly (readonly [title: string, commands: readonly Command[]])[] {
	const named = GROUPS.map(
		([title, names]) =>
			[title, names.flatMap((name) => commands.filter((each) => each.name === name))] as const,
	);
	const known = new Set(named.flatMap(([, found]) => found));
	return [...named, ["Other", commands.filter((each) => !known.has(each))] as const].filter(
		([, found]) => found.length > 0,
	);
}

export function programHelp(
	about: string,
	commands: readonly Command[],
	{ width, isFull }: HelpStyle,
): string {
	const termWidth = Math.max(...commands.map(({ name }) => name.length));
	const options = commandLineOptions();
	return sections([
		["Usage: openclaw-sidecar COMMAND [ARGUMENT...] [OPTION...]"],
		wrapped(about, width),
		...grouped(commands).map(([title, found]) => [
			`${title}:`,
			...found.flatMap(({ name, summary }) => item(name, summary, termWidth, width)),
		]),
		isFull
			? list("Options", [...options.map(inFull), ...HELP_OPTIONS, VERSION_OPTION], width)
			: wrapped(
					`Options of every command: ${namesOf(commonOptions(options))}. Each is also a variable, OPENCLAW_SIDECAR_STORE for --store, and a key of the config file. \`openclaw-sidecar COMMAND --help\` explains a command, \`openclaw-sidecar --help-all\` all options.`,
					width,
				),
		wrapped(isFull ? EXIT_STATUS : EXIT_STATUS_SHORT, width),
		["Examples:", ...EXAMPLES.map((line) => `  ${line}`)],
	]);
}

const VERSION_OPTION = { flags: "-V, --version", description: "Print the version." };

/** `run` has 30; the first of the table are the everyday ones. */
const SHOWN_CONFIGURED = 9;

export function commandHelp(command: Command, { width, isFull }: HelpStyle): string {
	const { own, configured, common } = optionsOf(command);
	const usage = ["Usage: openclaw-sidecar", command.name, command.args, "[OPTION...]"];
	const everyday = configured.filter(isNoUndo).slice(0, SHOWN_CONFIGURED);
	const rest = configured.filter(isNoUndo).slice(SHOWN_CONFIGURED);
	const shown = [
		...own,
		...(isFull ? configured.map(inFull) : everyday.map(inShort)),
		...(isFull ? common.map(inFull) : []),
		...HELP_OPTIONS,
	];
	return sections([
		[usage.filter((word) => word !== undefined).join(" ")],
		wrapped(
			command.alias === undefined
				? command.summary
				: `${command.summary} Also called \`${command.alias}\`.`,
			width,
		),
		// One paragraph: a line of the table is no line of the screen.
		wrapped((command.notes ?? []).join(" "), width),
		list("Options", shown, width),
		isFull
			? []
			: wrapped(
					`${rest.length === 0 ? "" : `More options of \`${command.name}\`: ${namesOf(rest)}. `}Every command also takes ${namesOf(common)}: see \`openclaw-sidecar ${command.name} --help-all\`.`,
					width,
				),
	]);
}

function isNoUndo({ flags }: ShownOption | { readonly flags: string }): boolean {
	return !isUndo(flags);
}

function namesOf(options: readonly { readonly flags: string }[]): string {
	return options
		.filter(isNoUndo)
		.map(({ flags }) => longFlag(flags))
		.join(", ");
}

function sections(parts: readonly (readonly string[])[]): string {
	return `${parts
		.filter((lines) => lines.length > 0)
		.map((lines) => lines.join("\n"))
		.join("\n\n")}\n`;
}

/** Longer names of options get a line of their own. */
const MAX_TERM = 30;

function list(title: string, options: readonly ShownOption[], width: number): string[] {
	const lengths = options.map(({ flags }) => flags.length);
	const termWidth = Math.max(...lengths.filter((length) => length <= MAX_TERM));
	return [
		`${title}:`,
		...options.flatMap(({ flags, description }) => item(flags, description, termWidth, width)),
	];
}

function item(term: string, description: string, termWidth: number, width: number): string[] {
	const indent = " ".repeat(termWidth + 4);
	const lines = wrapped(description, width - indent.length);
	const [first = "", ...more] = lines;
	if (term.length > termWidth) return [`  ${term}`, ...lines.map((line) => indent + line)];
	return [`  ${term.padEnd(termWidth)}  ${first}`, ...more.map((line) => indent + line)];
}

/** Lines of at most `width` columns, or of one word. No line for an empty text. */
export function wrapped(text: string, width: number): string[] {
	const lines: string[] = [];
	// A command in backticks stays in one line, for copying, if a line has room for it.
	const parts = text.match(/(?:`[^`]*`|[^`\s]|`)+/g) ?? [];
	const words = parts.flatMap((part) => (part.length > width ? part.split(/\s+/) : [part]));
	for (const word of words) {
		const last = lines.at(-1);
		if (last !== undefined && last.length + 1 + word.length <= width)
			lines[lines.length - 1] = `${last} ${word}`;
		else lines.push(word);
	}
	return lines;
}

/**
 * A message on a terminal of `columns`, the later lines indented. One line without a terminal:
 * programs search it.
 */
export function fitted(line: string, columns: number | undefined, indent = "  "): string[] {
	if (columns === undefined || line.length <= columns) return [line];
	const lead = /^ */.exec(line)?.[0] ?? "";
	const [first = "", ...rest] = wrapped(line, columns - Math.max(lead.length, indent.length));
	return [lead + first, ...rest.map((each) => indent + each)];
}
