import { humanBytes } from "../telemetry/format.ts";
import type { Command } from "./command.ts";
import { durableEnding } from "./ending.ts";
import { count, deferredWords, shownPath } from "./format.ts";
import { coverageRows, everything, exceptions } from "./format-coverage.ts";
import { movedLines } from "./restore.ts";

export const flush: Command = {
	name: "flush",
	summary: "Commit now what changed on this disk.",
	notes: [
		"Uses the running daemon if there is one. Otherwise the workspace must derive from the log, or the log must be empty.",
		"Exit status 3 if something could not be committed or a deletion is deferred, 4 if another writer owns the workspace.",
	],
	options: [
		{
			flags: "--confirm-deletions",
			description:
				"Commit deletions that would be deferred because too much vanished at once. `status` names the number.",
		},
	],
	async run({ config, logger, progress, out }, _args, options) {
		const library = await import("../library/flush.ts");
		const confirmDeletions = options.confirmDeletions === true;
		const report = await library.flush({ settings: config, confirmDeletions, logger, progress });
		if (config.json) await out.json(report);
		else for (const line of shown(report)) await out.line(line);
		const { exitStatus, notTaken, deferredDeletions } = report;
		return durableEnding({ exitStatus, paths: notTaken.length, deferredDeletions });
	},
};

type Report = Awaited<ReturnType<typeof import("../library/flush.ts").flush>>;

function shown({
	by,
	kind,
	seq,
	changed,
	removed,
	bytes,
	notTaken,
	deferredDeletions,
	moved,
	excluded,
	superseded,
	coverage,
	exitStatus,
}: Report): string[] {
	const byDaemon = by === "daemon" ? ", by the daemon" : "";
	return [
		kind === "committed"
			? `committed ${seq}: ${count(changed, "path")} changed, ${removed} removed, ${humanBytes(bytes)} sent${byDaemon}`
			: `nothing to flush${exitStatus === 0 ? `: ${everything(coverage, false)} is durable${exceptions(coverage)}` : ""}${byDaemon}`,
		...(superseded ? ["superseded  the commit is below .recovered/"] : []),
		...notTaken.map(({ path, reason }) => `not taken  ${shownPath(path)}: ${reason}`),
		...excluded.map(({ path, reason }) => `left out  ${shownPath(path)}: ${reason}`),
		...(deferredDeletions > 0 ? [`deferred  ${deferredWords(deferredDeletions)}`] : []),
		...movedLines(moved),
		...coverageRows(coverage).map(([label, text]) => `${label}  ${text}`),
	];
}
