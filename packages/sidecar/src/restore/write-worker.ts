/**
 * The thread that decompresses, checks and writes what `WriteThread` passes to it: whole new files
 * in directories that nobody sees yet. It decides nothing, and answers in the order of the requests.
 */
import { parentPort } from "node:worker_threads";
import { SidecarError } from "../errors.ts";
import { checkChunk, freeBlock, openBlock } from "../log/block.ts";
import type { BlockRef } from "../log/types.ts";
import { explain } from "../workspace/disk-failure.ts";
import { loadFileTimes } from "../workspace/file-times.ts";
import type { Stat } from "../workspace/stat.ts";
import { CREATE, writeFile } from "../workspace/write-file.ts";

/** A file of one chunk. */
export interface NewFile {
	/** In the tree, for messages. */
	readonly path: string;
	/** Absolute; nothing is there. */
	readonly place: string;
	readonly mode: number;
	readonly mtimeNs: bigint;
	readonly sha256: string;
	/** In the block's raw bytes. */
	readonly offset: number;
	readonly length: number;
}

export interface WriteRequest {
	readonly block: BlockRef;
	/** The block's stored bytes. */
	readonly stored: Uint8Array;
	readonly files: readonly NewFile[];
}

export type WriteAnswer =
	| { readonly type: "ready" }
	/** Of the files, in their order. */
	| { readonly type: "written"; readonly stats: readonly Stat[] }
	| {
			readonly type: "failed";
			readonly error: Pick<SidecarError, "code" | "value" | "remedy" | "message">;
	  };

const times = await loadFileTimes();
const answer = (value: WriteAnswer) => parentPort?.postMessage(value);
parentPort?.on("message", (request: WriteRequest) => {
	try {
		answer({ type: "written", stats: write(request) });
	} catch (error) {
		if (!(error instanceof SidecarError)) throw error;
		const { code, value, remedy, message } = error;
		answer({ type: "failed", error: { code, value, remedy, message } });
	}
});
answer({ type: "ready" });

function write({ block, stored, files }: WriteRequest): Stat[] {
	const bytes = Buffer.from(stored.buffer, stored.byteOffset, stored.byteLength);
	const raw = openBlock(block, bytes);
	const stats = files.map(({ path, place, mode, mtimeNs, sha256, offset, length }) => {
		const content = checkChunk({ sha256, block, offset, length }, raw);
		return explain(path, () => writeFile(place, CREATE, content, mode, mtimeNs, times));
	});
	if (raw !== bytes) freeBlock(raw);
	return stats;
}
