/**
 * What runs in each of OpenClaw's conversations. A command that writes into a conversation while a
 * turn is running there breaks the turn: "SQLite transcript changed", HTTP 500. So a command waits for
 * the turns before it, and turns wait for the command before them. Turns do not wait for each other:
 * OpenClaw queues them itself.
 *
 * Knows only what goes through this process, not turns of channels or of OpenClaw's own.
 */

interface Turn {
	readonly stop: AbortController;
	readonly ended: Promise<void>;
}

export class Turns {
	readonly #running = new Map<string, Set<Turn>>();
	/** The last command of each conversation. */
	readonly #commands = new Map<string, Promise<unknown>>();

	/** @param run gets a signal that also ends with `stop` */
	async turn<T>(
		conversation: string,
		signal: AbortSignal,
		run: (signal: AbortSignal) => Promise<T>,
	): Promise<T> {
		const stop = new AbortController();
		const either = AbortSignal.any([signal, stop.signal]);
		const { promise: ended, resolve } = Promise.withResolvers<void>();
		const turns = this.#turnsOf(conversation);
		const turn = { stop, ended };
		const before = this.#commands.get(conversation);
		turns.add(turn);
		try {
			await until(before, either);
			return await run(either);
		} finally {
			turns.delete(turn);
			resolve();
		}
	}

	async command<T>(conversation: string, signal: AbortSignal, run: () => Promise<T>): Promise<T> {
		const { promise: ended, resolve } = Promise.withResolvers<unknown>();
		const turns = [...this.#turnsOf(conversation)].map((turn) => turn.ended);
		const earlier = this.#commands.get(conversation);
		const before = Promise.all([earlier, ...turns]);
		this.#commands.set(conversation, ended);
		let running: Promise<T> | undefined;
		try {
			await until(before, signal);
			running = run();
			// A command goes on when its caller has gone.
			return await until(running, signal);
		} finally {
			// Later turns wait for it, or for the command before it if it never ran.
			resolve(Promise.allSettled([running ?? earlier]));
		}
	}

	/** Ends every turn of the conversation. Resolves when they have ended, with their number. */
	async stop(conversation: string, reason: unknown): Promise<number> {
		const turns = [...this.#turnsOf(conversation)];
		for (const { stop } of turns) stop.abort(reason);
		await Promise.all(turns.map(({ ended }) => ended));
		return turns.length;
	}

	#turnsOf(conversation: string): Set<Turn> {
		const turns = this.#running.get(conversation) ?? new Set();
		this.#running.set(conversation, turns);
		return turns;
	}
}

/** @throws the signal's reason */
export async function until<T>(promise: T | Promise<T>, signal: AbortSignal): Promise<T> {
	const { promise: aborted, reject } = Promise.withResolvers<never>();
	aborted.catch(() => {});
	const abort = () => reject(signal.reason);
	signal.addEventListener("abort", abort, { once: true });
	try {
		signal.throwIfAborted();
		const result = await Promise.race([promise, aborted]);
		// Both may have happened.
		signal.throwIfAborted();
		return result;
	} finally {
		signal.removeEventListener("abort", abort);
	}
}
