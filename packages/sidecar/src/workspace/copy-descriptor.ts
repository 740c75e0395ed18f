import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { setImmediate as nextTurn } from "node:timers/promises";

/** The event loop gets its turn after this long. */
const SLICE_MS = 8;

/** Copies all of an open file into a private one. @throws NodeJS.ErrnoException */
export async function copyDescriptor(from: number, file: string): Promise<void> {
	const to = openSync(file, "w", 0o600);
	try {
		const block = Buffer.allocUnsafe(1 << 20);
		let until = performance.now() + SLICE_MS;
		for (let at = 0; ; ) {
			const length = readSync(from, block, 0, block.length, at);
			if (length === 0) return;
			for (let done = 0; done < length; ) done += writeSync(to, block, done, length - done, at + done);
			at += length;
			if (performance.now() < until) continue;
			await nextTurn();
			until = performance.now() + SLICE_MS;
		}
	} finally {
		closeSync(to);
	}
}
