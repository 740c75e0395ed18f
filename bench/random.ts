/**
 * The same numbers for the same seed on every machine (xorshift32). It is fast enough for 500 MB of
 * text.
 */
export class Random {
	#state: number;

	constructor(seed: number) {
		this.#state = Math.imul(seed ^ 0x9e3779b9, 0x85ebca6b) | 1;
		for (let i = 0; i < 8; i++) this.u32();
	}

	u32(): number {
		let x = this.#state;
		x ^= x << 13;
		x ^= x >>> 17;
		x ^= x << 5;
		this.#state = x;
		return x >>> 0;
	}

	/** In [0, 1). */
	next(): number {
		return this.u32() / 2 ** 32;
	}

	/** A whole number below `limit`. */
	below(limit: number): number {
		return Math.floor(this.next() * limit);
	}

	/** Normally distributed, mean 0, deviation 1 (Box and Muller). */
	normal(): number {
		return Math.sqrt(-2 * Math.log(1 - this.next())) * Math.cos(2 * Math.PI * this.next());
	}

	/** Incompressible bytes. */
	fill(bytes: Buffer): Buffer {
		const words = bytes.length & ~3;
		for (let at = 0; at < words; at += 4) bytes.writeUInt32LE(this.u32(), at);
		for (let at = words; at < bytes.length; at++) bytes[at] = this.u32() & 0xff;
		return bytes;
	}
}
