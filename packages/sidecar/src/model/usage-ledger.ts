/**
 * Counts a user's tokens of a day. The count outlives the machine as a line of text, such as
 * `2026-11-30 12345`, which the next machine starts from.
 *
 * The day never goes back: a clock that was set back, or a machine with a slow clock, goes on
 * counting for the latest day that was seen. A clock that once ran ahead keeps its day until that
 * day has come.
 */

export interface UsageLedger {
	/** Tokens that count for `day`, as `YYYY-MM-DD`. */
	read(day: string): number;
	add(day: string, tokens: number): void;
}

/** UTC, so that all machines of a user have the same day. */
export const dayOf = (nowMs: number) => new Date(nowMs).toISOString().slice(0, 10);

export class DailyLedger implements UsageLedger {
	#day = "";
	#tokens = 0;

	/**
	 * Adds what an earlier machine counted.
	 * @param text of its `toString`; another text counts as empty
	 */
	seed(text: string): void {
		const [, day, tokens] = /^(\d{4}-\d\d-\d\d) (\d{1,15})$/.exec(text) ?? [];
		if (day === undefined) return;
		// Of an older day: nothing counts any more.
		if (day >= this.#day) this.add(day, Number(tokens));
	}

	read(day: string): number {
		return day > this.#day ? 0 : this.#tokens;
	}

	add(day: string, tokens: number): void {
		this.#tokens = this.read(day) + tokens;
		if (day > this.#day) this.#day = day;
	}

	/** Empty before the first token. */
	toString(): string {
		return this.#day === "" ? "" : `${this.#day} ${this.#tokens}`;
	}
}
