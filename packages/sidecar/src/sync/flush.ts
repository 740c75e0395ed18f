/**
 * Makes the workspace's changes durable: hints -> capture -> commit.
 *
 * A flush captures until no hint came in while it looked (for SETTLE_MS at most): where it ends so, the commit is the tree as it stood
 * at one moment. Under a writer that never pauses each file is whole, but the files may be of different moments.
 * One flush runs at a time; the caller sees to that.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { SidecarError } from "../errors.ts";
import { SQLITE_CHUNK_BITS } from "../log/limits.ts";
import { RECOVERED_DIRECTORY } from "../log/safe-path.ts";
import type { CommitFlags, Delta, Entry, Path } from "../log/types.ts";
import { parentOf } from "../path.ts";
import type { ObjectStore } from "../store/port.ts";
import { scan } from "../workspace/scan.ts";
import { walFingerprint } from "../workspace/sqlite.ts";
import { sameStat } from "../workspace/stat.ts";
import { BlockBuilder } from "./block-builder.ts";
import { Capture, type Deferred } from "./capture.ts";
import type { CaptureContext } from "./capture-context.ts";
import { isHeld } from "./deletion-brake.ts";
import type { LocalEntry } from "./local-tree.ts";
import type { LogWriter } from "./log-writer.ts";
import type { Machine } from "./machine.ts";

/** Captures are repeated while hints keep coming: at least so often, and for so long. A round takes 1-5 ms, so a writer that pauses at all lets one end alone. */
const ROUNDS = 6;
const SETTLE_MS = 300;
/** A writer that loses its slot this often in one flush is not racing, it is broken. */
const ATTEMPTS = 10;

export interface FlushOptions {
	/** Look at every path, not only at the hinted ones. */
	readonly sweep?: boolean;
	/** Commit even if nothing but directory times changed, and flag the commit `closed`. */
	readonly closed?: boolean;
	/**
	 * Leave larger files for a later flush, and deletions with them: what is renamed must not be gone in between. For a drain, which
	 * makes everything small durable first.
	 */
	readonly maxFileBytes?: number;
	/** A drain: a held deletion is not a deletion, and a due FULL is left out. */
	readonly inHurry?: boolean;
	/** The caller deleted on purpose, and one commit shall hold all of it: no deletion is held. For a rollback. */
	readonly deletionsAreMeant?: boolean;
	/** Commit nothing where something could not be taken, or another writer owns the tree. */
	readonly allOrNothing?: boolean;
	readonly signal?: AbortSignal;
}

export type FlushResult =
	/** Nothing had changed: no request was made. */
	| { readonly kind: "nothing"; readonly deferred: readonly Deferred[]; readonly held: number }
	| {
			readonly kind: "committed";
			readonly seq: number;
			readonly changed: number;
			readonly removed: number;
			/** Bytes sent: packs and the commit. */
			readonly bytes: number;
			/** True: below `.recovered/`, because another writer owns the tree. */
			readonly setAside: boolean;
			readonly deferred: readonly Deferred[];
			readonly held: number;
	  }
	/** The store did not say whether it has the commit; the next flush tries the same bytes. */
	| { readonly kind: "unknown"; readonly cause: unknown };

interface Pending {
	readonly capture: Capture;
	readonly changed: Map<Path, LocalEntry>;
	readonly removed: Set<Path>;
	readonly setAside: boolean;
	readonly uploadedBytes: number;
	readonly held: number;
}

export class Flusher {
	readonly #store: ObjectStore;
	readonly #machine: Machine;
	readonly #writer: LogWriter;
	readonly #context: CaptureContext;
	readonly #root: string;
	readonly #critical: readonly Path[];
	#hints = new Set<Path>();
	#sweepDue = false;
	#pending: Pending | undefined;
	/** Deletions that wait for a second scan. */
	#held = new Set<Path>();
	#deferred: readonly Deferred[] = [];
	/** Directories (and databases) of which only the time changed since it was committed: they ride along with the next commit. */
	#riding = new Set<Path>();

	constructor(options: {
		store: ObjectStore;
		machine: Machine;
		writer: LogWriter;
		context: CaptureContext;
		/** The identity of the directory that was restored. */
		root: string;
	}) {
		this.#store = options.store;
		this.#machine = options.machine;
		this.#writer = options.writer;
		this.#context = options.context;
		this.#root = options.root;
		this.#critical = options.context.profile.critical;
	}

	hint(path: Path): void {
		this.#hints.add(path);
	}

	/** Something may have been missed: the next flush sweeps. */
	doubt(): void {
		this.#sweepDue = true;
	}

	/** Paths hinted and not captured yet, plus what could not be taken, plus a commit that is undecided. */
	get waiting(): number {
		return this.#hints.size + this.#deferred.length + (this.#pending === undefined ? 0 : 1);
	}

