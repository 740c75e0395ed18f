/**
 * One workspace, owned by one writer from restore to close.
 *
 * The gate: `open` returns only after a verified restore and a won fence. No agent may start and nothing may be committed before.
 */
import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import xxhash from "xxhash-wasm";
import { SidecarError } from "../errors.ts";
import type { Head } from "../log/fold.ts";
import type { ObjectStore } from "../store/port.ts";
import type { Log, Progress } from "../telemetry/types.ts";
import { type FileTimes, loadFileTimes } from "../workspace/file-times.ts";
import type { Filter } from "../workspace/filter.ts";
import type { Profile } from "../workspace/profile.ts";
import { identityOf } from "../workspace/stat.ts";
import { type WorkspaceWatcher, watchWorkspace } from "../workspace/watch.ts";
import type { Deferred } from "./capture.ts";
import { Flusher, type FlushOptions, type FlushResult } from "./flush.ts";
import { LogWriter } from "./log-writer.ts";
import { type Machine, thisMachine } from "./machine.ts";
import { bootId, writeMarker } from "./marker.ts";
import { fetchCommit, newestSeq } from "./read-log.ts";
import { type Restored, restore } from "./restore.ts";
import type { RestoreOptions } from "./restore-options.ts";
import { winFence } from "./win-fence.ts";

export interface SessionOptions {
	readonly store: ObjectStore;
	/** Absolute. */
	readonly workspace: string;
	readonly profile: Profile;
	/** See `privateDirectory`. */
	readonly privateDir: string;
	readonly log: Log;
	readonly progress: Progress;
	readonly expect?: "new" | "existing" | "any";
	/** How long to wait for a writer that seems to be still at work; 0 = not at all. */
	readonly handoverWaitMs: number;
	readonly machine?: Machine;
	readonly signal?: AbortSignal;
}

/** A head younger than this whose writer did not close it may have more to come. */
const YOUNG_MS = 20_000;
const HANDOVER_POLL_MS = 250;
/** Fences lost in a row before giving up: each loss means another writer took over within one round trip. */
const FENCE_TRIES = 10;

export class Session {
	readonly #options: SessionOptions;
	readonly #writer: LogWriter;
	readonly #flusher: Flusher;
	readonly filter: Filter;
	/** What the restore found and did. */
	readonly restored: Pick<Restored, "files" | "bytes" | "written" | "keptLocal" | "moved">;
	readonly #root: string;
	readonly #boot = bootId();
	readonly #times: FileTimes;

