/**
 * The byte rule of paths, common to all rooms: names are bytes on disk and strings in memory. Valid
 * UTF-8 stays unchanged. Each byte 0x80-0xff outside valid UTF-8 becomes the lone surrogate
 * U+DC80-U+DCFF (Python's surrogateescape). So every byte string has exactly one text, and every
 * text that came from bytes gives the same bytes back. Nothing is normalised or case-folded.
 */
import { SidecarError } from "./errors.ts";

/** The text of a name, or of a whole path or link target, from the file system's bytes. */
export function decodeName(bytes: Buffer): string {
	const text = bytes.toString("utf8");
	// Node decodes everything that is not UTF-8 to U+FFFD, so a text without one is exact. A name may
	// also contain a real U+FFFD.
	return text.includes("\ufffd") ? decodeEscaping(bytes) : text;
}

function decodeEscaping(bytes: Buffer): string {
	let text = "";
	let from = 0;
	let at = 0;
	while (at < bytes.length) {
		const length = sequenceLength(bytes, at);
		if (length > 0) {
			at += length;
			continue;
		}
		text += bytes.toString("utf8", from, at) + String.fromCharCode(0xdc00 + (bytes[at] ?? 0));
		at += 1;
		from = at;
	}
	return text + bytes.toString("utf8", from);
}

/**
 * Length of the well-formed UTF-8 sequence at `at` (Unicode 16, table 3-7: no overlong forms, no
 * surrogates); 0 if there is none.
 */
function sequenceLength(bytes: Buffer, at: number): number {
	const lead = bytes[at] ?? 0;
	if (lead < 0x80) return 1;
	if (lead < 0xc2 || lead > 0xf4) return 0;
	const length = lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	const second = bytes[at + 1] ?? 0;
	const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80;
	const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf;
	if (second < low || second > high) return 0;
	for (let i = 2; i < length; i++) {
		if (((bytes[at + i] ?? 0) & 0xc0) !== 0x80) return 0;
	}
	return length;
}

/**
 * The bytes of a path: the inverse of `decodeName`.
 * @throws SidecarError INTERNAL if the text contains a surrogate that represents no byte
 */
export function encodePath(path: string): Buffer {
	if (path.isWellFormed()) return Buffer.from(path, "utf8");
	const parts: Buffer[] = [];
	let from = 0;
	for (let i = 0; i < path.length; i++) {
		const unit = path.charCodeAt(i);
		if ((unit & 0xf800) !== 0xd800) continue;
		// A pair comes first: U+1F480 is D83D DC80, and its second half is not an escape.
		if (unit < 0xdc00 && (path.charCodeAt(i + 1) & 0xfc00) === 0xdc00) {
			i += 1;
			continue;
		}
		if (unit < 0xdc80 || unit > 0xdcff)
			throw new SidecarError("INTERNAL", {
				value: path,
				reason: "a path with a surrogate that stands for no byte",
			});
		parts.push(Buffer.from(path.slice(from, i), "utf8"), Buffer.of(unit & 0xff));
		from = i + 1;
	}
	parts.push(Buffer.from(path.slice(from), "utf8"));
	return Buffer.concat(parts);
}

/**
 * Does the path contain bytes that are not UTF-8? An API that accepts only strings cannot take such
 * a name.
 */
export function isEscaped(path: string): boolean {
	return !path.isWellFormed();
}

/**
 * The reserved top directory of a workspace's tree: the content of `.roots/{name}` is in a separate
 * directory on a disk, or on no disk.
 */
export const ROOTS_DIRECTORY = ".roots";

/** The additional root's path in the tree. */
export function rootPath(name: string): string {
	return `${ROOTS_DIRECTORY}/${name}`;
}

/** The name of the additional root that is or contains a path of the tree. */
export function rootNameOf(path: string): string | undefined {
	if (!path.startsWith(`${ROOTS_DIRECTORY}/`)) return undefined;
	const end = path.indexOf("/", ROOTS_DIRECTORY.length + 1);
	return path.slice(ROOTS_DIRECTORY.length + 1, end < 0 ? undefined : end);
}

