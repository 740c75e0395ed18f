/** What one row of `history` says, for people. */
import type { CommitChanges, MissingCommits } from "../history/commit-changes.ts";
import { hostOf } from "../history/history.ts";
import type { PathChange } from "../history/path-history.ts";
import { summarise } from "../history/summarise.ts";
import { turnWords } from "../history/turn-words.ts";
import { isTouchedDirectory, type PathDifference } from "../log/diff-trees.ts";
import type { Entry } from "../log/types.ts";
import { humanBytes } from "../telemetry/format.ts";
import { ago, count, shownPath, shownTime } from "./format.ts";
import type { Cell, Column } from "./table.ts";

/** TIME goes last: --at accepts it. */
export const COMMIT_COLUMNS: readonly Column[] = [
	{ heading: "COMMIT", isRight: true, style: "yellow" },
	{ heading: "WHEN", isRight: true, drop: 3 },
	{ heading: "TIME", drop: 1, style: "dim" },
	{ heading: "SIZE", isRight: true, drop: 5 },
	{ heading: "CHANGES" },
	{ heading: "PATHS", shrinks: true },
	{ heading: "TURN", shrinks: true, isOptional: true, drop: 2 },
	{ heading: "BY", drop: 4, style: "dim" },
	{ heading: "NOTES", isOptional: true, style: "red" },
];

export const PATH_COLUMNS: readonly Column[] = [
	{ heading: "COMMIT", isRight: true, style: "yellow" },
	{ heading: "WHEN", isRight: true, drop: 3 },
	{ heading: "TIME", drop: 1, style: "dim" },
	{ heading: "SIZE", isRight: true, drop: 5 },
	{ heading: "CHANGE" },
	{ heading: "BY", drop: 4, style: "dim" },
	{ heading: "TURN", shrinks: true, isOptional: true, drop: 2 },
	{ heading: "PATH" },
];

export interface RowContext {
	readonly nowMs: number;
	/** The writer that this machine is. */
	readonly writerHere: string | undefined;
}

/** A commit that changes nothing but the times of directories, and is no alarm. */
export function isQuiet({ info, differences }: CommitChanges): boolean {
	const { recovered = false, alarm = false } = info.flags;
	return !recovered && !alarm && differences.every(isTouchedDirectory);
}

export function commitRow(commit: CommitChanges, context: RowContext): readonly Cell[] {
	const { info, timeMs, previousSeq } = commit;
	const shown = namedDifferences(commit.differences);
	const times = [String(info.seq), ago(context.nowMs - timeMs), shownTime(timeMs)];
	const by = byWhom(info.writer, hostOf(info), context);
	if (previousSeq === undefined) {
		const what = `${count(shown.length, "path")} in the oldest state that is left`;
		return [...times, "", "", { text: what, style: "dim" }, "", by, notesOf(commit, shown)];
	}
	const bytes = newBytes(shown);
	const paths = summarise(
		shown.map(({ path }) => path),
		shownPath,
	);
	return [
		...times,
		bytes === 0 ? "" : humanBytes(bytes),
		changesWord(shown),
		paths === "" ? { text: quietWord(commit), style: "dim" } : paths,
		turnWords(commit),
		by,
		notesOf(commit, shown),
	];
}

export function missingRow({ from, to, error }: MissingCommits): readonly Cell[] {
	const which = from === to ? String(to) : `${from}-${to}`;
	const why = error === undefined ? "past retention" : `cannot be read: ${error.code}`;
	return [which, "", "", "", "", { text: why, style: "red" }];
}

export function pathRow(change: PathChange, context: RowContext): readonly Cell[] {
	const { kind, path, from, seq, timeMs, writer, host, before, after } = change;
	const name = `${shownPath(path)}${(after ?? before)?.type === "dir" && path !== "" ? "/" : ""}`;
	return [
		String(seq),
		ago(context.nowMs - timeMs),
		shownTime(timeMs),
		shownSizes(change),
		{ text: changeWord(change), style: CHANGE_STYLES[kind] },
		byWhom(writer, host, context),
		turnWords(change),
		from === undefined ? name : `${shownPath(from)} -> ${name}`,
	];
}

