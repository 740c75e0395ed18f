import { SidecarError } from "../errors.ts";
import type { HistoryEntry } from "../history/history.ts";
import { humanBytes } from "../telemetry/format.ts";
import type { Command } from "./command.ts";
import { isoTime } from "./format.ts";

const DEFAULT_LIMIT = 50;

export const history: Command = {
	name: "history",
	summary: "List the log's commits, newest first.",
	notes: ["TIME is by the store's clock. --at accepts it."],
	options: [
		{ flags: "--limit <N>", description: `Number of commits, or all. (default: ${DEFAULT_LIMIT})` },
	],
	async run({ config, out }, _args, options) {
		const limit = limitOf(options.limit);
		const library = await import("../library/read.ts");
		let unreadable: SidecarError | undefined;
		let isFirst = true;
		for await (const entry of library.history({ settings: config, limit })) {
			if (config.json) await out.json(forProgram(entry));
			else {
				if (isFirst) await out.line(HEADING);
				await out.line(forPerson(entry));
			}
			await out.flush();
			isFirst = false;
			if ("error" in entry) unreadable ??= entry.error;
			if (out.isClosed) return 0;
		}
		if (isFirst && !config.json) await out.line("the log is empty");
		if (unreadable !== undefined) throw unreadable;
		return 0;
	},
};

function limitOf(value: unknown): number | undefined {
	if (value === undefined) return DEFAULT_LIMIT;
	if (value === "all") return undefined;
	if (/^[1-9]\d{0,11}$/.test(String(value))) return Number(value);
	throw new SidecarError("USAGE", {
		value: String(value) || '""',
		reason: "flag --limit accepts a number from 1, or all",
	});
}

const HEADING = row("SEQ", "TIME", "KIND", "CHANGED", "REMOVED", "SIZE", "WRITER", "ID", "FLAGS");

function forPerson(entry: HistoryEntry): string {
	const { seq, timeMs, objectBytes } = entry;
	if ("error" in entry)
		return `${row(String(seq), isoTime(timeMs), "?", "", "", humanBytes(objectBytes), "", "", "")} ${entry.error.code}`.replace(
			/ +/g,
			" ",
		);
	const { id, writer, kind, flags, changed, removed, turn } = entry;
	return row(
		String(seq),
		isoTime(timeMs),
		kind,
		String(changed),
		String(removed),
		humanBytes(objectBytes),
		writer.slice(0, 8),
		id.slice(0, 12),
		flagWords({ ...flags, turn: turn === "running" }),
	);
}

/** Widths are fixed: a row is printed before the next is read. */
function row(
	seq: string,
	time: string,
	kind: string,
	changed: string,
	removed: string,
	size: string,
	writer: string,
	id: string,
	flags: string,
): string {
	const cells = [
		seq.padStart(7),
		time.padEnd(24),
		kind.padEnd(5),
		changed.padStart(7),
		removed.padStart(7),
		size.padStart(8),
		writer.padEnd(8),
		id.padEnd(12),
		flags,
	];
	return cells.join("  ").trimEnd();
}

function flagWords(flags: object): string {
	return Object.entries(flags)
		.filter(([, isSet]) => isSet === true)
		.map(([name]) => name)
		.join(",");
}

function forProgram(entry: HistoryEntry): object {
	const { timeMs, ...rest } = entry;
	const time = isoTime(timeMs);
	if (!("error" in rest)) return { ...rest, time };
	const { error, ...listed } = rest;
	return { ...listed, time, unreadable: { code: error.code, message: error.message } };
}
