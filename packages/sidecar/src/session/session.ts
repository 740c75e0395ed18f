/**
 * One workspace, owned by one writer from restore to close.
 *
 * The gate: `open` returns only after a verified restore and a won fence. No agent may start and
 * nothing may be committed before.
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Deferred } from "../capture/capture.ts";
import { DisplacedFiles } from "../capture/displaced-files.ts";
import { Flusher, type Sweep } from "../capture/flush.ts";
import type { FlushOptions, FlushResult } from "../capture/flush-result.ts";
import { KnownRoots } from "../capture/known-roots.ts";
import type { LargeFiles } from "../capture/large-files.ts";
import { type Excluded, SecretGuard } from "../capture/secret-guard.ts";
import {
	type Environment,
	type Moment,
	newRestoreId,
	now,
	thisEnvironment,
} from "../commit/environment.ts";
import { LogWriter } from "../commit/log-writer.ts";
import { type QuarantinedWriter, quarantinedIn } from "../commit/quarantined.ts";
import { commitInSlot, type LogRead } from "../commit/read-log.ts";
import { untilResolved } from "../commit/until-resolved.ts";
import { bootId, writeMarker } from "../disk/base-marker.ts";
import { settleMeant } from "../disk/meant-deletions.ts";
import { UnsetMetadata } from "../disk/unset-metadata.ts";
import { SidecarError } from "../errors.ts";
import { commitChanges } from "../history/commit-changes.ts";
import { type Undo, undoOf } from "../history/last-change.ts";
import type { Selected, Selection } from "../history/select-quarantined.ts";
import { changesOfTurn, type LeftPath } from "../history/turn-changes.ts";
import { HOST } from "../log/annotations.ts";
import type { Head } from "../log/fold.ts";
import { logKey } from "../log/keys.ts";
import { isSameTurn, PUT_BACK, type Turn, turnsIn } from "../log/turns.ts";
import type { Path } from "../log/types.ts";
import { type RepackResult, repack } from "../maintenance/repack.ts";
import { applyRecovered } from "../restore/apply-recovered.ts";
import { loadTools } from "../restore/load-tools.ts";
import type { DiskPlan } from "../restore/plan-disk.ts";
import type { RestoreChange } from "../restore/planned-changes.ts";
import type { Restored } from "../restore/restore.ts";
import type { RestoreOptions } from "../restore/restore-options.ts";
import {
	type PathsRestored,
	type RestorePathsOptions,
	restorePaths,
} from "../restore/restore-paths.ts";
import type { Moved } from "../restore/restore-work.ts";
import type { ObjectStore } from "../store/port.ts";
import type { Logger } from "../telemetry/types.ts";
import type { FileTimes } from "../workspace/file-times.ts";
import { noteRealPlaces } from "../workspace/guarded-open.ts";
import { IGNORE_FILE } from "../workspace/ignore-file.ts";
import type { Annotations } from "../workspace/profile.ts";
import { identityOf } from "../workspace/stat.ts";
import { findUnwatched, noWatchReason, type Unwatched } from "../workspace/unwatched.ts";
import type { WorkspaceWatcher } from "../workspace/watch.ts";
import { watchRoots } from "../workspace/watch-roots.ts";
import type { WorkspaceFilter } from "../workspace/workspace-filter.ts";
import { readWhenHandedOver } from "./await-previous-writer.ts";
import { type BootOptions, boot } from "./boot.ts";
import { type DropOptions, type Dropped, dropQuarantined } from "./drop-quarantined.ts";
import { planTurnUndo } from "./undo-turn.ts";
import type { Workspace } from "./workspace.ts";

export interface SessionOptions extends Workspace {
	readonly expect?: "new" | "existing" | "any";
	/** How long to wait for a writer that still seems to be running; 0 means not at all. */
	readonly handoverWaitMs: number;
	/**
	 * The interval between sweeps of the whole workspace. A deferred deletion waits for a sweep that
	 * much later. Default one minute.
	 */
	readonly sweepIntervalMs?: number;
	/** The caller deleted on purpose what is missing now. */
	readonly deletionsAreMeant?: boolean;
	readonly environment?: Environment;
	/** Runs while the store answers. Nothing is written before it has ended. */
	readonly beforeRestore?: (() => Promise<void>) | undefined;
	/** What each commit says about the workspace, by name; see `Annotation`. Default: nothing. */
	readonly annotate?: (() => Annotations) | undefined;
	/**
	 * What the caller has just read, so that nothing is read twice. Then the first sweep finds what
	 * the plan's scan found. Not for a session that watches: it would miss what changed between that
	 * scan and its first watch.
	 */
	readonly prepared?: {
		/** From before the log was read. */
		readonly since: Moment;
		readonly read: LogRead;
		/** The plan for that head. */
		readonly planned: DiskPlan;
	};
}

