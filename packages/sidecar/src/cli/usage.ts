import type { CommanderError } from "commander";
import { SidecarError } from "../errors.ts";

/**
 * Turns a parse error of commander's into an error of the table. @param command the command whose
 * arguments it read, if it got so far
 */
export function usageError(
	{ code, message }: CommanderError,
	command: string | undefined,
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
	const hint =
		suggestion === undefined ? "" : `${suggestion.replace(/^\(D/, "d").replace(/\)$/, "")} `;
	const remedy = hint + help + agent;
	const value = VALUE.exec(first)?.[1];
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
	"commander.missingArgument": "this argument is missing",
	"commander.optionMissingArgument": "its value is missing",
};
