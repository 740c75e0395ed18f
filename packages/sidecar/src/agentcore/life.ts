/**
 * The platform's contract on the lifecycle: requests, pings and wake-ups of one machine. Nothing of
 * a user's happens before the first request.
 *
 * Guarantees: one start at a time. The machine belongs permanently to the first user whose start
 * was begun, since from then on their bytes may be on its disk. A request of another user is
 * refused, and audited, in every phase. Requests during a start wait, limited in number and time;
 * further ones are refused with a time to retry.
 */
import { Lifecycle, type LifeEvent, type Phase } from "../daemon/lifecycle.ts";
import { SidecarError } from "../errors.ts";
import type { LogFields, Logger } from "../telemetry/types.ts";
import { refuseForNow } from "./http-refusal.ts";
import type { Identity, IdentityStrategy, Proof, UserCredentials } from "./identity.ts";
import { nextPing, type PingAnswer, type PingState, pingAnswer } from "./ping.ts";
import { type ClockReading, WakeWatch } from "./wake.ts";

export interface LifeOptions {
	readonly identity: IdentityStrategy;
	/**
	 * Restores the workspace and starts the agent; resolves when the agent answers. Called again
	 * after a failure. @throws SidecarError
	 */
	readonly start: (namespace: string, credentials: UserCredentials | undefined) => Promise<void>;
	/** Called once, when the first ping has been answered. */
	readonly onFirstPing?: () => void;
	/**
	 * How long something has not been durable, ms; undefined if everything is. Cheap: called at each
	 * ping.
	 */
	readonly notDurableForMs: () => number | undefined;
	/** Maximum number of requests that wait for the start. */
	readonly maxWaiting: number;
	readonly waitTimeoutMs: number;
	readonly logger: Logger;
	/** For tests. */
	readonly readClocks?: () => ClockReading;
}

export class Life {
	readonly #options: LifeOptions;
	readonly #logger: Logger;
	readonly wake: WakeWatch;
	readonly lifecycle = new Lifecycle();
	#namespace: string | undefined;
	#credentials: UserCredentials | undefined;
	#starting: Promise<void> | undefined;
	#lastFailure: SidecarError | undefined;
	#waiting = 0;
	#requests = 0;
	#served = 0;
	#ping: PingState | undefined;
	#isPinged = false;

	constructor(options: LifeOptions) {
		this.#options = options;
		this.#logger = options.logger;
		this.wake = new WakeWatch(options.readClocks);
		this.wake.onWake((jumpMs) => {
			this.#ping = undefined;
			this.#logger.info("machine.woke", { jumpMs: Math.round(jumpMs) });
		});
	}

	get phase(): Phase {
		return this.lifecycle.phase;
	}

	/** Of the last start that failed; an interrupted start is not a failure. */
	get lastFailure(): SidecarError | undefined {
		return this.#lastFailure;
	}

	/** The owner of the machine; undefined before the first start. */
	get namespace(): string | undefined {
		return this.#namespace;
	}

	get requestsInFlight(): number {
		return this.#requests;
	}

	get requestsServed(): number {
		return this.#served;
	}

