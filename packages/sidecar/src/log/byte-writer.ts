/**
 * Appends numbers and bytes to a growing buffer. Numbers are LEB128 varints: seven bits a byte,
 * least significant first.
 */
export class ByteWriter {
	#buffer: Buffer;
	#length = 0;

	constructor(initialBytes = 4096) {
		this.#buffer = Buffer.allocUnsafe(initialBytes);
	}

	get length(): number {
		return this.#length;
	}

	u8(value: number): void {
		this.#reserve(1);
		this.#buffer[this.#length++] = value;
	}

	u32(value: number): void {
		this.#reserve(4);
		this.#length = this.#buffer.writeUInt32LE(value, this.#length);
	}

	/** Non-negative safe integers only. */
	varint(value: number): void {
		if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`not a varint: ${value}`);
		this.#reserve(8);
		let rest = value;
		while (rest >= 0x80) {
			this.#buffer[this.#length++] = (rest % 0x80) | 0x80;
			rest = Math.floor(rest / 0x80);
		}
		this.#buffer[this.#length++] = rest;
	}

	/** Zigzag, for seconds before 1970. */
	signedVarint(value: number): void {
		this.varint(value >= 0 ? value * 2 : -value * 2 - 1);
	}

	bytes(value: Uint8Array): void {
		this.#reserve(value.length);
		this.#buffer.set(value, this.#length);
		this.#length += value.length;
	}

	hex(value: string): void {
		this.#reserve(value.length / 2);
		this.#length += this.#buffer.write(value, this.#length, "hex");
	}

	/** The bytes written so far, as a view that is valid until the next write. */
	view(): Buffer {
		return this.#buffer.subarray(0, this.#length);
	}

	#reserve(more: number): void {
		if (this.#length + more <= this.#buffer.length) return;
		const grown = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + more));
		this.#buffer.copy(grown, 0, 0, this.#length);
		this.#buffer = grown;
	}
}
