import { SidecarError } from "../errors.ts";
import { type Command, textOf } from "./command.ts";

const DEFAULT_LIMIT = 50;

export const history: Command = {
	name: "history",
	args: "[PATH...]",
	summary: "Show what changed and when, newest first; with PATH, only there.",
	notes: [
		"PATH is a file, a directory or a glob such as '*.md'. A renamed file is followed to its former name.",
		"COMMIT, WHEN and TIME are accepted by --at, --since and wherever else a commit is asked for.",
		"TURN is the turn of the agent that ran when the change was made, and the beginning of its message.",
		"SIZE is the new content. CHANGES counts paths that were added (+), changed (~) and removed (-).",
	],
	options: [
		{ flags: "--limit <N>", description: `Number of rows, or all. (default: ${DEFAULT_LIMIT})` },
		{
			flags: "--since <WHEN>",
			description: "Only what changed after this commit, or since this time.",
		},
		{ flags: "--all", description: "Also commits that change nothing, such as a writer's start." },
		{ flags: "-i, --ignore-case", description: "PATH matches upper and lower case alike." },
	],
	async run(context, paths, options) {
		const { showHistory } = await import("./show-history.ts");
		return await showHistory(context, {
			paths,
			since: textOf(options.since),
			limit: limitOf(options.limit),
			all: options.all === true,
			ignoreCase: options.ignoreCase === true,
		});
	},
};

function limitOf(value: unknown): number {
	if (value === undefined) return DEFAULT_LIMIT;
	if (value === "all") return Number.POSITIVE_INFINITY;
	if (/^[1-9]\d{0,11}$/.test(String(value))) return Number(value);
	throw new SidecarError("USAGE", {
		value: String(value) || '""',
		reason: "flag --limit accepts a number from 1, or all",
	});
}
