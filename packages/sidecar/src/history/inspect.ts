/** Inspects a commit without touching a disk: its entries, and one file's bytes. */
import type { Writable } from "node:stream";
import { readChunks } from "../commit/read-content.ts";
import type { LogRead } from "../commit/read-log.ts";
import { SidecarError } from "../errors.ts";
import type { ChunkRef, Entry, FileEntry, Path, Tree } from "../log/types.ts";
import { compareBytes } from "../path.ts";
import type { ObjectStore } from "../store/port.ts";

/**
 * The path in a tree that a user means: exactly, without a leading `./` or a trailing `/`, or with
 * the escapes of `ls` such as `\u000a`. Undefined if the tree has none of these.
 */
export function findPath(tree: Tree, typed: string): Path | undefined {
	const path = typed.replace(/^(\.\/+)+/, "").replace(/\/+$/, "");
	const plain = path === "." ? "" : path;
	if (tree.has(plain)) return plain;
	const unescaped = plain.replace(/\\u([0-9a-f]{4})/g, (_, digits: string) =>
		String.fromCharCode(Number.parseInt(digits, 16)),
	);
	return tree.has(unescaped) ? unescaped : undefined;
}

/**
 * For verbs that write: an empty shell variable must not mean everything.
 * @throws SidecarError USAGE for "" and "/"
 */
export function requireNamed(typed: string): void {
	if (/[^/]/.test(typed)) return;
	throw new SidecarError("USAGE", {
		value: `"${typed}"`,
		reason: "it names no path",
		remedy: "name a path, or `.` for everything",
	});
}

/**
 * The entry at `path` and all below it, ordered by the paths' bytes. "" is the whole tree, without
 * its root.
 * @throws SidecarError PATH_NOT_FOUND
 */
export function listTree(tree: Tree, path: Path): readonly (readonly [Path, Entry])[] {
	if (path !== "" && !tree.has(path)) throw new SidecarError("PATH_NOT_FOUND", { value: path });
	const below = path === "" ? "" : `${path}/`;
	const found = [...tree].filter(([at]) => at !== "" && (at === path || at.startsWith(below)));
	return found.sort(([a], [b]) => compareBytes(a, b));
}

/**
 * The amount fetched before the first chunk is written: blocks arrive in any order, but a stream
 * needs its bytes in order.
 */
const WINDOW_BYTES = 32 * 1024 * 1024;

/**
 * Writes one file's bytes to a stream. Checks each chunk against its SHA-256 first. Uses at most
 * about 100 MB of memory, whatever the size.
 * @param to is not ended; a failure of the stream is thrown unchanged
 * @returns bytes written
 * @throws SidecarError PATH_NOT_FOUND (also for a directory or a link), STORE_*, OBJECT_CORRUPT,
 * OBJECT_NOT_FOUND
 */
export async function cat(
	store: ObjectStore,
	read: Pick<LogRead, "head" | "starts">,
	path: Path,
	to: Writable,
	signal?: AbortSignal,
): Promise<number> {
	const file = requireFile(read.head.tree, path);
	for await (const bytes of contentOf(store, read, file, WINDOW_BYTES, signal))
		await write(to, bytes);
	return file.size;
}

/**
 * One file's bytes in order. Checks each chunk against its SHA-256 first.
 * @param windowBytes fetched at once, at least one chunk
 * @returns parts that are valid until the next one is requested
 * @throws SidecarError STORE_*, OBJECT_CORRUPT, OBJECT_NOT_FOUND
 */
export async function* contentOf(
	store: ObjectStore,
	read: Pick<LogRead, "starts">,
	file: FileEntry,
	windowBytes: number,
	signal?: AbortSignal,
): AsyncGenerator<Buffer> {
	let buffer = Buffer.alloc(0);
	const idle: Buffer[] = [];
	for (const window of windowsOf(file, windowBytes)) {
		if (buffer.length < window.bytes) buffer = Buffer.allocUnsafeSlow(window.bytes);
		await fill(store, read, window.chunks, buffer, idle, signal);
		yield buffer.subarray(0, window.bytes);
	}
}

function requireFile(tree: Tree, path: Path): FileEntry {
	const entry = tree.get(path);
	if (entry?.type === "file") return entry;
	if (entry === undefined) throw new SidecarError("PATH_NOT_FOUND", { value: path });
	const reason =
		entry.type === "dir" ? "it is a directory" : `it is a symbolic link to ${entry.target}`;
	throw new SidecarError("PATH_NOT_FOUND", { value: path === "" ? "." : path, reason });
}

interface Window {
	readonly chunks: readonly ChunkRef[];
	readonly bytes: number;
}

function* windowsOf({ chunks }: FileEntry, windowBytes: number): Generator<Window> {
	let taken: ChunkRef[] = [];
	let bytes = 0;
	for (const chunk of chunks) {
		if (bytes > 0 && bytes + chunk.length > windowBytes) {
			yield { chunks: taken, bytes };
			taken = [];
			bytes = 0;
		}
		taken.push(chunk);
		bytes += chunk.length;
	}
	if (bytes > 0) yield { chunks: taken, bytes };
}

/** Writes the chunks into `buffer` one after the other. */
async function fill(
	store: ObjectStore,
	{ starts }: Pick<LogRead, "starts">,
	chunks: readonly ChunkRef[],
	buffer: Buffer,
	idle: Buffer[],
	signal: AbortSignal | undefined,
): Promise<void> {
	const places = new Map<ChunkRef, number[]>();
	let end = 0;
	for (const chunk of chunks) {
		const known = places.get(chunk);
		if (known === undefined) places.set(chunk, [end]);
		else known.push(end);
		end += chunk.length;
	}
	await readChunks(
		store,
		places.keys(),
		starts,
		async (found) => {
			for (const { chunk, bytes } of found)
				for (const at of places.get(chunk) ?? []) bytes.copy(buffer, at);
		},
		signal,
		idle,
	);
}

/** Resolves when the stream no longer needs the bytes, so that the buffer can be reused. */
async function write(to: Writable, bytes: Buffer): Promise<void> {
	await new Promise<void>((resolve, reject) => {
		to.write(bytes, (error) => (error ? reject(error) : resolve()));
	});
}