	/** Something is known to have changed and was not looked at yet, or a commit is undecided. */
	get isDue(): boolean {
		return this.#hints.size > 0 || this.#sweepDue || this.#pending !== undefined;
	}

	get deferred(): readonly Deferred[] {
		return this.#deferred;
	}

	get heldDeletions(): number {
		return this.#held.size;
	}

	/** @throws SidecarError STORE_*, WORKSPACE_*, with `allOrNothing` NOT_DURABLE, SUPERSEDED; nothing is lost: what was not committed stays dirty */
	async flush(options: FlushOptions = {}): Promise<FlushResult> {
		const settled = await this.#settle(options.signal);
		if (settled?.kind === "unknown") return settled;
		for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
			const result = await this.#attempt(options);
			if (result !== "again")
				return settled !== undefined && result.kind === "nothing" ? { ...settled, deferred: result.deferred } : result;
			// The references may have gone with the old head: everything this attempt took is taken anew.
		}
		throw new SidecarError("NOT_DURABLE", { value: this.#store.url, reason: `the log's next slot was lost ${ATTEMPTS} times in a row` });
	}

	async #attempt(options: FlushOptions): Promise<FlushResult | "again"> {
		const builder = new BlockBuilder({
			store: this.#store,
			index: this.#writer.index,
			machine: this.#machine,
			inlineLimitBytes: this.#writer.inlineRoomBytes,
			signal: options.signal,
		});
		const context: CaptureContext = {
			...this.#context,
			signal: options.signal,
			maxFileBytes: options.maxFileBytes ?? Number.POSITIVE_INFINITY,
		};
		const capture = new Capture(context, builder);
		const sweep = options.sweep === true || this.#sweepDue;
		const taken = new Set<Path>();
		try {
			await this.#look(capture, sweep, options.closed === true, taken, options.signal);
			if (capture.postponed.size > 0) this.#postpone(capture);
			const { removed, held } = this.#judge(capture, sweep, options);
			this.#dropOrphans(capture, removed);
			if (options.allOrNothing === true) this.#requireAll(capture);
			const isClosing = options.closed === true && capture.postponed.size === 0;
			if (capture.changed.size === 0 && removed.size === 0 && !isClosing) {
				this.#confirm(capture, this.#writer.isSuperseded ? new Map() : capture.minor, false);
				this.#keepDirty(capture);
				return { kind: "nothing", deferred: this.#deferred, held: held.size };
			}
			const changed = new Map([...capture.changed, ...capture.minor]);
			const inline = await builder.finish();
			const setAside = this.#writer.isSuperseded;
			const delta = setAside ? this.#asideDelta(changed) : { changed: entriesOf(changed), removed };
			const flags: CommitFlags = setAside ? { recovered: true } : isClosing ? { closed: true } : {};
			if (setAside && delta.changed.size === 0) {
				this.#adopt({ capture, changed, removed, setAside, uploadedBytes: 0, held: held.size });
				return { kind: "nothing", deferred: this.#deferred, held: held.size };
			}
			const pending: Pending = { capture, changed, removed, setAside, uploadedBytes: builder.uploadedBytes, held: held.size };
			const outcome = await this.#writer.commit(delta, inline, flags, { inHurry: options.inHurry === true, signal: options.signal });
			if (outcome.kind === "unknown") {
				this.#pending = pending;
				return outcome;
			}
			if (outcome.kind !== "committed") {
				this.#again(taken, sweep);
				return "again";
			}
			this.#adopt(pending);
			return { ...summary(pending, outcome.seq), bytes: pending.uploadedBytes + outcome.bytes, deferred: this.#deferred };
		} catch (error) {
			this.#again(taken, sweep);
			throw error;
		}
	}

	/** Captures until no hint came in while looking. */
	async #look(capture: Capture, sweep: boolean, isClosing: boolean, taken: Set<Path>, signal: AbortSignal | undefined): Promise<void> {
		for (const path of this.#held) this.#hints.add(path);
		for (const { path } of this.#deferred) this.#hints.add(path);
		if (sweep) {
			this.#sweepDue = false;
			for (const path of await this.#sweep(capture, signal)) this.#hints.add(path);
		}
		if (this.#hints.size > 0 || isClosing) for (const path of this.#riding) this.#hints.add(path);
		const until = performance.now() + SETTLE_MS;
		for (let round = 0; this.#hints.size > 0 && (round < ROUNDS || performance.now() < until); round++) {
			const hints = this.#hints;
			this.#hints = new Set();
			for (const hint of hints) taken.add(hint);
			await capture.take(hints);
			// Two turns: the first polls for events of the kernel, the second lets their handlers run.
			await nextTurn();
			await nextTurn();
		}
	}

	/** Paths whose stat is not the one they were captured under, and paths that are new or gone. */
	async #sweep(capture: Capture, signal: AbortSignal | undefined): Promise<Path[]> {
		const { root, filter, local } = this.#context;
		const { stats, problems } = await scan(root, filter, signal && { signal });
		const unseen = problems.filter(({ reason }) => reason === "unreadable").map(({ path }) => path);
		for (const path of unseen) capture.deferred.set(path, "unreadable");
		const found: Path[] = [];
		for (const [path, stat] of stats) {
			const known = local.get(path);
			if (known?.stat === undefined || !sameStat(known.stat, stat)) found.push(path);
			// A database's newest rows may stand in its WAL, which moves nothing of the file itself.
			else if (isDatabase(known) && known.database !== walFingerprint(root, path)) found.push(path);
		}
		for (const path of local.paths()) if (!stats.has(path) && !isBelow(path, unseen)) found.push(path);
		return found;
	}

	#requireAll({ deferred }: Capture): void {
		if (this.#writer.isSuperseded) throw new SidecarError("SUPERSEDED", { reason: "nothing was committed" });
		const [first] = deferred;
		if (first === undefined) return;
		const more = deferred.size > 1 ? `, and ${deferred.size - 1} more` : "";
		throw new SidecarError("NOT_DURABLE", { value: first[0], reason: `${first[1]}${more}; nothing was committed` });
	}

	#postpone(capture: Capture): void {
		for (const path of [...capture.postponed, ...capture.removed]) this.#hints.add(path);
		// A file where a directory was waits for the directory's children to go.
		for (const path of capture.removed) capture.changed.delete(path);
		capture.removed.clear();
	}

	/** Which deletions are believed. The rest is held, and stays in the log. */
	#judge(capture: Capture, sweep: boolean, options: FlushOptions): { readonly removed: Set<Path>; readonly held: ReadonlySet<Path> } {
		const { local, log } = this.#context;
		const gone = capture.removed;
		if (gone.size === 0) {
			this.#held.clear();
			return { removed: gone, held: this.#held };
		}
		if (!capture.isSameRoot(this.#root)) {
			throw new SidecarError("WORKSPACE_NOT_DIRECTORY", {
				value: this.#context.root,
				reason: "it is not the directory that was restored, so nothing of it counts as deleted",
			});
		}
		const countFiles = (paths: Iterable<Path>) => [...paths].filter((path) => local.get(path)?.entry.type !== "dir").length;
		const vanished = {
			files: countFiles(gone),
			filesBefore: countFiles(local.paths()),
			critical: this.#critical.filter((path) => gone.has(path)),
		};
		if (options.deletionsAreMeant === true || !isHeld(vanished)) {
			this.#held.clear();
			return { removed: gone, held: this.#held };
		}
		const isSecondScan = sweep && this.#held.size > 0 && [...gone].every((path) => this.#held.has(path));
		if (isSecondScan && options.inHurry !== true) {
			log.warn("deletion.confirmed", { files: vanished.files, filesBefore: vanished.filesBefore, critical: vanished.critical });
			this.#held.clear();
			return { removed: gone, held: this.#held };
		}
		if (this.#held.size === 0)
			log.warn("deletion.held", { files: vanished.files, filesBefore: vanished.filesBefore, critical: vanished.critical });
		this.#held = new Set(gone);
		this.#sweepDue = true;
		// A file where a directory was: not before the directory's children are believed to be gone.
		for (const [path, { entry }] of capture.changed)
			if (entry.type !== "dir" && local.get(path)?.entry.type === "dir") {
				capture.changed.delete(path);
				capture.deferred.set(path, "it replaces a directory whose deletion is held until a second scan agrees");
			}
		return { removed: new Set(), held: this.#held };
	}

	/** What changed under the capture's hands so that the tree would not hold together waits for the next flush. */
	#dropOrphans(capture: Capture, removed: Set<Path>): void {
		const { local } = this.#context;
		const { tree } = this.#writer.head;
		for (const path of [...capture.changed.keys()].sort((a, b) => a.length - b.length)) {
			if (path === "") continue;
			const parent = parentOf(path);
			const above = capture.changed.get(parent) ?? (removed.has(parent) ? undefined : local.get(parent));
			const isReserved = path === RECOVERED_DIRECTORY && capture.changed.get(path)?.entry.type !== "dir";
			if (isReserved) capture.deferred.set(path, "the name is reserved for what superseded writers set aside");
			if (above?.entry.type === "dir" && !isReserved) continue;
			capture.changed.delete(path);
			if (!isReserved) this.#hints.add(path);
		}
		// The log may hold set-aside files that this disk never had: their directories stay.
		for (const path of [...removed].filter((path) => path === RECOVERED_DIRECTORY || path.startsWith(`${RECOVERED_DIRECTORY}/`))) {
			for (const below of tree.keys()) if (below.startsWith(`${path}/`) && !removed.has(below)) removed.delete(path);
		}
	}

	/** The same bytes again, until the slot is decided. */
	async #settle(signal: AbortSignal | undefined): Promise<Exclude<FlushResult, { kind: "nothing" }> | undefined> {
		const outcome = await this.#writer.settle(signal);
		const pending = this.#pending;
		if (outcome === undefined) {
			// Decided elsewhere (a lost slot whose catching up failed): what it held is taken anew.
			this.#pending = undefined;
			if (pending !== undefined) this.#again([...pending.changed.keys(), ...pending.removed], true);
			return undefined;
		}
		if (pending === undefined) return undefined;
		if (outcome.kind === "unknown") return outcome;
		this.#pending = undefined;
		if (outcome.kind !== "committed") {
			this.#again([...pending.changed.keys(), ...pending.removed], false);
			return undefined;
		}
		this.#adopt(pending);
		return { ...summary(pending, outcome.seq), bytes: outcome.bytes, deferred: this.#deferred };
	}

	/** The commit is durable: what was captured is what this disk last gave. */
	#adopt(pending: Pending): void {
		const { local } = this.#context;
		for (const path of pending.removed) local.delete(path);
		this.#confirm(pending.capture, pending.changed, true);
		this.#keepDirty(pending.capture);
	}

	/** @param refer also take over where the content lies, which only a commit decides */
	#confirm(capture: Capture, changed: ReadonlyMap<Path, LocalEntry>, refer: boolean): void {
		const { local } = this.#context;
		for (const [path, entry] of capture.confirmed) local.set(path, entry);
		for (const [path, entry] of changed) {
			if (refer) {
				local.set(path, entry);
				this.#riding.delete(path);
			} else {
				// The stat is known, the time is not committed yet: the entry keeps the old one.
				local.set(path, { ...entry, entry: (local.get(path) ?? entry).entry });
				this.#riding.add(path);
			}
		}
	}

	#keepDirty(capture: Capture): void {
		this.#deferred = [...capture.deferred].map(([path, reason]) => ({ path, reason }));
	}

	#again(paths: Iterable<Path>, sweep: boolean): void {
		for (const path of paths) this.#hints.add(path);
		if (sweep) this.#sweepDue = true;
	}

	/** A superseded writer's changes, below `.recovered/{writer}/`, updated in place. Deletions are not its to make. */
	#asideDelta(changed: ReadonlyMap<Path, LocalEntry>): Delta {
		const { tree } = this.#writer.head;
		const home = `${RECOVERED_DIRECTORY}/${this.#writer.id}`;
		const aside = new Map<Path, Entry>();
		const directory = (path: Path): Entry => {
			const own = path.startsWith(`${home}/`) ? this.#context.local.get(path.slice(home.length + 1))?.entry : undefined;
			return own?.type === "dir" ? own : { type: "dir", mode: 0o700, mtimeNs: BigInt(this.#machine.wallMs()) * 1_000_000n };
		};
		const hasContent = [...changed.values()].some(({ entry }) => entry.type !== "dir");
		const gone = new Set<Path>();
		if (!hasContent) return { changed: aside, removed: gone };
		for (const [path, { entry }] of changed) {
			if (path === "" || path === RECOVERED_DIRECTORY || path.startsWith(`${RECOVERED_DIRECTORY}/`)) continue;
			const target = `${home}/${path}`;
			aside.set(target, entry);
			// What it set aside below a directory that is none any more stays in history.
			if (entry.type !== "dir" && tree.get(target)?.type === "dir")
				for (const below of tree.keys()) if (below.startsWith(`${target}/`)) gone.add(below);
			for (let parent = parentOf(target); ; parent = parentOf(parent)) {
				if (tree.get(parent)?.type !== "dir" && aside.get(parent)?.type !== "dir")
					aside.set(parent, parent === "" ? { ...directory(parent) } : directory(parent));
				if (parent === "") break;
			}
		}
		for (const path of aside.keys()) gone.delete(path);
		return { changed: aside, removed: gone };
	}
}

function summary(
	pending: Pending,
	seq: number,
): { kind: "committed"; seq: number; changed: number; removed: number; setAside: boolean; held: number } {
	return {
		kind: "committed",
		seq,
		changed: pending.changed.size,
		removed: pending.removed.size,
		setAside: pending.setAside,
		held: pending.held,
	};
}

function entriesOf(changed: ReadonlyMap<Path, LocalEntry>): Map<Path, Entry> {
	return new Map([...changed].map(([path, { entry }]) => [path, entry]));
}

function isDatabase({ entry }: LocalEntry): boolean {
	return entry.type === "file" && entry.chunkBits === SQLITE_CHUNK_BITS;
}

function isBelow(path: Path, directories: readonly Path[]): boolean {
	return directories.some((directory) => path === directory || directory === "" || path.startsWith(`${directory}/`));
}
