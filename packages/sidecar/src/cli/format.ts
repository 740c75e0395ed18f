/** Numbers and names for people. */
import { printable } from "../errors.ts";
import type { Entry } from "../log/types.ts";
import { ago, count } from "../telemetry/format.ts";

export { ago, count };

/** Tells that deletions were deferred; the error at the end says how to delete the files. */
export function deferredWords(deletions: number): string {
	return `${count(deletions, "deletion")}: too much vanished at once; the log keeps the files, and a restore brings them back`;
}

/**
 * The rows of a table as lines; all columns except the last are padded. @param right columns
 * aligned to the right, by index
 */
export function aligned(
	rows: readonly (readonly string[])[],
	right: readonly number[] = [],
): string[] {
	const widths: number[] = [];
	for (const row of rows)
		for (const [index, cell] of row.entries())
			widths[index] = Math.max(widths[index] ?? 0, cell.length);
	const pad = (cell: string, index: number) =>
		right.includes(index) ? cell.padStart(widths[index] ?? 0) : cell.padEnd(widths[index] ?? 0);
	return rows.map((row) => row.map(pad).join("  ").trimEnd());
}

/** A path that is safe for a terminal, never shortened. */
export function shownPath(path: string): string {
	return path === "" ? "." : printable(path, Number.POSITIVE_INFINITY);
}

/** Like `ls -l`: `drwxr-x---`, `-rw-r--r--`, `lrwxrwxrwx`. */
export function modeWord(entry: Entry): string {
	const mode = entry.type === "link" ? 0o777 : entry.mode;
	const triple = (shift: number, special: boolean, letter: string) => {
		const bits = mode >> shift;
		const execute = bits & 1;
		return `${bits & 4 ? "r" : "-"}${bits & 2 ? "w" : "-"}${special ? (execute ? letter : letter.toUpperCase()) : execute ? "x" : "-"}`;
	};
	const type = entry.type === "dir" ? "d" : entry.type === "link" ? "l" : "-";
	return (
		type +
		triple(6, (mode & 0o4000) !== 0, "s") +
		triple(3, (mode & 0o2000) !== 0, "s") +
		triple(0, (mode & 0o1000) !== 0, "t")
	);
}

/**
 * `2026-11-23 17:04:05`, local. Rounded up to a second, so that --at with the time of a commit finds
 * that commit.
 */
export function shownTime(ms: number): string {
	const whole = Math.ceil(clampedMs(ms) / 1000) * 1000;
	const local = whole - new Date(whole).getTimezoneOffset() * 60_000;
	return isoTime(local).slice(0, 19).replace("T", " ");
}

/** One line of text that is safe for a terminal; tabs stay. */
export function shownLine(line: string): string {
	return line
		.split("\t")
		.map((part) => printable(part, Number.POSITIVE_INFINITY))
		.join("\t");
}

/** `2026-11-23 17:04:05`, UTC. */
export function shortTime(ms: number): string {
	return isoTime(ms).slice(0, 19).replace("T", " ");
}

/**
 * ISO 8601 with milliseconds, UTC. File systems support times that JavaScript does not: those are
 * shown as the nearest supported time.
 */
export function isoTime(ms: number): string {
	return new Date(clampedMs(ms)).toISOString();
}

function clampedMs(ms: number): number {
	return Math.min(8.64e15, Math.max(-8.64e15, ms));
}

/** `130-191, 2` for numbers in descending order. */
export function ranges(descending: readonly number[]): string {
	const runs: [number, number][] = [];
	for (const number of descending) {
		const last = runs.at(-1);
		if (last !== undefined && last[0] === number + 1) last[0] = number;
		else runs.push([number, number]);
	}
	return runs.map(([from, to]) => (from === to ? String(from) : `${from}-${to}`)).join(", ");
}
