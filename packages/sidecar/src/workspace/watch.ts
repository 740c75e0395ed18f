/**
 * Hints: which paths may have changed, as early as the kernel says so. Never the truth: the kernel's queue overflows in silence, and
 * a directory can be made, removed and made again faster than anyone can watch it. `scan` is the truth.
 *
 * How: chokidar keeps one inotify watch per directory and follows directories as they come, go and move; its `raw` event is each
 * notification before chokidar has looked at the disk. It is told to ignore every entry that is no directory, so it keeps no state for
 * files, looks at none when they change, and reads no directory again when one vanishes (10,000 files, 1,000 directories: 88 MB
 * instead of 116 MB, of which 16 MB are alive after a full garbage collection; a burst of writes costs a third of the CPU).
 *
 * What ignoring files would lose is won back from the question itself: chokidar lists a directory only after it watches it, and asks
 * about each entry. So files that were there before the watch (`mkdir -p` with immediate writes, a directory moved in, one removed and
 * made again) are hinted when they are asked about.
 *
 * Not watched: below a directory whose name is not UTF-8, which chokidar cannot name. Hints stop at its parent.
 */
import { existsSync, lstatSync, readFileSync } from "node:fs";
import { FSWatcher } from "chokidar";
import type { Filter } from "./filter.ts";
import { baseOf, joinPath } from "./paths.ts";
import { requireDirectory } from "./scan.ts";
import { companionOf, isSqlite } from "./sqlite-file.ts";

export interface WorkspaceWatcher {
	close(): Promise<void>;
}

/**
 * Starts watching; settled when every directory there is has its watch.
 *
 * @param root absolute path of the workspace
 * @param onHint a path that may have been added, changed or removed. For a directory: what it holds may have changed too, so list
 * it, and scan below what is new. Repeats itself, and may name what is skipped or never was.
 * @param onDoubt something was missed: scan. "overflow" whenever it happens; an error code (ENOSPC: no inotify watches left, EMFILE)
 * once, since the directories it concerns stay unwatched
 * @throws SidecarError WORKSPACE_NOT_DIRECTORY, WORKSPACE_UNREADABLE
 */
export async function watchWorkspace(
	root: string,
	filter: Filter,
	onHint: (path: string) => void,
	onDoubt: (reason: string) => void,
): Promise<WorkspaceWatcher> {
	requireDirectory(root);
	const hints = new Hints(root, filter, onHint, onDoubt);
	const watcher = createWatcher((path, stats) => hints.isIgnored(path, stats));
	watcher.on("raw", (event, name, details) => hints.onRaw(event, name, (details as { watchedPath: string }).watchedPath));
	watcher.on("all", (event, path) => hints.onEvent(event, path));
	watcher.on("error", (error) => hints.onError(error));
	hints.watched = () => Object.keys(watcher.getWatched());
	watcher.add(root);
	await new Promise<void>((resolve) => watcher.once("ready", resolve));
	hints.isReady = true;
	return { close: () => watcher.close() };
}

