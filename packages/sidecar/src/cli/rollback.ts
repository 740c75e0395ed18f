import { SidecarError } from "../errors.ts";
import { humanBytes, plural } from "../telemetry/format.ts";
import type { Command } from "./command.ts";
import type { Ending } from "./ending.ts";
import { count, shownPath } from "./format.ts";
import { differenceLine } from "./format-difference.ts";
import { movedLines, plannedLines, replacedLines } from "./restore.ts";

export const rollback: Command = {
	name: "rollback",
	summary: "Make an earlier commit the newest again, here and in the log.",
	notes: [
		"A time means the last commit between two turns of the agent. To get a commit that was taken during a turn, give its number.",
		"Commits the earlier tree, and brings the workspace to it. History is not rewritten, so a rollback can be undone. Changes here that are not durable are committed first. Stop a running",
		"daemon first. Exit status 3 if names or content differ from the earlier commit, 4 if another writer took the workspace over.",
	],
	options: [
		{
			flags: "--to <WHEN>",
			description: "The commit or the time, in any form that --at accepts.",
		},
		{ flags: "--dry-run", description: "Only show what would change." },
	],
	async run({ config, logger, progress, out }, _args, options) {
		if (options.to === undefined)
			throw new SidecarError("USAGE", {
				value: "--to WHEN",
				reason: "this option is required: it names the commit",
			});
		if (options.dryRun === true) {
			const { planRollback } = await import("../library/plan-restore.ts");
			const to = String(options.to);
			const planned = await planRollback({ settings: config, to, logger, progress });
			if (config.json) await out.json({ ...planned, dryRun: true });
			else for (const line of plannedLines("roll back", planned)) await out.line(line);
			return 0;
		}
		const library = await import("../library/rollback.ts");
		const result = await library.rollback({
			settings: config,
			to: String(options.to),
			logger,
			progress,
		});
		if (config.json)
			await out.json({
				...result,
				changes: result.changes.map(({ path, kind }) => ({ path, kind })),
				differences: result.differences.map(({ path, kind }) => ({ path, kind })),
			});
		else for (const line of shown(result)) await out.line(line);
		return endingOf(result);
	},
};

type Result = Awaited<ReturnType<typeof import("../library/rollback.ts").rollback>>;

/** @returns 3 and 4 as an error: the rollback is not what was asked for */
function endingOf({ exitStatus, superseded, to, changes, differences }: Result): Ending {
	if (superseded)
		return new SidecarError("SUPERSEDED", { reason: "nothing was rolled back for it" });
	if (exitStatus === 0) return 0;
	const number = differences.length;
	return new SidecarError("NOT_DURABLE", {
		value: `commit ${to}`,
		reason:
			number === 0
				? "not every deletion is committed"
				: `${count(number, "path")} of the new commit ${plural(number, "differs", "differ")} from it`,
		remedy: `see the named paths: free or move what blocks them and roll back again${changes.length === 0 ? "" : "; `openclaw-sidecar undo` takes the rollback back"}`,
	});
}

function shown({
	to,
	seq,
	changes,
	bytes,
	moved,
	differences,
	note,
	superseded,
}: Result): string[] {
	if (superseded) return ["nothing was rolled back", ...movedLines(moved)];
	return [
		`commit ${seq} has the tree of ${to} again: ${changes.length === 0 ? "no path differed" : `${count(changes.length, "path")} changed, ${humanBytes(bytes)} sent`}`,
		...changes.map(differenceLine),
		...(changes.length === 0 ? [] : ["`openclaw-sidecar undo` takes it back"]),
		...differences.map(
			(each) =>
				`differs  ${shownPath(each.path)}: ${howOf(each)}, see \`openclaw-sidecar diff ${to}\``,
		),
		...replacedLines(moved, true),
		...(note === undefined ? [] : [`note     ${note}`]),
	];
}

function howOf(difference: Result["differences"][number]): string {
	if (difference.kind !== "changed") return difference.kind;
	const only = difference.aspects.every((aspect) => aspect === "mode" || aspect === "time");
	return only ? `only its ${difference.aspects.join(" and ")}` : difference.kind;
}
