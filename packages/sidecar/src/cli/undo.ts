import type { Command } from "./command.ts";
import { durableEnding } from "./ending.ts";
import { shownPath } from "./format.ts";
import { changeLines, changeSummary } from "./format-changes.ts";
import { movedLines, replacedLines } from "./restore.ts";

export const undo: Command = {
	name: "undo",
	args: "[PATH...]",
	summary: "Go back to before the last change, as a new commit.",
	notes: [
		"With PATH, undoes the last change of these files or directories only. Changes that are in no commit yet are committed first,",
		"so they are what is undone, and history keeps them. Deletions that look like a wipe are not committed: the files come back. A second undo takes the first one back. To go further back, use rollback.",
		"Exit status 3 if something could not be committed, 4 if another writer took the workspace over.",
	],
	options: [{ flags: "--dry-run", description: "Only show what would change." }],
	async run({ config, logger, progress, out }, paths, options) {
		const library = await import("../library/undo.ts");
		const dryRun = options.dryRun === true;
		const result = await library.undo({ settings: config, paths, dryRun, logger, progress });
		if (config.json) await out.json(result);
		else for (const line of shown(result, paths)) await out.line(line);
		const { exitStatus, notTaken, deferredDeletions } = result;
		return durableEnding({ exitStatus, paths: notTaken.length, deferredDeletions });
	},
};

type Result = Awaited<ReturnType<typeof import("../library/undo.ts").undo>>;

function shown(
	{ undone, at, seq, changes, moved, notTaken, dryRun, exitStatus }: Result,
	paths: readonly string[],
): string[] {
	if (exitStatus === 4)
		return ["another writer owns this workspace now: nothing was undone", ...movedLines(moved)];
	const what = undone === 0 ? "changes that are in no commit yet" : `commit ${undone}`;
	if (dryRun)
		return [
			`would undo ${what}: ${changeSummary(changes)}, as in commit ${at}`,
			...changeLines(changes),
		];
	const names = paths.map(shownPath).join(" ");
	const again = names === "" ? "undo" : `undo ${names}`;
	const further =
		names === ""
			? "`openclaw-sidecar history` and `rollback` go further back"
			: "`openclaw-sidecar history PATH` and `restore PATH --at` go further back";
	return [
		`undid ${what}: ${changeSummary(changes)}${seq === undefined ? "" : `; this is commit ${seq}`}`,
		...changeLines(changes),
		undone === 0
			? "no commit was undone: these files were only missing on this disk"
			: `\`openclaw-sidecar ${again}\` takes it back; ${further}`,
		...notTaken.map(({ path, reason }) => `not taken  ${shownPath(path)}: ${reason}`),
		...replacedLines(moved, true),
	];
}
