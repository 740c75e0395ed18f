import { setImmediate as nextTurn } from "node:timers/promises";

/**
 * Long enough that a turn of the event loop costs less than 1 %, short enough that a watcher's
 * events and a ping do not wait.
 */
const SLICE_MS = 8;

/**
 * Shares the event loop during long synchronous work: call `if (slice.isOver) await
 * slice.next(signal)` in the loop.
 */
export class Slice {
	readonly #ms: number;
	#until: number;

	constructor(ms = SLICE_MS) {
		this.#ms = ms;
		this.#until = performance.now() + ms;
	}

	/** A plain getter, so that a loop creates no promise at each step. */
	get isOver(): boolean {
		return performance.now() >= this.#until;
	}

	/** @throws the signal's reason */
	async next(signal?: AbortSignal | undefined): Promise<void> {
		await nextTurn();
		signal?.throwIfAborted();
		this.#until = performance.now() + this.#ms;
	}
}