const CHANGE_STYLES = {
	created: "green",
	changed: "yellow",
	metadata: "dim",
	deleted: "red",
	renamed: "cyan",
	there: "dim",
} as const;

function changeWord({ kind, seq, previousSeq, before, after }: PathChange): string {
	// Retention deleted the commits between.
	const since = previousSeq !== undefined && previousSeq < seq - 1 ? ` since ${previousSeq}` : "";
	if (kind === "there") return "oldest left";
	if (kind !== "metadata") return `${kind}${since}`;
	const isMode =
		before !== undefined &&
		after !== undefined &&
		"mode" in before &&
		"mode" in after &&
		before.mode !== after.mode;
	return `${isMode ? "mode" : "time"}${since}`;
}

function shownSizes({ before, after }: PathChange): string {
	const sizes = [before, after].flatMap((entry) =>
		entry?.type === "file" ? [humanBytes(entry.size)] : [],
	);
	const [old, now] = sizes;
	return now === undefined || now === old ? (old ?? "") : `${old} -> ${now}`;
}

/** Files and links; directories only if there is nothing else. */
function namedDifferences(differences: readonly PathDifference[]): readonly PathDifference[] {
	const meant = differences.filter((each) => each.path !== "" && !isTouchedDirectory(each));
	const files = meant.filter(
		(each) => (each.kind === "removed" ? each.before : each.after).type !== "dir",
	);
	return files.length > 0 ? files : meant;
}

function changesWord(differences: readonly PathDifference[]): string {
	const marks = { added: "+", changed: "~", removed: "-" } as const;
	return (["added", "changed", "removed"] as const)
		.map((kind) => [kind, differences.filter((each) => each.kind === kind).length] as const)
		.flatMap(([kind, number]) =>
			number === 0 ? [] : [`${marks[kind]}${number.toLocaleString("en-US")}`],
		)
		.join(" ");
}

/** Bytes of chunks that the path did not have before. */
function newBytes(differences: readonly PathDifference[]): number {
	let bytes = 0;
	for (const each of differences) {
		if (each.kind === "removed" || each.after.type !== "file") continue;
		const had = new Set(each.kind === "changed" ? chunksOf(each.before) : []);
		for (const { sha256, length } of each.after.chunks) if (!had.has(sha256)) bytes += length;
	}
	return bytes;
}

function chunksOf(entry: Entry): readonly string[] {
	return entry.type === "file" ? entry.chunks.map(({ sha256 }) => sha256) : [];
}

function quietWord({ info, differences }: CommitChanges): string {
	if (info.flags.fence === true) return "start of a writer";
	if (info.flags.closed === true) return "end of a writer";
	return differences.length > 0 ? "times of directories" : "no change";
}

function byWhom(writer: string, host: string | undefined, { writerHere }: RowContext): string {
	if (host !== undefined) return shownPath(host);
	return writer === writerHere ? "this machine" : `writer ${writer.slice(0, 8)}`;
}

/** Fewer deletions are never called a mass deletion. */
const LEAST_MASS_DELETION = 10;

/** What a reader must not overlook. */
function notesOf(commit: CommitChanges, differences: readonly PathDifference[]): string {
	const { info, previousSeq, entries } = commit;
	const removed = commit.differences.filter(({ kind }) => kind === "removed").length;
	const added = commit.differences.filter(({ kind }) => kind === "added").length;
	const isMassDeletion =
		removed >= LEAST_MASS_DELETION && removed > (entries - added + removed) / 2;
	const isSparse = previousSeq !== undefined && previousSeq < info.seq - 1;
	const notes = [
		...(info.flags.alarm === true ? ["MASS REWRITE"] : []),
		...(isMassDeletion ? ["MASS DELETION"] : []),
		...(info.flags.recovered === true ? ["quarantined"] : []),
		...(isSparse && differences.length > 0 ? [`since ${previousSeq}`] : []),
		...(isDuringTurn(commit) ? ["during a turn"] : []),
	];
	return notes.join(", ");
}

function isDuringTurn({ info: { annotations = [] } }: CommitChanges): boolean {
	return annotations.some(({ name, value }) => name === "turn" && value === "running");
}
