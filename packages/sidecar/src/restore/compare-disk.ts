import { hash } from "node:crypto";
import { readlinkSync } from "node:fs";
import { type Metadata, UnsetMetadata } from "../disk/unset-metadata.ts";
import type { Entry, FileEntry, Path, Tree } from "../log/types.ts";
import { decodeName, fsPath, type Root } from "../path.ts";
import { hashingZerosOnce } from "../workspace/holes.ts";
import { isSqliteHeader } from "../workspace/sqlite.ts";
import { readStable } from "../workspace/stable-read.ts";
import { lstatPath, type Stat } from "../workspace/stat.ts";
import type { OnDisk } from "./reconcile.ts";

/**
 * Compares what is on the disk with what the log has for it. A file is read only where its size and
 * mode could be the same.
 * @param isSecret such paths are restored without rights for others, whatever mode the log has:
 * that is no difference
 * @param unset modes that this disk could not be given are no difference either
 */
export async function compareDisk(
	root: Root,
	disk: ReadonlyMap<Path, Stat>,
	base: Tree | undefined,
	target: Tree,
	isSecret: (path: Path) => boolean,
	unset: UnsetMetadata = new UnsetMetadata(),
): Promise<Map<Path, OnDisk>> {
	const compared = new Map<Path, OnDisk>();
	for (const [path, stat] of disk) {
		const wanted = target.get(path);
		const before = base?.get(path);
		const likeTarget =
			wanted !== undefined && (await isLike(root, path, stat, wanted, isSecret, unset));
		const likeBase =
			before === wanted
				? likeTarget
				: before !== undefined && (await isLike(root, path, stat, before, isSecret, unset));
		compared.set(path, { type: stat.type, likeTarget, likeBase });
	}
	return compared;
}

async function isLike(
	root: Root,
	path: Path,
	stat: Stat,
	entry: Entry,
	isSecret: (path: Path) => boolean,
	unset: UnsetMetadata,
): Promise<boolean> {
	if (entry.type !== stat.type) return false;
	if (entry.type === "link")
		return decodeName(readlinkSync(fsPath(root, path), { encoding: "buffer" })) === entry.target;
	const isRightMode = hasMode(unset.asInLog(path, stat), entry, isSecret(path));
	if (entry.type === "dir" || !isRightMode) return isRightMode;
	return entry.size === stat.size && (await hasContent(root, path, entry));
}

/**
 * A secret is restored without rights for others, whatever the log has. The mode is in the terms of
 * the log.
 */
export function hasMode(
	{ mode }: Metadata,
	entry: Exclude<Entry, { readonly type: "link" }>,
	isSecret: boolean,
): boolean {
	return mode === entry.mode || (isSecret && mode === (entry.mode & 0o700));
}

/** Does the file hold these bytes, with nothing in a WAL beside it? */
export async function hasContent(root: Root, path: Path, entry: FileEntry): Promise<boolean> {
	const sha256 = hashingZerosOnce((bytes) => hash("sha256", bytes, "hex"));
	let isSame = true;
	const read = await readStable(root, path, 2 ** entry.chunkBits, (index, bytes) => {
		// The newest rows of a database may stand in its WAL: then its bytes alone say nothing.
		if (
			index === 0 &&
			isSqliteHeader(bytes) &&
			["-wal", "-journal"].some((suffix) => (lstatPath(root, path + suffix)?.size ?? 0) > 0)
		)
			isSame = false;
		if (isSame) isSame = sha256(bytes) === entry.chunks[index]?.sha256;
		return isSame;
	});
	return isSame && read.kind === "settled";
}
