import { type FSWatcher, readdirSync, watch } from "node:fs";
import { joinPath, parentOf } from "../path.ts";

/** All paths are relative to the workspace. */
export interface DirectoryListener {
	/** Should this directory be watched? */
	wants(directory: string): boolean;
	/** An entry that existed before its directory got its watch. */
	onFound(path: string): void;
	/** A kernel notification about a watched directory. */
	onRaw(event: string, name: string | null, directory: string): void;
	onError(error: unknown): void;
}

/**
 * Places inotify watches synchronously. When `watch` returns, every directory below has its watch,
 * and every entry that existed before has been reported. No moment between a directory's appearance
 * and its first event is lost. About 30 us per directory.
 *
 * The kernel keeps one watch per inode and process, whichever caller asks for it. A second watch
 * does not count against the limit.
 */
export class DirectoryWatches {
	readonly #root: string;
	readonly #listener: DirectoryListener;
	readonly #watches = new Map<string, FSWatcher>();
	/** Directory -> its subdirectories that are watched or lead to a watched one. */
	readonly #below = new Map<string, Set<string>>();

	constructor(root: string, listener: DirectoryListener) {
		this.#root = root;
		this.#listener = listener;
	}

	/**
	 * Watches a directory and everything below it. Replaces existing watches: they may belong to a
	 * different directory that had the same name.
	 */
	watch(directory: string): void {
		this.forget(directory);
		this.#register(directory);
		this.#place(directory);
	}

	/** Drops the watches on a directory and below it. The cost is proportional to their number. */
	forget(directory: string): void {
		for (const child of this.#below.get(directory) ?? []) this.forget(child);
		this.#below.get(parentOf(directory))?.delete(directory);
		this.#below.delete(directory);
		this.#watches.get(directory)?.close();
		this.#watches.delete(directory);
	}

	close(): void {
		for (const handle of this.#watches.values()) handle.close();
		this.#watches.clear();
		this.#below.clear();
	}

	#place(directory: string): void {
		const absolute = directory === "" ? this.#root : `${this.#root}/${directory}`;
		this.#attempt(() => {
			const handle = watch(absolute, (event, name) => this.#listener.onRaw(event, name, directory));
			handle.on("error", (error) => this.#listener.onError(error));
			this.#watches.set(directory, handle);
		});
		// Also if there is no watch: the existing entries can still be reported.
		this.#attempt(() => {
			for (const entry of readdirSync(absolute, { withFileTypes: true })) {
				const path = joinPath(directory, entry.name);
				this.#listener.onFound(path);
				if (!entry.isDirectory() || !this.#listener.wants(path)) continue;
				this.#register(path);
				this.#place(path);
			}
		});
	}

	#attempt(step: () => void): void {
		try {
			step();
		} catch (error) {
			const { code } = error as NodeJS.ErrnoException;
			// It is gone again: its parent reports that.
			if (code !== "ENOENT" && code !== "ENOTDIR") this.#listener.onError(error);
		}
	}

	#register(directory: string): void {
		for (let path = directory; path !== ""; path = parentOf(path)) {
			const siblings = this.#below.get(parentOf(path));
			if (siblings?.has(path)) return;
			if (siblings === undefined) this.#below.set(parentOf(path), new Set([path]));
			else siblings.add(path);
		}
	}
}
