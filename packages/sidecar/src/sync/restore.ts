/**
 * Brings a directory to a commit of the log.
 *
 * Order: read the log, look at the disk, plan, check the space, then write: directories, files in whatever order their bytes come,
 * links, the profile's last files, times. The marker says `complete` only at the very end.
 * Guarantees: nothing is written before the whole plan is checked; a byte that is on the disk and not in the log is kept, set
 * aside or moved to the trash, never overwritten; kill -9 anywhere and run again is right.
 * Does NOT commit anything.
 */
import { hash } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { SidecarError } from "../errors.ts";
import { EMPTY_HEAD, type Head } from "../log/fold.ts";
import { SQLITE_CHUNK_BITS } from "../log/limits.ts";
import { RECOVERED_DIRECTORY } from "../log/safe-path.ts";
import type { BlockRef, ChunkRef, Entry, FileEntry, Path, Tree } from "../log/types.ts";
import { parentOf } from "../path.ts";
import type { ObjectStore } from "../store/port.ts";
import type { Log, Progress } from "../telemetry/types.ts";
import type { FileTimes } from "../workspace/file-times.ts";
import { type Filter, makeFilter } from "../workspace/filter.ts";
import { IGNORE_FILE } from "../workspace/ignore-file.ts";
import { Materializer, type StagedFile } from "../workspace/materialize.ts";
import type { Profile } from "../workspace/profile.ts";
import { type Problem, requireDirectory, scan } from "../workspace/scan.ts";
import { isSqlite } from "../workspace/sqlite-file.ts";
import { identityOf, lstatPath, type Stat, sameStat } from "../workspace/stat.ts";
import { compareDisk } from "./compare-disk.ts";
import { isHeld } from "./deletion-brake.ts";
import { LocalTree } from "./local-tree.ts";
import { bootId, isTrusted, type Marker, readMarker, writeMarker } from "./marker.ts";
import { readBlocks } from "./read-content.ts";
import { type LogRead, readLog } from "./read-log.ts";
import { type Action, type OnDisk, planExact, planReconcile } from "./reconcile.ts";

export interface RestoreOptions {
	readonly store: ObjectStore;
	/** Absolute. */
	readonly root: string;
	readonly profile: Profile;
	/** See `privateDirectory`. */
	readonly privateDir: string;
	readonly times: FileTimes;
	/** xxh64 of some bytes. */
	readonly quickHash: (bytes: Uint8Array) => bigint;
	/** Names the trash of this restore and what is set aside, for people. */
	readonly label: string;
	readonly log: Log;
	readonly progress: Progress;
	/** The disk shall be exactly this commit; by default the newest, with changes made here kept. */
	readonly at?: number;
	readonly expect?: "new" | "existing" | "any";
	readonly signal?: AbortSignal;
}

export interface Restored {
	readonly head: Head;
	readonly local: LocalTree;
	readonly filter: Filter;
	/** The directory that was restored. */
	readonly root: Stat;
	readonly files: number;
	readonly bytes: number;
	/** Files written; the rest was there already. */
	readonly written: number;
	/** Paths changed here while nobody watched; they are kept and not durable yet. */
	readonly keptLocal: number;
	/** Where bytes of this disk went that had to give way. */
	readonly moved: readonly { readonly path: Path; readonly to: string }[];
	/** Call after `restore`, before anything else writes: what was written survives a power cut only then. */
	finish(): Promise<void>;
}

/** Left free on the disk beside what is restored: the agent must be able to start. */
const SPARE_BYTES = 16 * 1024 * 1024;
const SLICE_MS = 8;

