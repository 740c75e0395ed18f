import type { Command } from "./command.ts";
import { shownPath } from "./format.ts";

export const why: Command = {
	name: "why",
	alias: "check-ignore",
	args: "<PATH...>",
	summary: "Tell whether the log has a path, or which rule keeps it out.",
	notes: [
		"PATH is absolute, or relative to the workspace as `ls` shows it.",
		"Exit status 0 for any answer. Reads the log and these paths; changes nothing.",
	],
	async run({ config, logger, progress, out }, paths) {
		const library = await import("../library/why.ts");
		for (const answer of await library.why({ settings: config, paths, logger, progress })) {
			if (config.json) await out.json(answer);
			else for (const line of shown(answer)) await out.line(line);
		}
		return 0;
	},
};

type Answer = Awaited<ReturnType<typeof import("../library/why.ts").why>>[number];

function shown({ path, stored, code, reason, remedy }: Answer): string[] {
	const state = stored ? "stored" : `not stored [${code}]`;
	return [
		`${shownPath(path)}: ${state}: ${reason}`,
		...(remedy === undefined ? [] : [`  what to do: ${remedy}`]),
	];
}