/**
 * Where the tree of a workspace is on this disk: in one directory, except `.roots/{name}`, which is
 * in a separate directory. `.roots` itself exists on no disk: it is in the tree if any additional
 * root is.
 */
export class Roots {
	/** Absolute. */
	readonly main: string;
	/** Absolute directories by name. */
	readonly others: ReadonlyMap<string, string>;

	constructor(main: string, others: ReadonlyMap<string, string> = new Map()) {
		this.main = main;
		this.others = others;
	}

	/** Every directory; the workspace's own first. */
	get directories(): readonly string[] {
		return [this.main, ...this.others.values()];
	}

	/**
	 * A directory, and the path below it; undefined for `.roots`, and for a root that is not on this
	 * disk.
	 */
	locate(path: string): readonly [directory: string, below: string] | undefined {
		if (!path.startsWith(ROOTS_DIRECTORY)) return [this.main, path];
		const name = rootNameOf(path);
		if (name === undefined) return path === ROOTS_DIRECTORY ? undefined : [this.main, path];
		const directory = this.others.get(name);
		return directory === undefined ? undefined : [directory, path.slice(rootPath(name).length + 1)];
	}
}

/** A plain directory, in which `.roots` is an ordinary name, or the directories of a workspace. */
export type Root = string | Roots;

/** Is this the directory of an additional root itself? */
export function isRootItself(root: Root, path: string): boolean {
	const name = typeof root === "string" ? undefined : rootNameOf(path);
	return name !== undefined && path === rootPath(name);
}

/** Additional roots by name. */
export function othersOf(root: Root): ReadonlyMap<string, string> {
	return typeof root === "string" ? NO_OTHERS : root.others;
}

const NO_OTHERS: ReadonlyMap<string, string> = new Map();

/** The directory itself, or the workspace's own. */
export function mainOf(root: Root): string {
	return typeof root === "string" ? root : root.main;
}

/**
 * The argument of node:fs for `path` below `root`: a string, or bytes if the path is not UTF-8.
 * @throws SidecarError INTERNAL if the path is on no disk
 */
export function fsPath(root: Root, path: string): string | Buffer {
	if (typeof root !== "string") {
		if (!path.startsWith(ROOTS_DIRECTORY)) return fsPath(root.main, path);
		const place = root.locate(path);
		if (place === undefined)
			throw new SidecarError("INTERNAL", {
				value: path,
				reason: "a path with no place on this disk",
			});
		return fsPath(...place);
	}
	if (path === "") return root;
	const text = `${root}/${path}`;
	return text.isWellFormed()
		? text
		: Buffer.concat([Buffer.from(`${root}/`, "utf8"), encodePath(path)]);
}

/** The parent directory of a path: "" for a top-level name, and for the workspace itself. */
export function parentOf(path: string): string {
	const slash = path.lastIndexOf("/");
	return slash < 0 ? "" : path.slice(0, slash);
}

/** The last name of a path; "" for the workspace itself. */
export function baseOf(path: string): string {
	return path.slice(path.lastIndexOf("/") + 1);
}

/** `name` below the directory `path`, which may be "". */
export function joinPath(path: string, name: string): string {
	return path === "" ? name : `${path}/${name}`;
}

/**
 * Orders paths by their bytes. The order of `<` on strings differs: it puts U+1F600 (D83D DE00)
 * before U+FF01, bytes put it after. Encodes only if a surrogate decides.
 */
export function compareBytes(a: string, b: string): number {
	const length = Math.min(a.length, b.length);
	for (let i = 0; i < length; i++) {
		const x = a.charCodeAt(i);
		const y = b.charCodeAt(i);
		if (x === y) continue;
		// Without surrogates the order of code units is the order of code points, which is the order of
		// UTF-8.
		if ((x & 0xf800) !== 0xd800 && (y & 0xf800) !== 0xd800) return x - y;
		return Buffer.compare(encodePath(a), encodePath(b));
	}
	return a.length - b.length;
}
