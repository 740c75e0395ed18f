/**
 * Makes the workspace's changes durable: hints -> capture -> commit.
 *
 * A flush captures until no hint arrives during a capture. It gives up after SETTLE_MS, or after
 * ROUNDS captures if those take longer. If no hint arrived, the commit is the tree at one moment.
 * Under a writer that never pauses each file is whole, but the files may be from different moments.
 * One flush runs at a time; the caller ensures that.
 */
import { setImmediate as nextTurn } from "node:timers/promises";
import { BlockBuilder } from "../commit/block-builder.ts";
import type { Environment } from "../commit/environment.ts";
import type { LogWriter } from "../commit/log-writer.ts";
import { type QuarantineDelta, quarantineDelta, reservedName } from "../commit/quarantined.ts";
import { ownTree } from "../commit/roots-in-tree.ts";
import type { LocalEntry, LocalTree } from "../disk/local-tree.ts";
import { SidecarError } from "../errors.ts";
import { RAW_ID } from "../log/restore-id.ts";
import { quarantineHome, RECOVERED_DIRECTORY } from "../log/safe-path.ts";
import type { Annotation, Chunk, CommitFlags, Delta, Entry, Path } from "../log/types.ts";
import { mainOf, parentOf, ROOTS_DIRECTORY } from "../path.ts";
import type { ObjectStore } from "../store/port.ts";
import type { Annotations } from "../workspace/profile.ts";
import { hasReservedName } from "../workspace/scan.ts";
import { lstatPath } from "../workspace/stat.ts";
import { Capture, type Deferred } from "./capture.ts";
import type { CaptureContext } from "./capture-context.ts";
import { DeferredDeletions } from "./deferred-deletions.ts";
import type { CapturedDisplaced, DisplacedFiles } from "./displaced-files.ts";
import { findChanges, type Scanned } from "./find-changes.ts";
import type { FlushOptions, FlushResult } from "./flush-result.ts";
import type { KnownRoots } from "./known-roots.ts";
import { LARGE_BYTES, LargeFiles } from "./large-files.ts";
import { type MassRewrite, massRewrite } from "./mass-rewrite.ts";
import { newRaw, replacedRaw } from "./raw-databases.ts";
import { MAX_TREE, Room } from "./room.ts";
import type { Excluded } from "./secret-guard.ts";

/**
 * Captures repeat while hints keep arriving: at least this many rounds, and at least this long. A
 * round takes 1-5 ms, so any pause of the writer lets one end without hints.
 */
const ROUNDS = 6;
const SETTLE_MS = 300;
/** A writer that loses its slot this often in one flush is broken, not racing. */
const ATTEMPTS = 10;
/** The default interval of the daemon's sweep. */
const CONFIRM_AFTER_MS = 60_000;
/** The number of paths that the log line names; `recover` lists all. */
const TOLD_PATHS = 20;

interface Pending {
	readonly capture: Capture;
	readonly changed: Map<Path, LocalEntry>;
	readonly removed: Set<Path>;
	/** Files and links that go below `.recovered/`; undefined if this writer owns the tree. */
	readonly quarantined: readonly Path[] | undefined;
	readonly alarm: MassRewrite | undefined;
	readonly uploadedBytes: number;
	readonly deferredDeletions: number;
	readonly displaced: CapturedDisplaced | undefined;
}

/**
 * A sweep of the whole disk: its start by `performance.now()`, and its duration without the work
 * that followed from it.
 */
export interface Sweep {
	readonly startedMs: number;
	readonly ms: number;
}