/** @throws SidecarError STORE_*, OBJECT_*, FORMAT_UNKNOWN, TREE_UNSAFE, LIMIT_EXCEEDED, EXISTING_EXPECTED, COMMIT_NOT_FOUND, WORKSPACE_* */
export async function restore(options: RestoreOptions): Promise<Restored> {
	const { store, root, privateDir, log } = options;
	const read = await readLog(store, {
		...(options.at !== undefined && { at: options.at }),
		...(options.signal && { signal: options.signal }),
	});
	const { head } = read;
	checkExpectation(options, head);

	const writer = new Materializer(root, options.times);
	try {
		const planned = await planDisk(options, head);
		const { target, base, marker, rootStat, plan } = planned;
		if (base === undefined || options.at !== undefined) plan.set("", target.has("") ? "write" : "keep");
		if (planned.unbelieved > 0) log.warn("deletion.not-believed", { files: planned.unbelieved });
		checkSpace(writer, plan, target);

		const here = { root: identityOf(rootStat), boot: bootId() };
		// Until the end, what the disk derives from is what it was before: a restore that is cut off is planned anew from there.
		const known =
			base === undefined || marker === undefined
				? { baseSeq: 0, baseId: EMPTY_HEAD.id }
				: { baseSeq: marker.baseSeq, baseId: marker.baseId };
		writeMarker(privateDir, { ...known, ...here, complete: false, clean: false });
		const work = new Work(options, writer, planned, read, join(privateDir, "trash", options.label));
		await work.run();
		const keptLocal = [...plan.values()].filter((action) => action === "keep-local" || action === "keep-deleted").length;
		for (const { path, to } of work.moved) log.warn("restore.moved", { path, to, kind: "security" });
		return {
			head,
			local: work.local(),
			filter: filterOf(root, options.profile),
			root: rootStat,
			files: work.files,
			bytes: work.bytes,
			written: work.written,
			keptLocal,
			moved: work.moved,
			finish: async () => {
				await writer.sync();
				writeMarker(privateDir, { baseSeq: head.seq, baseId: head.id, ...here, complete: true, clean: true });
			},
		};
	} finally {
		writer.close();
	}
}

/** What a restore would do with each path of this disk, and what it is derived from. */
export interface DiskPlan {
	readonly target: Tree;
	/** What the disk derives from; undefined where nobody knows. */
	readonly base: Tree | undefined;
	readonly marker: Marker | undefined;
	readonly rootStat: Stat;
	readonly disk: ReadonlyMap<Path, Stat>;
	/** What the scan could not look at. */
	readonly problems: readonly Problem[];
	readonly plan: Map<Path, Action>;
	/** Files missing here whose deletion nobody watched and nobody believes: they come back. */
	readonly unbelieved: number;
}

/**
 * Looks at an existing workspace and plans; writes nothing.
 * @throws SidecarError STORE_*, OBJECT_*, WORKSPACE_NOT_DIRECTORY, WORKSPACE_UNREADABLE
 */
export async function planDisk(
	options: Pick<RestoreOptions, "store" | "root" | "profile" | "privateDir" | "at" | "signal">,
	head: Head,
): Promise<DiskPlan> {
	const { root } = options;
	const target = withoutSetAside(head.tree);
	const rootStat = requireDirectory(root);
	const marker = readMarker(options.privateDir);
	const trusted = marker !== undefined && isTrusted(marker) ? marker : undefined;
	// An exact plan needs no base, and must work where the base cannot be read: it is the way out of a damaged log.
	const base = options.at === undefined ? await baseTree(options, trusted, head) : undefined;
	const { stats: disk, problems } = await scan(root, filterOf(root, options.profile), options.signal && { signal: options.signal });
	const compared = await compareDisk(root, disk, base, target, options.profile.secret);
	const isSameRoot = marker?.root === identityOf(rootStat);
	const trustDeletes = trusted?.complete === true && isSameRoot;
	const { plan, unbelieved } =
		options.at === undefined
			? reconcile(options.profile, compared, base, target, trustDeletes)
			: { plan: planExact(compared, target), unbelieved: 0 };
	return { target, base, marker, rootStat, disk, problems, plan, unbelieved };
}

/** A plan for a disk that was watched before. Deletions that look like a wipe, or like a fresh volume, come back instead. */
function reconcile(
	profile: Profile,
	compared: ReadonlyMap<Path, OnDisk>,
	base: Tree | undefined,
	target: Tree,
	trustDeletes: boolean,
): Pick<DiskPlan, "plan" | "unbelieved"> {
	const plan = planReconcile(compared, base, target, trustDeletes);
	const gone = new Set([...plan].filter(([, action]) => action === "keep-deleted").map(([path]) => path));
	const countFiles = (paths: Iterable<Path>) => [...paths].filter((path) => target.get(path)?.type !== "dir").length;
	const critical = profile.critical.filter((path) => gone.has(path));
	const files = countFiles(gone);
	const isWipe = isHeld({ files, filesBefore: countFiles(target.keys()), critical });
	return isWipe ? { plan: planReconcile(compared, base, target, false), unbelieved: files } : { plan, unbelieved: 0 };
}

/** The tree without what superseded writers set aside. */
export function withoutSetAside(tree: Tree): Tree {
	const kept = new Map<Path, Entry>();
	for (const [path, entry] of tree) if (path !== RECOVERED_DIRECTORY && !path.startsWith(`${RECOVERED_DIRECTORY}/`)) kept.set(path, entry);
	return kept;
}

