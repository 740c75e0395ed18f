/**
 * Prints events as they happen: when, where, how long it took, and whether the result is as
 * expected.
 */
export class Timeline {
	/** The results that were not as expected. */
	readonly failures: string[] = [];
	readonly #print: (line: string) => void;
	readonly #beganMs = performance.now();

	constructor(print: (line: string) => void) {
		this.#print = print;
	}

	say(machine: string, text: string): void {
		this.#print(
			`${((performance.now() - this.#beganMs) / 1000).toFixed(2).padStart(7)} s  ${machine.padEnd(5)} ${text}`,
		);
	}

	/** @param act its result is compared with `expected` */
	async step(
		machine: string,
		what: string,
		act: () => Promise<string>,
		expected: RegExp | string,
	): Promise<void> {
		const started = performance.now();
		const got = await act();
		const isRight = typeof expected === "string" ? got === expected : expected.test(got);
		const text = `${what}: ${got}${isRight ? "" : ` (expected ${expected})`}`;
		if (!isRight) this.failures.push(`${machine}: ${text}`);
		this.say(
			machine,
			`${isRight ? "ok " : "BAD"} ${text}  ${Math.round(performance.now() - started)} ms`,
		);
	}
}
