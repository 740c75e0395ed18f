import type { Chunk, ChunkRef, Entry, FileEntry } from "./types.ts";

/** Whether both are equal in all but the time. Content is compared by SHA-256. */
export function sameEntry(a: Entry<Chunk>, b: Entry<Chunk>): boolean {
	if (a === b) return true;
	if (a.type === "dir") return b.type === "dir" && a.mode === b.mode;
	if (a.type === "link") return b.type === "link" && a.target === b.target;
	return b.type === "file" && a.mode === b.mode && sameContent(a, b);
}

export function sameContent(a: FileEntry<Chunk>, b: FileEntry<Chunk>): boolean {
	return (
		a.size === b.size &&
		a.chunkBits === b.chunkBits &&
		a.chunks.every(
			(chunk, index) => chunk === b.chunks[index] || chunk.sha256 === b.chunks[index]?.sha256,
		)
	);
}

/** Whether both refer to the same bytes of the same object. */
export function samePlace(a: ChunkRef, b: ChunkRef): boolean {
	return (
		a === b ||
		(a.block.key === b.block.key &&
			a.block.offset === b.block.offset &&
			a.offset === b.offset &&
			a.length === b.length)
	);
}
