import { type QuarantinedWriter, quarantinedIn } from "../commit/quarantined.ts";
import { type LogRead, readLog } from "../commit/read-log.ts";
import type { Head } from "../log/fold.ts";
import { type DiskOptions, type DiskState, inspectDisk } from "./not-durable.ts";

/** The log's newest commit and its tree. */
export interface LogState {
	readonly seq: number;
	/** 64 hex digits. */
	readonly id: string;
	/** Who wrote the newest commit, 32 hex digits. */
	readonly writer: string;
	/** Who owns the tree: the writer of the newest fence, 32 hex digits. */
	readonly owner: string;
	/** The tree's owner ended in an orderly way. */
	readonly isClosed: boolean;
	/** Files, directories and links, the workspace itself included. */
	readonly entries: number;
	readonly files: number;
	/** The sum over all files. */
	readonly bytes: number;
	/** When the store received the newest commit, by its clock. */
	readonly timeMs: number;
}

export interface Status extends DiskState {
	/** Undefined: the log is empty. */
	readonly log: LogState | undefined;
	/** What superseded writers quarantined below `.recovered/`. */
	readonly quarantined: readonly QuarantinedWriter[];
	/** The store's clock at the LIST. */
	readonly storeTimeMs: number;
}

/**
 * Reads the log and compares the disk with it. Writes to neither. @throws SidecarError as `readLog`
 * and `inspectDisk`
 */
export async function status(options: DiskOptions): Promise<Status> {
	const read = await readLog(options.store, { signal: options.signal });
	return { ...logStatus(read), ...(await inspectDisk(options, read.head)) };
}

/** Describes a log without inspecting a disk. */
export function logStatus({
	head,
	newest,
	storeTimeMs,
}: LogRead): Pick<Status, "log" | "quarantined" | "storeTimeMs"> {
	const log =
		newest === undefined
			? undefined
			: logState(head, newest.commit.info.writer, newest.lastModifiedMs);
	return { log, quarantined: quarantinedIn(head.tree), storeTimeMs };
}

function logState(
	{ seq, id, fence, isClosed, tree }: Head,
	writer: string,
	timeMs: number,
): LogState {
	let files = 0;
	let bytes = 0;
	for (const entry of tree.values()) {
		if (entry.type !== "file") continue;
		files++;
		bytes += entry.size;
	}
	const { writer: owner } = fence;
	return { seq, id, writer, owner, isClosed, entries: tree.size, files, bytes, timeMs };
}
