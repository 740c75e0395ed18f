/**
 * Finds the secrets in one file, chunk by chunk, as a capture reads it.
 *
 * A file with a NUL among its first 8,000 bytes is binary (git's test) and not scanned. Only the
 * first 64 MiB of a file are scanned. A secret that crosses a chunk boundary is found if it has at
 * most 512 bytes on either side.
 */
import { type FoundSecret, findSecrets } from "./find.ts";

/** Scanned bytes per file; the rest is not inspected. */
export const SCANNED_BYTES = 64 * 1024 * 1024;
const BINARY_TEST_BYTES = 8_000;
const OVERLAP_BYTES = 512;

/** A secret, without its location. The bytes are valid only during the call. */
export type OnSecret = (kind: string, bytes: Buffer) => void;

export class SecretScanner {
	readonly #onSecret: OnSecret;
	/** The end of the previous chunk, and whether it was scanned. */
	#tail: { readonly bytes: Buffer; readonly isScanned: boolean } | undefined;
	/** Known from the first chunk on. */
	isBinary = false;
	/** The scan was cut short because the file is larger than `SCANNED_BYTES`. */
	isCut = false;

	constructor(onSecret: OnSecret) {
		this.#onSecret = onSecret;
	}

	/**
	 * Takes the next chunk. The first one, at offset 0, starts a new file.
	 * @param isWanted false: the chunk was scanned before, and only matches across its borders are
	 * searched
	 * @param isLast no chunk follows, according to the file's length
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