/** CHOKIDAR_USEPOLLING, common in images for development, would override `backend`: polling reports nothing in watched directories. */
function createWatcher(ignored: (path: string, stats?: StatsLike) => boolean): FSWatcher {
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

interface StatsLike {
	isDirectory(): boolean;
}

/** Doubles before the directories that are gone are dropped from memory. */
const DIRECTORIES_AT_FIRST = 4_096;

class Hints {
	readonly #root: string;
	readonly #filter: Filter;
	readonly #onHint: (path: string) => void;
	readonly #onDoubt: (reason: string) => void;
	/** Directories that chokidar watches, or is about to: as it names them in its questions. */
	readonly #directories: Set<string>;
	#forgetAbove = DIRECTORIES_AT_FIRST;
	readonly #doubts = new Set<string>();
	readonly #queueLimit = maxQueuedEvents();
	#eventsThisTurn = 0;
	isReady = false;
	watched: () => string[] = () => [];

	constructor(root: string, filter: Filter, onHint: (path: string) => void, onDoubt: (reason: string) => void) {
		this.#root = root;
		this.#filter = filter;
		this.#onHint = onHint;
		this.#onDoubt = onDoubt;
		this.#directories = new Set([asAsked(root)]);
	}

	/** Chokidar's question about every path it meets; without `stats` where it has not looked yet, or nothing is there. */
	isIgnored(path: string, stats?: StatsLike): boolean {
		if (stats === undefined) return !this.#directories.has(path) && !isItself(path);
		const relative = this.#relative(path);
		if (relative === undefined) return false;
		if (stats.isDirectory()) {
			if (this.#filter(relative, "dir") === "skip") return true;
			this.#directories.add(path);
			return false;
		}
		if (this.isReady) this.#hintFile(relative);
		return true;
	}

	/** One notification of the kernel, before anyone has looked. */
	onRaw(event: string, name: string | null, watchedPath: string): void {
		this.#countEvent();
		const directory = this.#relative(watchedPath);
		if (directory === undefined) return;
		// A name that is not UTF-8 came through as U+FFFD: only its directory can be named.
		if (name === null || name.includes("\ufffd")) return this.#hint(directory, "dir");
		// Also how a directory is told about itself (removed, moved, mode changed).
		if (name === baseOf(watchedPath)) this.#hint(directory, "dir");
		if (event === "rename") this.#expectDirectory(`${watchedPath}/${name}`, joinPath(directory, name));
		this.#hintFile(joinPath(directory, name));
	}

	/** What chokidar made of it: directories only. */
	onEvent(event: string, path: string): void {
		const relative = this.#relative(path);
		if (relative === undefined) return;
		// It may have been made again since chokidar looked.
		if (event === "unlinkDir" && !isDirectory(path)) this.#directories.delete(asAsked(path));
		// Chokidar tells of a new directory just before it watches it. A look at it at that moment would be too early.
		if (event === "addDir") queueMicrotask(() => this.#hint(relative, "dir"));
		else this.#hint(relative, "dir");
	}

	onError(error: unknown): void {
		const code = (error as NodeJS.ErrnoException).code ?? "error";
		if (this.#doubts.has(code)) return;
		this.#doubts.add(code);
		this.#onDoubt(code);
	}

	/** Chokidar will ask about a new directory before it looks; the answer must not be that it is no directory. */
	#expectDirectory(absolute: string, relative: string): void {
		if (!isDirectory(absolute) || this.#filter(relative, "dir") === "skip") return;
		this.#directories.add(asAsked(absolute));
		if (this.#directories.size > this.#forgetAbove) this.#forgetVanished();
	}

	/** A directory that came and went unwatched is never reported as gone; without this, `mkdtemp` in a loop would fill the memory. */
	#forgetVanished(newest: string): void {
		this.#directories = new Set([
			...this.watched()
				.map(asAsked)
				.filter((path) => this.#directories.has(path)),
			newest,
		]);
		this.#forgetAbove = Math.max(DIRECTORIES_AT_FIRST, 2 * this.#directories.size);
	}

	#hintFile(path: string): void {
		const database = companionOf(path);
		if (database !== undefined && isSqlite(this.#root, database)) this.#hint(database, "file");
		else if (this.#filter(path, "file") === "keep" || this.#filter(path, "dir") === "keep") this.#onHint(path);
	}

	#hint(path: string, type: "file" | "dir"): void {
		if (this.#filter(path, type) === "keep") this.#onHint(path);
	}

	/**
	 * A full queue of the kernel loses what comes next, and the notice of it is dropped by libuv. But the queue is read empty in one
	 * turn of the event loop: as many events in a turn as it holds mean that it was full, or close to it.
	 */
	#countEvent(): void {
		this.#eventsThisTurn += 1;
		if (this.#eventsThisTurn === 1) setImmediate(() => this.#endTurn());
	}

	#endTurn(): void {
		const overflowed = this.#eventsThisTurn >= this.#queueLimit;
		this.#eventsThisTurn = 0;
		if (overflowed) this.#onDoubt("overflow");
	}

	/** undefined outside the workspace: chokidar waits at its parent when the workspace itself vanishes. */
	#relative(absolute: string): string | undefined {
		if (absolute === this.#root) return "";
		return absolute.startsWith(`${this.#root}/`) ? absolute.slice(this.#root.length + 1) : undefined;
	}
}

/** Chokidar asks with slashes where a name has backslashes. */
function asAsked(path: string): string {
	return path.replaceAll("\\", "/");
}

/** `d/d` is also the name under which chokidar hears that the directory `d` itself was removed: it has to look then. */
function isItself(path: string): boolean {
	const slash = path.lastIndexOf("/");
	const name = path.slice(slash);
	return path.slice(0, slash).endsWith(name);
}

function isDirectory(absolute: string): boolean {
	try {
		return lstatSync(absolute, { throwIfNoEntry: false })?.isDirectory() ?? false;
	} catch {
		return false;
	}
}

/** The kernel's limit; events that libuv does not pass on (IN_IGNORED) count too, so an eighth is left for them. */
function maxQueuedEvents(): number {
	try {
		return Number(readFileSync("/proc/sys/fs/inotify/max_queued_events", "utf8")) * 0.875;
	} catch {
		return 16_384 * 0.875;
	}
}
