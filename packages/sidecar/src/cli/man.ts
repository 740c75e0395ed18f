/** The man page, from the table that `--help` shows. `build.ts` writes it into `dist/man`. */
import { ENV_PREFIX } from "../config/options.ts";
import { ERRORS } from "../errors.ts";
import type { Command } from "./command.ts";
import { EXAMPLES, EXIT_STATUS, grouped } from "./help.ts";
import { commonOptions, inFull, longFlag, optionsOf, type ShownOption } from "./options-of.ts";

/**
 * One page for all commands, so that a search in it finds everything. The same source gives the
 * same bytes: it has no date.
 */
export function manPage(about: string, commands: readonly Command[], version: string): string {
	return [
		`.TH OPENCLAW\\-SIDECAR 1 "" "openclaw\\-sidecar ${version}" "User Commands"`,
		".SH NAME",
		"openclaw\\-sidecar \\- keep an agent's workspace durable",
		".SH SYNOPSIS",
		".B openclaw\\-sidecar",
		"\\fICOMMAND\\fR [\\fIARGUMENT\\fR...] [\\fIOPTION\\fR...]",
		".SH DESCRIPTION",
		text(about),
		".SH COMMANDS",
		...grouped(commands).flatMap(([title, found]) => [
			`.SS "${text(title)}"`,
			...found.flatMap(commandLines),
		]),
		".SH OPTIONS OF EVERY COMMAND",
		...commonOptions().map(inFull).flatMap(optionLines),
		".SH ENVIRONMENT",
		text(
			`Every configuration option is also a variable: ${ENV_PREFIX}DRAIN_TIMEOUT for --drain-timeout. An option wins over the variable, the variable over the config file.`,
		),
		".SH FILES",
		".TP",
		text("~/.config/openclaw-sidecar/config.json"),
		text("Options as a JSON object, drainTimeout for --drain-timeout; another file: --config."),
		".TP",
		text(".openclaw-sidecar-ignore"),
		text("In the workspace: paths to leave out of the log, in the syntax of .gitignore."),
		".SH EXIT STATUS",
		text(EXIT_STATUS.replace(/^Exit status: /, "")),
		".SH ERRORS",
		...Object.entries(ERRORS).flatMap(([code, { meaning, remedy, exitStatus }]) => [
			".TP",
			`.B ${text(code)} (${exitStatus})`,
			text(`${meaning}. What to do: ${remedy}.`),
		]),
		".SH EXAMPLES",
		".EX",
		...EXAMPLES.map(text),
		".EE",
		"",
	].join("\n");
}

function commandLines(command: Command): string[] {
	const { name, alias, args = "", summary, notes = [] } = command;
	const { own, configured } = optionsOf(command);
	const also = alias === undefined ? "" : ` Also called ${alias}.`;
	const options = [...own, ...configured.map(inFull)];
	return [
		".TP",
		`.B ${text(`${name} ${args}`.trim())}`,
		text(`${summary}${also} ${notes.join(" ")}`.trim()),
		...(options.length === 0 ? [] : [".RS", ...options.flatMap(optionLines), ".RE"]),
	];
}

function optionLines({ flags, description }: ShownOption): string[] {
	const flag = longFlag(flags);
	const [before = "", after = ""] = flags.split(flag);
	const value = after.trim() === "" ? "" : ` \\fI${text(after.trim())}\\fR`;
	return [".TP", `${text(before)}\\fB${text(flag)}\\fR${value}`, text(description)];
}

/** Text without a meaning for roff: a dash is a dash to copy, and no line begins a request. */
function text(plain: string): string {
	return plain
		.replace(/\\/g, "\\e")
		.replace(/-/g, "\\-")
		.replace(/^([.'])/, "\\&$1")
		.replace(/"/g, "\\(dq");
}
