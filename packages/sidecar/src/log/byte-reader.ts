import type { ErrorCode } from "../errors.ts";
import { SidecarError } from "../errors.ts";

/**
 * Reads what ByteWriter wrote and trusts nothing. Every length is checked against what is left
 * before anything is allocated, and every failure is a SidecarError that names the object.
 */
export class ByteReader {
	readonly #buffer: Buffer;
	readonly #key: string;
	#at = 0;

	constructor(buffer: Buffer, key: string) {
		this.#buffer = buffer;
		this.#key = key;
	}

	get left(): number {
		return this.#buffer.length - this.#at;
	}

	fail(reason: string, code: ErrorCode = "OBJECT_CORRUPT"): never {
		throw new SidecarError(code, { value: this.#key, reason });
	}

	u8(): number {
		if (this.left < 1) this.fail("it ends too early");
		return this.#buffer[this.#at++] as number;
	}

	u32(): number {
		if (this.left < 4) this.fail("it ends too early");
		const value = this.#buffer.readUInt32LE(this.#at);
		this.#at += 4;
		return value;
	}

	varint(): number {
		let value = 0;
		let factor = 1;
		for (let count = 0; count < 8; count++) {
			const byte = this.u8();
			value += (byte & 0x7f) * factor;
			if (byte < 0x80) {
				// One number, one form: a longer form of the same number is not ours.
				if (byte === 0 && count > 0) this.fail("a number is not in its shortest form");
				if (!Number.isSafeInteger(value)) this.fail("a number is too large", "LIMIT_EXCEEDED");
				return value;
			}
			factor *= 0x80;
		}
		return this.fail("a number is too large", "LIMIT_EXCEEDED");
	}

	signedVarint(): number {
		const value = this.varint();
		return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
	}

	/**
	 * A varint that counts items of at least `minBytes` each: refused if the rest of the buffer
	 * cannot hold them.
	 */
	count(limit: number, what: string, minBytes = 1): number {
		const value = this.varint();
		if (value > limit)
			this.fail(`it declares ${value} ${what}, the limit is ${limit}`, "LIMIT_EXCEEDED");
		if (value * minBytes > this.left) this.fail(`it declares more ${what} than it holds`);
		return value;
	}

	/** A view, not a copy. */
	bytes(length: number): Buffer {
		if (length > this.left) this.fail("it ends too early");
		const view = this.#buffer.subarray(this.#at, this.#at + length);
		this.#at += length;
		return view;
	}

	hex(byteLength: number): string {
		if (byteLength > this.left) this.fail("it ends too early");
		this.#at += byteLength;
		return this.#buffer.toString("hex", this.#at - byteLength, this.#at);
	}

	end(): void {
		if (this.left !== 0) this.fail(`${this.left} bytes too many`);
	}
}
