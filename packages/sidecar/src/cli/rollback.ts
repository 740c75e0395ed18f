import { SidecarError } from "../errors.ts";
import { humanBytes } from "../telemetry/format.ts";
import type { Command } from "./command.ts";
import { count, shownPath } from "./format.ts";
import { movedLines } from "./restore.ts";

export const rollback: Command = {
	name: "rollback",
	summary: "Commit the tree of an earlier commit as the newest, and bring the workspace to it.",
	notes: [
		"A time means the last commit between two turns of the agent. To get a commit that was taken during a turn, give its number.",
		"History is not rewritten, so a rollback can be undone. Changes here that are not durable are committed first. Stop a running",
		"daemon first. Exit status 3 if names or content differ from the earlier commit, 4 if another writer took the workspace over.",
	],
	options: [
		{
			flags: "--to <SEQ|TIME>",
			description: "The commit: a number, a time or an age, as for --at.",
		},
	],
	async run({ config, logger, progress, out }, _args, options) {
		if (options.to === undefined)
			throw new SidecarError("USAGE", { reason: "flag --to is missing: it names the commit" });
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
				differences: result.differences.map(({ path, kind }) => ({ path, kind })),
			});
		else for (const line of shown(result)) await out.line(line);
		return result.exitStatus;
	},
};

type Result = Awaited<ReturnType<typeof import("../library/rollback.ts").rollback>>;

function shown({
	to,
	from,
	seq,
	changed,
	removed,
	bytes,
	moved,
	differences,
	note,
	superseded,
}: Result): string[] {
	if (superseded)
		return [
			"another writer owns this workspace now: nothing was rolled back",
			...movedLines(moved),
		];
	return [
		`commit ${seq} has the tree of ${to} again: ${count(changed, "path")} changed, ${removed} removed, ${humanBytes(bytes)} sent`,
		`undo with \`openclaw-sidecar rollback --to ${from}\``,
		...differences.map(
			(each) =>
				`differs  ${shownPath(each.path)}: ${howOf(each)}, see \`openclaw-sidecar diff ${to}\``,
		),
		...movedLines(moved),
		...(note === undefined ? [] : [`note     ${note}`]),
	];
}

function howOf(difference: Result["differences"][number]): string {
	if (difference.kind !== "changed") return difference.kind;
	const only = difference.aspects.every((aspect) => aspect === "mode" || aspect === "time");
	return only ? `only its ${difference.aspects.join(" and ")}` : difference.kind;
}
