/**
 * One file, chunk by chunk, as a capture reads it: which secrets does it hold?
 *
 * A file with a NUL among its first 8,000 bytes is binary (git's test) and not scanned, and of no
 * file more than its first 64 MiB are. A secret that crosses from one chunk into the next is found
 * if it has no more than 512 bytes on either side.
 */
import { type FoundSecret, findSecrets } from "./find.ts";

/** Of a file; what lies beyond is not looked at. */
export const SCANNED_BYTES = 64 * 1024 * 1024;
const BINARY_TEST_BYTES = 8_000;
const OVERLAP_BYTES = 512;

/** A secret, as far as it may be told: the bytes are valid during the call only. */
export type OnSecret = (kind: string, bytes: Buffer) => void;

export class SecretScanner {
	readonly #onSecret: OnSecret;
	/** The end of the chunk before, and whether it was scanned. */
	#tail: { readonly bytes: Buffer; readonly isScanned: boolean } | undefined;
	/** Known from the first chunk on. */
	isBinary = false;
	/** Bytes that were left out because the file is larger than `SCANNED_BYTES`. */
	isCut = false;

	constructor(onSecret: OnSecret) {
		this.#onSecret = onSecret;
	}

	/**
	 * Takes the next chunk. The first one, at offset 0, begins the file anew.
	 * @param isWanted false: the chunk was scanned before, and only what crosses its borders is
	 * looked at
	 * @param isLast nothing follows, as far as its length tells
	 */
	take(bytes: Buffer, offset: number, isWanted: boolean, isLast: boolean): void {
		if (offset === 0) this.#begin(bytes);
		if (this.isBinary) return;
		if (offset >= SCANNED_BYTES) {
			this.isCut = true;
			return;
		}
		const tail = this.#tail;
		if (tail !== undefined && (isWanted || tail.isScanned)) this.#scanBorder(tail.bytes, bytes);
		if (isWanted) for (const secret of findSecrets(bytes)) this.#tell(bytes, secret);
		this.#tail = isLast
			? undefined
			: { bytes: Buffer.from(bytes.subarray(-OVERLAP_BYTES)), isScanned: isWanted };
	}

	#begin(bytes: Buffer): void {
		this.#tail = undefined;
		this.isCut = false;
		this.isBinary = bytes.subarray(0, BINARY_TEST_BYTES).includes(0);
	}

	#scanBorder(tail: Buffer, bytes: Buffer): void {
		const joined = Buffer.concat([tail, bytes.subarray(0, OVERLAP_BYTES)]);
		for (const secret of findSecrets(joined))
			if (secret.start < tail.length && secret.end > tail.length) this.#tell(joined, secret);
	}

	#tell(bytes: Buffer, { kind, start, end }: FoundSecret): void {
		this.#onSecret(kind, bytes.subarray(start, end));
	}
}
