/** What Node left in a directory of `NODE_COMPILE_CACHE`, made fit for an image. */
import { chmodSync, lchownSync, readdirSync } from "node:fs";
import { join } from "node:path";

/**
 * Gives a cache to root, and to everybody to read: Node writes it for its owner alone. Who could
 * write it would decide what runs.
 *
 * @param uid of the process that left it, and of those that shall find it: Node names the directory
 * by version, architecture and user
 * @throws Error where that process left none: then the image would be slow, and nobody would know
 * why
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
