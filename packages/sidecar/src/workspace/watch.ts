/**
 * Hints: which paths may have changed, as early as the kernel announces it. Not the true state: the
 * kernel's queue can overflow, and `scan` finds the changes that were lost then.
 *
 * How: chokidar watches the workspace itself, also across its removal. Its `raw` event delivers each
 * notification before anything has inspected the disk. Every directory below gets its inotify watch
 * directly (`DirectoryWatches`): those that exist at the start in slices, and one that appears later
 * in the callback that announces it. Chokidar would look later, asynchronously. A directory that was
 * removed and made again meanwhile can then stay without a watch forever: in 300 random operations
 * on 80 names, 16 of 60 runs ended blind somewhere with chokidar alone, none of 280 this way. It
 * also needs 4.7 KB for each directory that it watches.
 *
 * Not watched: anything below a directory whose name is not UTF-8, which neither can name. Hints
 * stop at its parent.
 */
import { lstatSync, readFileSync } from "node:fs";
import type { FSWatcher } from "chokidar";
import { baseOf, joinPath } from "../path.ts";
import { DirectoryWatches } from "./directory-watches.ts";
import type { Filter } from "./filter.ts";
import { requireDirectory } from "./scan.ts";
import { companionOf, isSqlite } from "./sqlite-file.ts";

export interface WorkspaceWatcher {
	close(): Promise<void>;
}

/**
 * Starts watching; resolves when every existing directory has its watch.
 *
 * @param root absolute path of the workspace
 * @param onHint a path that may have been added, changed or removed. For a directory, its content
 * may have changed too: list it, and scan below what is new. Hints repeat, and may name paths that
 * are skipped or never existed. Called synchronously, also before this function resolves
 * @param onDoubt changes were missed: scan. "overflow" whenever the kernel's queue was full; an
 * error code (ENOSPC: no inotify watches left, EMFILE, EACCES) once, since the affected directories
 * stay unwatched
 * @throws SidecarError WORKSPACE_NOT_DIRECTORY, WORKSPACE_UNREADABLE
 */
export async function watchWorkspace(
	root: string,
	filter: Filter,
	onHint: (path: string) => void,
	onDoubt: (reason: string) => void,
): Promise<WorkspaceWatcher> {
	requireDirectory(root);
	const hints = new Hints(root, filter, onHint, onDoubt, maxQueuedEvents());
	// Nothing but the workspace itself.
	const watcher = await createWatcher((path) => path !== root);
	watcher.on("raw", (event, name, details) =>
		hints.onAbsoluteRaw(event, name, (details as { watchedPath: string }).watchedPath),
	);
	watcher.on("unlinkDir", () => hints.onUnlinked());
	watcher.on("error", (error) => hints.onError(error));
	watcher.add(root);
	await new Promise<void>((resolve) => watcher.once("ready", resolve));
	await hints.watchAll();
	return {
		close: async () => {
			hints.close();
			await watcher.close();
		},
	};
}

/**
 * Loads chokidar: only a daemon needs it, when its agent runs already.
 *
 * CHOKIDAR_USEPOLLING, common in images for development, would override `backend`. Polled
 * directories report nothing about their files.
 */
async function createWatcher(ignored: (path: string) => boolean): Promise<FSWatcher> {
	const { FSWatcher } = await import("chokidar");
	const polling = process.env.CHOKIDAR_USEPOLLING;
	delete process.env.CHOKIDAR_USEPOLLING;
	try {
		return new FSWatcher({
			ignored,
			backend: "native",
			persistent: true,
			ignoreInitial: true,
			followSymlinks: false,
			atomic: false,
			awaitWriteFinish: false,
			alwaysStat: false,
		});
	} finally {
		if (polling !== undefined) process.env.CHOKIDAR_USEPOLLING = polling;
	}
}

class Hints {
	readonly #root: string;
	readonly #filter: Filter;
	readonly #onHint: (path: string) => void;
	readonly #onDoubt: (reason: string) => void;
	/** All directories below the workspace. */
	readonly #below: DirectoryWatches;
	readonly #doubts = new Set<string>();
	readonly #queueLimit: number;
	#eventsThisTurn = 0;
	#isClosed = false;

