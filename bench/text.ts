import type { Random } from "./random.ts";

/** Words of which few are frequent and most are rare, as in prose. Phrases repeat, as in notes. */
const VOCABULARY = 12_000;
const PHRASES = 6_000;
const TABLE = 1 << 15;
/** How many recent tokens a document refers back to, and how often out of 256 times. */
const TOPIC = 48;
const AGAIN = 118;
const LETTERS = "etaoinshrdlucmfwypvbgkjqxz";

/**
 * Markdown and JSONL that compress about as well as an agent's notes and transcripts. Factors of
 * zstd level 3 for these / real ones: 256 KiB 3.4-3.9 / 4.1, 4 MiB 5.1-5.7 / 4.2-4.5.
 */
export class TextSource {
	readonly #random: Random;
	/** Tokens by frequency: a random position holds a token with the right probability. */
	readonly #tokens: Buffer[] = [];
	#topic: Buffer[] = [];

	constructor(random: Random) {
		this.#random = random;
		const words = Array.from({ length: VOCABULARY }, (_, rank) =>
			this.#word(2 + Math.floor(Math.log2(rank + 2) * 0.6) + random.below(4)),
		);
		const frequent = () => words[Math.floor(VOCABULARY * random.next() ** 3)] as string;
		const phrases = Array.from({ length: PHRASES }, () =>
			Array.from({ length: 3 + random.below(5) }, frequent).join(" "),
		);
		for (let place = 0; place < TABLE; place++) {
			const isPhrase = random.next() < 0.2;
			const list = isPhrase ? phrases : words;
			this.#tokens.push(
				Buffer.from(`${list[Math.floor(list.length * random.next() ** (isPhrase ? 1.5 : 3))]} `),
			);
		}
	}

	/** Exactly `length` bytes of Markdown. */
	markdown(length: number): Buffer {
		this.#topic = [];
		const bytes = Buffer.allocUnsafe(length);
		let at = 0;
		let sentence = 0;
		while (at < length) {
			at = this.#put(bytes, at, this.#token());
			if (++sentence < 9) continue;
			sentence = 0;
			at = this.#put(bytes, at, this.#random.next() < 0.15 ? HEADING : FULL_STOP);
		}
		return bytes;
	}

	/** Exactly `length` bytes of JSON lines; the last one is complete if it fits. */
	jsonl(length: number): Buffer {
		this.#topic = [];
		const bytes = Buffer.allocUnsafe(length);
		let at = 0;
		let turn = this.#random.below(1000);
		while (at < length) {
			turn++;
			const id = this.#random.u32().toString(16).padStart(8, "0");
			const role = turn % 2 === 0 ? "user" : "assistant";
			const head = `{"type":"message","id":"${id}","seq":${turn},"role":"${role}","at":"2026-11-${10 + (turn % 20)}T08:${10 + (turn % 50)}:00.000Z","content":[{"type":"text","text":"`;
			at = this.#put(bytes, at, Buffer.from(head));
			const end = at + 40 + this.#random.below(500);
			while (at < end && at < length) at = this.#put(bytes, at, this.#token());
			at = this.#put(bytes, at, LINE_END);
		}
		return bytes;
	}

	/** Often a token that this document had before, because a note has a topic. */
	#token(): Buffer {
		const number = this.#random.u32();
		const place = (number >>> 16) % TOPIC;
		const old = this.#topic[place];
		if (old !== undefined && (number & 0xff) < AGAIN) return old;
		const token = this.#tokens[(number >>> 8) & (TABLE - 1)] as Buffer;
		this.#topic[place] = token;
		return token;
	}

	/** The part of the token that fits. */
	#put(bytes: Buffer, at: number, token: Buffer): number {
		const length = Math.min(token.length, bytes.length - at);
		for (let i = 0; i < length; i++) bytes[at + i] = token[i] as number;
		return at + length;
	}

	#word(length: number): string {
		let word = "";
		while (word.length < length)
			word += LETTERS[Math.floor(LETTERS.length * this.#random.next() ** 1.8)];
		return word;
	}
}

const FULL_STOP = Buffer.from(".\n");
const HEADING = Buffer.from("\n\n## ");
const LINE_END = Buffer.from('"}]}\n');
