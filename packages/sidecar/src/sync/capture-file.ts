import { hash } from "node:crypto";
import { SidecarError } from "../errors.ts";
import { FILE_CHUNK_BITS, SQLITE_CHUNK_BITS } from "../log/limits.ts";
import type { ChunkRef, FileEntry, Path } from "../log/types.ts";
import { isSqliteHeader, type SqliteRefusal, snapshotSqlite, walFingerprint } from "../workspace/sqlite.ts";
import { lastLineEnd, readStable } from "../workspace/stable-read.ts";
import type { Stat } from "../workspace/stat.ts";
import type { BlockBuilder } from "./block-builder.ts";
import type { CaptureContext } from "./capture-context.ts";
import type { LocalEntry } from "./local-tree.ts";

/** `same`: nothing but the stat moved. `deferred`: it never stood still or cannot be read; it stays dirty. */
export type CapturedFile =
	| { readonly kind: "taken"; readonly local: LocalEntry; readonly note?: string; readonly raw?: RawFiles }
	| { readonly kind: "same"; readonly local: LocalEntry }
	| { readonly kind: "gone" }
	| { readonly kind: "deferred"; readonly reason: string; readonly raw?: RawFiles };

/** Bytes that are no consistent copy of a database, by path: the database itself, its write-ahead log, its journal. */
export type RawFiles = ReadonlyMap<Path, LocalEntry>;

/** Reads of one file before it is taken at a prefix or left for the next flush. */
const PASSES = 3;

/**
 * Takes one regular file: new chunks go to the builder, known ones are referred to.
 * @param earlier what an earlier round of the same capture took
 */
export async function captureFile(
	context: CaptureContext,
	builder: BlockBuilder,
	path: Path,
	stat: Stat,
	earlier?: LocalEntry,
): Promise<CapturedFile> {
	const before = context.local.get(path);
	if (before?.database !== undefined || earlier?.database !== undefined)
		return await captureDatabase(context, builder, path, stat, earlier);
	const pass = new Pass(context, builder, before, FILE_CHUNK_BITS);
	for (let attempt = 0; attempt < PASSES; attempt++) {
		pass.reset();
		const read = await readStable(context.root, path, 2 ** FILE_CHUNK_BITS, pass.chunk, options(context));
		if (pass.isDatabase) return await captureDatabase(context, builder, path, stat);
		if (read.kind === "gone") return read;
		if (read.kind === "unreadable") return { kind: "deferred", reason: read.reason };
		if (read.kind === "settled") return pass.result(read.stat, read.size, read.stat);
	}
	return await capturePrefix(context, pass, path);
}

/**
 * A file that never stands still: if it only grows, its first bytes are a state it passed through. Two reads of the same length
 * must agree; a JSONL file is cut after its last complete line, so that no reader meets half a record.
 */
async function capturePrefix(context: CaptureContext, pass: Pass, path: Path): Promise<CapturedFile> {
	const unsettled: CapturedFile = { kind: "deferred", reason: "it changed during every read" };
	const probe = await readStable(context.root, path, 2 ** FILE_CHUNK_BITS, () => undefined, { ...options(context), maxBytes: 1 });
	if (probe.kind === "gone") return probe;
	if (probe.kind === "unreadable") return { kind: "deferred", reason: probe.reason };
	const seen = Number(probe.stat.size);
	const size = path.endsWith(".jsonl") ? lastLineEnd(context.root, path, seen) : seen;
	if (size === 0) return unsettled;
	let first: BigUint64Array | undefined;
	for (let attempt = 0; attempt < 2; attempt++) {
		pass.reset();
		const read = await readStable(context.root, path, 2 ** FILE_CHUNK_BITS, pass.chunk, { ...options(context), maxBytes: size });
		if (read.kind === "gone") return read;
		if (read.kind === "unreadable") return { kind: "deferred", reason: read.reason };
		if (read.stat.ino !== probe.stat.ino || pass.bytes !== size) return unsettled;
		if (first === undefined) first = pass.quick();
		else if (!sameNumbers(first, pass.quick())) return unsettled;
	}
	const taken = pass.result(probe.stat, size, undefined);
	return taken.kind === "taken" ? { ...taken, note: `it kept growing and was taken at ${size} bytes` } : taken;
}

async function captureDatabase(
	context: CaptureContext,
	builder: BlockBuilder,
	path: Path,
	stat: Stat,
	earlier?: LocalEntry,
): Promise<CapturedFile> {
	const { root, local, profile, tempDir } = context;
	const before = local.get(path);
	const fingerprint = walFingerprint(root, path);
	// Our own reading of a database stirs up a hint: what was just taken is not taken again.
	if (earlier !== undefined && earlier.database === fingerprint) return { kind: "taken", local: earlier };
	if (before !== undefined && before.database === fingerprint && before.stat !== undefined)
		return { kind: "same", local: { ...before, stat } };
	const pass = new Pass(context, builder, before, SQLITE_CHUNK_BITS);
	let snapshot: Awaited<ReturnType<typeof snapshotSqlite>>;
	try {
		snapshot = await snapshotSqlite(root, path, tempDir, (database) => profile.cleanSqlite?.(path, database));
	} catch (error) {
		// No room for the copy, or no cleaning it: this database waits, everything else goes on.
		if (error instanceof SidecarError) return { kind: "deferred", reason: error.message };
		throw error;
	}
	if (snapshot.kind === "gone") return { kind: "gone" };
	if (snapshot.kind !== "snapshot") return await captureRaw(context, builder, path, snapshot, fingerprint);
	try {
		const read = await readStable(snapshot.directory, snapshot.name, 2 ** SQLITE_CHUNK_BITS, pass.chunk, options(context));
		if (read.kind !== "settled") return { kind: "deferred", reason: `its private copy could not be read: ${read.kind}` };
		return pass.result(stat, snapshot.sizeBytes, stat, fingerprint);
	} finally {
		snapshot.dispose();
	}
}

