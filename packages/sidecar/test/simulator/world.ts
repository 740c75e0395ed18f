/**
 * Virtual time. Events happen one after the other in the order of their time; between two of them
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
	/** True time, which is the store's clock too: ms since the epoch. */
	nowMs = Date.UTC(2026, 0, 1);
	readonly #startMs = this.nowMs;
	/** Latest first, so that the next one is the last. */
	readonly #coming: Happening[] = [];
	#order = 0;
	#held: Promise<void> | undefined;
	/** What happened, for people who replay a seed. */
	readonly trace: string[] = [];
	readonly #isTold: boolean;
	/** Of every event and of every line that is told. */
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

	/** Until nothing more comes, or `mustEnd` says so. */
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

	/** Nothing else happens before this is over; it must need no time. */
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

	/** Everything that happened, and then `last`; empty where nothing is told. */
	digest(last: Iterable<string | Buffer>): string {
		for (const each of last) this.#hash?.update(each);
		return this.#hash?.digest("hex") ?? "";
	}
}
