import { humanBytes } from "../telemetry/format.ts";
import type { Command } from "./command.ts";
import { count, heldWords, shownPath } from "./format.ts";
import { coverageRows, everything, exceptions } from "./format-coverage.ts";
import { movedLines } from "./restore.ts";

export const flush: Command = {
	name: "flush",
	summary: "Commit what changed on this disk now.",
	notes: [
		"A running daemon is asked to; without one this command does it itself, if the workspace derives from the log (or the log is empty).",
		"Exit status 3 when something could not be taken or a deletion is held, 4 when another writer owns the workspace.",
	],
	async run({ config, log, progress, out }) {
		const library = await import("../library/flush.ts");
		const report = await library.flush({ settings: config, log, progress });
		if (config.json) await out.json(report);
		else for (const line of shown(report)) await out.line(line);
		return report.exitStatus;
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
		...(superseded
			? ["another writer owns this workspace: what was committed lies below .recovered/"]
			: []),
		...notTaken.map(({ path, reason }) => `not taken  ${shownPath(path)}: ${reason}`),
		...excluded.map(({ path, reason }) => `left out  ${shownPath(path)}: ${reason}`),
		...(deferredDeletions > 0 ? [`held  ${heldWords(deferredDeletions)}`] : []),
		...movedLines(moved),
		...coverageRows(coverage).map(([label, text]) => `${label}  ${text}`),
	];
}