/**
 * Raw bytes rather than nothing, of a database that SQLite will not copy. A damaged one is taken as the file it is, when that stands
 * still; what is wrong with it may be mended later. A locked one keeps its place in the log: its newest rows may stand in the WAL only,
 * so its file alone would be an older database that looks like this one. What belongs to either is kept apart from them.
 */
async function captureRaw(
	context: CaptureContext,
	builder: BlockBuilder,
	path: Path,
	refusal: SqliteRefusal,
	fingerprint: string,
): Promise<CapturedFile> {
	const reason = `database ${refusal.kind}: ${refusal.reason}`;
	const isDamaged = refusal.kind === "corrupt" || refusal.kind === "not-a-database";
	const raw = new Map<Path, LocalEntry>();
	const read = async (at: Path, bits: number) => {
		const pass = new Pass(context, builder, at === path ? context.local.get(path) : undefined, bits, true);
		const result = await readStable(context.root, at, 2 ** bits, pass.chunk, options(context));
		return { pass, result };
	};
	let taken: CapturedFile | undefined;
	if (isDamaged) {
		const { pass, result } = await read(path, SQLITE_CHUNK_BITS);
		if (result.kind === "gone") return result;
		if (result.kind === "unreadable") return { kind: "deferred", reason: result.reason };
		if (result.kind === "settled") taken = pass.result(result.stat, result.size, result.stat, fingerprint);
	}
	const isTaken = taken?.kind === "taken";
	if (!isTaken && !context.keepsRaw(path)) return { kind: "deferred", reason };
	for (const at of [...(isTaken ? [] : [path]), `${path}-wal`, `${path}-journal`]) {
		const { pass, result } = await read(at, at === path ? SQLITE_CHUNK_BITS : FILE_CHUNK_BITS);
		if (result.kind === "gone" || result.kind === "unreadable" || pass.bytes === 0) continue;
		const file = pass.result(result.stat, pass.bytes, undefined);
		if (file.kind === "taken") raw.set(at, file.local);
	}
	if (taken?.kind === "taken") return { ...taken, note: `${reason}; its raw bytes were taken`, raw };
	return { kind: "deferred", reason: raw.size === 0 ? reason : `${reason}; its raw bytes were set aside`, raw };
}

/** One read of one file: hashes, and where each chunk lies or will lie. */
class Pass {
	readonly #context: CaptureContext;
	readonly #builder: BlockBuilder;
	readonly #before: LocalEntry | undefined;
	readonly #bits: number;
	readonly #asBytes: boolean;
	#refs: ChunkRef[] = [];
	#quick: bigint[] = [];
	bytes = 0;
	isDatabase = false;

	/** @param asBytes whatever it holds, a database or not */
	constructor(context: CaptureContext, builder: BlockBuilder, before: LocalEntry | undefined, bits: number, asBytes = false) {
		this.#context = context;
		this.#asBytes = asBytes || bits === SQLITE_CHUNK_BITS;
		this.#builder = builder;
		this.#before = before?.entry.type === "file" && before.entry.chunkBits === bits ? before : undefined;
		this.#bits = bits;
	}

	reset(): void {
		this.#refs = [];
		this.#quick = [];
		this.bytes = 0;
	}

	quick(): BigUint64Array {
		return BigUint64Array.from(this.#quick);
	}

	/** Gives false to end the read. */
	readonly chunk = async (index: number, bytes: Buffer): Promise<boolean> => {
		if (index === 0 && !this.#asBytes && isSqliteHeader(bytes)) {
			this.isDatabase = true;
			return false;
		}
		const quick = this.#context.quickHash(bytes);
		const old = this.#oldChunk(index);
		const sha256 = old?.length === bytes.length && this.#before?.quick?.[index] === quick ? old.sha256 : hash("sha256", bytes, "hex");
		this.#quick.push(quick);
		this.#refs.push(this.#context.index.lookup(sha256) ?? this.#builder.lookup(sha256) ?? (await this.#builder.add(sha256, bytes)));
		this.bytes += bytes.length;
		return true;
	};

	/** @param clean the stat under which the content is known; undefined leaves the path dirty */
	result(stat: Stat, size: number, clean: Stat | undefined, database?: string): CapturedFile {
		// Never an entry whose chunks do not make up its size.
		if (this.bytes !== size) return { kind: "deferred", reason: `${this.bytes} of ${size} bytes could be read` };
		const entry: FileEntry = {
			type: "file",
			mode: stat.mode & 0o1777,
			mtimeNs: stat.mtimeNs,
			size,
			chunkBits: this.#bits,
			chunks: this.#refs,
		};
		return { kind: "taken", local: { entry, stat: clean, quick: this.quick(), database } };
	}

	#oldChunk(index: number): ChunkRef | undefined {
		const entry = this.#before?.entry;
		return entry?.type === "file" ? entry.chunks[index] : undefined;
	}
}

function options(context: CaptureContext): { readonly signal?: AbortSignal } {
	return context.signal === undefined ? {} : { signal: context.signal };
}

function sameNumbers(a: BigUint64Array, b: BigUint64Array): boolean {
	return a.length === b.length && a.every((value, index) => value === b[index]);
}