export interface PutBack {
	/** The commit. Undefined: undoes the last change of the paths. */
	readonly at: number | undefined;
	/** With everything below them. None: the whole workspace, for an undo. */
	readonly paths: readonly string[];
	/**
	 * For an undo, the newest commit before the disk's own changes were committed. Deletions that are
	 * deferred are then undone first.
	 */
	readonly after?: number | undefined;
	/** Missing paths that this session's start brought back; `after` holds for them too. */
	readonly broughtBack?: ReadonlySet<Path>;
}

/** What was brought back of a turn, and the paths of the turn that were left. */
export interface TurnUndone extends PathsRestored, Undo {
	readonly turn: Turn;
	readonly left: readonly LeftPath[];
}

/**
 * Consecutive lost fences before giving up: each loss means that another writer took over within
 * one round trip.
 */
const FENCE_TRIES = 10;

export class Session {
	readonly #options: SessionOptions;
	readonly #writer: LogWriter;
	readonly #flusher: Flusher;
	readonly #filter: WorkspaceFilter;
	#rewatch: (() => Promise<void>) | undefined;
	/** What the restore found and did. */
	readonly restored: Pick<
		Restored,
		| "files"
		| "bytes"
		| "written"
		| "timed"
		| "keptLocal"
		| "moved"
		| "away"
		| "elsewhere"
		| "broughtBack"
	> & { readonly seq: number };
	readonly #root: string;
	readonly #roots: KnownRoots;
	/** Part of an additional root is not watched. */
	#isBlind = false;
	/** Why the current ignore file cannot be honoured. */
	#ignoreRefusal: Deferred | undefined;
	/** Reason by directory. */
	readonly #unwatched = new Map<string, string>();
	readonly #boot = bootId();
	readonly #times: FileTimes;
	readonly #restoreOptions: RestoreOptions;
	#toldQuarantined = "[]";
	/** The id of the last restore of single paths, for the commits after it. */
	#putBack: string | undefined;
	/**
	 * The FULL commit since which there is nothing to repack. At first the restored one, so that a
	 * start makes no request for it.
	 */
	#repackedSince: number;