	private constructor(
		options: SessionOptions,
		writer: LogWriter,
		restored: Restored,
		times: FileTimes,
		quickHash: (bytes: Uint8Array) => bigint,
	) {
		this.#times = times;
		this.#options = options;
		this.#writer = writer;
		this.filter = restored.filter;
		this.restored = restored;
		this.#root = identityOf(restored.root);
		const tempDir = join(options.privateDir, "tmp");
		// Left over from a process that was killed.
		rmSync(tempDir, { recursive: true, force: true });
		mkdirSync(tempDir, { recursive: true, mode: 0o700 });
		this.#flusher = new Flusher({
			store: options.store,
			machine: options.machine ?? thisMachine,
			writer,
			root: identityOf(restored.root),
			context: {
				root: options.workspace,
				filter: restored.filter,
				profile: options.profile,
				tempDir,
				local: restored.local(),
				index: writer.index,
				quickHash,
				log: options.log,
			},
		});
		// The disk may hold changes made while nobody watched, and the watcher is not ready yet.
		this.#flusher.doubt();
	}

	/**
	 * Restore, then fence. A fence that is lost brings the winner's changes to the disk and is tried again.
	 * @throws SidecarError as `restore`, STORE_UNREACHABLE where the fence stays undecided
	 */
	static async open(options: SessionOptions): Promise<Session> {
		const { store, log, signal } = options;
		const machine = options.machine ?? thisMachine;
		const [{ h64Raw }, times] = await Promise.all([xxhash(), loadFileTimes()]);
		if (!times.exact) log.warn("restore.times-rounded", { reason: "koffi is not installed: times are kept to about 250 ns" });
		await awaitHandover(options, machine);
		const label = machine.randomBytes(4).toString("hex");
		const restoreOptions: RestoreOptions = {
			store,
			root: options.workspace,
			profile: options.profile,
			privateDir: options.privateDir,
			times,
			quickHash: (bytes) => h64Raw(bytes),
			label,
			log,
			progress: options.progress,
			...(options.expect !== undefined && { expect: options.expect }),
			...(signal && { signal }),
		};
		for (let attempt = 0; attempt < FENCE_TRIES; attempt++) {
			const started = performance.now();
			const restored = await restore(attempt === 0 ? restoreOptions : { ...restoreOptions, expect: "any" });
			const { files, bytes, written, keptLocal } = restored;
			const ms = Math.round(performance.now() - started);
			log.info("restore.finished", { seq: restored.head.seq, files, bytes, written, keptLocal, ms });
			const writer = new LogWriter(store, machine, { ...restored.head, tree: new Map(restored.head.tree) });
			const [outcome] = await Promise.all([winFence(writer, machine, signal), restored.finish(false)]);
			if (outcome === "lost") {
				log.warn("fence.lost", { seq: restored.head.seq + 1, kind: "security" });
				continue;
			}
			const session = new Session(options, writer, restored, times, (bytes) => h64Raw(bytes));
			session.#mark(false);
			log.info("fence.won", { seq: writer.head.seq, writer: writer.id });
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

	/** Another flush has something to look at; `waiting` also counts what could not be taken. */
	get isDue(): boolean {
		return this.#flusher.isDue;
	}

	get deferred(): readonly Deferred[] {
		return this.#flusher.deferred;
	}

	get heldDeletions(): number {
		return this.#flusher.heldDeletions;
	}

	/**
	 * Watches the workspace from now on; what changed before is found by the sweep that the next flush makes. Settled when every
	 * directory has its watch.
	 * @param onChange called for every hint, so keep it cheap
	 */
	async watch(onChange: () => void): Promise<WorkspaceWatcher> {
		const doubt = (reason: string) => {
			this.#options.log.debug("watch.doubt", { reason });
			this.#flusher.doubt();
			onChange();
		};
		const watcher = await watchWorkspace(
			this.#options.workspace,
			this.filter,
			(path) => {
				this.#flusher.hint(path);
				onChange();
			},
			doubt,
		);
		doubt("started");
		return watcher;
	}

	hint(path: string): void {
		this.#flusher.hint(path);
	}

	doubt(): void {
		this.#flusher.doubt();
	}

	/** One at a time. @throws SidecarError as Flusher.flush */
	async flush(options: FlushOptions = {}): Promise<FlushResult> {
		const wasSuperseded = this.#writer.isSuperseded;
		const result = await this.#flusher.flush(options);
		if (result.kind === "committed") {
			// A closed flush is an end in order: what the log says of this disk shall survive a power cut.
			const clean = options.closed === true && (await this.#times.syncfs(this.#options.workspace));
			this.#mark(clean);
		}
		if (!wasSuperseded && this.#writer.isSuperseded) {
			this.#options.log.error("writer.superseded", {
				writer: this.#writer.id,
				owner: this.#writer.head.fence.writer,
				fence: this.#writer.head.fence.seq,
				kind: "security",
			});
		}
		return result;
	}

	/**
	 * A superseded writer's disk no longer derives from the head: its marker stays where it was. One that cannot be written stays
	 * too: the commit is durable all the same, and an older marker only makes a restore look twice.
	 */
	#mark(clean: boolean): void {
		if (this.#writer.isSuperseded) return;
		const { seq, id } = this.#writer.head;
		try {
			writeMarker(this.#options.privateDir, { baseSeq: seq, baseId: id, complete: true, root: this.#root, boot: this.#boot, clean });
		} catch (error) {
			this.#options.log.warn("workspace.marker-not-written", { error });
		}
	}
}

/** So that an ordinary hand-over loses nothing even from view: a young head that its writer did not close gets a little time. */
async function awaitHandover({ store, handoverWaitMs, log, signal }: SessionOptions, machine: Machine): Promise<void> {
	const started = machine.bootMs();
	let waited = false;
	while (machine.bootMs() - started < handoverWaitMs) {
		const { seq, storeTimeMs } = await newestSeq(store, signal);
		if (seq === 0) return;
		const { commit, lastModifiedMs } = await fetchCommit(store, seq, signal);
		if (commit.info.flags.closed === true || storeTimeMs - lastModifiedMs > YOUNG_MS) return;
		if (!waited) log.info("handover.waiting", { seq, writer: commit.info.writer, waitMs: handoverWaitMs });
		waited = true;
		await machine.sleep(Math.min(HANDOVER_POLL_MS, handoverWaitMs), signal);
	}
}
