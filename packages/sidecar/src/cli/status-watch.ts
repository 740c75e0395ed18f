/** `status --watch`: a screen that is drawn again, or a line for each change. */
import { stripVTControlCharacters } from "node:util";
import type { WatchOptions, WorkspaceStatus } from "../library/status.ts";
import type { Output } from "./output.ts";

/** How to show a status. */
export interface StatusView {
	readonly lines: (found: WorkspaceStatus) => readonly string[];
	readonly line: (found: WorkspaceStatus) => string;
	readonly object: (found: WorkspaceStatus) => object;
}

interface Library {
	watchStatus(options: WatchOptions): AsyncGenerator<WorkspaceStatus>;
}

/** @returns the last status, once a signal came or the reader of the output is gone */
export async function watch(
	library: Library,
	options: Omit<WatchOptions, "signal">,
	{ json, out }: { readonly json: boolean; readonly out: Output },
	view: StatusView,
): Promise<WorkspaceStatus> {
	const stop = new AbortController();
	const end = () => stop.abort();
	for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, end);
	const isScreen = process.stdout.isTTY === true && !json;
	let drawn = 0;
	let told: string | undefined;
	let last: WorkspaceStatus | undefined;
	for await (const found of library.watchStatus({ ...options, signal: stop.signal })) {
		last = found;
		if (isScreen) {
			const lines = view.lines(found);
			if (drawn > 0) process.stdout.write(`\u001b[${drawn}F\u001b[J`);
			for (const line of lines) await out.line(line);
			drawn = rowsOf(lines, process.stdout.columns || 80);
		} else {
			const text = json ? withoutTime(view.object(found)) : withoutAge(view.line(found));
			const isNews = text !== told || stop.signal.aborted;
			told = text;
			if (isNews && json) await out.json(view.object(found));
			else if (isNews) await out.line(`${new Date().toISOString()} ${view.line(found)}`);
		}
		await out.flush();
		if (out.isClosed) stop.abort();
	}
	return last as WorkspaceStatus;
}

/** Long lines take several rows of the terminal. */
function rowsOf(lines: readonly string[], columns: number): number {
	const width = (line: string) => stripVTControlCharacters(line).length;
	return lines.reduce((sum, line) => sum + Math.max(1, Math.ceil(width(line) / columns)), 0);
}

/** The age of the last commit changes all the time. */
function withoutAge(line: string): string {
	return line.replace(/, [^,]* ago$|, just now$/, "");
}

function withoutTime(object: object): string {
	return JSON.stringify(object, (key, value: unknown) => (key === "storeTime" ? undefined : value));
}