	ping(): PingAnswer {
		if (!this.#isPinged && this.#options.onFirstPing !== undefined)
			setImmediate(this.#options.onFirstPing);
		this.#isPinged = true;
		this.wake.look();
		return pingAnswer(this.#touch());
	}

	/**
	 * Runs `answer` as a request: the machine is busy until it ends.
	 * @param about fields of its log line
	 * @throws HttpRefusal draining
	 */
	async request<T>(answer: () => Promise<T>, about: LogFields = {}): Promise<T> {
		this.wake.look();
		if (this.phase === "draining" || this.phase === "gone")
			throw refuseForNow("the machine is shutting down", 1);
		const started = performance.now();
		this.#requests++;
		this.#touch();
		try {
			return await answer();
		} finally {
			this.#requests--;
			this.#served++;
			this.#touch();
			this.#logger.info("invocation.ended", {
				...about,
				ms: Math.round(performance.now() - started),
			});
		}
	}

	/**
	 * Resolves when the machine serves this user; starts it if necessary.
	 * @param signal ends the wait, not the start
	 * @throws SidecarError IDENTITY_REFUSED, ISSUER_UNREACHABLE, NAMESPACE_FOREIGN, and as `start`;
	 * HttpRefusal: retry later
	 */
	async admit(proof: Proof, signal: AbortSignal): Promise<string> {
		const identity = await this.#identify(proof);
		this.#bindTo(identity);
		this.#credentials?.offer(identity.token);
		if (this.phase === "waiting") this.#start(identity);
		if (this.phase === "restoring") await this.#wait(signal);
		// The result of the start, or of a signal meanwhile.
		if (this.phase !== "serving") throw refuseForNow("the machine is shutting down", 1);
		return identity.namespace;
	}

	/**
	 * Accepts no more requests. Requests that wait for the start are refused when it ends. Resolves
	 * when no start is under way.
	 */
	async drain(): Promise<void> {
		this.#move("stop");
		await this.#starting?.catch(() => {});
	}

	end(): void {
		this.#move("end");
	}

	async #identify(proof: Proof): Promise<Identity> {
		try {
			return await this.#options.identity.identify(proof);
		} catch (error) {
			if (error instanceof SidecarError && error.code === "IDENTITY_REFUSED")
				this.#logger.warn("security.identity-refused", { error });
			throw error;
		}
	}

	#bindTo({ namespace }: Identity): void {
		if (this.#namespace === undefined || this.#namespace === namespace) return;
		this.#logger.warn("security.namespace-refused", {
			namespace: this.#namespace,
			asked: namespace,
		});
		throw new SidecarError("NAMESPACE_FOREIGN");
	}

	#start(identity: Identity): void {
		const started = performance.now();
		this.#namespace = identity.namespace;
		this.#move("request");
		this.#logger.info("machine.starting", { namespace: identity.namespace });
		this.#starting = this.#startOnce(identity).then(
			() => {
				this.#logger.info("machine.serving", {
					namespace: identity.namespace,
					ms: Math.round(performance.now() - started),
				});
				this.#move("started");
			},
			(error: unknown) => {
				this.#logger.error("machine.not-started", {
					error,
					ms: Math.round(performance.now() - started),
				});
				if (this.phase === "restoring")
					this.#lastFailure =
						error instanceof SidecarError ? error : new SidecarError("INTERNAL", { cause: error });
				this.#move("failed");
				throw error;
			},
		);
		// Waiting requests get the error; without any, the log has it.
		this.#starting.catch(() => {});
	}

	async #startOnce(identity: Identity): Promise<void> {
		this.#credentials ??= this.#options.identity.credentials(identity);
		this.#credentials?.offer(identity.token);
		await this.#options.start(identity.namespace, this.#credentials);
	}

	async #wait(signal: AbortSignal): Promise<void> {
		const { maxWaiting, waitTimeoutMs } = this.#options;
		if (this.#waiting >= maxWaiting)
			throw refuseForNow(`${maxWaiting} requests are already waiting for the machine`, 5);
		this.#waiting++;
		const ended = new AbortController();
		try {
			const timeout = new Promise<never>((_, reject) => {
				const timer = setTimeout(
					() => reject(refuseForNow(`the machine is not ready after ${waitTimeoutMs} ms`, 5)),
					waitTimeoutMs,
				);
				const giveUp = () => reject(signal.reason);
				ended.signal.addEventListener("abort", () => {
					clearTimeout(timer);
					signal.removeEventListener("abort", giveUp);
				});
				if (signal.aborted) giveUp();
				else signal.addEventListener("abort", giveUp, { once: true });
			});
			await Promise.race([this.#starting, timeout]);
		} catch (error) {
			// An interrupted start is not a failure.
			if (this.phase === "draining" || this.phase === "gone") return;
			throw error;
		} finally {
			ended.abort();
			this.#waiting--;
		}
	}

	#move(event: LifeEvent): void {
		this.lifecycle.move(event);
		this.#touch();
	}

	/**
	 * The status at this moment: between two pings it may change twice, and the later change counts.
	 */
	#touch(): PingState {
		const work = {
			phase: this.phase,
			requests: this.#requests,
			notDurableForMs: this.#options.notDurableForMs(),
		};
		this.#ping = nextPing(this.#ping, work, Date.now());
		return this.#ping;
	}
}
