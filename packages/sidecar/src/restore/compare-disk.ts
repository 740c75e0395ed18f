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
 * Compares the disk with the log. Reads a file only if its size and mode could match.
 * @param isSecret these paths are restored without rights for others, whatever mode the log has;
 * that is not a difference
 * @param unset modes that this disk refused are not a difference either
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
 * Whether the mode matches. A secret is restored without rights for others, whatever the log has.
 * The mode is in the log's terms.
 */
export function hasMode(
	{ mode }: Metadata,
	entry: Exclude<Entry, { readonly type: "link" }>,
	isSecret: boolean,
): boolean {
	return mode === entry.mode || (isSecret && mode === (entry.mode & 0o700));
}

/** Whether the file holds exactly these bytes and its WAL, if any, adds nothing. */
export async function hasContent(root: Root, path: Path, entry: FileEntry): Promise<boolean> {
	const sha256 = hashingZerosOnce((bytes) => hash("sha256", bytes, "hex"));
	let isSame = true;
	const read = await readStable(root, path, 2 ** entry.chunkBits, (index, bytes) => {
		// The newest rows of a database may be only in its WAL. Its bytes alone then prove nothing.
		if (
			index === 0 &&
			isSqliteHeader(bytes) &&
			["-wal", "-journal"].some((suffix) => (lstatPath(root, path + suffix)?.size ?? 0) > 0)
		)
			isSame = false;
		if (isSame) isSame = sha256(bytes) === entry.chunks[index]?.sha256;
		return isSame;
	});
	return isSame && read.kind === "stable";
}
