import { type FSWatcher, readdirSync, watch } from "node:fs";
import { joinPath, parentOf } from "../path.ts";

/** All paths are relative to the workspace. */
export interface DirectoryListener {
	/** Is this directory to be watched? */
	wants(directory: string): boolean;
	/** An entry that was there when its directory got its watch. */
	onFound(path: string): void;
	/** A notification of the kernel about a watched directory. */
	onRaw(event: string, name: string | null, directory: string): void;
	onError(error: unknown): void;
}

/**
 * inotify watches placed at once: when `watch` comes back, every directory below has its watch, and
 * what was in it before has been named. So no moment is lost between a directory's appearance and
 * its first event. About 30 us a directory.
 *
 * One inode has one watch in the kernel, whoever asks for it in this process: nothing counts twice
 * against the limit.
 */
export class DirectoryWatches {
	readonly #root: string;
	readonly #listener: DirectoryListener;
	readonly #watches = new Map<string, FSWatcher>();
	/** Directory -> those below it that are watched, or lead to one that is. */
	readonly #below = new Map<string, Set<string>>();

	constructor(root: string, listener: DirectoryListener) {
		this.#root = root;
		this.#listener = listener;
	}

	/**
	 * Watches a directory and all below, anew where it had watches: they may be of another directory
	 * that had its name.
	 */
	watch(directory: string): void {
		this.forget(directory);
		this.#register(directory);
		this.#place(directory);
	}

	/** Gives up the watches on a directory and below it. Costs as much as there are. */
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
		// Also where no watch was to be had: what is there now can be named at least.
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
			// Gone again: its parent will tell.
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