function checkExpectation({ expect, store }: RestoreOptions, head: Head): void {
	if (expect === "existing" && head.seq === 0) throw new SidecarError("EXISTING_EXPECTED", { value: store.url });
	if (expect === "new" && head.seq !== 0) {
		throw new SidecarError("USAGE", {
			value: store.url,
			reason: `--expect new, but the log has ${head.seq} commits`,
			remedy: "check --namespace, or leave --expect out",
		});
	}
}

/** What the disk derives from; undefined where nobody knows. */
async function baseTree(
	options: Pick<RestoreOptions, "store" | "signal">,
	marker: Marker | undefined,
	head: Head,
): Promise<Tree | undefined> {
	if (marker === undefined) return undefined;
	if (marker.baseSeq === 0) return marker.complete ? new Map() : undefined;
	if (marker.baseId === head.id) return withoutSetAside(head.tree);
	try {
		const base = (await readLog(options.store, { at: marker.baseSeq, ...(options.signal && { signal: options.signal }) })).head;
		return base.id === marker.baseId ? withoutSetAside(base.tree) : undefined;
	} catch (error) {
		// Past retention, damaged, or another log: without a base, what differs here is set aside.
		if (error instanceof SidecarError && (error.exitStatus === 5 || error.code === "COMMIT_NOT_FOUND")) return undefined;
		throw error;
	}
}

function filterOf(root: string, profile: Profile): Filter {
	const stat = lstatPath(root, IGNORE_FILE);
	return makeFilter(profile, stat?.type === "file" ? readFileSync(join(root, IGNORE_FILE), "utf8") : undefined);
}

function checkSpace(writer: Materializer, plan: ReadonlyMap<Path, Action>, target: Tree): void {
	let needed = 0;
	for (const [path, action] of plan) {
		const entry = target.get(path);
		if (entry?.type === "file" && isWritten(action)) needed += occupied(entry);
	}
	const free = writer.freeBytes();
	if (needed > 0 && needed + SPARE_BYTES > free) {
		throw new SidecarError("WORKSPACE_DISK_FULL", {
			reason: `${needed} bytes are to be restored, ${free} are free and ${SPARE_BYTES} of them must stay free`,
		});
	}
}

/** Bytes on the disk: a chunk that comes again and again (the zeros of a sparse file) may stay a hole. */
function occupied(entry: FileEntry): number {
	return entry.chunks.length < 2
		? entry.size
		: Math.min(entry.size, new Set(entry.chunks.map(({ sha256 }) => sha256)).size * 2 ** entry.chunkBits);
}

function isWritten(action: Action): boolean {
	return action === "write" || action === "set-aside-and-write";
}

/** A file that waits for its chunks. */
interface Awaited {
	readonly path: Path;
	readonly entry: FileEntry;
	readonly quick: BigUint64Array;
	left: number;
	staged: StagedFile | undefined;
	/** The profile wants it last: its bytes, or its staged file, wait for all others. */
	readonly isLast: boolean;
	whole: Buffer | undefined;
}

class Work {
	readonly #options: RestoreOptions;
	readonly #writer: Materializer;
	readonly #plan: ReadonlyMap<Path, Action>;
	readonly #target: Tree;
	/** What the plan was made from. */
	readonly #disk: ReadonlyMap<Path, Stat>;
	readonly #read: LogRead;
	readonly #trash: string;
	readonly #written = new Map<Path, { readonly stat: Stat | undefined; readonly quick: BigUint64Array | undefined }>();
	readonly #last: Awaited[] = [];
	readonly moved: { readonly path: Path; readonly to: string }[] = [];
	files = 0;
	bytes = 0;
	written = 0;
	#sliceStart = performance.now();

	constructor(options: RestoreOptions, writer: Materializer, planned: DiskPlan, read: LogRead, trash: string) {
		this.#options = options;
		this.#writer = writer;
		this.#plan = planned.plan;
		this.#target = planned.target;
		this.#disk = planned.disk;
		this.#read = read;
		this.#trash = trash;
	}

