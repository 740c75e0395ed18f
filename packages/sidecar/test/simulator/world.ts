/**
 * Virtual time. Events happen one after the other in the order of their time. Between two events,
 * every promise that can settle does. Days cost nothing, and the same seed gives the same order.
 */
import { createHash, type Hash } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";

interface Happening {
	readonly atMs: number;
	readonly order: number;
	readonly run: () => void;
}

export const SECOND = 1000;
export const MINUTE = 60 * SECOND;
export const HOUR = 60 * MINUTE;
export const DAY = 24 * HOUR;

export class World {
	/** True time, which is also the store's clock: ms since the epoch. */
	nowMs = Date.UTC(2026, 0, 1);
	readonly #startMs = this.nowMs;
	/** Latest first, so that the next one is the last element. */
	readonly #coming: Happening[] = [];
	#order = 0;
	#held: Promise<void> | undefined;
	/** The trace, for replays of a seed. */
	readonly trace: string[] = [];
	readonly #isTold: boolean;
	/** A digest of every event and of every line of the trace. */
	readonly #hash: Hash | undefined;
	events = 0;

	constructor(isTold: boolean) {
		this.#isTold = isTold;
		this.#hash = isTold ? createHash("sha256") : undefined;
	}

	after(ms: number, run: () => void): void {
		const happening = { atMs: this.nowMs + Math.max(0, ms), order: this.#order++, run };
		let low = 0;
		let high = this.#coming.length;
		while (low < high) {
			const middle = (low + high) >>> 1;
			const other = this.#coming[middle] as Happening;
			if (other.atMs > happening.atMs) low = middle + 1;
			else high = middle;
		}
		this.#coming.splice(low, 0, happening);
	}

	/** Runs until no event is left, or `mustEnd` returns true. */
	async run(mustEnd: () => boolean): Promise<void> {
		await nextTurn();
		for (
			let next = this.#coming.pop();
			next !== undefined && !mustEnd();
			next = this.#coming.pop()
		) {
			this.nowMs = next.atMs;
			this.events++;
			this.#hash?.update(`${next.order} ${next.atMs}\n`);
			next.run();
			await nextTurn();
			for (let held = this.#held; held !== undefined; held = this.#held) {
				this.#held = undefined;
				await held;
			}
		}
	}

	/** Nothing else happens before this ends; it must need no time. */
	hold(work: Promise<void>): void {
		this.#held = work;
	}

	tell(line: () => string): void {
		if (!this.#isTold) return;
		const passed = this.nowMs - this.#startMs;
		const day = Math.floor(passed / DAY);
		const time = new Date(this.nowMs).toISOString().slice(11, 23);
		const told = `day ${String(day).padStart(2)} ${time}  ${line()}`;
		this.trace.push(told);
		this.#hash?.update(`${told}\n`);
	}

	/** The trace, and then `last`; empty without a trace. */
	digest(last: Iterable<string | Buffer>): string {
		for (const each of last) this.#hash?.update(each);
		return this.#hash?.digest("hex") ?? "";
	}
}
