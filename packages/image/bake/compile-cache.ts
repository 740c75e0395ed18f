/** Prepares the contents of a `NODE_COMPILE_CACHE` directory for an image. */
import { chmodSync, lchownSync, readdirSync } from "node:fs";
import { join } from "node:path";

/**
 * Makes the cache root's, readable for everyone, because Node makes it private to its owner. Anyone
 * who can write to it decides what runs.
 *
 * @param uid of the process that wrote it, and of those that use it: Node's directory name contains
 * version, architecture and user
 * @throws Error if that process wrote none, because the image would then be slow without notice
 */
export function leaveReadable(directory: string, uid: number): void {
	const found = readdirSync(directory).find(
		(name) => name.startsWith(`${process.version}-${process.arch}-`) && name.endsWith(`-${uid}`),
	);
	const names = found === undefined ? [] : readdirSync(join(directory, found));
	if (names.length === 0) throw new Error(`user ${uid} left no compile cache in ${directory}`);
	const give = (path: string, mode: number) => {
		lchownSync(path, 0, 0);
		chmodSync(path, mode);
	};
	give(directory, 0o755);
	for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
		give(join(entry.parentPath, entry.name), entry.isDirectory() ? 0o755 : 0o644);
	}
	console.log(`${directory}/${found}: ${names.length} modules`);
}
