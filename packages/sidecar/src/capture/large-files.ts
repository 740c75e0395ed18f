/**
 * Reads and sends files that would delay small ones, independently of the flushes. A later flush
 * commits what is ready.
 *
 * How: a capture leaves such a file to `want`. One batch at a time is captured into packs of its
 * own, the smallest files first. Its result waits for the next capture, which takes it like a file
 * that it read itself. Guarantees: like every capture, a result names only stored content; a commit
 * checks its references again. Does NOT guarantee that a large file and a small one are from the
 * same moment.
 */

import type { BlockBuilder } from "../commit/block-builder.ts";
import type { Environment } from "../commit/environment.ts";
import type { LocalEntry, LocalTree } from "../disk/local-tree.ts";
import { SidecarError } from "../errors.ts";
import type { Path } from "../log/types.ts";
import type { Root } from "../path.ts";
import type { Logger } from "../telemetry/types.ts";
import { lstatPath, type Stat, sameStat } from "../workspace/stat.ts";
import type { Capture } from "./capture.ts";
import type { CaptureContext } from "./capture-context.ts";
import { type CapturedUnit, captureUnit } from "./capture-unit.ts";

/** New content of one file that a flush sends itself: 2 s at 8 MB/s. */
export const LARGE_BYTES = 16 * 1024 * 1024;
/** New content of all files that one flush sends itself: 4 s at 8 MB/s. */
const FLUSH_BYTES = 32 * 1024 * 1024;
/** A known file costs its read, about 0.2 s at this size; only its changes are sent. */
const LARGE_KNOWN_BYTES = 256 * 1024 * 1024;
/** A file whose read takes this long is read independently of the flushes from then on. */
const SLOW_MS = 1_000;
/** Limits reads of a file that is never stable to a tenth of the time. */
const COST_FACTOR = 9;
const MAX_PAUSE_MS = 30_000;
const FIRST_RETRY_MS = 1_000;
/** A read that hangs in the kernel cannot be ended and must not block a drain. */
const STOP_MS = 1_000;

interface Selection {
	readonly stat: Stat;
	readonly sinceMs: number;
}

interface Ready {
	readonly unit: CapturedUnit;
	readonly sinceMs: number;
}

export interface LargeFilesOptions {
	readonly root: Root;
	readonly environment: Environment;
	readonly logger: Logger;
	/** The context for capturing one batch. */
	begin(signal: AbortSignal): { readonly context: CaptureContext; readonly builder: BlockBuilder };
	/** The next flush must inspect the paths. */
	onReady(paths: readonly Path[]): void;
}

export class LargeFiles {
	readonly #options: LargeFilesOptions;
	readonly #wanted = new Map<Path, Selection>();
	#batch: ReadonlyMap<Path, Selection> = new Map();
	readonly #ready = new Map<Path, Ready>();
	readonly #slow = new Set<Path>();
	/** Paths of the batch of which a flush took a newer state meanwhile. */
	readonly #outdated = new Set<Path>();
	/** Paths, each with the time when it may be read again. */
	readonly #notBeforeMs = new Map<Path, number>();
	#running: Promise<void> | undefined;
	#stop = new AbortController();
	#isOpen = false;
	readonly #waiters = new Set<() => void>();
	#wake: () => void = () => undefined;

	constructor(options: LargeFilesOptions) {
		this.#options = options;
	}

	/** Accepts files from now on. */
	open(): void {
		this.#isOpen = true;
		this.#stop = new AbortController();
	}

	get isOpen(): boolean {
		return this.#isOpen;
	}

