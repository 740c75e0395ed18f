import { humanBytes, humanDuration } from "./format.ts";
import type { Amount, Logger, Progress } from "./types.ts";

/** ms since any fixed moment; a parameter, so that tests control the clock. */
export type Clock = () => number;

/** The part of a terminal's write side that is needed. */
export interface TerminalStream {
	write(text: string): unknown;
	readonly columns?: number | undefined;
}

const REDRAW_MS = 100;
const LINE_MS = 5_000;
/** Lets other code write to the terminal while a line may be there. */
export const ERASE_LINE = "\r\u001b[K";

/** The state of a running phase; the display is derived from it. */
interface Phase {
	readonly name: string;
	readonly total: Amount;
	readonly startedMs: number;
	done: Amount;
	shownMs: number;
}

/** Shows nothing. */
export const noProgress: Progress = { start() {}, advance() {}, end() {} };

/**
 * One line, redrawn at most 10 times a second and erased at the end: the command's result follows
 * it.
 */
export function terminalProgress(stream: TerminalStream, clock: Clock): Progress {
	const draw = (phase: Phase, nowMs: number) => {
		const width = Math.max(1, (stream.columns || 80) - 1);
		stream.write(`${ERASE_LINE}${progressLine(phase, nowMs).slice(0, width)}`);
	};
	return paced(REDRAW_MS, clock, {
		started: draw,
		advanced: draw,
		ended: () => stream.write(ERASE_LINE),
	});
}

/** `{phase}.progress` events, one every 5 s and one at the end with `done: true`. */
export function logProgress(logger: Logger, clock: Clock): Progress {
	const line = (phase: Phase, nowMs: number, done: boolean) =>
		logger.info(`${phase.name}.progress`, {
			files: phase.done.files,
			filesTotal: phase.total.files,
			bytes: phase.done.bytes,
			bytesTotal: phase.total.bytes,
			elapsedMs: Math.round(nowMs - phase.startedMs),
			done,
		});
	return paced(LINE_MS, clock, {
		started: () => {},
		advanced: (phase, nowMs) => line(phase, nowMs, false),
		ended: (phase, nowMs) => line(phase, nowMs, true),
	});
}

type Show = (phase: Phase, nowMs: number) => void;

/**
 * Draws only during calls, without a timer: nothing to stop, and nothing that keeps the process
 * alive.
 */
function paced(
	everyMs: number,
	clock: Clock,
	show: { readonly started: Show; readonly advanced: Show; readonly ended: Show },
): Progress {
	let phase: Phase | undefined;
	const end = () => {
		const ended = phase;
		phase = undefined;
		if (ended !== undefined) show.ended(ended, clock());
	};
	return {
		start(name, total) {
			end();
			const nowMs = clock();
			phase = { name, total, startedMs: nowMs, done: { files: 0, bytes: 0 }, shownMs: nowMs };
			show.started(phase, nowMs);
		},
		advance({ files, bytes }) {
			if (phase === undefined) return;
			phase.done = { files: phase.done.files + files, bytes: phase.done.bytes + bytes };
			const nowMs = clock();
			if (nowMs - phase.shownMs < everyMs) return;
			phase.shownMs = nowMs;
			show.advanced(phase, nowMs);
		},
		end,
	};
}

/**
 * `restore 120/1000 files 1.5 MiB/12 MiB 3 MiB/s 4 s left`; totals and the time left only if known.
 */
function progressLine({ name, total, done, startedMs }: Phase, nowMs: number): string {
	const of = (value: string, whole: number, shown: string) =>
		whole > 0 ? `${value}/${shown}` : value;
	const elapsedMs = nowMs - startedMs;
	const parts = [
		name,
		`${of(String(done.files), total.files, String(total.files))} files`,
		of(humanBytes(done.bytes), total.bytes, humanBytes(total.bytes)),
	];
	if (elapsedMs > 0) parts.push(`${humanBytes((done.bytes / elapsedMs) * 1000)}/s`);
	const left = leftMs(total, done, elapsedMs);
	if (left !== undefined) parts.push(`${humanDuration(left)} left`);
	return parts.join("  ");
}

/** By the mean rate so far: of bytes if their total is known, otherwise of files. */
function leftMs(total: Amount, done: Amount, elapsedMs: number): number | undefined {
	const unit = total.bytes > 0 ? "bytes" : "files";
	if (elapsedMs <= 0 || done[unit] <= 0 || total[unit] < done[unit]) return undefined;
	return (elapsedMs / done[unit]) * (total[unit] - done[unit]);
}
