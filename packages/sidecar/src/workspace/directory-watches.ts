import { type FSWatcher, readdirSync, watch } from "node:fs";
import { joinPath, parentOf } from "../path.ts";
import { Slice } from "./slice.ts";

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
	readonly #onError = (error: unknown) => this.#listener.onError(error);
	#isClosed = false;

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

	/**
	 * Watches what is below a directory now, which has a watch of its own. Nothing is reported as
	 * found. The event loop runs in between, so that 100,000 directories delay nothing.
	 */
	async start(top: string): Promise<void> {
		const slice = new Slice();
		const pending = [top];
		for (let at = pending.pop(); at !== undefined; at = pending.pop()) {
			if (this.#isClosed) return;
			// An event watched it meanwhile, with everything below it.
			if (this.#watches.has(at)) continue;
			const directory = at;
			if (directory !== top) {
				this.#register(directory);
				this.#watch(directory);
			}
			this.#list(directory, (path, isWanted) => {
				if (isWanted) pending.push(path);
			});
			if (slice.isOver) await slice.next();
		}
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
		this.#isClosed = true;
		for (const handle of this.#watches.values()) handle.close();
		this.#watches.clear();
		this.#below.clear();
	}

	#place(directory: string): void {
		this.#watch(directory);
		// Even without a watch, report the entries that exist.
		this.#list(directory, (path, isWanted) => {
			this.#listener.onFound(path);
			if (!isWanted) return;
			this.#register(path);
			this.#place(path);
		});
	}

	#watch(directory: string): void {
		this.#attempt(() => {
			const handle = watch(this.#absolute(directory), (event, name) =>
				this.#listener.onRaw(event, name, directory),
			);
			handle.on("error", this.#onError);
			this.#watches.set(directory, handle);
		});
	}

	#list(directory: string, onEntry: (path: string, isWanted: boolean) => void): void {
		this.#attempt(() => {
			for (const entry of readdirSync(this.#absolute(directory), { withFileTypes: true })) {
				const path = joinPath(directory, entry.name);
				onEntry(path, entry.isDirectory() && this.#listener.wants(path));
			}
		});
	}

	#absolute(directory: string): string {
		return directory === "" ? this.#root : `${this.#root}/${directory}`;
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
