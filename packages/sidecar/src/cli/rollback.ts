import { SidecarError } from "../errors.ts";
import { humanBytes } from "../telemetry/format.ts";
import type { Command } from "./command.ts";
import { count, shownPath } from "./format.ts";
import { movedLines } from "./restore.ts";

export const rollback: Command = {
	name: "rollback",
	summary:
		"Make the tree of an earlier commit the newest again, by a new commit; the workspace follows.",
	notes: [
		"A time means the last commit between two turns of the agent. To get a commit that was taken during a turn, give its number.",
		"Nothing is rewritten: the rollback can be rolled back. What was changed here and not durable is committed first. Stop a running",
		"daemon before. Exit status 3 where names or content are not the earlier ones, 4 where another writer took the workspace over.",
	],
	options: [
		{ flags: "--to <SEQ|TIME>", description: "The commit, as for --at of the other commands." },
	],
	async run({ config, log, progress, out }, _args, options) {
		if (options.to === undefined)
			throw new SidecarError("USAGE", { reason: "flag --to is missing: which commit?" });
		const library = await import("../library/rollback.ts");
		const result = await library.rollback({
			settings: config,
			to: String(options.to),
			log,
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
