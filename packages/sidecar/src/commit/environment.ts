import { closeSync, openSync } from "node:fs";
import { hostname, uptime } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { RESTORE_ID_RANDOM_BYTES, restoreId } from "../log/restore-id.ts";
import { readFully } from "../workspace/read-fully.ts";

/** The protocol's access to the machine it runs on; a simulator provides its own. */
export interface Environment {
	/** CLOCK_REALTIME, ms since the epoch. */
	wallMs(): number;
	/** CLOCK_BOOTTIME, ms: continues while the machine sleeps. */
	bootMs(): number;
	sleep(ms: number, signal?: AbortSignal): Promise<void>;
	/**
	 * From the kernel at each call. Never from a generator in this process: a VM snapshot would copy
	 * its state, and two machines would draw the same numbers.
	 */
	randomBytes(count: number): Buffer;
	/** What people call this machine; "" if it has no name of its own. */
	readonly hostName: string;
}

export const thisEnvironment: Environment = {
	wallMs: () => Date.now(),
	bootMs: () => uptime() * 1000,
	sleep: async (ms, signal) => {
		await delay(ms, undefined, { signal });
	},
	randomBytes: (count) => {
		const bytes = Buffer.alloc(count);
		const fd = openSync("/dev/urandom", "r");
		try {
			readFully(fd, bytes, 0);
		} finally {
			closeSync(fd);
		}
		return bytes;
	},
	hostName: hostname() === "localhost" ? "" : hostname(),
};

/** Names one restore, see `restoreId`. */
export function newRestoreId(environment: Environment): string {
	return restoreId(environment.wallMs(), environment.randomBytes(RESTORE_ID_RANDOM_BYTES));
}

/**
 * A moment in both clocks. The larger of the two elapsed times counts, since either clock may stand
 * still or be set back.
 */
export interface Moment {
	readonly wallMs: number;
	readonly bootMs: number;
}

export function now(environment: Environment): Moment {
	return { wallMs: environment.wallMs(), bootMs: environment.bootMs() };
}

export function elapsedMs(environment: Environment, since: Moment): number {
	return Math.max(environment.wallMs() - since.wallMs, environment.bootMs() - since.bootMs);
}
