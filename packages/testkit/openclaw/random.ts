/**
 * Numbers in [0, 1) that depend only on the seed (mulberry32). The same seed makes the same state,
 * byte for byte.
 */
export class Random {
	#state: number;

	constructor(seed: number) {
		this.#state = seed >>> 0;
	}

	next(): number {
		this.#state = (this.#state + 0x6d2b79f5) >>> 0;
		let t = this.#state;
		t = Math.imul(t ^ (t >>> 15), t | 1);
		t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
		return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
	}

	/** A whole number from `least` to `most`. */
	int(least: number, most: number): number {
		return least + Math.floor(this.next() * (most - least + 1));
	}

	/** Incompressible. */
	bytes(length: number): Buffer {
		const bytes = Buffer.allocUnsafe(Math.ceil(length / 4) * 4);
		for (let i = 0; i < bytes.length; i += 4)
			bytes.writeUInt32LE(Math.floor(this.next() * 2 ** 32), i);
		return bytes.subarray(0, length);
	}

	/** Compresses about as well as prose. */
	text(length: number): string {
		let text = "";
		while (text.length < length)
			text += `${WORDS[this.int(0, WORDS.length - 1)]}${this.next() < 0.1 ? ".\n" : " "}`;
		return text.slice(0, length);
	}

	hex(length: number): string {
		return this.bytes(Math.ceil(length / 2))
			.toString("hex")
			.slice(0, length);
	}

	uuid(): string {
		return this.hex(32).replace(/^(.{8})(.{4}).(.{3}).(.{3})(.{12}).*$/, "$1-$2-4$3-a$4-$5");
	}
}

const WORDS =
	`the agent reads its notes and writes a plan for tomorrow because every machine ends sooner or later while a workspace should not a
commit holds what changed since the last one so a restore knows which bytes belong where when memory grows it is compacted into a summary of
people projects dates and open questions model tool result message session token weather invoice calendar build failed passed retry garden
train station budget draft final review`.split(/\s+/);
