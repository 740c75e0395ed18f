import { hash } from "node:crypto";
import { SidecarError } from "../errors.ts";
import { FILE_CHUNK_BITS, SQLITE_CHUNK_BITS } from "../log/limits.ts";
import type { ChunkRef, FileEntry, Path } from "../log/types.ts";
import { isSqliteHeader, snapshotSqlite, walFingerprint } from "../workspace/sqlite.ts";
import { lastLineEnd, readStable } from "../workspace/stable-read.ts";
import { isRacy, type Stat } from "../workspace/stat.ts";
import type { BlockBuilder } from "./block-builder.ts";
import type { CaptureContext } from "./capture-context.ts";
import type { LocalEntry } from "./local-tree.ts";
import { lookThrough, type SecretLook } from "./secret-guard.ts";

/** `same`: nothing but the stat moved. `deferred`: it never stood still or cannot be read; it stays dirty. */
export type CapturedFile =
	| { readonly kind: "taken"; readonly local: LocalEntry; readonly note?: string }
	| { readonly kind: "same"; readonly local: LocalEntry }
	| { readonly kind: "gone" }
	/** It holds a secret and is not stored: what the log has of it stays as it is. */
	| { readonly kind: "excluded" }
	| { readonly kind: "deferred"; readonly reason: string };

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
	const { local, secrets } = context;
	const before = local.get(path);
	if (before?.database !== undefined || earlier?.database !== undefined)
		return await captureDatabase(context, builder, path, stat, earlier);
	if (secrets.isStillExcluded(path, stat)) return { kind: "excluded" };
	const look = secrets.look(path);
	const pass = new Pass(context, builder, before, FILE_CHUNK_BITS, look);
	// Chunks are on their way before the next one is read: whether a file is stored at all is known first.
	if (look !== undefined && secrets.policy !== "warn" && stat.size > 2 ** FILE_CHUNK_BITS) {
		await lookThrough(context.root, look, context.signal);
		if (look.found.size > 0) return excluded(context, look, stat);
	}
	for (let attempt = 0; attempt < PASSES; attempt++) {
		pass.reset();
		const read = await readStable(context.root, path, 2 ** FILE_CHUNK_BITS, pass.chunk, options(context));
		if (pass.isDatabase) return await captureDatabase(context, builder, path, stat);
		if (pass.holdsSecret && look !== undefined) return excluded(context, look, stat);
		if (read.kind === "gone") return read;
		if (read.kind === "unreadable") return { kind: "deferred", reason: read.reason };
		if (read.kind === "settled") return stored(context, look, pass.result(read.stat, read.size, read.stat));
	}
	const prefix = await capturePrefix(context, pass, path);
	if (pass.holdsSecret && look !== undefined) return excluded(context, look, stat);
	return stored(context, look, prefix);
}

function stored({ secrets }: CaptureContext, look: SecretLook | undefined, file: CapturedFile): CapturedFile {
	if (file.kind !== "taken" || look === undefined) return file;
	secrets.tell(look);
	secrets.forget(look.path);
	return file;
}

/** @throws SidecarError SECRET_FOUND */
function excluded({ local, secrets }: CaptureContext, look: SecretLook, stat: Stat): CapturedFile {
	secrets.refuse(look, isRacy(stat) ? undefined : stat, local.get(look.path)?.entry.type === "file");
	return { kind: "excluded" };
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
	if (snapshot.kind === "locked" || snapshot.kind === "unreadable") {
		// Its newest rows may stand in the WAL only, so the file alone would be an older database that looks like this one.
		return { kind: "deferred", reason: `database ${snapshot.kind}: ${snapshot.reason}` };
	}
	if (snapshot.kind !== "snapshot") {
		// Raw bytes rather than nothing: what is wrong with it may be mended later from history.
		const read = await readStable(root, path, 2 ** SQLITE_CHUNK_BITS, pass.chunk, options(context));
		if (read.kind === "gone") return read;
		if (read.kind === "unreadable") return { kind: "deferred", reason: read.reason };
		if (read.kind === "unsettled") return { kind: "deferred", reason: `database ${snapshot.kind}: ${snapshot.reason}` };
		const taken = pass.result(read.stat, read.size, read.stat, fingerprint);
		return taken.kind === "taken" ? { ...taken, note: `database ${snapshot.kind}, its raw bytes were taken: ${snapshot.reason}` } : taken;
	}
	try {
		const read = await readStable(snapshot.directory, snapshot.name, 2 ** SQLITE_CHUNK_BITS, pass.chunk, options(context));
		if (read.kind !== "settled") return { kind: "deferred", reason: `its private copy could not be read: ${read.kind}` };
		return pass.result(stat, snapshot.sizeBytes, stat, fingerprint);
	} finally {
		snapshot.dispose();
	}
}

/** One read of one file: hashes, and where each chunk lies or will lie. */
class Pass {
	readonly #context: CaptureContext;
	readonly #builder: BlockBuilder;
	readonly #before: LocalEntry | undefined;
	readonly #bits: number;
	readonly #look: SecretLook | undefined;
	#refs: ChunkRef[] = [];
	#quick: bigint[] = [];
	bytes = 0;
	isDatabase = false;
	/** The read was ended: the file is not to be stored. */
	holdsSecret = false;

	constructor(context: CaptureContext, builder: BlockBuilder, before: LocalEntry | undefined, bits: number, look?: SecretLook) {
		this.#context = context;
		this.#builder = builder;
		this.#before = before?.entry.type === "file" && before.entry.chunkBits === bits ? before : undefined;
		this.#bits = bits;
		this.#look = look;
	}

	reset(): void {
		this.#refs = [];
		this.#quick = [];
		this.bytes = 0;
		this.holdsSecret = false;
	}

	quick(): BigUint64Array {
		return BigUint64Array.from(this.#quick);
	}

	/** Gives false to end the read. */
	readonly chunk = async (index: number, bytes: Buffer, offset: number): Promise<boolean> => {
		if (index === 0 && this.#bits !== SQLITE_CHUNK_BITS && isSqliteHeader(bytes)) {
			this.isDatabase = true;
			return false;
		}
		const quick = this.#context.quickHash(bytes);
		const known = this.#knownChunk(index, bytes.length, quick);
		if (this.#isRefused(bytes, offset, known !== undefined)) return false;
		const sha256 = known?.sha256 ?? hash("sha256", bytes, "hex");
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

	#isRefused(bytes: Buffer, offset: number, isKnown: boolean): boolean {
		if (this.#look === undefined) return false;
		const mayStore = this.#context.secrets.policy === "warn";
		this.#look.take(bytes, offset, !isKnown || !mayStore, bytes.length < 2 ** this.#bits);
		this.holdsSecret = !mayStore && this.#look.found.size > 0;
		return this.holdsSecret;
	}

	/** The chunk as it was, where it is still the same. */
	#knownChunk(index: number, length: number, quick: bigint): ChunkRef | undefined {
		const entry = this.#before?.entry;
		const chunk = entry?.type === "file" ? entry.chunks[index] : undefined;
		return chunk?.length === length && this.#before?.quick?.[index] === quick ? chunk : undefined;
	}
}

function options(context: CaptureContext): { readonly signal?: AbortSignal } {
	return context.signal === undefined ? {} : { signal: context.signal };
}

function sameNumbers(a: BigUint64Array, b: BigUint64Array): boolean {
	return a.length === b.length && a.every((value, index) => value === b[index]);
}
