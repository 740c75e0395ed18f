/**
 * Detects that this machine was frozen or copied: its wall clock or boot clock continued while the
 * monotonic one stood still.
 *
 * Does NOT detect a pause shorter than `JUMP_MS`, nor one before the first check. A wall clock that
 * is set by hand or by NTP looks the same; the listeners' reaction is right in that case too.
 */
import { uptime } from "node:os";

export interface ClockReading {
	/** CLOCK_REALTIME. */
	readonly wallMs: number;
	/** CLOCK_BOOTTIME. */
	readonly bootMs: number;
	/** CLOCK_MONOTONIC: stands still while a machine is frozen. */
	readonly monotonicMs: number;
}

export const readClocks = (): ClockReading => ({
	wallMs: Date.now(),
	bootMs: uptime() * 1000,
	monotonicMs: performance.now(),
});

/**
 * Above the rounding of CLOCK_BOOTTIME (1 s) and the gap between two readings on a busy machine.
 */
export const JUMP_MS = 2_000;

/**
 * How much more time passed between two readings than this process experienced, ms; negative if the
 * wall clock was set back.
 */
export function jumpMs(before: ClockReading, after: ClockReading): number {
	const lived = after.monotonicMs - before.monotonicMs;
	const wall = after.wallMs - before.wallMs - lived;
	const boot = after.bootMs - before.bootMs - lived;
	const larger = Math.abs(wall) >= Math.abs(boot) ? wall : boot;
	return Math.abs(larger) > JUMP_MS ? larger : 0;
}

/** Called with the length of the jump, ms. Must not throw. */
export type WakeListener = (jumpMs: number) => void;

/** A check costs microseconds: run one before trusting a time, a connection or a credential. */
export class WakeWatch {
	readonly #read: () => ClockReading;
	readonly #listeners = new Set<WakeListener>();
	#last: ClockReading | undefined;

	constructor(read: () => ClockReading = readClocks) {
		this.#read = read;
	}

	onWake(listener: WakeListener): void {
		this.#listeners.add(listener);
	}

	/** Calls the listeners before it returns. */
	look(): void {
		const reading = this.#read();
		const jump = this.#last === undefined ? 0 : jumpMs(this.#last, reading);
		this.#last = reading;
		if (jump === 0) return;
		for (const listener of this.#listeners) listener(jump);
	}
}
