/** The output of `history`. */
import type { SidecarError } from "../errors.ts";
import type { MissingCommits } from "../history/commit-changes.ts";
import type { HistoryEntry } from "../history/history.ts";
import type { PathChange } from "../history/path-history.ts";
import type { Context } from "./command.ts";
import { type Display, displayOf } from "./display.ts";
import { count, isoTime } from "./format.ts";
import {
	COMMIT_COLUMNS,
	commitRow,
	isQuiet,
	missingRow,
	PATH_COLUMNS,
	pathRow,
	type RowContext,
} from "./history-rows.ts";
import { entryForProgram } from "./ls.ts";
import { paged } from "./pager.ts";
import { type Cell, type Column, Table } from "./table.ts";

/** Rows that are aligned together, and printed before more are read. */
const ROWS_AT_ONCE = 50;

export interface AskedHistory {
	readonly paths: readonly string[];
	readonly since: string | undefined;
	/** Rows. */
	readonly limit: number;
	/** Show commits that change nothing. */
	readonly all: boolean;
	readonly ignoreCase: boolean;
}

export async function showHistory(context: Context, asked: AskedHistory): Promise<number> {
	const { config, out } = context;
	const { since, limit, all } = asked;
	if (asked.paths.length > 0) return await pathHistory(context, asked);
	if (config.json) return await jsonHistory(context, limit, since);
	const display = displayOf(config, process.stdout, process.env);
	let unreadable: SidecarError | undefined;
	const status = await paged(context, display, async (signal) => {
		const { changes } = await import("../library/look.ts");
		const rows = new Rows(context, COMMIT_COLUMNS, display);
		const rowContext = await rowContextOf(context);
		let quiet = 0;
		for await (const item of changes({ settings: config, since, signal })) {
			if (item.type === "missing") {
				if (item.error === undefined) continue;
				unreadable ??= item.error;
				await rows.add(missingRow(item));
			} else if (!all && isQuiet(item)) quiet++;
			else await rows.add(commitRow(item, rowContext));
			if (rows.count >= limit || out.isClosed) break;
		}
		await rows.end();
		if (rows.count === 0)
			await out.line(
				since !== undefined
					? `nothing changed since ${since}`
					: quiet > 0
						? "nothing was changed yet"
						: "the log is empty",
			);
		if (quiet > 0 && display.isTerminal)
			await out.line(
				display.style("dim", `${count(quiet, "commit")} without a change: --all shows them`),
			);
		return 0;
	});
	if (unreadable !== undefined) throw unreadable;
	return status;
}

async function pathHistory(
	context: Context,
	{ paths, since, limit, ignoreCase }: AskedHistory,
): Promise<number> {
	const { config, out } = context;
	const library = await import("../library/look.ts");
	const display = displayOf(config, process.stdout, process.env);
	let unreadable: SidecarError | undefined;
	let found = 0;
	const status = await paged(context, display, async (signal) => {
		const rows = new Rows(context, PATH_COLUMNS, display);
		const rowContext = await rowContextOf(context);
		const asked = { settings: config, paths, since, ignoreCase, signal };
		for await (const item of library.pathHistory(asked)) {
			if (item.type === "missing") unreadable ??= item.error;
			else found++;
			if (config.json) await out.json(changeForProgram(item));
			else if (item.type === "change") await rows.add(pathRow(item, rowContext));
			if (found >= limit || out.isClosed) break;
		}
		await rows.end();
		return 0;
	});
	if (found === 0 && unreadable === undefined) {
		if (since === undefined) throw await library.unknownPath({ settings: config }, paths);
		if (!config.json) await out.line(`nothing changed there since ${since}`);
	}
	if (unreadable !== undefined) throw unreadable;
	return status;
}

/** Collects rows and prints them aligned. */
class Rows {
	readonly #context: Context;
	readonly #table: Table;
	#rows: (readonly Cell[])[] = [];
	count = 0;

	constructor(context: Context, columns: readonly Column[], display: Display) {
		this.#context = context;
		this.#table = new Table(columns, display);
	}

	async add(row: readonly Cell[]): Promise<void> {
		this.count++;
		this.#rows.push(row);
		if (this.#rows.length >= ROWS_AT_ONCE) await this.end();
	}

	async end(): Promise<void> {
		const { out } = this.#context;
		const rows = this.#rows;
		this.#rows = [];
		if (rows.length === 0) return;
		for (const line of this.#table.lines(rows)) await out.line(line);
		await out.flush();
	}
}

async function rowContextOf({ config }: Context): Promise<RowContext> {
	const { thisWriter } = await import("../library/this-writer.ts");
	return { nowMs: Date.now(), writerHere: await thisWriter({ settings: config }) };
}

/** Every commit, in the shape of earlier releases. */
async function jsonHistory(
	{ config, out }: Context,
	limit: number,
	since: string | undefined,
): Promise<number> {
	const library = await import("../library/read.ts");
	let unreadable: SidecarError | undefined;
	for await (const entry of library.history({ settings: config, limit, since })) {
		await out.json(forProgram(entry));
		await out.flush();
		if ("error" in entry) unreadable ??= entry.error;
		if (out.isClosed) return 0;
	}
	if (unreadable !== undefined) throw unreadable;
	return 0;
}

function forProgram(entry: HistoryEntry): object {
	const { timeMs, ...rest } = entry;
	const time = isoTime(timeMs);
	if (!("error" in rest)) return { ...rest, time };
	const { error, ...listed } = rest;
	return { ...listed, time, unreadable: { code: error.code, message: error.message } };
}

function changeForProgram(item: PathChange | MissingCommits): object {
	if (item.type === "missing") {
		const { from, to, error } = item;
		const unreadable = error && { code: error.code, message: error.message };
		return { missing: { from, to, ...(unreadable && { unreadable }) } };
	}
	const { seq, previousSeq = null, timeMs, kind, path, from, writer, flags, before, after } = item;
	const { turns, isPutBack } = item;
	return {
		...{ seq, previousSeq, time: isoTime(timeMs), kind, path, from, writer, flags },
		...{ turns, isPutBack },
		...(before && { before: entryForProgram(from ?? path, before) }),
		...(after && { after: entryForProgram(path, after) }),
	};
}