	/** Not committed yet. */
	get paths(): readonly Path[] {
		return [...new Set([...this.#wanted.keys(), ...this.#batch.keys(), ...this.#ready.keys()])];
	}

	/** When the oldest of them began to wait, by `performance.now`. */
	get sinceMs(): number | undefined {
		const all = [...this.#wanted.values(), ...this.#batch.values(), ...this.#ready.values()];
		return all.length === 0 ? undefined : Math.min(...all.map(({ sinceMs }) => sinceMs));
	}

	/** The same for what the next flush commits. */
	get readySinceMs(): number | undefined {
		return this.#ready.size === 0
			? undefined
			: Math.min(...[...this.#ready.values()].map(({ sinceMs }) => sinceMs));
	}

	/** Whether to read the file independently of the flushes. */
	isLarge(path: Path, stat: Stat, before: LocalEntry | undefined, builder: BlockBuilder): boolean {
		if (this.#slow.has(path) || builder.addedBytes > FLUSH_BYTES) return true;
		if (before?.database !== undefined) return false;
		return (
			stat.size >
			(before?.quick !== undefined && before.entry.type === "file"
				? LARGE_KNOWN_BYTES
				: LARGE_BYTES)
		);
	}

	/** Records how long a flush took for one file. */
	took(path: Path, ms: number): void {
		if (ms > SLOW_MS) this.#slow.add(path);
	}

	/** The result of the file's transfer; returned once. */
	take(path: Path): CapturedUnit | undefined {
		const ready = this.#ready.get(path);
		this.#ready.delete(path);
		return ready?.unit;
	}

	want(path: Path, stat: Stat): void {
		const running = this.#batch.get(path);
		if (running !== undefined && sameStat(running.stat, stat) && !this.#outdated.has(path)) return;
		this.#wanted.set(path, { stat, sinceMs: this.#wanted.get(path)?.sinceMs ?? performance.now() });
		this.#wake();
		this.#running ??= this.#run(this.#stop.signal).finally(() => {
			this.#running = undefined;
		});
	}

	/** Call it if a flush took the file's state itself: what was taken before must not replace it. */
	outdate(path: Path): void {
		this.#wanted.delete(path);
		this.#ready.delete(path);
		if (this.#batch.has(path)) this.#outdated.add(path);
	}

	/** Call it if the file is gone, or small now. */
	forget(path: Path): void {
		this.#wanted.delete(path);
		this.#ready.delete(path);
		this.#slow.delete(path);
		this.#notBeforeMs.delete(path);
	}

	/**
	 * Removes deletions that may be half of a rename from a capture: the new name must be in the log
	 * first. A rename keeps the inode. A file that is copied and then deleted has the size of its
	 * copy.
	 */
	holdBack(capture: Pick<Capture, "removed" | "changed">, local: LocalTree): Set<Path> {
		const held = new Set<Path>();
		if (capture.removed.size === 0 || this.paths.length === 0) return held;
		const inodes = new Set(
			[...this.#wanted.values(), ...this.#batch.values()].map(
				({ stat }) => `${stat.dev}:${stat.ino}`,
			),
		);
		for (const path of capture.removed) {
			const known = local.get(path);
			if (known?.entry.type !== "file") continue;
			const isRenamed =
				known.stat !== undefined && inodes.has(`${known.stat.dev}:${known.stat.ino}`);
			if (isRenamed || known.entry.size > LARGE_BYTES) held.add(path);
		}
		for (const path of [...held]) {
			for (const above of capture.removed) if (path.startsWith(`${above}/`)) held.add(above);
		}
		for (const path of held) {
			capture.removed.delete(path);
			// A file that replaced a directory waits until the directory's children are gone.
			capture.changed.delete(path);
		}
		return held;
	}

	/** Resolves when no path is in transfer. */
	async finished(paths: readonly Path[]): Promise<void> {
		while (paths.some((path) => this.#wanted.has(path) || this.#batch.has(path)))
			await new Promise<void>((resolve) => this.#waiters.add(resolve));
	}

	/** Ends all transfers. @returns the paths that were not committed */
	async stop(): Promise<readonly Path[]> {
		this.#isOpen = false;
		const { paths } = this;
		this.#stop.abort(new SidecarError("NOT_DURABLE", { reason: "the transfer was stopped" }));
		this.#wanted.clear();
		this.#ready.clear();
		await Promise.race([
			this.#running,
			new Promise((resolve) => setTimeout(resolve, STOP_MS).unref()),
		]);
		this.#batch = new Map();
		this.#tellWaiters();
		return paths;
	}

	async #run(signal: AbortSignal): Promise<void> {
		const { environment, logger } = this.#options;
		for (let failures = 0; this.#wanted.size > 0 && !signal.aborted; ) {
			const now = performance.now();
			const due = [...this.#wanted].filter(([path]) => (this.#notBeforeMs.get(path) ?? 0) <= now);
			if (due.length === 0) {
				const next = Math.min(
					...[...this.#wanted.keys()].map((path) => this.#notBeforeMs.get(path) ?? 0),
				);
				await this.#pause(next - now, signal);
				continue;
			}
			const batch = pick(due);
			this.#batch = batch;
			this.#outdated.clear();
			for (const path of batch.keys()) this.#wanted.delete(path);
			try {
				await this.#transfer(batch, signal);
				failures = 0;
			} catch (error) {
				if (signal.aborted) return;
				failures++;
				logger.error("flush.transfer-failed", {
					paths: [...batch.keys()].slice(0, 20),
					files: batch.size,
					failures,
					error,
				});
				for (const [path, wanted] of batch)
					if (!this.#wanted.has(path)) this.#wanted.set(path, wanted);
				await environment
					.sleep(Math.min(MAX_PAUSE_MS, FIRST_RETRY_MS * 2 ** (failures - 1)), signal)
					.catch(() => undefined);
			} finally {
				if (!signal.aborted) this.#batch = new Map();
				this.#tellWaiters();
			}
		}
	}

	async #transfer(batch: ReadonlyMap<Path, Selection>, signal: AbortSignal): Promise<void> {
		const { root, onReady } = this.#options;
		const { context, builder } = this.#options.begin(signal);
		const units = new Map<Path, CapturedUnit>();
		const cpu = process.cpuUsage();
		for (const path of batch.keys()) {
			const started = performance.now();
			const stat = lstatPath(root, path);
			if (stat?.type === "file") units.set(path, await captureUnit(context, builder, path, stat));
			if (performance.now() - started < SLOW_MS) this.#slow.delete(path);
		}
		await builder.finish();
		signal.throwIfAborted();
		const { user, system } = process.cpuUsage(cpu);
		for (const [path, { sinceMs }] of batch) {
			const unit = units.get(path);
			if (unit !== undefined && !this.#outdated.has(path)) this.#ready.set(path, { unit, sinceMs });
			this.#notBeforeMs.set(
				path,
				performance.now() + Math.min(MAX_PAUSE_MS, ((user + system) / 1000) * COST_FACTOR),
			);
		}
		this.#batch = new Map();
		onReady([...batch.keys()]);
	}

	/** Ends early if a file does not have to wait. */
	async #pause(ms: number, signal: AbortSignal): Promise<void> {
		const early = new AbortController();
		this.#wake = () => early.abort();
		await this.#options.environment
			.sleep(ms, AbortSignal.any([signal, early.signal]))
			.catch(() => undefined);
		this.#wake = () => undefined;
	}

	#tellWaiters(): void {
		for (const resolve of this.#waiters) resolve();
		this.#waiters.clear();
	}
}

/** The smallest file, and other files that fit in the same batch. */
function pick(wanted: readonly (readonly [Path, Selection])[]): Map<Path, Selection> {
	const bySize = [...wanted].sort(([, a], [, b]) => a.stat.size - b.stat.size);
	const batch = new Map<Path, Selection>();
	let bytes = 0;
	for (const [path, each] of bySize) {
		bytes += each.stat.size;
		if (batch.size > 0 && bytes > LARGE_BYTES) break;
		batch.set(path, each);
	}
	return batch;
}