	constructor(
		root: string,
		filter: Filter,
		onHint: (path: string) => void,
		onDoubt: (reason: string) => void,
		queueLimit: number,
	) {
		this.#root = root;
		this.#queueLimit = queueLimit;
		this.#filter = filter;
		this.#onHint = onHint;
		this.#onDoubt = onDoubt;
		this.#below = new DirectoryWatches(root, {
			wants: (directory) => this.#filter(directory, "dir") === "keep",
			onFound: (path) => this.#hint(path),
			onRaw: (event, name, directory) => this.#onRaw(event, name, directory),
			onError: (error) => this.onError(error),
		});
	}

	/** The sweep that follows a start finds the entries. */
	async watchAll(): Promise<void> {
		await this.#below.start("");
	}

	onAbsoluteRaw(event: string, name: string | null, watchedPath: string): void {
		const directory = this.#relative(watchedPath);
		if (directory !== undefined) this.#onRaw(event, name, directory);
	}

	/** The workspace itself is gone. */
	onUnlinked(): void {
		this.#hintDirectory("");
	}

	onError(error: unknown): void {
		const code = (error as NodeJS.ErrnoException).code ?? "error";
		if (this.#isClosed || this.#doubts.has(code)) return;
		this.#doubts.add(code);
		this.#onDoubt(code);
	}

	close(): void {
		this.#isClosed = true;
		this.#below.close();
	}

	/** One kernel notification, before anything has inspected the disk. */
	#onRaw(event: string, name: string | null, directory: string): void {
		if (this.#isClosed) return;
		this.#countEvent();
		// A name that is not UTF-8 arrives with U+FFFD: only its directory can be named.
		if (name === null || name.includes("\ufffd")) return this.#hintDirectory(directory);
		// Also notifications about the directory itself: removed, moved, mode changed.
		if (name === baseOf(directory === "" ? this.#root : directory)) this.#hintDirectory(directory);
		const path = joinPath(directory, name);
		// "rename" means that an entry appeared or disappeared.
		if (event !== "rename") return this.#hint(path);
		if (this.#isDirectory(path)) return this.#onDirectory(path);
		this.#below.forget(path);
		this.#hint(path);
	}

	#onDirectory(path: string): void {
		if (this.#filter(path, "dir") === "skip") return;
		this.#below.watch(path);
		this.#onHint(path);
	}

	#isDirectory(path: string): boolean {
		try {
			return lstatSync(`${this.#root}/${path}`, { throwIfNoEntry: false })?.isDirectory() ?? false;
		} catch {
			return false;
		}
	}

	#hint(path: string): void {
		if (path.includes("\ufffd")) return;
		const database = companionOf(path);
		if (database !== undefined && isSqlite(this.#root, database)) this.#hint(database);
		else if (this.#filter(path, "file") === "keep" || this.#filter(path, "dir") === "keep")
			this.#onHint(path);
	}

	#hintDirectory(directory: string): void {
		if (this.#filter(directory, "dir") === "keep") this.#onHint(directory);
	}

	/**
	 * A full kernel queue drops the next events, and libuv drops the notice of it. But the queue is
	 * read empty in one turn of the event loop. As many events in one turn as the queue holds
	 * therefore mean that it was full, or nearly full.
	 */
	#countEvent(): void {
		this.#eventsThisTurn += 1;
		if (this.#eventsThisTurn === 1) setImmediate(() => this.#endTurn());
	}

	#endTurn(): void {
		const overflowed = this.#eventsThisTurn >= this.#queueLimit;
		this.#eventsThisTurn = 0;
		if (overflowed && !this.#isClosed) this.#onDoubt("overflow");
	}

	/** undefined outside the workspace: chokidar waits above it if the workspace itself vanishes. */
	#relative(absolute: string): string | undefined {
		if (absolute === this.#root) return "";
		return absolute.startsWith(`${this.#root}/`)
			? absolute.slice(this.#root.length + 1)
			: undefined;
	}
}

/** The kernel's limit, less an eighth for events that libuv does not pass on (IN_IGNORED). */
function maxQueuedEvents(): number {
	try {
		return Number(readFileSync("/proc/sys/fs/inotify/max_queued_events", "utf8")) * 0.875;
	} catch {
		return 16_384 * 0.875;
	}
}