export class Flusher {
	readonly #store: ObjectStore;
	readonly #environment: Environment;
	readonly #writer: LogWriter;
	readonly #context: Omit<CaptureContext, "keepsRaw">;
	readonly #root: string;
	readonly #annotate: () => Annotations;
	readonly #roots: KnownRoots | undefined;
	readonly #displaced: DisplacedFiles | undefined;
	#hints = new Set<Path>();
	#sweepDue = false;
	#scanned: Scanned | undefined;
	/** The restore has just inspected everything. */
	#lastSweep: Sweep = { startedMs: performance.now(), ms: 0 };
	#pending: Pending | undefined;
	readonly #deferredDeletions: DeferredDeletions;
	readonly #meant: () => ReadonlySet<Path>;
	#deferred: readonly Deferred[] = [];
	/**
	 * Directories (and databases) of which only the time changed since their commit: committed along
	 * with the next change.
	 */
	#piggyback = new Set<Path>();
	/** Sockets, FIFOs and devices that log lines have named. */
	#toldSpecial: ReadonlySet<Path> = new Set();
	/** Large and slow files, read and sent independently of the flushes. */
	readonly large: LargeFiles;
	#onReady: () => void = () => undefined;
	/** Deletions that wait for a large file, which may be the same file under another name. */
	#waitingForLarge: ReadonlySet<Path> = new Set();

