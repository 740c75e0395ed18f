import { closeSync, openSync, readSync, writeSync } from "node:fs";
import { Slice } from "./slice.ts";

/** Copies a whole open file into a private file. @throws NodeJS.ErrnoException */
export async function copyDescriptor(from: number, file: string): Promise<void> {
	const to = openSync(file, "w", 0o600);
	try {
		const block = Buffer.allocUnsafe(1 << 20);
		const slice = new Slice();
		for (let at = 0; ; ) {
			const length = readSync(from, block, 0, block.length, at);
			if (length === 0) return;
			for (let done = 0; done < length; )
				done += writeSync(to, block, done, length - done, at + done);
			at += length;
			if (slice.isOver) await slice.next();
		}
	} finally {
		closeSync(to);
	}
}
