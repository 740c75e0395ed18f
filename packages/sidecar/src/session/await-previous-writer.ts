/**
 * Makes an ordinary handover show every commit: gives a young head that its writer did not close a
 * little time.
 *
 * This affects only what the new writer sees. The fence decides whose commits count, with or
 * without waiting. So it is right not to wait for a writer that was killed on this very machine. It
 * is harmless if a cloned machine mistakes the other clone's writer for its own.
 */
import type { Environment } from "../commit/environment.ts";
import { type LogRead, newestSeq, readLog } from "../commit/read-log.ts";
import { isThisBoot, readMarker } from "../disk/base-marker.ts";
import type { SessionOptions } from "./session.ts";

/** A head younger than this may get more commits, unless its writer closed it. */
const YOUNG_MS = 20_000;
const POLL_MS = 250;

/**
 * Reads the log, unless the caller just did, once its last writer has closed it or has had its time.
 * @throws SidecarError as `readLog`
 */
export async function readWhenHandedOver(
	options: SessionOptions,
	environment: Environment,
): Promise<LogRead> {
	const { store, handoverWaitMs, privateDir, logger, prepared, signal } = options;
	const startedMs = environment.bootMs();
	let read = prepared?.read ?? (await readLog(store, { signal }));
	for (
		let waited = false;
		environment.bootMs() - startedMs < handoverWaitMs && mayHaveMore(read, privateDir);
		waited = true
	) {
		if (!waited)
			logger.info("handover.waiting", {
				seq: read.head.seq,
				writer: read.newest?.commit.info.writer,
				waitMs: handoverWaitMs,
			});
		await environment.sleep(Math.min(POLL_MS, handoverWaitMs), signal);
		const { seq, storeTimeMs } = await newestSeq(store, signal);
		read = seq === read.head.seq ? { ...read, storeTimeMs } : await readLog(store, { signal });
	}
	return read;
}

function mayHaveMore({ head, newest, storeTimeMs }: LogRead, privateDir: string): boolean {
	// Closed by the owner: a later quarantine by a superseded writer reopens nothing.
	if (newest === undefined || head.isClosed || storeTimeMs - newest.lastModifiedMs > YOUNG_MS)
		return false;
	// The writer was on this machine and has ended: the caller has taken over the workspace.
	const marker = readMarker(privateDir);
	return marker?.writer !== newest.commit.info.writer || !isThisBoot(marker);
}