	private constructor(
		options: SessionOptions,
		writer: LogWriter,
		restored: Restored,
		filter: WorkspaceFilter,
		restoreOptions: RestoreOptions,
	) {
		const { times, quickHash } = restoreOptions;
		const { environment = thisEnvironment } = options;
		this.#restoreOptions = restoreOptions;
		this.#times = times;
		this.#options = options;
		this.#writer = writer;
		this.#filter = filter;
		const { head, files, bytes, written, timed, keptLocal } = restored;
		const { moved, away, elsewhere, broughtBack } = restored;
		// Not `restored` itself, which holds the plan: as much memory again as the tree.
		this.restored = {
			seq: head.seq,
			files,
			bytes,
			written,
			timed,
			keptLocal,
			moved,
			away,
			elsewhere,
			broughtBack,
		};
		this.#root = identityOf(restored.root);
		noteRealPlaces(options.root.directories);
		this.#repackedSince = restored.head.fullSeq;
		const local = restored.local();
		const scanned = options.prepared && restored.scanned;
		this.#roots = KnownRoots.open(options.root, {
			roots: restored.roots,
			mounts: restored.mounts,
			filter: filter.filter,
			holds: (path) => local.holds(path),
		});
		const tempDir = join(options.privateDir, "tmp");
		// Left by a process that was killed.
		rmSync(tempDir, { recursive: true, force: true });
		mkdirSync(tempDir, { recursive: true, mode: 0o700 });
		this.#flusher = new Flusher({
			store: options.store,
			environment,
			writer,
			root: identityOf(restored.root),
			roots: this.#roots,
			displaced: DisplacedFiles.open(options.privateDir),
			believed: restored.keptDeleted,
			meant: (isOver) => settleMeant(options.privateDir, isOver),
			confirmAfterMs: options.sweepIntervalMs,
			annotate: () => ({
				[HOST]: environment.hostName,
				...(this.#putBack !== undefined && { [PUT_BACK]: this.#putBack }),
				...options.annotate?.(),
			}),
			scanned,
			context: {
				root: options.root,
				filter: filter.filter,
				profile: options.profile,
				tempDir,
				local,
				index: writer.index,
				quickHash,
				logger: options.logger,
				unset: () => UnsetMetadata.read(options.privateDir),
				secrets: new SecretGuard({
					policy: options.onSecret ?? "warn",
					profile: options.profile,
					quickHash,
					logger: options.logger,
				}),
			},
		});
		// The disk may hold changes made before any watcher ran, and the watcher is not ready yet.
		if (scanned === undefined) this.#flusher.requestRescan();
	}

	/**
	 * Restores, then fences. After a lost fence, it brings the winner's changes to the disk and tries
	 * again.
	 * @throws SidecarError as `boot`, STORE_UNREACHABLE if the fence stays undecided
	 */
	static async open(options: SessionOptions): Promise<Session> {
		const { store, logger, prepared, signal } = options;
		const environment = options.environment ?? thisEnvironment;
		let started = performance.now();
		let since = prepared?.since ?? now(environment);
		const reading = readWhenHandedOver(options, environment);
		// What runs before the restore ends before this does, also if the log cannot be read.
		reading.catch(() => {});
		const tools = await loadTools();
		await options.beforeRestore?.();
		const read = await reading;
		if (!tools.times.exact)
			logger.warn("restore.times-rounded", {
				reason: "koffi is not installed: times are kept to about 250 ns",
			});
		const planned = read === prepared?.read ? prepared.planned : undefined;
		const restoreOptions: BootOptions = { ...options, ...tools, label: newRestoreId(environment) };
		for (let attempt = 0; attempt < FENCE_TRIES; attempt++) {
			if (attempt > 0) since = now(environment);
			const restored = await boot(
				attempt === 0 ? { ...restoreOptions, read, planned } : { ...restoreOptions, expect: "any" },
			);
			const { files, bytes, written, keptLocal } = restored;
			const ms = Math.round(performance.now() - started);
			logger.info("restore.finished", {
				seq: restored.head.seq,
				files,
				bytes,
				written,
				keptLocal,
				ms,
			});
			// If the filter cannot be read, the gate stays shut and the other writer keeps the tree.
			const filter = restored.filter();
			const writer = new LogWriter(store, environment, restored.head, since, restored.storeTimeMs);
			const fenced = async () =>
				await untilResolved(writer, environment, await writer.fence(signal), { signal });
			const [{ kind }] = await Promise.all([fenced(), restored.finish(false)]);
			if (kind !== "committed") {
				tellOverwritten(writer, undefined, logger);
				const { fence: owner } = writer.head;
				logger.warn("fence.lost", {
					kind: "security",
					seq: restored.head.seq + 1,
					owner: owner.writer,
					fence: owner.seq,
				});
				started = performance.now();
				continue;
			}
			const session = new Session(options, writer, restored, filter, restoreOptions);
			session.#mark(false);
			const { fence: over, isClosed } = restored.head;
			logger.info("fence.won", {
				kind: "security",
				seq: writer.head.seq,
				writer: writer.id,
				over: over.seq === 0 ? null : { writer: over.writer, fence: over.seq, closed: isClosed },
			});
			session.#tellQuarantined();
			return session;
		}
		throw new SidecarError("STORE_UNREACHABLE", {
			value: store.url,
			reason: `${FENCE_TRIES} fences were lost in a row: other writers keep starting on this namespace`,
		});
	}

	get head(): Head {
		return this.#writer.head;
	}

	get store(): Pick<ObjectStore, "url"> {
		return this.#options.store;
	}

	/** Whether the log has this very commit. @throws SidecarError STORE_*, OBJECT_* */
	async hasCommit(seq: unknown, id: unknown): Promise<boolean> {
		if (!Number.isSafeInteger(seq) || (seq as number) < 0) return false;
		// An empty log has no commit to compare.
		if (seq === 0) return true;
		return (await commitInSlot(this.#options.store, logKey(seq as number)))?.id === id;
	}

	get writerId(): string {
		return this.#writer.id;
	}

	get isSuperseded(): boolean {
		return this.#writer.isSuperseded;
	}

	/** What is not durable right now: hinted paths, deferred paths, an undecided commit. */
	get waiting(): number {
		return this.#flusher.waiting;
	}

	/** True if another flush has work to do. `waiting` also counts what could not be taken. */
	get isDue(): boolean {
		return this.#flusher.isDue;
	}

	/** The paths known without a sweep. */
	get waitingPaths(): readonly Path[] {
		return this.#flusher.waitingPaths;
	}

	/** Large files in transfer; a flush commits each one after its transfer. */
	get large(): Pick<LargeFiles, "paths" | "sinceMs" | "readySinceMs" | "finished"> {
		return this.#flusher.large;
	}

	get deferred(): readonly Deferred[] {
		return this.#flusher.deferred;
	}

	/** Files that are on the disk and, by choice, not stored. */
	get excluded(): readonly Excluded[] {
		return this.#flusher.excluded;
	}

	get deferredDeletions(): number {
		return this.#flusher.deferredDeletions;
	}

	/**
	 * Watches the workspace from now on. The sweep of the next flush finds earlier changes. Resolves
	 * when every directory has its watch.
	 * @param onChange called for every hint, so keep it cheap
	 */
	async watch(onChange: () => void): Promise<WorkspaceWatcher> {
		const requestRescan = (reason: string) => {
			this.#options.logger.debug("watch.doubt", { reason });
			const noWatch = noWatchReason(reason);
			if (noWatch !== undefined)
				this.#tellUnwatched({ directory: this.#options.root.main, reason: noWatch });
			this.#flusher.requestRescan();
			onChange();
		};
		const start = async () => {
			// Runs before the watcher starts: closing the test's watch can close that of a directory that
			// was moved away and back.
			for (const each of await findUnwatched(this.#options.root, this.#filter.filter))
				this.#tellUnwatched(each);
			const hint = (path: Path) => {
				this.#flusher.hint(path);
				onChange();
			};
			return await watchRoots(this.#options.root, this.#filter.filter, hint, requestRescan);
		};
		let watcher = await start();
		let isClosed = false;
		this.#flusher.leaveLargeAside(onChange);
		this.#rewatch = async () => {
			if (isClosed) return;
			// The next sweep finds changes made before the watch started.
			await watcher.close();
			watcher = await start();
			if (isClosed) await watcher.close();
		};
		requestRescan("started");
		return {
			close: async () => {
				isClosed = true;
				await this.#flusher.takeLargeAgain();
				await watcher.close();
			},
		};
	}

	get lastSweep(): Sweep {
		return this.#flusher.lastSweep;
	}

	/** True if notifications miss changes in some directory: only a sweep finds those. */
	get isWatchedInPart(): boolean {
		return this.#unwatched.size > 0;
	}

	#tellUnwatched({ directory, reason }: Unwatched): void {
		if (this.#unwatched.has(directory)) return;
		this.#unwatched.set(directory, reason);
		this.#options.logger.warn("watch.not-supported", { directory, reason });
	}

	hint(path: string): void {
		this.#flusher.hint(path);
	}

	requestRescan(): void {
		this.#flusher.requestRescan();
	}

	/** Calls must not overlap. @throws SidecarError as Flusher.flush */
	async flush(options: FlushOptions = {}): Promise<FlushResult> {
		const { isSuperseded: wasSuperseded, id: previously, catchUps, overwritten } = this.#writer;
		const ignoring = await this.#lookAtIgnoreFile();
		await this.#lookAtRoots();
		const flushed = this.#flusher.flush({ ...options, refused: this.#ignoreRefusal });
		const result = await flushed.finally(() =>
			tellOverwritten(this.#writer, overwritten, this.#options.logger),
		);
		// Ensures another flush, and another look, soon.
		if (ignoring === "pending") this.#flusher.requestRescan();
		if (result.kind === "committed") {
			// A closed flush is an orderly end: the disk must match the log even after a power cut.
			const clean = options.closed === true && (await this.#syncDisks());
			this.#mark(clean);
		}
		if (!wasSuperseded && this.#writer.isSuperseded) {
			this.#options.logger.error("writer.superseded", {
				writer: this.#writer.id,
				previously,
				owner: this.#writer.head.fence.writer,
				fence: this.#writer.head.fence.seq,
				because: this.#writer.isDisowned ? "clone" : "fence",
				kind: "security",
			});
		}
		if (this.#writer.catchUps !== catchUps && !this.#writer.isSuperseded) this.#tellQuarantined();
		return result;
	}

	async #syncDisks(): Promise<boolean> {
		const synced = await Promise.all(
			this.#options.root.directories.map((directory) => this.#times.syncfs(directory)),
		);
		return synced.every((isSafe) => isSafe);
	}

	/** A directory that appeared or returned has no watches, or only some of them. */
	async #lookAtRoots(): Promise<void> {
		if (this.#roots.refresh()) this.#isBlind = true;
		if (!this.#isBlind) return;
		this.#flusher.requestRescan();
		await this.#rewatch?.();
		this.#isBlind = false;
	}

	/**
	 * Newly ignored paths leave the newest tree and stay in history. The sweep finds paths that are
	 * no longer ignored.
	 */
	async #lookAtIgnoreFile(): Promise<"same" | "pending" | "changed"> {
		const { logger } = this.#options;
		try {
			const ignoring = this.#filter.refresh();
			this.#ignoreRefusal = undefined;
			if (ignoring !== "changed") return ignoring;
			logger.info("ignore.changed");
			this.#flusher.requestRescan();
			await this.#rewatch?.();
			return ignoring;
		} catch (error) {
			// The previous patterns stay in force.
			const reason = error instanceof SidecarError ? error.message : String(error);
			if (reason !== this.#ignoreRefusal?.reason) logger.error("ignore.unreadable", { error });
			this.#ignoreRefusal = { path: IGNORE_FILE, reason };
			return "same";
		}
	}

	/**
	 * Restores what a superseded writer quarantined to its original path on this disk; the next flush
	 * commits it. Existing files go to the trash. Do not overlap calls with flushes, and do not call
	 * it while an agent runs: the agent may hold a replaced file open.
	 * @throws SidecarError as `applyRecovered`
	 */
	async applyRecovered(picked: Selected): Promise<readonly Moved[]> {
		const moved = await applyRecovered(this.#restoreOptions, picked);
		this.#flusher.requestRescan();
		return moved;
	}

	/**
	 * Brings single paths of this disk to an earlier commit, or to before their last change. The next
	 * flush commits it. Do not overlap calls with flushes.
	 * @throws SidecarError as `undoOf` and `restorePaths`
	 */
	async putBack(
		{ at, paths, after = this.head.seq, broughtBack = new Set() }: PutBack,
		how: Pick<RestorePathsOptions, "isBesideAgent" | "signal"> = {},
	): Promise<PathsRestored & Undo> {
		const wanted: Undo =
			at === undefined
				? await undoOf(this.#options.store, paths, how.signal, {
						missing: [...this.#flusher.deferredDeletionPaths, ...broughtBack],
						after,
						head: this.head.seq,
					})
				: { undone: undefined, at, only: { paths: new Set(paths), isRecursive: true } };
		return { ...wanted, ...(await this.restorePaths(wanted, how)) };
	}

	/**
	 * Brings the files of people and agents to before the last turn of a conversation, as far as that
	 * turn alone changed them. Databases, the conversation and the agent's own state stay. For a
	 * running agent. The last flush must have left nothing undecided, and the next one commits it. Do
	 * not overlap calls with flushes.
	 * @param conversation its key, such as `agent:main:main`
	 * @returns undefined if no turn of the conversation is found
	 * @throws SidecarError as `changesOfTurn` and `restorePaths`; WORKSPACE_BUSY while the turn runs
	 */
	async undoTurn(conversation: string, signal?: AbortSignal): Promise<TurnUndone | undefined> {
		const { store, profile } = this.#options;
		const { seq, tree, annotations } = this.head;
		const found = await changesOfTurn(commitChanges(store, { from: seq, signal }), conversation);
		if (found === undefined) return undefined;
		const { turn, before = seq } = found;
		const isRunning = ({ status }: Turn) => status === "running";
		if (turnsIn(annotations).some((each) => isSameTurn(each, turn) && isRunning(each)))
			throw new SidecarError("WORKSPACE_BUSY", {
				value: conversation,
				reason: "its last turn has not ended",
			});
		const deferred = this.#flusher.deferredDeletionPaths;
		const { paths, missing, left } = planTurnUndo(found, tree, deferred, profile);
		const how = { isBesideAgent: true, signal };
		const only = { paths: new Set([...missing, ...paths]), isRecursive: false };
		const restored: { changes: RestoreChange[]; moved: Moved[] } = { changes: [], moved: [] };
		for (const [at, some] of [[seq, missing] as const, [before, paths] as const]) {
			if (some.size === 0) continue;
			const each = await this.restorePaths({ at, only: { paths: some, isRecursive: false } }, how);
			restored.changes.push(...each.changes);
			restored.moved.push(...each.moved);
		}
		return { turn, left, undone: seq, at: before, only, ...restored };
	}

	/**
	 * Brings what `putBack` changed to the newest commit again, which has all that this disk had.
	 * @param error the refusal of the flush after it
	 * @returns the error to throw
	 */
	async takeBack(
		{ at, only }: Undo,
		error: SidecarError,
		how: Pick<RestorePathsOptions, "isBesideAgent" | "signal"> = {},
	): Promise<SidecarError> {
		await this.restorePaths({ at: this.head.seq, only }, how);
		return new SidecarError("SECRET_FOUND", {
			...(error.value !== undefined && { value: error.value }),
			reason: `commit ${at} contains it; the disk is unchanged, and nothing was undone or restored`,
			remedy:
				"run this with --on-secret warn or exclude (beside a daemon, the daemon's setting counts)",
			cause: error,
		});
	}

	/** As `putBack`, for exactly these paths of a commit. */
	async restorePaths(
		{ at, only }: Pick<RestorePathsOptions, "at" | "only">,
		how: Pick<RestorePathsOptions, "isBesideAgent" | "signal">,
	): Promise<PathsRestored> {
		const label = newRestoreId(this.#options.environment ?? thisEnvironment);
		const restored = await restorePaths({ ...this.#restoreOptions, ...how, at, only, label });
		if (restored.changes.length > 0) this.#putBack = label;
		for (const { path } of restored.changes) this.#flusher.hint(path);
		this.#flusher.requestRescan();
		return restored;
	}

	/**
	 * Do not overlap calls with flushes; the last flush must have left nothing undecided. @throws
	 * SidecarError as `dropQuarantined`
	 */
	async dropQuarantined(wanted: Selection, options: DropOptions): Promise<Dropped> {
		const environment = this.#options.environment ?? thisEnvironment;
		const dropped = await dropQuarantined(this.#writer, environment, wanted, options);
		this.#mark(false);
		this.#tellQuarantined();
		return dropped;
	}

	/** True after each FULL commit, for the owner of the tree, until there is nothing to repack. */
	get isRepackDue(): boolean {
		return (
			!this.#writer.isSuperseded &&
			!this.#writer.isUndecided &&
			this.#writer.head.fullSeq !== this.#repackedSince
		);
	}

	/**
	 * Do not overlap calls with flushes; the last flush must have left nothing undecided. @throws
	 * SidecarError as `repack`; it is then not due again
	 */
	async repack(signal?: AbortSignal): Promise<RepackResult> {
		const { fullSeq } = this.#writer.head;
		try {
			const result = await repack(
				this.#options.store,
				this.#options.environment ?? thisEnvironment,
				this.#writer,
				signal,
			);
			if (result.kind === "nothing") this.#repackedSince = fullSeq;
			if (result.kind === "committed") this.#mark(false);
			return result;
		} catch (error) {
			if (signal?.aborted !== true) this.#repackedSince = fullSeq;
			throw error;
		}
	}

	/**
	 * Warns that bytes which superseded writers quarantined need attention: at the start, and
	 * whenever they change.
	 */
	#tellQuarantined(): void {
		const quarantined = quarantinedIn(this.#writer.head.tree);
		const told = JSON.stringify(quarantined);
		const isNews = told !== this.#toldQuarantined && quarantined.length > 0;
		this.#toldQuarantined = told;
		if (!isNews) return;
		const sum = (of: (each: QuarantinedWriter) => number) =>
			quarantined.reduce((total, each) => total + of(each), 0);
		this.#options.logger.warn("recover.waiting", {
			kind: "security",
			writers: quarantined.map(({ writer }) => writer),
			files: sum(({ files }) => files),
			bytes: sum(({ bytes }) => bytes),
		});
	}

	/**
	 * Writes the marker. A superseded writer's disk no longer derives from the head, so its marker
	 * is not updated. If the write fails, the old marker stays too: the commit is durable anyway,
	 * and an older marker only makes a restore inspect paths twice.
	 */
	#mark(clean: boolean): void {
		if (this.#writer.isSuperseded) return;
		const { seq, id } = this.#writer.head;
		try {
			const here = {
				workspace: this.#options.root.main,
				root: this.#root,
				roots: this.#roots.marks,
				mounts: this.#roots.mounts,
				boot: this.#boot,
				writer: this.#writer.id,
			};
			writeMarker(this.#options.privateDir, {
				baseSeq: seq,
				baseId: id,
				complete: true,
				...here,
				clean,
			});
		} catch (error) {
			this.#options.logger.warn("workspace.marker-not-written", { error });
		}
	}
}

/** Always logged: operators must learn that the store let two writers win one slot. */
function tellOverwritten(writer: LogWriter, known: number | undefined, logger: Logger): void {
	if (writer.overwritten === undefined || writer.overwritten === known) return;
	logger.error("store.overwrote", {
		kind: "security",
		seq: writer.overwritten,
		writer: writer.id,
		reason:
			"this writer won the slot, and another writer's commit is in it: the store's create-only PUT is not atomic",
		remedy: "run `openclaw-sidecar doctor`, and move to a store that passes it",
	});
}
