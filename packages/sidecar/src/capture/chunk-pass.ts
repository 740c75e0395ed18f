import { hash } from "node:crypto";
import type { BlockBuilder } from "../commit/block-builder.ts";
import type { LocalEntry } from "../disk/local-tree.ts";
import { SQLITE_CHUNK_BITS } from "../log/limits.ts";
import type { Chunk, FileEntry } from "../log/types.ts";
import { hashingZerosOnce } from "../workspace/holes.ts";
import { isSqliteHeader } from "../workspace/sqlite.ts";
import type { Stat } from "../workspace/stat.ts";
import { type CaptureContext, TooMuchNew } from "./capture-context.ts";
import type { CapturedFile } from "./captured-file.ts";
import type { SecretLook } from "./secret-guard.ts";

/** One read of one file: hashes, and where each chunk is or will be. */
export class ChunkPass {
	readonly #context: CaptureContext;
	readonly #builder: BlockBuilder;
	readonly #before: LocalEntry | undefined;
	readonly #bits: number;
	readonly #asBytes: boolean;
	readonly #look: SecretLook | undefined;
	readonly #quickHash: (bytes: Buffer) => bigint;
	readonly #sha256 = hashingZerosOnce((bytes) => hash("sha256", bytes, "hex"));
	#refs: Chunk[] = [];
	#quick: bigint[] = [];
	bytes = 0;
	/** The bytes among them that were added to the builder. */
	newBytes = 0;
	isDatabase = false;
	/** The read ended early: the file must not be stored. */
	holdsSecret = false;

	/** @param asBytes treat it as plain bytes, even if it is a database */
	constructor(
		context: CaptureContext,
		builder: BlockBuilder,
		before: LocalEntry | undefined,
		bits: number,
		look?: SecretLook,
		asBytes = false,
	) {
		this.#look = look;
		this.#context = context;
		this.#asBytes = asBytes || bits === SQLITE_CHUNK_BITS;
		this.#builder = builder;
		this.#before =
			before?.entry.type === "file" && before.entry.chunkBits === bits ? before : undefined;
		this.#bits = bits;
		this.#quickHash = hashingZerosOnce(context.quickHash);
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

	/** Returns false to end the read. @throws TooMuchNew */
	readonly chunk = async (index: number, bytes: Buffer, offset: number): Promise<boolean> => {
		if (index === 0 && !this.#asBytes && isSqliteHeader(bytes)) {
			this.isDatabase = true;
			return false;
		}
		const quick = this.#quickHash(bytes);
		const known = this.#knownChunk(index, bytes.length, quick);
		if (this.#isRefused(bytes, offset, known !== undefined)) return false;
		const sha256 = known?.sha256 ?? this.#sha256(bytes);
		this.#quick.push(quick);
		let chunk: Chunk | undefined =
			this.#context.index.lookup(sha256) ?? this.#builder.lookup(sha256);
		if (chunk === undefined) {
			if (this.newBytes + bytes.length > (this.#context.maxNewBytes ?? Number.POSITIVE_INFINITY))
				throw new TooMuchNew();
			chunk = await this.#builder.add(sha256, bytes);
			this.newBytes += bytes.length;
		}
		this.#refs.push(chunk);
		this.bytes += bytes.length;
		return true;
	};

	/** Takes an unchanged chunk without reading it. False if a commit may no longer refer to it. */
	keep(index: number, length: number): boolean {
		const old = this.#oldChunk(index);
		const quick = this.#before?.quick?.[index];
		const ref = old?.length === length ? this.#context.index.lookup(old.sha256) : undefined;
		if (ref === undefined || quick === undefined) return false;
		this.#quick.push(quick);
		this.#refs.push(ref);
		this.bytes += length;
		return true;
	}

	/** @param clean the stat under which the content is known; undefined leaves the path dirty */
	result(stat: Stat, size: number, clean: Stat | undefined, database?: string): CapturedFile {
		// The chunks of an entry must always add up to its size.
		if (this.bytes !== size)
			return { kind: "deferred", reason: `${this.bytes} of ${size} bytes could be read` };
		const entry: FileEntry<Chunk> = {
			type: "file",
			mode: stat.mode & 0o1777,
			mtimeNs: stat.mtimeNs,
			size,
			chunkBits: this.#bits,
			// A copy has no room for more: an array that grew by one has room for 17.
			chunks: this.#refs.slice(),
		};
		const quick = this.#refs.length > 1 ? this.quick() : undefined;
		return { kind: "taken", local: { entry, stat: clean, quick, database } };
	}

	#isRefused(bytes: Buffer, offset: number, isKnown: boolean): boolean {
		if (this.#look === undefined) return false;
		const mayStore = this.#context.secrets.policy === "warn";
		this.#look.take(bytes, offset, !isKnown || !mayStore, bytes.length < 2 ** this.#bits);
		this.holdsSecret = !mayStore && this.#look.found.size > 0;
		return this.holdsSecret;
	}

	/** The earlier chunk, if it is unchanged. */
	#knownChunk(index: number, length: number, quick: bigint): Chunk | undefined {
		const chunk = this.#oldChunk(index);
		return chunk?.length === length && this.#before?.quick?.[index] === quick ? chunk : undefined;
	}

	#oldChunk(index: number): Chunk | undefined {
		const entry = this.#before?.entry;
		return entry?.type === "file" ? entry.chunks[index] : undefined;
	}
}
