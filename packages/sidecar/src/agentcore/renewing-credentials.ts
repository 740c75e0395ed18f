/**
 * Credentials that end, renewed when they are used: by the wall clock at each use, not by a timer,
 * which sleeps as long as a frozen machine does and then fires too late.
 *
 * One renewal at a time. Where renewing fails, what is still valid is used, and it is tried again
 * `RETRY_MS` later.
 */
import type { Logger } from "../telemetry/types.ts";

export interface AwsCredentials {
	readonly accessKeyId: string;
	readonly secretAccessKey: string;
	readonly sessionToken?: string;
	/** Not there: they do not end. */
	readonly expiration?: Date;
}

/** The SDK's own margin: time for the slowest flush that has already signed its requests. */
const MARGIN_MS = 300_000;
const RETRY_MS = 10_000;

export class RenewingCredentials {
	readonly #fetch: () => Promise<AwsCredentials>;
	readonly #log: Logger;
	readonly #now: () => number;
	#current: AwsCredentials | undefined;
	#renewal: Promise<AwsCredentials> | undefined;
	#lastTryMs: number | undefined;
	#generation = 0;

	constructor(fetch: () => Promise<AwsCredentials>, log: Logger, now: () => number = Date.now) {
		this.#fetch = fetch;
		this.#log = log;
		this.#now = now;
	}

	/** Counts renewals: what was signed at one generation need not blame the next. */
	get generation(): number {
		return this.#generation;
	}

	/** @throws SidecarError as the source does, where there are none that are valid */
	async provide(): Promise<AwsCredentials> {
		const current = this.#current;
		if (current === undefined) return await this.#renew();
		const leftMs =
			current.expiration === undefined
				? Number.POSITIVE_INFINITY
				: current.expiration.getTime() - this.#now();
		if (leftMs > MARGIN_MS) return current;
		if (leftMs > 0 && this.#triedJustNow()) return current;
		try {
			return await this.#renew();
		} catch (error) {
			if (leftMs <= 0) throw error;
			this.#log.warn("credentials.not-renewed", { error, leftMs });
			return current;
		}
	}

	/**
	 * After a request signed at `generation` was refused because its credentials had ended or were
	 * withdrawn.
	 * @throws SidecarError as the source does
	 */
	async renewAfter(generation: number): Promise<void> {
		if (generation === this.#generation) await this.#renew();
	}

	#triedJustNow(): boolean {
		if (this.#lastTryMs === undefined) return false;
		// A clock that was set back must not put it off.
		return Math.abs(this.#now() - this.#lastTryMs) < RETRY_MS;
	}

	#renew(): Promise<AwsCredentials> {
		this.#renewal ??= this.#fetchOnce().finally(() => {
			this.#renewal = undefined;
		});
		return this.#renewal;
	}

	async #fetchOnce(): Promise<AwsCredentials> {
		this.#lastTryMs = this.#now();
		const credentials = await this.#fetch();
		this.#current = credentials;
		this.#lastTryMs = undefined;
		this.#generation++;
		this.#log.info("credentials.renewed", {
			until: credentials.expiration?.toISOString(),
			generation: this.#generation,
		});
		return credentials;
	}
}
