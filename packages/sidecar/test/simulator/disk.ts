/** A workspace in memory: directories and text files, and an agent that edits them. */
import { hash } from "node:crypto";
import type { Chunk, Entry, Path, Tree } from "../../src/log/types.ts";
import { parentOf } from "../../src/path.ts";

export type Node = { readonly type: "dir" } | { readonly type: "file"; readonly text: string };
export type Disk = Map<Path, Node>;

/** A tree without the places of its bytes: path -> `dir` or the hashes of its chunks. */
export type Content = ReadonlyMap<Path, string>;

/** The smallest of the format, so that files of a few KB have several chunks. */
export const CHUNK_BITS = 12;

export function emptyDisk(): Disk {
	return new Map([["", { type: "dir" }]]);
}

export function chunksOf(text: string): Buffer[] {
	const bytes = Buffer.from(text);
	return Array.from({ length: Math.ceil(bytes.length / 2 ** CHUNK_BITS) }, (_, index) =>
		bytes.subarray(index << CHUNK_BITS, (index + 1) << CHUNK_BITS),
	);
}

export function sha256(bytes: Buffer): string {
	return hash("sha256", bytes, "hex");
}

const contents = new WeakMap<Node, string>();

export function contentOfNode(node: Node): string {
	const known = contents.get(node);
	if (known !== undefined) return known;
	const content = node.type === "dir" ? "dir" : `file ${chunksOf(node.text).map(sha256).join(" ")}`;
	contents.set(node, content);
	return content;
}

export function contentOfEntry(entry: Entry<Chunk>): string {
	return entry.type === "file"
		? `file ${entry.chunks.map(({ sha256 }) => sha256).join(" ")}`
		: entry.type;
}

export function contentOfDisk(disk: Disk): Content {
	return new Map([...disk].map(([path, node]) => [path, contentOfNode(node)]));
}

export function contentOfTree(tree: Tree, isWanted: (path: Path) => boolean): Content {
	return new Map(
		[...tree]
			.filter(([path]) => isWanted(path))
			.map(([path, entry]) => [path, contentOfEntry(entry)]),
	);
}

/** The first path with a difference. */
export function difference(a: Content, b: Content): string | undefined {
	for (const [path, content] of a)
		if (b.get(path) !== content) return path === "" ? "(root)" : path;
	for (const path of b.keys()) if (!a.has(path)) return path === "" ? "(root)" : path;
	return undefined;
}

export function remove(disk: Disk, path: Path): void {
	for (const each of [...disk.keys()])
		if (each === path || each.startsWith(`${path}/`)) disk.delete(each);
}

export function put(disk: Disk, path: Path, node: Node): void {
	const parent = parentOf(path);
	if (disk.get(parent)?.type !== "dir") put(disk, parent, { type: "dir" });
	if (node.type !== "dir" || disk.get(path)?.type !== "dir") remove(disk, path);
	disk.set(path, node);
}

const NAMES = ["a", "b", "c", "d/a", "d/b", "d/e/f", "d"];
/** A few texts repeat, so that content is shared between files, writers and times. */
const COMMON = ["", "alpha", "beta ".repeat(30), "gamma ".repeat(1500)];

/** One action of an agent. */
export function edit(disk: Disk, roll: () => number): void {
	const path = NAMES[Math.floor(roll() * NAMES.length)] as Path;
	const kind = roll();
	if (kind < 0.2) {
		remove(disk, path);
		return;
	}
	const common = COMMON[Math.floor(roll() * COMMON.length)] as string;
	const text = kind < 0.5 ? common : `${common}${roll()}`;
	put(disk, path, { type: "file", text });
}
