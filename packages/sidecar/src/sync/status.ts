import type { Head } from "../log/fold.ts";
import { RECOVERED_DIRECTORY } from "../log/safe-path.ts";
import type { Tree } from "../log/types.ts";
import { type DiskOptions, type DiskState, inspectDisk } from "./not-durable.ts";
import { type LogRead, readLog } from "./read-log.ts";

/** The log's newest commit and its tree. */
export interface LogState {
	readonly seq: number;
	/** 64 hex digits. */
	readonly id: string;
	/** Who wrote the newest commit, 32 hex digits. */
	readonly writer: string;
	/** The tree's owner ended in order. */
	readonly isClosed: boolean;
	/** Files, directories and links. */
	readonly entries: number;
	/** Of all files. */
	readonly bytes: number;
	/** When the store took the newest commit, by its clock. */
	readonly timeMs: number;
}

/** What a superseded writer set aside below `.recovered/`. */
export interface SetAside {
	/** 32 hex digits. */
	readonly writer: string;
	readonly files: number;
	readonly bytes: number;
}

export interface Status extends DiskState {
	/** Undefined: the log is empty. */
	readonly log: LogState | undefined;
	readonly setAside: readonly SetAside[];
	/** The store's clock at the LIST. */
	readonly storeTimeMs: number;
}

/** Reads the log and compares the disk with it; writes nothing to either. @throws SidecarError as `readLog` and `inspectDisk` */
export async function status(options: DiskOptions): Promise<Status> {
	const read = await readLog(options.store, options.signal && { signal: options.signal });
	return { ...logStatus(read), ...(await inspectDisk(options, read.head)) };
}

/** What is known of a log without looking at a disk. */
export function logStatus({ head, newest, storeTimeMs }: LogRead): Pick<Status, "log" | "setAside" | "storeTimeMs"> {
	const log = newest === undefined ? undefined : logState(head, newest.commit.info.writer, newest.lastModifiedMs);
	return { log, setAside: setAsideIn(head.tree), storeTimeMs };
}

function logState({ seq, id, isClosed, tree }: Head, writer: string, timeMs: number): LogState {
	let bytes = 0;
	for (const entry of tree.values()) if (entry.type === "file") bytes += entry.size;
	return { seq, id, writer, isClosed, entries: tree.size, bytes, timeMs };
}

function setAsideIn(tree: Tree): SetAside[] {
	const byWriter = new Map<string, { files: number; bytes: number }>();
	for (const [path, entry] of tree) {
		const [top, writer, first] = path.split("/", 3);
		if (top !== RECOVERED_DIRECTORY || writer === undefined || first === undefined || entry.type === "dir") continue;
		const sum = byWriter.get(writer) ?? { files: 0, bytes: 0 };
		sum.files++;
		if (entry.type === "file") sum.bytes += entry.size;
		byWriter.set(writer, sum);
	}
	return [...byWriter].map(([writer, sum]) => ({ writer, ...sum }));
}
