/** All randomness of one run, from one seed (xorshift32). */
export class Dice {
	#state: number;

	constructor(seed: number) {
		this.#state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) | 1;
		for (let index = 0; index < 8; index++) this.roll();
	}

	/** In [0, 1). */
	roll(): number {
		let x = this.#state;
		x ^= x << 13;
		x ^= x >>> 17;
		x ^= x << 5;
		this.#state = x;
		return (x >>> 0) / 2 ** 32;
	}

	chance(probability: number): boolean {
		return this.roll() < probability;
	}

	/** A whole number below `limit`. */
	below(limit: number): number {
		return Math.floor(this.roll() * limit);
	}

	/** Between the two bounds, with every order of magnitude equally likely. */
	spread(least: number, most: number): number {
		return least * (most / least) ** this.roll();
	}

	oneOf<T>(choices: readonly T[]): T {
		return choices[this.below(choices.length)] as T;
	}

	/** One of the names, in proportion to its weight. */
	weighted<T extends string>(weights: Readonly<Record<T, number>>): T {
		const entries = Object.entries(weights) as [T, number][];
		let left = this.roll() * entries.reduce((sum, [, weight]) => sum + weight, 0);
		for (const [name, weight] of entries) {
			left -= weight;
			if (left < 0) return name;
		}
		return (entries.at(-1) as [T, number])[0];
	}
}