	constructor(options: {
		store: ObjectStore;
		environment: Environment;
		writer: LogWriter;
		context: Omit<CaptureContext, "keepsRaw">;
		/** The identity of the directory that was restored. */
		root: string;
		roots?: KnownRoots;
		/** Files that restores moved out of the workspace and that the log does not have. */
		displaced?: DisplacedFiles;
		/** Deletions that the restore found and accepted. */
		believed?: ReadonlySet<Path>;
		/** Deletions that restores of single paths made; forgets those that are over. */
		meant?: (isOver: (path: Path) => boolean) => ReadonlySet<Path>;
		/** What each commit says about the workspace, by name. Default: nothing. */
		annotate?: (() => Annotations) | undefined;
		/** How long to hold a deferred deletion; default one minute. */
		confirmAfterMs?: number | undefined;
		/** Serves the first sweep, unless a rescan is requested before it. */
		scanned?: Scanned | undefined;
	}) {
		this.#store = options.store;
		this.#environment = options.environment;
		this.#writer = options.writer;
		this.#context = options.context;
		this.#root = options.root;
		this.#annotate = options.annotate ?? (() => ({}));
		this.#roots = options.roots;
		this.#displaced = options.displaced;
		this.#scanned = options.scanned;
		const { local, filter, logger, profile } = options.context;
		const { environment, believed = new Set(), confirmAfterMs = CONFIRM_AFTER_MS } = options;
		const { root } = options.context;
		this.#meant = () =>
			options.meant?.(
				(path) => local.get(path) === undefined || lstatPath(root, path) !== undefined,
			) ?? new Set();
		this.#deferredDeletions = new DeferredDeletions({
			local,
			filter,
			critical: profile.critical,
			believed,
			meant: this.#meant,
			confirmAfterMs,
			environment,
			logger,
		});
		this.large = new LargeFiles({
			root: options.context.root,
			environment: options.environment,
			logger,
			begin: (signal) => ({
				// Content in transit when a transfer ends is still useful to the flush that takes the file.
				builder: this.#builder(0, undefined),
				context: {
					...this.#context,
					signal,
					isAside: true,
					keepsRaw: (path) => this.#wasDeferred(path),
				},
			}),
			onReady: (paths) => {
				for (const path of paths) this.#hints.add(path);
				this.#onReady();
			},
		});
	}

	/**
	 * From now on large files do not delay a flush. @param onReady called when one can be committed
	 */
	leaveLargeAside(onReady: () => void): void {
		this.#onReady = onReady;
		this.large.open();
	}

	/** Every flush takes large files itself again. */
	async takeLargeAgain(): Promise<void> {
		for (const path of await this.large.stop()) this.#hints.add(path);
	}

	#builder(inlineLimitBytes: number, signal: AbortSignal | undefined): BlockBuilder {
		return new BlockBuilder({
			store: this.#store,
			index: this.#writer.index,
			environment: this.#environment,
			inlineLimitBytes,
			signal,
		});
	}

	#wasDeferred(path: Path): boolean {
		return this.#deferred.some((deferred) => deferred.path === path);
	}

	hint(path: Path): void {
		this.#hints.add(path);
	}

	/** Something may have been missed: the next flush sweeps everything. */
	requestRescan(): void {
		this.#sweepDue = true;
		this.#scanned = undefined;
	}

	get lastSweep(): Sweep {
		return this.#lastSweep;
	}

	/**
	 * Paths hinted and not captured yet, paths that could not be taken, what restores displaced, and
	 * an undecided commit.
	 */
	get waiting(): number {
		return (
			this.waitingPaths.length +
			(this.#displaced?.size ?? 0) +
			(this.#pending === undefined ? 0 : 1)
		);
	}

	/** Whether a known change was not inspected yet, or a commit is undecided. */
	get isDue(): boolean {
		return this.#hints.size > 0 || this.#sweepDue || this.#pending !== undefined;
	}

	/** Paths that were hinted or could not be taken; a sweep may find more. */
	get waitingPaths(): readonly Path[] {
		return [
			...new Set([
				...this.#hints,
				...this.#deferred.map(({ path }) => path),
				...this.large.paths,
				...this.#waitingForLarge,
			]),
		];
	}

	get deferred(): readonly Deferred[] {
		return this.#deferred;
	}

	get deferredDeletions(): number {
		return this.#deferredDeletions.size;
	}

	get deferredDeletionPaths(): readonly Path[] {
		return this.#deferredDeletions.paths;
	}

	/** Files that are on the disk and, by choice, not stored. */
	get excluded(): readonly Excluded[] {
		return this.#context.secrets.excluded(this.#context.root);
	}

	/**
	 * @throws SidecarError STORE_*, WORKSPACE_*, SECRET_FOUND, with `allOrNothing` NOT_DURABLE,
	 * SUPERSEDED; nothing is lost: what was not committed stays dirty
	 */
	async flush(options: FlushOptions = {}): Promise<FlushResult> {
		const isWhole =
			options.closed === true ||
			options.allOrNothing === true ||
			options.maxFileBytes !== undefined;
		if (isWhole && this.large.isOpen) await this.takeLargeAgain();
		const settled = await this.#resolvePending(options.signal);
		if (settled?.kind === "unknown") return settled;
		for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
			const result = await this.#attempt(options);
			if (result !== "again")
				return settled !== undefined && result.kind === "nothing"
					? { ...settled, deferred: result.deferred }
					: result;
			// The references may have vanished with the old head, so take everything of this attempt
			// again.
		}
		throw new SidecarError("NOT_DURABLE", {
			value: this.#store.url,
			reason: `the log's next slot was lost ${ATTEMPTS} times in a row`,
		});
	}

	async #attempt(options: FlushOptions): Promise<FlushResult | "again"> {
		const builder = this.#builder(this.#writer.inlineRoomBytes, options.signal);
		const { index, head: before, entryLimit } = this.#writer;
		const { chunks, manifestBytes } = index;
		const room = new Room(
			{ entries: before.tree.size, chunks, manifestBytes },
			{ ...MAX_TREE, entries: entryLimit },
		);
		const context: CaptureContext = {
			...this.#context,
			signal: options.signal,
			maxFileBytes: options.maxFileBytes ?? Number.POSITIVE_INFINITY,
			room,
			...(this.large.isOpen && { large: this.large, maxNewBytes: LARGE_BYTES }),
			// Not at the first try: most locks are released soon, and a quarantine costs an upload.
			keepsRaw: (path) => options.closed === true || this.#wasDeferred(path),
		};
		const capture = new Capture(context, builder, this.#roots);
		const sweep = options.sweep === true || this.#sweepDue;
		const taken = new Set<Path>();
		try {
			await this.#look(capture, sweep, options.closed === true, taken, options.signal);
			// A different volume at this path: its missing content is not deleted, and its content is not
			// a change.
			if (!capture.isSameRoot(this.#root))
				throw new SidecarError("WORKSPACE_NOT_DIRECTORY", {
					value: mainOf(this.#context.root),
					reason: "it is not the directory that was restored",
				});
			capture.deferWithoutRoom();
			capture.leaveOutRootsAstray();
			if (hasReservedName(context.root))
				capture.deferred.set(ROOTS_DIRECTORY, "the name is reserved for additional roots (--root)");
			if (options.refused !== undefined) {
				capture.changed.delete(options.refused.path);
				capture.deferred.set(options.refused.path, options.refused.reason);
			}
			if (capture.postponed.size > 0) this.#postpone(capture);
			this.#waitingForLarge = this.large.holdBack(capture, this.#context.local);
			const { inHurry = false, deletionsAreMeant = false } = options;
			const removed = this.#deferredDeletions.judge(capture, {
				isSweep: sweep,
				inHurry,
				areMeant: deletionsAreMeant,
			});
			this.#dropOrphans(capture, removed);
			if (options.allOrNothing === true) this.#requireAll(capture);
			const isClosing = options.closed === true && capture.postponed.size === 0;
			const { head } = this.#writer;
			const changed = new Map([...capture.changed, ...capture.minor]);
			const raw = newRaw(capture, head.tree);
			const rawDelta = this.#writer.isSuperseded ? undefined : this.#rawDelta(raw, changed, room);
			const displaced = await this.#takeDisplaced(capture, context, builder);
			if (
				capture.changed.size === 0 &&
				removed.size === 0 &&
				(rawDelta?.changed ?? raw).size === 0 &&
				displaced === undefined &&
				!isClosing
			) {
				this.#confirm(capture, this.#writer.isSuperseded ? new Map() : capture.minor, false);
				this.#keepDirty(capture);
				return {
					kind: "nothing",
					deferred: this.#deferred,
					deferredDeletions: this.#deferredDeletions.size,
				};
			}
			const inline = await builder.finish();
			const quarantined = this.#writer.isSuperseded
				? this.#quarantined(capture, changed, raw, room)
				: undefined;
			const owned = quarantined?.delta ?? {
				changed: new Map([...(rawDelta?.changed ?? []), ...entriesOf(changed)]),
				removed: new Set([...removed, ...replacedRaw(capture, head.tree)]),
			};
			// The directories of the change itself come before those of the quarantine.
			const delta =
				displaced === undefined
					? owned
					: { ...owned, changed: new Map([...displaced.changed, ...owned.changed]) };
			const alarm = massRewrite(
				entriesOfTree(this.#context.local),
				entriesOf(changed),
				capture.removed,
			);
			const flags: CommitFlags = {
				...(quarantined !== undefined ? { recovered: true } : isClosing ? { closed: true } : {}),
				...(alarm && { alarm: true }),
			};
			const pending: Pending = {
				capture,
				changed,
				removed,
				quarantined: quarantined?.taken,
				alarm,
				uploadedBytes: builder.uploadedBytes,
				deferredDeletions: this.#deferredDeletions.size,
				displaced,
			};
			if (quarantined?.taken.length === 0 && displaced === undefined) {
				const lost =
					options.closed === true ? await this.#writer.lookAtWon(options.signal) : undefined;
				if (lost !== undefined) {
					if (lost.isBroken) this.#distrust();
					this.#again(taken, sweep);
					return "again";
				}
				this.#adopt(pending);
				return {
					kind: "nothing",
					deferred: this.#deferred,
					deferredDeletions: this.#deferredDeletions.size,
				};
			}
			const outcome = await this.#writer.commit(delta, inline, flags, {
				inHurry,
				signal: options.signal,
				annotations: [
					...annotationsAt("", this.#annotate()),
					...[...changed].flatMap(([path, { annotations = {} }]) =>
						annotationsAt(path, annotations),
					),
				],
			});
			if (outcome.kind === "unknown") {
				this.#pending = pending;
				return outcome;
			}
			if (outcome.kind !== "committed") {
				if (outcome.kind === "lost" && outcome.isBroken) this.#distrust();
				this.#again(taken, sweep);
				return "again";
			}
			this.#adopt(pending);
			this.#tell(pending, outcome.seq);
			return {
				...summary(pending, outcome.seq),
				bytes: pending.uploadedBytes + outcome.bytes,
				deferred: this.#deferred,
			};
		} catch (error) {
			this.#again(taken, sweep);
			throw error;
		}
	}

	/** Captures until no hint arrives during a capture. */
	async #look(
		capture: Capture,
		sweep: boolean,
		isClosing: boolean,
		taken: Set<Path>,
		signal: AbortSignal | undefined,
	): Promise<void> {
		for (const path of this.#deferredDeletions.tops) this.#hints.add(path);
		for (const { path } of this.#deferred) this.#hints.add(path);
		for (const path of this.#waitingForLarge) this.#hints.add(path);
		if (sweep) {
			this.#sweepDue = false;
			const startedMs = performance.now();
			const scanned = this.#scanned;
			this.#scanned = undefined;
			const { paths, unreadable, special } = await findChanges(this.#context, signal, scanned);
			this.#lastSweep = { startedMs, ms: performance.now() - startedMs };
			for (const path of paths) this.#hints.add(path);
			for (const path of unreadable) capture.deferred.set(path, "unreadable");
			for (const path of special)
				if (!this.#toldSpecial.has(path)) this.#context.logger.info("flush.not-a-file", { path });
			this.#toldSpecial = new Set(special);
		}
		if (this.#hints.size > 0 || isClosing)
			for (const path of this.#piggyback) this.#hints.add(path);
		const until = performance.now() + SETTLE_MS;
		for (
			let round = 0;
			this.#hints.size > 0 && (round < ROUNDS || performance.now() < until);
			round++
		) {
			const hints = this.#hints;
			this.#hints = new Set();
			for (const hint of hints) taken.add(hint);
			await capture.take(hints);
			// Two turns: the first polls for kernel events, the second lets their handlers run.
			await nextTurn();
			await nextTurn();
		}
	}

	/** Undefined if the log needs none of it. */
	async #takeDisplaced(
		capture: Capture,
		context: CaptureContext,
		builder: BlockBuilder,
	): Promise<CapturedDisplaced | undefined> {
		if (this.#displaced === undefined || this.#displaced.refresh() === 0) return undefined;
		const { head, id, isSuperseded } = this.#writer;
		const displaced = await this.#displaced.capture(
			context,
			builder,
			head.tree,
			isSuperseded ? id : undefined,
		);
		for (const [path, reason] of this.#displaced.deferred) capture.deferred.set(path, reason);
		if (displaced.changed.size > 0) return displaced;
		this.#displaced.committed(displaced);
		return undefined;
	}

	#requireAll({ deferred }: Capture): void {
		if (this.#writer.isSuperseded)
			throw new SidecarError("SUPERSEDED", { reason: "nothing was committed" });
		const [first] = deferred;
		if (first === undefined) return;
		const more = deferred.size > 1 ? `, and ${deferred.size - 1} more` : "";
		throw new SidecarError("NOT_DURABLE", {
			value: first[0],
			reason: `${first[1]}${more}; nothing was committed`,
		});
	}

	#postpone(capture: Capture): void {
		for (const path of [...capture.postponed, ...capture.removed]) this.#hints.add(path);
		// A file that replaced a directory waits until the directory's children are gone.
		for (const path of capture.removed) capture.changed.delete(path);
		capture.removed.clear();
	}

	/**
	 * Leaves paths for the next flush if they changed during the capture so that the tree would not
	 * be consistent.
	 */
	#dropOrphans(capture: Capture, removed: Set<Path>): void {
		const { local } = this.#context;
		const { tree } = this.#writer.head;
		for (const path of [...capture.changed.keys()].sort((a, b) => a.length - b.length)) {
			if (path === "") continue;
			const parent = parentOf(path);
			const above =
				capture.changed.get(parent) ?? (removed.has(parent) ? undefined : local.get(parent));
			const reserved = reservedName(path, capture.changed.get(path)?.entry.type === "dir");
			if (above?.entry.type === "dir" && reserved === undefined) continue;
			capture.changed.delete(path);
			if (reserved !== undefined)
				capture.deferred.set(
					reserved,
					"the name is reserved for what superseded writers quarantined",
				);
			else this.#hints.add(path);
		}
		// The log may hold quarantined files that this disk never had: their directories stay.
		for (const path of [...removed].filter(
			(path) => path === RECOVERED_DIRECTORY || path.startsWith(`${RECOVERED_DIRECTORY}/`),
		)) {
			for (const below of tree.keys())
				if (below.startsWith(`${path}/`) && !removed.has(below)) removed.delete(path);
		}
	}

	/** Sends the bytes of an undecided commit again, once. Undefined: no commit is undecided. */
	async #resolvePending(
		signal: AbortSignal | undefined,
	): Promise<Exclude<FlushResult, { kind: "nothing" }> | undefined> {
		const outcome = await this.#writer.resolveCommit(signal);
		const pending = this.#pending;
		if (outcome === undefined) {
			// Decided elsewhere (a lost slot whose catching up failed): take its content again.
			this.#pending = undefined;
			if (pending !== undefined) this.#again([...pending.changed.keys(), ...pending.removed], true);
			return undefined;
		}
		if (pending === undefined) return undefined;
		if (outcome.kind === "unknown") return outcome;
		this.#pending = undefined;
		if (outcome.kind !== "committed") {
			if (outcome.kind === "lost" && outcome.isBroken) this.#distrust();
			this.#again([...pending.changed.keys(), ...pending.removed], false);
			return undefined;
		}
		this.#adopt(pending);
		this.#tell(pending, outcome.seq);
		return { ...summary(pending, outcome.seq), bytes: outcome.bytes, deferred: this.#deferred };
	}

	/**
	 * A superseded writer's part of a capture. Paths that cannot be quarantined stay dirty, by name.
	 */
	#quarantined(
		capture: Capture,
		changed: Map<Path, LocalEntry>,
		raw: ReadonlyMap<Path, LocalEntry>,
		room: Room,
	): Pick<QuarantineDelta, "delta" | "taken"> {
		const { delta, taken, tooLong, withoutRoom } = this.#asideDelta(
			new Map([...changed, ...raw]),
			room,
		);
		const leaveOut = (path: Path, why: string) => {
			changed.delete(path);
			capture.deferred.set(
				path,
				`another writer owns the tree, and ${why} ${quarantineHome("{writer}")}/`,
			);
		};
		for (const path of tooLong) leaveOut(path, "its path is too long for");
		for (const path of withoutRoom) leaveOut(path, "there is no room for it in");
		return { delta, taken };
	}

	/** Logs what operators must know about a commit. */
	#tell({ quarantined, alarm, changed, displaced }: Pending, seq: number): void {
		const { head, id } = this.#writer;
		if (displaced !== undefined) {
			const { paths, bytes, done } = displaced;
			const restores = [...new Set(done.map(({ restore }) => restore))];
			this.#context.logger.warn("quarantine.committed", {
				kind: "security",
				seq,
				restores,
				files: paths.length,
				bytes,
				paths: paths.slice(0, TOLD_PATHS),
			});
		}
		if (alarm !== undefined)
			this.#context.logger.error("security.mass-rewrite", { seq, writer: id, ...alarm });
		if (quarantined === undefined) return;
		let bytes = 0;
		for (const path of quarantined) {
			const entry = changed.get(path)?.entry;
			if (entry?.type === "file") bytes += entry.size;
		}
		this.#context.logger.warn("writer.quarantined", {
			kind: "security",
			seq,
			writer: id,
			owner: head.fence.writer,
			files: quarantined.length,
			bytes,
			paths: quarantined.slice(0, TOLD_PATHS),
		});
	}

	/**
	 * Called when the commit is durable: what was captured becomes the last known state of this disk.
	 */
	#adopt(pending: Pending): void {
		const { local } = this.#context;
		for (const path of pending.removed) local.delete(path);
		this.#meant();
		if (pending.displaced !== undefined) this.#displaced?.committed(pending.displaced);
		this.#confirm(pending.capture, pending.changed, true);
		this.#keepDirty(pending.capture);
	}

	/** @param refer a commit has these entries */
	#confirm(capture: Capture, changed: ReadonlyMap<Path, LocalEntry>, refer: boolean): void {
		const { local } = this.#context;
		const isOwner = !this.#writer.isSuperseded;
		for (const [path, entry] of capture.confirmed) local.set(path, entry);
		for (const [path, entry] of changed) {
			if (refer) {
				// The head's own entry, so that it is in memory once.
				const inHead = isOwner ? this.#writer.head.tree.get(path) : undefined;
				local.set(path, inHead === undefined ? entry : { ...entry, entry: inHead });
				this.#piggyback.delete(path);
			} else {
				// The stat is known, but the time is not committed yet: the entry keeps the old one.
				local.set(path, { ...entry, entry: (local.get(path) ?? entry).entry });
				this.#piggyback.add(path);
			}
		}
	}

	#keepDirty(capture: Capture): void {
		const isTriedAgain = ({ path }: Deferred) =>
			capture.aside.has(path) && !capture.deferred.has(path);
		const before = this.#deferred.filter(isTriedAgain);
		this.#deferred = [
			...before,
			...[...capture.deferred].map(([path, reason]) => ({ path, reason })),
		];
	}

	/**
	 * The log may have lost content of this disk: use the head's content as the new basis, and
	 * inspect everything again.
	 */
	#distrust(): void {
		const { local } = this.#context;
		const tree = ownTree(this.#writer.head.tree, this.#context.root);
		for (const path of [...local.paths()]) if (!tree.has(path)) local.delete(path);
		for (const [path, entry] of tree)
			local.set(path, { entry, stat: undefined, quick: undefined, database: undefined });
		this.#sweepDue = true;
	}

	#again(paths: Iterable<Path>, sweep: boolean): void {
		for (const path of paths) this.#hints.add(path);
		if (sweep) this.#sweepDue = true;
	}

	#asideDelta(changed: ReadonlyMap<Path, LocalEntry>, room: Room): QuarantineDelta {
		const { local } = this.#context;
		return quarantineDelta(
			this.#writer.head.tree,
			this.#writer.id,
			entriesOf(changed),
			(path) => local.entry(path),
			room.holds,
		);
	}

	/**
	 * @param changed of the same commit: the first commit of a log gets its directories only from
	 * here
	 */
	#rawDelta(
		raw: ReadonlyMap<Path, LocalEntry>,
		changed: ReadonlyMap<Path, LocalEntry>,
		room: Room,
	): Delta<Chunk> {
		const { local } = this.#context;
		// Without room the database stays named as not taken, and only its raw bytes are left out.
		return quarantineDelta(
			this.#writer.head.tree,
			RAW_ID,
			entriesOf(raw),
			(path) => changed.get(path)?.entry ?? local.entry(path),
			room.holds,
		).delta;
	}
}

function summary(
	pending: Pending,
	seq: number,
): {
	kind: "committed";
	seq: number;
	changed: number;
	removed: number;
	quarantined: boolean;
	deferredDeletions: number;
} {
	return {
		kind: "committed",
		seq,
		changed: pending.changed.size,
		removed: pending.removed.size,
		quarantined: pending.quarantined !== undefined,
		deferredDeletions: pending.deferredDeletions,
	};
}

function annotationsAt(path: Path, annotations: Annotations): Annotation[] {
	return Object.entries(annotations).map(([name, value]) => ({ path, name, value }));
}

function entriesOf(changed: ReadonlyMap<Path, LocalEntry>): Map<Path, Entry<Chunk>> {
	return new Map([...changed].map(([path, { entry }]) => [path, entry]));
}

function entriesOfTree(local: LocalTree): Parameters<typeof massRewrite>[0] {
	return {
		get: (path) => local.entry(path),
		*entries() {
			for (const [path, { entry }] of local.entries()) yield [path, entry] as const;
		},
	};
}
