import { isReservedId } from "../log/restore-id.ts";
import { humanBytes } from "../telemetry/format.ts";
import type { Command } from "./command.ts";
import { ago, aligned, count, deferredWords, isoTime, shownPath } from "./format.ts";
import { coverageRows, everything, exceptions, isLeftOut } from "./format-coverage.ts";

export const status: Command = {
	name: "status",
	summary: "Show the log, the daemon, and what on this disk is not durable.",
	notes: [
		"Exit status 0: everything on this disk is in the log. 3: something is not, a deletion is deferred, an inner volume is missing, or the",
		"directory does not derive from the log. 4: another writer owns the workspace. A missing workspace is an error, as for `flush`.",
	],
	async run({ config, out }) {
		const library = await import("../library/status.ts");
		const found = await library.status({ settings: config });
		if (config.json) await out.json(forProgram(found));
		else for (const line of forPerson(found)) await out.line(line);
		return found.exitStatus;
	},
};

type Found = Awaited<ReturnType<typeof import("../library/status.ts").status>>;

/** The rest is counted: a list that scrolls away is useless. */
const SHOWN_PATHS = 20;
const LISTED_PATHS = 1_000;

function forPerson(found: Found): string[] {
	const {
		logUrl,
		workspace,
		log,
		quarantined,
		storeTimeMs,
		isDurable,
		notDurable,
		excluded,
		behind,
		elsewhere,
		coverage,
	} = found;
	const rows = [
		["log", logUrl],
		["newest", log === undefined ? "none: the log is empty" : newest(log, storeTimeMs)],
		...(log === undefined
			? []
			: [
					[
						"holds",
						`${count(log.entries, "file and directory", "files and directories")}, ${humanBytes(log.bytes)}`,
					],
				]),
		...quarantined.map(({ writer, files, bytes }) => [
			"quarantined",
			`${count(files, "file")}, ${humanBytes(bytes)}, by ${isReservedId(writer) ? "this log's own writers" : "a superseded writer"}: .recovered/${writer}`,
		]),
		...elsewhere.map(({ path, files, bytes }) => [
			"elsewhere",
			`${shownPath(path)}: ${count(files, "file")}, ${humanBytes(bytes)}, only in the log; no --root here names its directory`,
		]),
		["workspace", shownPath(workspace)],
		...coverageRows(coverage),
		["this disk", thisDisk(found)],
		...(behind > 0 && log !== undefined
			? [["behind", `${count(behind, "path")} would be changed by a restore`]]
			: []),
		["daemon", daemonWords(found)],
		...(excluded.length > 0
			? [
					[
						"left out",
						`${count(excluded.length, "file")}, by choice: not durable, and in no restore`,
					],
				]
			: []),
		...(found.deferredDeletions > 0 ? [["deferred", deferredWords(found.deferredDeletions)]] : []),
		[
			"durable",
			isDurable
				? `yes, ${everything(coverage, excluded.length > 0 || isLeftOut(coverage))} on this disk is in the log${exceptions(coverage)}`
				: whyNotDurable(found),
		],
	];
	const shown = [...notDurable, ...excluded]
		.slice(0, SHOWN_PATHS)
		.map(({ path, reason }) => `  ${shownPath(path)}: ${reason}`);
	const left = notDurable.length + excluded.length - shown.length;
	return [
		...aligned(rows),
		...shown,
		...(left > 0 ? [`  and ${count(left, "more", "more")}`] : []),
	];
}

function whyNotDurable({ notDurable, deferredDeletions, notRestored, reasons }: Found): string {
	const words = {
		superseded: "another writer owns this workspace",
		"not-restored": `this directory must not be committed: ${notRestored}`,
		"not-durable": count(notDurable.length, "path"),
		deferred: `${count(deferredDeletions, "deletion")} deferred`,
	} as const;
	return `NO: ${reasons.map((reason) => words[reason]).join(", ")}`;
}

function newest(log: NonNullable<Found["log"]>, storeTimeMs: number): string {
	const state = log.isClosed ? "closed in order" : "not closed: its writer may be running";
	return `commit ${log.seq} (${log.id.slice(0, 12)}), ${ago(storeTimeMs - log.timeMs)}, by ${log.writer.slice(0, 8)}, ${state}`;
}

function thisDisk({ marker, hasBase, log }: Found): string {
	if (marker === undefined) return log === undefined ? "new" : "never restored from this log";
	if (!marker.complete) return "a restore was interrupted";
	const base = marker.baseSeq === 0 ? "an empty log" : `commit ${marker.baseSeq}`;
	return `derives from ${base}${hasBase ? "" : ", which is not reliable: it is no longer in the log, or this is another directory"}`;
}

function daemonWords({ daemon }: Found): string {
	if (daemon === undefined) return "none";
	const { phase, pid, waiting, deferredDeletions, superseded, lastFlushError, notTaken } = daemon;
	return [
		`${phase}, process ${pid}`,
		...(superseded ? ["SUPERSEDED by another writer"] : []),
		...(waiting ? [`${count(waiting, "path")} waiting`] : []),
		...(notTaken?.length ? [`${count(notTaken.length, "path")} not taken`] : []),
		...(deferredDeletions ? [`${count(deferredDeletions, "deletion")} deferred`] : []),
		...(lastFlushError
			? [`last flush failed [${lastFlushError.code}] ${lastFlushError.message}`]
			: []),
	].join(", ");
}

function forProgram({
	logUrl,
	workspace,
	isDurable,
	reasons,
	log,
	quarantined,
	storeTimeMs,
	marker,
	hasBase,
	behind,
	notDurable,
	excluded,
	elsewhere,
	deferredDeletions,
	notRestored,
	coverage,
	daemon,
}: Found): object {
	return {
		durable: isDurable,
		reasons,
		log: {
			url: logUrl,
			...(log === undefined
				? { seq: 0 }
				: { ...log, timeMs: undefined, time: isoTime(log.timeMs) }),
			storeTime: isoTime(storeTimeMs),
		},
		quarantined,
		elsewhere,
		workspace,
		notCovered: coverage?.gaps.map(({ path }) => path) ?? [],
		coverage: coverage ?? null,
		base:
			marker === undefined
				? null
				: { seq: marker.baseSeq, id: marker.baseId, complete: marker.complete, known: hasBase },
		behind,
		deferredDeletions,
		notRestored: notRestored ?? null,
		notDurableCount: notDurable.length,
		notDurable: notDurable.slice(0, LISTED_PATHS),
		excluded: excluded.slice(0, LISTED_PATHS),
		excludedCount: excluded.length,
		daemon: daemon ?? null,
	};
}
