/**
 * Turns keys that anybody may have written into the paths of a tree. A key is a path below the
 * place's prefix, byte for byte; a key that ends in `/` stands for a directory. Every key that
 * cannot be one path of one tree is named: nothing is repaired or guessed.
 */
import { printable } from "../errors.ts";
import { parentOf } from "../path.ts";
import { MAX_ENTRIES } from "./limits.ts";
import { unsafePath } from "./safe-path.ts";
import type { Path } from "./types.ts";

export interface KeyProblem {
	readonly key: string;
	/** One clause. */
	readonly reason: string;
}

export interface Keyed {
	readonly key: string;
	readonly sizeBytes: number;
}

export class KeyTree<T extends Keyed> {
	readonly files = new Map<Path, T>();
	/** Directories that have a key of their own; "" is the place itself. */
	readonly markers = new Map<Path, T>();
	/** Every directory of the tree but "". */
	readonly directories = new Set<Path>();
	readonly problems: KeyProblem[] = [];
	bytes = 0;

	/** More than a tree may hold: adding more has no effect. */
	get isTooLarge(): boolean {
		return this.files.size + this.directories.size >= MAX_ENTRIES;
	}

	add(object: T): void {
		const { key } = object;
		const isMarker = key === "" || key.endsWith("/");
		const path = isMarker ? key.slice(0, -1) : key;
		const reason = this.#whyNot(object, path, isMarker);
		if (reason !== undefined) {
			this.problems.push({ key, reason });
			return;
		}
		if (isMarker) {
			this.markers.set(path, object);
			this.#addDirectories(path);
			return;
		}
		this.files.set(path, object);
		this.bytes += object.sizeBytes;
		this.#addDirectories(parentOf(path));
	}

	/**
	 * Call it after the last `add`. Only the whole listing shows whether a key is both a file and a
	 * directory.
	 */
	finish(): void {
		for (const path of this.files.keys()) {
			if (this.directories.has(path))
				this.problems.push({
					key: path,
					reason: "there are keys below it, so it would be a file and a directory",
				});
		}
	}

	#whyNot({ key, sizeBytes }: T, path: Path, isMarker: boolean): string | undefined {
		if (!key.isWellFormed()) return "it is not UTF-8";
		if (isMarker && sizeBytes > 0) return `it ends in "/" and holds ${sizeBytes} bytes`;
		if (isMarker ? this.markers.has(path) : this.files.has(path)) return "it was listed twice";
		return path === "" && key === "/" ? "the path is absolute" : unsafePath(path);
	}

	#addDirectories(path: Path): void {
		for (let at = path; at !== "" && !this.directories.has(at); at = parentOf(at))
			this.directories.add(at);
	}
}

/** Up to `limit` problems as one readable line. */
export function shownProblems(problems: readonly KeyProblem[], limit = 5): string {
	const shown = problems
		.slice(0, limit)
		.map(({ key, reason }) => `${key === "" ? '""' : printable(key)}: ${reason}`);
	const left = problems.length - shown.length;
	return shown.join("; ") + (left > 0 ? `; and ${left} more` : "");
}

/** Parents before children. */
export function byDepth(paths: Iterable<Path>): Path[] {
	return [...paths].sort((a, b) => a.length - b.length);
}
