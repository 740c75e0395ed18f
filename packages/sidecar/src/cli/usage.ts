import type { CommanderError } from "commander";
import { SidecarError } from "../errors.ts";
import { inWords, plural } from "../telemetry/format.ts";
import type { Command } from "./command.ts";
import { longFlag } from "./options-of.ts";

/** An option that more commands have says nothing about what was meant. */
const MAX_OTHERS = 4;

/**
 * Turns a parse error of commander's into an error of the table. @param command the command whose
 * arguments it read, if it got so far
 */
export function usageError(
	{ code, message }: CommanderError,
	command: string | undefined,
	commands: readonly Command[],
): SidecarError {
	if (code === "commander.help")
		return new SidecarError("USAGE", {
			reason: "no command was given",
			remedy: "`openclaw-sidecar --help` lists the commands",
		});
	const [first = "", suggestion] = message.replace(/^error: /, "").split("\n");
	const help = `\`openclaw-sidecar ${command === undefined ? "" : `${command} `}--help\` lists what is accepted`;
	const agent =
		command === "run" && code !== "commander.optionMissingArgument"
			? "; the agent's command goes after --"
			: "";
	const value = VALUE.exec(first)?.[1]?.replace(/^$/, '""');
	const others = commands.filter(({ options = [] }) =>
		options.some(({ flags }) => longFlag(flags) === value?.replace(/=.*$/s, "")),
	);
	const hint =
		code === "commander.unknownOption" && others.length > 0 && others.length <= MAX_OTHERS
			? `${inWords(others.map(({ name }) => `\`${name}\``))} ${plural(others.length, "has", "have")} this option; `
			: suggestion === undefined
				? ""
				: `${suggestion.replace(/^\(D/, "d").replace(/\)$/, "")} `;
	const remedy = hint + help + agent;
	const reason = REASONS[code];
	return new SidecarError(
		"USAGE",
		value === undefined || reason === undefined
			? { reason: first, remedy }
			: { value, reason, remedy },
	);
}

const VALUE = /'([^']*)'/;

/** By commander's codes, if its message says no more than the value. */
const REASONS: Readonly<Record<string, string>> = {
	"commander.unknownCommand": "unknown command",
	"commander.unknownOption": "unknown option",
	"commander.missingArgument": "this argument is required",
	"commander.optionMissingArgument": "this option needs a value",
};
