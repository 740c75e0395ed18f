/** The caller's buffer if it is large enough, otherwise a new one. */
export function bufferFor(length: number, into: Buffer | undefined): Buffer {
	return into !== undefined && into.length >= length
		? into.subarray(0, length)
		: Buffer.allocUnsafe(length);
}
