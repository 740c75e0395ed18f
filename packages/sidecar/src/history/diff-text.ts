import { isUtf8 } from "node:buffer";
import { FILE_HEADERS_ONLY, formatPatch, type StructuredPatch, structuredPatch } from "diff";

/**
 * Added and removed lines up to which the shortest difference is sought: takes half a second for this
 * many. Beyond, everything between the first and the last changed line is replaced.
 */
const MAX_EDITED_LINES = 2_000;
/** The same after this time, for example on a busy machine. */
const MAX_DIFF_MS = 1_000;
const CONTEXT_LINES = 3;
const NO_NEWLINE = "\\ No newline at end of file";

/** Whether bytes can be shown as lines: UTF-8 without NUL. */
export function isText(bytes: Buffer): boolean {
	return isUtf8(bytes) && !bytes.includes(0);
}

export interface TextDifference {
	/** As `diff -u` prints it; `git apply` and `patch -p1` take it. Ends with a line break. */
	readonly unified: string;
	readonly addedLines: number;
	readonly removedLines: number;
}

/** @param before undefined if the file is new @param after undefined if the file is gone */
export function diffText(
	path: string,
	before: string | undefined,
	after: string | undefined,
): TextDifference {
	const names = [
		before === undefined ? "/dev/null" : `a/${path}`,
		after === undefined ? "/dev/null" : `b/${path}`,
	] as const;
	const options = { context: CONTEXT_LINES, maxEditLength: MAX_EDITED_LINES, timeout: MAX_DIFF_MS };
	const [old = "", now = ""] = [before, after];
	const patch =
		structuredPatch(...names, old, now, undefined, undefined, options) ??
		replaceAll(names, linesOf(old), linesOf(now));
	const lines = patch.hunks.flatMap((hunk) => hunk.lines);
	return {
		unified: formatPatch(patch, FILE_HEADERS_ONLY),
		addedLines: lines.filter((line) => line.startsWith("+")).length,
		removedLines: lines.filter((line) => line.startsWith("-")).length,
	};
}

/** Lines with their ends. */
function linesOf(text: string): readonly string[] {
	return text.match(/[^\n]*\n|[^\n]+$/g) ?? [];
}

/** One hunk, from the first line that differs to the last. */
function replaceAll(
	[oldFileName, newFileName]: readonly [string, string],
	old: readonly string[],
	now: readonly string[],
): StructuredPatch {
	const shorter = Math.min(old.length, now.length);
	let start = 0;
	while (start < shorter && old[start] === now[start]) start++;
	let end = 0;
	while (end < shorter - start && old.at(-1 - end) === now.at(-1 - end)) end++;
	const from = Math.max(0, start - CONTEXT_LINES);
	const kept = Math.min(end, CONTEXT_LINES);
	const marked = (mark: string, lines: readonly string[]) =>
		lines.flatMap((line) =>
			line.endsWith("\n") ? [`${mark}${line.slice(0, -1)}`] : [`${mark}${line}`, NO_NEWLINE],
		);
	const lines = [
		...marked(" ", old.slice(from, start)),
		...marked("-", old.slice(start, old.length - end)),
		...marked("+", now.slice(start, now.length - end)),
		...marked(" ", old.slice(old.length - end, old.length - end + kept)),
	];
	const oldLines = old.length - end + kept - from;
	const newLines = now.length - end + kept - from;
	const hunk = { oldStart: from + 1, oldLines, newStart: from + 1, newLines, lines };
	return {
		...{ oldFileName, newFileName, oldHeader: undefined, newHeader: undefined, hunks: [hunk] },
	};
}
