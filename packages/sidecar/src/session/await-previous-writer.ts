/**
 * So that an ordinary hand-over loses nothing even from view: a young head that its writer did not
 * close gets a little time.
 *
 * Only about what the newcomer sees: whose commits count is decided by the fence, waiting or not.
 * So it is right not to wait for a writer that was killed on this very machine, and no harm where a
 * copied machine takes the other's writer for its own.
 */
import type { Machine } from "../commit/machine.ts";
import { type LogRead, newestSeq, readLog } from "../commit/read-log.ts";
import { isThisBoot, readMarker } from "../disk/base-marker.ts";
import type { SessionOptions } from "./session.ts";

/** A head younger than this whose writer did not close it may have more to come. */
const YOUNG_MS = 20_000;
const POLL_MS = 250;

/**
 * The log, when its last writer has closed it or had its time.
 * @throws SidecarError as `readLog`
 */
export async function readWhenHandedOver(
	options: SessionOptions,
	machine: Machine,
): Promise<LogRead> {
	const { store, handoverWaitMs, privateDir, log, signal } = options;
	const startedMs = machine.bootMs();
	let read = await readLog(store, { signal });
	for (
		let waited = false;
		machine.bootMs() - startedMs < handoverWaitMs && mayHaveMore(read, privateDir);
		waited = true
	) {
		if (!waited)
			log.info("handover.waiting", {
				seq: read.head.seq,
				writer: read.newest?.commit.info.writer,
				waitMs: handoverWaitMs,
			});
		await machine.sleep(Math.min(POLL_MS, handoverWaitMs), signal);
		const { seq, storeTimeMs } = await newestSeq(store, signal);
		read = seq === read.head.seq ? { ...read, storeTimeMs } : await readLog(store, { signal });
	}
	return read;
}

function mayHaveMore({ head, newest, storeTimeMs }: LogRead, privateDir: string): boolean {
	// By the owner: that a superseded writer quarantine something since opens nothing again.
	if (newest === undefined || head.isClosed || storeTimeMs - newest.lastModifiedMs > YOUNG_MS)
		return false;
	// It was here, and is no more: whoever asks has taken the workspace's control over.
	const marker = readMarker(privateDir);
	return marker?.writer !== newest.commit.info.writer || !isThisBoot(marker);
}