	async run(): Promise<void> {
		const { progress } = this.#options;
		const toWrite: [Path, FileEntry][] = [];
		for (const [path, entry] of this.#target) {
			if (entry.type !== "file") continue;
			this.files++;
			this.bytes += entry.size;
			if (isWritten(this.#plan.get(path) as Action)) toWrite.push([path, entry]);
		}
		this.written = toWrite.length;
		progress.start("restore", { files: toWrite.length, bytes: toWrite.reduce((sum, [, entry]) => sum + entry.size, 0) });
		this.#clearTheWay();
		const directories = this.#makeDirectories(toWrite);
		await this.#writeFiles(toWrite);
		this.#writeLinks();
		for (const awaited of this.#last) this.#finish(awaited);
		if (this.#options.at !== undefined) this.#setKeptTimes();
		// Before the directories get their times: the staging directory lies in the root.
		this.#writer.close();
		for (const path of directories.reverse()) {
			// Its mode was changed here: that is kept, like every other change.
			if (this.#plan.get(path) === "keep-local") continue;
			const entry = this.#target.get(path);
			if (entry?.type === "dir") this.#writer.finishDirectory(path, this.#modeOf(path, entry.mode), entry.mtimeNs);
			this.#written.set(path, { stat: lstatPath(this.#options.root, path), quick: undefined });
		}
		progress.end();
	}

	/** The local state: what is now on the disk, as far as it is known to be what the log says. */
	local(): LocalTree {
		const local = new LocalTree();
		for (const [path, entry] of this.#target) {
			const written = this.#written.get(path);
			if (written !== undefined) {
				local.set(path, { entry, stat: written.stat, quick: written.quick, database: undefined });
				continue;
			}
			// Kept: content and mode are the log's. Where the time is too, a sweep need not read it again.
			const stat = this.#disk.get(path);
			const isClean = this.#plan.get(path) === "keep" && entry.type !== "dir" && stat?.mtimeNs === entry.mtimeNs;
			local.set(path, { entry, stat: isClean ? stat : undefined, quick: undefined, database: undefined });
		}
		return local;
	}

	#clearTheWay(): void {
		const goneDirectories: Path[] = [];
		for (const [path, action] of this.#plan) {
			if (action === "trash" && lstatPath(this.#options.root, path)?.type === "dir") goneDirectories.push(path);
			else if (action === "trash" || action === "set-aside" || action === "set-aside-and-write") this.#moveAside(path);
			else if (action === "write") this.#makeRoom(path);
		}
		// Deepest first. One that still holds something kept stays.
		for (const path of goneDirectories.sort((a, b) => b.length - a.length)) this.#writer.removeEmptyDirectory(path);
	}

	/** What stands where something of another type shall be. A file gives way to a file by the rename itself. */
	#makeRoom(path: Path): void {
		const there = lstatPath(this.#options.root, path);
		const wanted = this.#target.get(path);
		if (there === undefined || wanted === undefined || (there.type === wanted.type && this.#wasSeen(path, there))) return;
		this.#moveAside(path);
	}

	/** Is this what the plan was made from? What the filter hides, or what changed since, may be the only copy. */
	#wasSeen(path: Path, there: Stat): boolean {
		if (there.type === "dir") return true;
		const seen = this.#disk.get(path);
		return seen !== undefined && sameStat(seen, there);
	}

	#moveAside(path: Path): void {
		if (path === "") return;
		const wanted = this.#target.get(path);
		const there = lstatPath(this.#options.root, path);
		// Two directories that differ in their mode only: nothing to set aside.
		if (there?.type === "dir" && wanted?.type === "dir") return;
		// A database goes with its WAL or journal: its newest rows may stand there only.
		const isDatabase = there?.type === "file" && isSqlite(this.#options.root, path);
		for (const each of isDatabase ? [path, `${path}-wal`, `${path}-journal`] : [path]) {
			const to = this.#writer.moveAside(each, this.#trash);
			if (to !== undefined) this.moved.push({ path: each, to });
		}
	}

	/** Every directory that shall be there and every parent of a file to be written, parents first. */
	#makeDirectories(toWrite: readonly [Path, FileEntry][]): Path[] {
		const wanted = new Set<Path>();
		const want = (path: Path) => {
			for (let at = path; !wanted.has(at); at = parentOf(at)) {
				wanted.add(at);
				if (at === "") break;
			}
		};
		for (const [path, entry] of this.#target) if (entry.type === "dir" && isWritten(this.#plan.get(path) as Action)) want(path);
		for (const [path] of toWrite) want(parentOf(path));
		for (const [path, entry] of this.#target) {
			if (entry.type === "link" && isWritten(this.#plan.get(path) as Action)) want(parentOf(path));
		}
		wanted.add("");
		if (this.#options.at !== undefined) for (const [path, entry] of this.#target) if (entry.type === "dir") wanted.add(path);
		const sorted = [...wanted].sort((a, b) => a.length - b.length);
		for (const path of sorted) this.#writer.makeDirectory(path);
		return sorted;
	}

	async #writeFiles(toWrite: readonly [Path, FileEntry][]): Promise<void> {
		const { store, profile, signal } = this.#options;
		const last = new Set(profile.restoredLast);
		const uses = new Map<BlockRef, Map<ChunkRef, { readonly file: Awaited; readonly index: number }[]>>();
		for (const [path, entry] of toWrite) {
			const file: Awaited = {
				path,
				entry,
				quick: new BigUint64Array(entry.chunks.length),
				left: entry.chunks.length,
				staged: undefined,
				isLast: last.has(path),
				whole: undefined,
			};
			if (entry.chunks.length === 0) {
				file.whole = Buffer.alloc(0);
				this.#complete(file);
			}
			for (const [index, chunk] of entry.chunks.entries()) {
				const chunks = uses.get(chunk.block) ?? new Map<ChunkRef, { readonly file: Awaited; readonly index: number }[]>();
				uses.set(chunk.block, chunks);
				const places = chunks.get(chunk);
				if (places === undefined) chunks.set(chunk, [{ file, index }]);
				else places.push({ file, index });
			}
		}
		const byPlace = new Map<string, BlockRef[]>();
		for (const block of uses.keys()) {
			const name = `${block.key}:${block.offset}`;
			const same = byPlace.get(name);
			if (same === undefined) byPlace.set(name, [block]);
			else same.push(block);
		}
		const firsts = [...byPlace.values()].map(([first]) => first as BlockRef);
		await readBlocks(
			store,
			firsts,
			this.#read.starts,
			async (block, raw) => {
				for (const same of byPlace.get(`${block.key}:${block.offset}`) ?? []) {
					for (const [chunk, places] of uses.get(same) ?? []) this.#takeChunk(chunk, raw, places);
				}
				await this.#breathe();
			},
			signal,
		);
	}

	#takeChunk(chunk: ChunkRef, raw: Buffer, places: readonly { readonly file: Awaited; readonly index: number }[]): void {
		const bytes = raw.subarray(chunk.offset, chunk.offset + chunk.length);
		if (hash("sha256", bytes, "hex") !== chunk.sha256) {
			throw new SidecarError("OBJECT_CORRUPT", {
				value: chunk.block.key,
				reason: `a chunk at byte ${chunk.block.offset} is not the content it is said to be`,
			});
		}
		const quick = this.#options.quickHash(bytes);
		for (const { file, index } of places) {
			file.quick[index] = quick;
			file.left--;
			if (file.entry.chunks.length === 1) file.whole = file.isLast ? Buffer.from(bytes) : bytes;
			else {
				file.staged ??= this.#writer.stageFile(file.path, file.entry.size);
				file.staged.writeAt(index * 2 ** file.entry.chunkBits, bytes);
			}
			this.#options.progress.advance({ files: file.left === 0 ? 1 : 0, bytes: bytes.length });
			if (file.left === 0) this.#complete(file);
		}
	}

	#complete(file: Awaited): void {
		if (file.isLast) this.#last.push(file);
		else this.#finish(file);
	}

	#finish({ path, entry, staged, whole, quick }: Awaited): void {
		const there = lstatPath(this.#options.root, path);
		// Changed while this was fetched: not even now is it overwritten.
		if (there !== undefined && !this.#wasSeen(path, there)) this.#moveAside(path);
		const mode = this.#modeOf(path, entry.mode);
		if (entry.chunkBits === SQLITE_CHUNK_BITS) this.#writer.removeDatabaseSidecars(path);
		if (whole !== undefined) this.#writer.placeFile(path, whole, mode, entry.mtimeNs);
		else staged?.finish(mode, entry.mtimeNs);
		this.#written.set(path, { stat: lstatPath(this.#options.root, path), quick });
	}

	/** A secret is nobody else's business, whatever was stored. */
	#modeOf(path: Path, mode: number): number {
		return this.#options.profile.secret(path) ? mode & 0o700 : mode;
	}

	#writeLinks(): void {
		for (const [path, entry] of this.#target) {
			if (entry.type !== "link" || !isWritten(this.#plan.get(path) as Action)) continue;
			this.#writer.placeLink(path, entry.target, entry.mtimeNs);
			this.#written.set(path, { stat: lstatPath(this.#options.root, path), quick: undefined });
		}
	}

	/** `--at` promises that very commit: what was there already gets its times too. */
	#setKeptTimes(): void {
		for (const [path, entry] of this.#target)
			if (this.#plan.get(path) === "keep" && entry.type !== "dir") this.#writer.setTime(path, entry.mtimeNs);
	}

	async #breathe(): Promise<void> {
		if (performance.now() - this.#sliceStart < SLICE_MS) return;
		await nextTurn();
		this.#sliceStart = performance.now();
	}
}
