import { styleText } from "node:util";
import { isReservedId } from "../log/restore-id.ts";
import { humanBytes, plural } from "../telemetry/format.ts";
import type { Command } from "./command.ts";
import { durableEnding, type Ending } from "./ending.ts";
import { ago, aligned, count, deferredWords, isoTime, shownPath } from "./format.ts";
import { coverageRows, everything, exceptions, isLeftOut } from "./format-coverage.ts";

export const status: Command = {
	name: "status",
	summary: "Show whether everything on this disk is durable.",
	notes: [
		"The first line is the answer. OK: everything is in the log. ATTENTION: nothing is lost, and there is something to know.",
		"NOT SAFE: something is on this disk only, until you act.",
		"Exit status 0: everything on this disk is in the log. 3: something is not, a deletion is deferred, an inner volume is missing, or the",
		"directory does not derive from the log. 4: another writer owns the workspace. A missing workspace is an error, as for `flush`.",
	],
	options: [
		{
			flags: "--watch",
			description:
				"Show it again whenever it changes, until a signal comes. Without a terminal: one line per change.",
		},
	],
	async run({ config, out }, _args, options) {
		const library = await import("../library/status.ts");
		const settings = { settings: config };
		if (options.watch === true) {
			const { watch } = await import("./status-watch.ts");
			return endingOf(await watch(library, settings, { json: config.json, out }, VIEW));
		}
		const found = await library.status(settings);
		if (config.json) await out.json(forProgram(found));
		else for (const line of forPerson(found)) await out.line(line);
		return endingOf(found);
	},
};

function endingOf(found: Found): Ending {
	const { exitStatus, notDurable, deferredDeletions, notRestored, reasons, daemon } = found;
	const lacking = { exitStatus, paths: notDurable.length, deferredDeletions, notRestored };
	if (reasons.join() !== "not-durable") return durableEnding(lacking);
	const remedy =
		daemon === undefined
			? "run `openclaw-sidecar flush`, which commits them or says what is wrong, and keep the disk until then"
			: "wait for the daemon, or let it commit now with `openclaw-sidecar flush`; keep the disk until then";
	return durableEnding(lacking, { remedy });
}

type Found = Awaited<ReturnType<typeof import("../library/status.ts").status>>;

/** The rest is counted: a list that scrolls away is useless. */
const SHOWN_PATHS = 20;
const LISTED_PATHS = 1_000;

const VIEW = { lines: forPerson, line: verdictLine, object: forProgram };

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
			: [["holds", `${count(log.files, "file")}, ${humanBytes(log.bytes)}`]]),
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
	const listed = [...notDurable, ...excluded]
		.slice(0, SHOWN_PATHS)
		.map(({ path, reason }) => `  ${shownPath(path)}: ${reason}`);
	const left = notDurable.length + excluded.length - listed.length;
	return [
		verdictLine(found),
		...aligned(rows),
		...listed,
		...(left > 0 ? [`  and ${count(left, "more", "more")}`] : []),
	];
}

const VERDICTS = {
	ok: ["green", "OK"],
	attention: ["yellow", "ATTENTION"],
	"not-safe": ["red", "NOT SAFE"],
} as const;

/** One glance: a word, and what it means here. */
export function verdictLine(found: Found): string {
	const [colour, word] = VERDICTS[found.verdict];
	return `${styleText(colour, word, { stream: process.stdout })}: ${verdictWords(found)}`;
}

function verdictWords(found: Found): string {
	const { log, storeTimeMs, reasons, notDurable, deferredDeletions, coverage, daemon } = found;
	const age =
		log === undefined
			? "the log is empty"
			: `last commit ${log.seq}, ${ago(storeTimeMs - log.timeMs)}`;
	if (reasons.includes("superseded")) return "another writer owns this workspace";
	if (reasons.includes("not-restored"))
		return `this directory must not be committed: ${found.notRestored}`;
	const paths = `${count(notDurable.length, "path")} ${plural(notDurable.length, "is", "are")}`;
	const waits = !daemon
		? "no daemon runs"
		: daemon.phase === "serving"
			? daemon.lastFlushError || daemon.notTaken?.length
				? "the daemon cannot commit"
				: "the daemon commits soon"
			: `process ${daemon.pid} is ${daemon.phase}`;
	const files = found.quarantined.reduce((sum, each) => sum + each.files, 0);
	const gaps = coverage?.gaps.length ?? 0;
	const hasExcluded = found.excluded.length > 0 || isLeftOut(coverage);
	return [
		reasons.includes("not-durable")
			? `${paths} on this disk only, and ${waits}`
			: daemon?.lastFlushError
				? `the last commit failed [${daemon.lastFlushError.code}]`
				: deferredDeletions > 0
					? `${count(deferredDeletions, "deletion")} ${plural(deferredDeletions, "waits", "wait")} for an answer, and the log keeps the files`
					: `${everything(coverage, hasExcluded)} is durable`,
		...(gaps > 0 ? [`${count(gaps, "place")} NOT KEPT`] : []),
		...(files > 0 ? [`${count(files, "file")} quarantined`] : []),
		age,
	].join(", ");
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
	verdict,
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
		verdict,
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
