/**
 * Shows the user that their message is being worked on, at once and until the answer comes, because
 * a machine that wakes takes seconds and a turn minutes. A sign that cannot be shown neither delays
 * nor fails the turn.
 */
import { setTimeout as wait } from "node:timers/promises";
import { OUTBOUND } from "../channels/outbound.ts";
import type { ChannelSecrets } from "../shared/channel-secrets.ts";
import { logger } from "../shared/log.ts";
import type { QueuedMessage } from "../shared/message.ts";

/** A sign that comes later is worth nothing. */
const MAX_CALL_MS = 3_000;

export class ShownProgress {
	readonly #message: QueuedMessage;
	readonly #secrets: ChannelSecrets;
	readonly #note: (shown: string) => Promise<void>;
	readonly #stopped = new AbortController();
	readonly #showing: Promise<void>;
	#shown: string | undefined;
	#isLogged = false;

	/** Shows the sign. Nothing waits for it. @param note remembers what `removeSign` needs */
	constructor(
		message: QueuedMessage,
		secrets: ChannelSecrets,
		note: (shown: string) => Promise<void>,
	) {
		this.#message = message;
		this.#secrets = secrets;
		this.#note = note;
		this.#showing = this.#keepShowing();
	}

	/** Shows it no more: the answer is about to be sent, after which a new sign would mislead. */
	stop(): void {
		this.#stopped.abort();
	}

	/** Removes the sign. */
	async end(): Promise<void> {
		this.stop();
		await this.#showing;
		await removeSign(this.#message, this.#secrets, this.#shown);
	}

	async #keepShowing(): Promise<void> {
		const { channel, replyTo } = this.#message;
		const { progress } = OUTBOUND[channel];
		const { signal } = this.#stopped;
		do {
			await this.#try(async (callSignal) => {
				const secret = await this.#secrets.current(channel);
				const shown = await progress.show(replyTo, secret, callSignal);
				if (shown === undefined || shown === this.#shown) return;
				this.#shown = shown;
				await this.#note(shown);
			});
			if (progress.everyMs === undefined) return;
			await wait(progress.everyMs, undefined, { signal }).catch(() => {});
		} while (!signal.aborted);
	}

	async #try(act: (signal: AbortSignal) => Promise<void>): Promise<void> {
		try {
			await act(AbortSignal.timeout(MAX_CALL_MS));
		} catch (error) {
			if (!this.#isLogged)
				logger.info("worker.no-progress-sign", { deliveryId: this.#message.deliveryId, error });
			this.#isLogged = true;
		}
	}
}

/** Tries twice, because it would stay forever. @param shown undefined if nothing is shown */
export async function removeSign(
	{ channel, replyTo, deliveryId }: QueuedMessage,
	secrets: ChannelSecrets,
	shown: string | undefined,
): Promise<void> {
	if (shown === undefined) return;
	const remove = async () => {
		const signal = AbortSignal.timeout(MAX_CALL_MS);
		const secret = await secrets.current(channel);
		await OUTBOUND[channel].progress.remove?.(shown, replyTo, secret, signal);
	};
	await remove()
		.catch(remove)
		.catch((error: unknown) => logger.info("worker.progress-sign-left", { deliveryId, error }));
}
