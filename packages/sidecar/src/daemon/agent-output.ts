/**
 * Turns what an agent prints into log events, one per line. A line of the agent's own could be one of
 * ours: a forged event, or a metric, which CloudWatch makes from any line that is a JSON object with
 * `_aws`. As the text of an event it is a JSON string, and stays one.
 *
 * Guarantees: the streams are always read, so the agent never waits for the log. A line, and the rate
 * of all lines, are limited; what is left out is counted and reported.
 * Does NOT keep the order between stdout and stderr, and does not log a line before it ends.
 */
import type { Readable } from "node:stream";
import { finished } from "node:stream/promises";
import { setTimeout as delay } from "node:timers/promises";
import type { Logger } from "../telemetry/types.ts";

/** As JSON a byte takes six at most, and CloudWatch takes 256 KiB per event. */
export const MAX_LINE_BYTES = 16 * 1024;
/** The rest of the event. */
const LINE_COST_BYTES = 256;
/** More than a start prints. */
const BURST_BYTES = 1024 * 1024;
/** 1.4 GB a day, should an agent never stop. */
const BYTES_PER_S = 16 * 1024;
/** What is dropped is reported at most this often. Then the budget is enough for 1,000 short lines. */
const DROPPING_MS = 16_000;
/** A process that outlived the agent may hold the streams open. */
const END_MS = 500;

const NEWLINE = 10;
const CARRIAGE_RETURN = 13;

type StreamName = "stdout" | "stderr";

/** The output of one agent, restarts included: they share one budget. */
export class AgentOutput {
	readonly #logger: Logger;
	#budget = BURST_BYTES;
	#budgetMs = performance.now();
	#dropped = { lines: 0, bytes: 0 };
	/** Set while lines are dropped. */
	#dropping: NodeJS.Timeout | undefined;

	constructor(logger: Logger) {
		this.#logger = logger;
	}

	/** @returns resolves soon after `exited`, when every line is logged, the unfinished last ones too */
	async log(streams: Readonly<Record<StreamName, Readable>>, exited: Promise<void>): Promise<void> {
		const ended = Promise.all([
			this.#read("stdout", streams.stdout),
			this.#read("stderr", streams.stderr),
		]);
		await exited;
		await Promise.race([ended, delay(END_MS, undefined, { ref: false })]);
		for (const stream of Object.values(streams)) stream.destroy();
		await ended;
		this.#report();
	}

	async #read(stream: StreamName, from: Readable): Promise<void> {
		const lines = new Lines((bytes, read) => {
			if (this.#takes(Math.min(bytes, MAX_LINE_BYTES) + LINE_COST_BYTES))
				this.#logger.info("agent.output", { stream, ...read() });
			else this.#drop(bytes);
		});
		from.on("data", (chunk: Buffer) => lines.push(chunk));
		// However it ends, what came before is logged.
		await finished(from).catch(() => {});
		lines.end();
	}

	#takes(cost: number): boolean {
		if (this.#dropping !== undefined) return false;
		const nowMs = performance.now();
		const earned = ((nowMs - this.#budgetMs) / 1000) * BYTES_PER_S;
		this.#budget = Math.min(BURST_BYTES, this.#budget + earned);
		this.#budgetMs = nowMs;
		if (cost > this.#budget) return false;
		this.#budget -= cost;
		return true;
	}

	#drop(bytes: number): void {
		this.#dropped.lines++;
		this.#dropped.bytes += bytes;
		this.#dropping ??= setTimeout(() => this.#report(), DROPPING_MS).unref();
	}

	#report(): void {
		if (this.#dropping === undefined) return;
		clearTimeout(this.#dropping);
		this.#dropping = undefined;
		this.#logger.warn("agent.output-dropped", this.#dropped);
		this.#dropped = { lines: 0, bytes: 0 };
	}
}

interface Line {
	readonly text: string;
	/** What is missing at its end. */
	readonly cutBytes?: number;
}

/** @param read costs most, and is needed only for lines that are logged */
type TakeLine = (bytes: number, read: () => Line) => void;

/** Cuts a stream of bytes into lines, and keeps `MAX_LINE_BYTES` of each. */
class Lines {
	readonly #take: TakeLine;
	#kept: Buffer[] = [];
	#keptBytes = 0;
	/** Of the line so far, the ones that are not kept too. */
	#bytes = 0;

	constructor(take: TakeLine) {
		this.#take = take;
	}

	push(chunk: Buffer): void {
		let start = 0;
		for (let end = chunk.indexOf(NEWLINE); end >= 0; end = chunk.indexOf(NEWLINE, start)) {
			this.#add(chunk.subarray(start, end));
			this.#emit();
			start = end + 1;
		}
		this.#add(chunk.subarray(start));
	}

	end(): void {
		if (this.#bytes > 0) this.#emit();
	}

	#add(part: Buffer): void {
		this.#bytes += part.length;
		const kept = part.subarray(0, MAX_LINE_BYTES - this.#keptBytes);
		if (kept.length === 0) return;
		this.#kept.push(kept);
		this.#keptBytes += kept.length;
	}

	#emit(): void {
		this.#take(this.#bytes, () => {
			const kept = Buffer.concat(this.#kept);
			const isCut = this.#bytes > kept.length;
			const length = isCut ? wholeCharacters(kept) : withoutReturn(kept);
			const text = kept.toString("utf8", 0, length);
			return isCut ? { text, cutBytes: this.#bytes - length } : { text };
		});
		this.#kept = [];
		this.#keptBytes = 0;
		this.#bytes = 0;
	}
}

function withoutReturn(line: Buffer): number {
	return line.at(-1) === CARRIAGE_RETURN ? line.length - 1 : line.length;
}

/** Without the last character, of which some bytes may be missing, unless that is ASCII. */
function wholeCharacters(bytes: Buffer): number {
	const isContinuation = (byte: number | undefined) => byte !== undefined && (byte & 0xc0) === 0x80;
	let end = bytes.length;
	while (end > bytes.length - 3 && isContinuation(bytes[end - 1])) end--;
	return (bytes[end - 1] ?? 0) >= 0xc0 ? end - 1 : end;
}
