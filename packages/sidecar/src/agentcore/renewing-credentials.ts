/**
 * Credentials that expire, renewed when they are used. Each use checks the wall clock. A timer
 * would sleep while the machine is frozen and then fire too late.
 *
 * One renewal at a time. If renewal fails, valid credentials stay in use, and the next try follows
 * `RETRY_MS` later.
 */
import type { Logger } from "../telemetry/types.ts";

export interface AwsCredentials {
	readonly accessKeyId: string;
	readonly secretAccessKey: string;
	readonly sessionToken?: string;
	/** Missing: they do not expire. */
	readonly expiration?: Date;
}

/** The SDK's own margin: time for the slowest flush that has already signed its requests. */
const MARGIN_MS = 300_000;
const RETRY_MS = 10_000;

export class RenewingCredentials {
	readonly #fetch: () => Promise<AwsCredentials>;
	readonly #logger: Logger;
	readonly #now: () => number;
	#current: AwsCredentials | undefined;
	#renewal: Promise<AwsCredentials> | undefined;
	#lastTryMs: number | undefined;
	#generation = 0;

	constructor(fetch: () => Promise<AwsCredentials>, logger: Logger, now: () => number = Date.now) {
		this.#fetch = fetch;
		this.#logger = logger;
		this.#now = now;
	}

	/** Counts renewals: a failure of requests signed at one generation does not affect the next. */
	get generation(): number {
		return this.#generation;
	}

	/** @throws SidecarError from the source, if there are no valid credentials */
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
			this.#logger.warn("credentials.not-renewed", { error, leftMs });
			return current;
		}
	}

	/**
	 * Call it after a request signed at `generation` was refused because its credentials had expired
	 * or were withdrawn.
	 * @throws SidecarError from the source
	 */
	async renewAfter(generation: number): Promise<void> {
		if (generation === this.#generation) await this.#renew();
	}

	#triedJustNow(): boolean {
		if (this.#lastTryMs === undefined) return false;
		// A clock that was set back must not delay it.
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
		this.#logger.info("credentials.renewed", {
			until: credentials.expiration?.toISOString(),
			generation: this.#generation,
		});
		return credentials;
	}
}
