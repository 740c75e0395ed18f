/**
 * Detects whether one flush looks like encryption: most of what was readable before is noise now.
 * Pure.
 *
 * A file's noise is measured by how well its blocks compressed. Text, code, JSON and databases
 * shrink to 10-60 %. Encrypted and already compressed content (photos, archives, git's objects)
 * does not shrink at all. Only files that did shrink before can turn into noise. So new photos,
 * `git gc`, an installation or a restored archive, which add noise or replace noise by noise, raise
 * nothing.
 *
 * Does NOT see: encryption spread over many flushes; files written under unrelated names (the
 * deletion brake sees those vanish); noise dressed as text (base64); files whose neighbours in the
 * block hide their ratio. It is an alarm, not a barrier: nothing is held back for it, and history
 * has every byte.
 */
import type { Chunk, Entry, FileEntry, Path } from "../log/types.ts";

/** Fewer files than this may turn into noise without an alarm. */
const MIN_FILES = 10;
/**
 * Ratios of stored to raw bytes. Between the two a file is neither readable nor noise: small blocks
 * of text compress to 0.6-0.75.
 */
const READABLE_RATIO = 0.8;
const NOISE_RATIO = 0.98;

export interface MassRewrite {
	/** Readable files that are noise now, and their bytes before. */
	readonly files: number;
	readonly bytes: number;
	/** All readable files before, and their bytes. */
	readonly filesBefore: number;
	readonly bytesBefore: number;
}

/**
 * @param before the disk as it was last captured
 * @param changed what the flush commits
 * @param gone paths that vanished, whether that deletion is accepted or not
 * @returns the counts, if more than half of the readable files and of their bytes (at least 10
 * files) turned into noise
 */
export function massRewrite(
	before: {
		get(path: Path): Entry<Chunk> | undefined;
		entries(): Iterable<readonly [Path, Entry<Chunk>]>;
	},
	changed: ReadonlyMap<Path, Entry<Chunk>>,
	gone: ReadonlySet<Path>,
): MassRewrite | undefined {
	let files = 0;
	let bytes = 0;
	for (const [path, after] of changed) {
		const old = before.get(path) ?? before.get(renamedFrom(path, gone) ?? path);
		if (after.type !== "file" || old?.type !== "file" || !hasTurned(old, after)) continue;
		files++;
		bytes += old.size;
	}
	// Examine the whole tree only if it can matter.
	if (files < MIN_FILES) return undefined;
	let filesBefore = 0;
	let bytesBefore = 0;
	for (const [, entry] of before.entries()) {
		if (entry.type !== "file" || !isReadable(entry.chunks)) continue;
		filesBefore++;
		bytesBefore += entry.size;
	}
	return files * 2 > filesBefore && bytes * 2 > bytesBefore
		? { files, bytes, filesBefore, bytesBefore }
		: undefined;
}

/** For example `notes.md.locked`, if `notes.md` is gone. */
function renamedFrom(path: Path, gone: ReadonlySet<Path>): Path | undefined {
	if (gone.size === 0) return undefined;
	for (
		let dot = path.lastIndexOf(".");
		dot > path.lastIndexOf("/") + 1;
		dot = path.lastIndexOf(".", dot - 1)
	) {
		const original = path.slice(0, dot);
		if (gone.has(original)) return original;
	}
	return undefined;
}

/**
 * Judges by the chunks that changed: a large file may be partly encrypted. A file that only grew
 * has not turned.
 */
function hasTurned(before: FileEntry<Chunk>, after: FileEntry<Chunk>): boolean {
	const fresh: Chunk[] = [];
	const replaced: Chunk[] = [];
	for (const [index, chunk] of after.chunks.entries()) {
		const old = before.chunks[index];
		if (old?.sha256 === chunk.sha256) continue;
		fresh.push(chunk);
		if (old !== undefined) replaced.push(old);
	}
	return isReadable(replaced) && storedRatio(fresh) >= NOISE_RATIO;
}

function isReadable(chunks: readonly Chunk[]): boolean {
	return chunks.length > 0 && storedRatio(chunks) <= READABLE_RATIO;
}

function storedRatio(chunks: readonly Chunk[]): number {
	let raw = 0;
	let stored = 0;
	for (const { block, length } of chunks) {
		raw += length;
		stored += length * (block.storedBytes / block.rawBytes);
	}
	return stored / raw;
}
