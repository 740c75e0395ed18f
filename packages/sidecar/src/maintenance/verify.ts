/**
 * Checks a log: every object, the chain, and every checksum in the objects' first bytes; with
 * `deep` all content.
 *
 * One pass over the log, oldest first, with one segment in memory at a time. Each commit is decoded
 * and folded as a reader would, and what it names must be listed and long enough. Every pack's
 * header is read, with `deep` every byte of every named object. Guarantees: if nothing is damaged,
 * every retained commit can be restored (with `deep`: to the byte; otherwise content is trusted to
 * be what was stored). Does NOT access disks, and writes nothing.
 *
 * Missing objects are damage if the policy retains them. Otherwise they are past retention, and
 * reported as such.
 */
import PQueue from "p-queue";
import { inParallel } from "../commit/in-parallel.ts";
import { listObjects } from "../commit/list-objects.ts";
import { fetchCommit } from "../commit/read-log.ts";
import { SidecarError } from "../errors.ts";
import type { DecodedCommit } from "../log/commit-codec.ts";
import { EMPTY_HEAD, foldCommits, foldOnto, type OwnedHead, ownedHead } from "../log/fold.ts";
import {
	LOG_PREFIX,
	logKey,
	PACK_PREFIX,
	SWEEP_PREFIX,
	seqOfKey,
	sha256OfPackKey,
	sha256OfSweepKey,
	TAG_PREFIX,
} from "../log/keys.ts";
import { SEGMENT_COMMITS } from "../log/limits.ts";
import { checkPackHeader, PACK_HEADER_BYTES } from "../log/pack-codec.ts";
import {
	type RetentionPolicy,
	retainedSeqs,
	type StoredCommit,
	type StoredObject,
} from "../log/plan-retention.ts";
import { parseTagKey, taggedSeqs } from "../log/tags.ts";
import type { BlockRef, ChunkRef, ObjectKey } from "../log/types.ts";
import type { ObjectStore } from "../store/port.ts";
import type { Progress } from "../telemetry/types.ts";
import { type Blocks, ContentCheck } from "./verify-content.ts";

export interface VerifyOptions {
	/** The policy that retention applies: missing objects that it retains are damage. */
	readonly policy: RetentionPolicy;
	/** Read all content and check every SHA-256. Default false. */
	readonly deep?: boolean;
	readonly progress: Progress;
	readonly signal?: AbortSignal | undefined;
}

export interface Damage {
	/** The faulty object. */
	readonly key: ObjectKey;
	/** The newest retained commit that is affected; undefined if none of them needs the object. */
	readonly seq: number | undefined;
	readonly error: SidecarError;
}

export interface Verification {
	readonly deep: boolean;
	/** 0 for an empty log. */
	readonly newestSeq: number;
	/** The newest complete commit; `repair --after` takes it if the newest is garbage. 0: none. */
	readonly newestWholeSeq: number;
	readonly commits: { readonly count: number; readonly bytes: number };
	readonly packs: { readonly count: number; readonly bytes: number };
	/** Bytes of content that were read, decompressed and hashed. */
	readonly checkedBytes: number;
	/** Each object once. Empty: no damage. */
	readonly damaged: readonly Damage[];
	/** Listed commits that are past retention: something they need is gone. Newest first. */
	readonly expiredSeqs: readonly number[];
	/** Seqs below the newest that the log does not hold, as closed ranges, newest first. */
	readonly gaps: readonly (readonly [from: number, to: number])[];
	/** Packs that no complete commit names: not referred to yet, or left for retention. */
	readonly orphans: readonly StoredObject[];
	/** Keys of the namespace that no release writes. */
	readonly unknownKeys: readonly string[];
}

/** Only the deep check reads inline blocks. */
const FIRST_GET_BYTES = 16 * 1024;
const PARALLEL_GETS = 32;
/** Whole packs in memory at once: 48 MiB at most. */
const PARALLEL_PACKS = 3;

/** @throws SidecarError STORE_* */
export async function verify(store: ObjectStore, options: VerifyOptions): Promise<Verification> {
	const { policy, deep = false, progress, signal } = options;
	const { objects, storeTimeMs } = await listObjects(store, "", signal);
	const byKey = new Map(objects.map((object) => [object.key, object]));
	const commits = objects.flatMap((object): StoredCommit[] => {
		const seq = seqOfKey(object.key);
		return seq === undefined ? [] : [{ ...object, seq }];
	});
	const packs = objects.filter(({ key }) => sha256OfPackKey(key) !== undefined);
	const bytes = deep
		? [...commits, ...packs].reduce((total, { sizeBytes }) => total + sizeBytes, 0)
		: 0;
	progress.start("verify", { files: commits.length + packs.length, bytes });
	const tagged = taggedSeqs(byKey.keys());
	const retained = new Set(retainedSeqs(commits, policy, storeTimeMs, tagged));
	const walk = new LogWalk(byKey, retained, deep);
	const newestSeq = commits[0]?.seq ?? 0;
	const queue = new PQueue({ concurrency: PARALLEL_GETS });
	for (const segment of segmentsOf([...commits].reverse())) {
		const fetched = await queue.addAll(
			segment.map(
				({ seq }) =>
					() =>
						fetchOrError(store, seq, signal),
			),
		);
		for (const [index, { seq }] of segment.entries())
			walk.take(seq, fetched[index] as DecodedCommit | SidecarError, seq === newestSeq);
		progress.advance({ files: segment.length, bytes: 0 });
	}
	const unknown = objects.filter(({ key }) => !isKnown(key)).map(({ key }) => key);

	let checkedBytes = 0;
	if (deep) {
		const content = new ContentCheck(store, signal);
		await inParallel(PARALLEL_PACKS, packs, async (pack) => {
			await walk.guard(pack.key, () => content.checkPack(pack, walk.blocksOf(pack.key)));
			progress.advance({ files: 1, bytes: pack.sizeBytes });
		});
		for (const segment of segmentsOf(commits)) {
			await checkInline(content, walk, segment);
			progress.advance({ files: 0, bytes: sum(segment).bytes });
		}
		checkedBytes = content.checkedBytes;
	} else {
		await inParallel(PARALLEL_GETS, packs, async ({ key }) => {
			await walk.guard(key, () => checkHeader(store, key, signal));
			progress.advance({ files: 1, bytes: 0 });
		});
	}
	progress.end();
	return {
		deep,
		newestSeq,
		newestWholeSeq: walk.newestWholeSeq,
		commits: sum(commits),
		packs: sum(packs),
		checkedBytes,
		damaged: walk.damaged(),
		expiredSeqs: walk.expiredSeqs.reverse(),
		gaps: gapsOf(commits),
		orphans: packs.filter(({ key }) => !walk.isNamed(key)),
		unknownKeys: unknown,
	};
}

/** Why a chain is not complete. */
interface Broken {
	readonly key: ObjectKey;
	readonly error: SidecarError;
}

const NO_BLOCKS: Blocks = new Map();

/** Processes the commits, oldest first, and collects what each of them needs. */
class LogWalk {
	readonly #listed: ReadonlyMap<ObjectKey, StoredObject>;
	readonly #retained: ReadonlySet<number>;
	readonly #keepsBlocks: boolean;
	readonly #damaged = new Map<ObjectKey, Damage>();
	readonly #named = new Set<ObjectKey>();
	/** By object, then by place: everything that a complete commit names, once. */
	readonly #blocks = new Map<
		ObjectKey,
		Map<string, { readonly block: BlockRef; readonly chunks: Map<string, ChunkRef> }>
	>();
	/** The head of the chain; undefined after a hole. */
	#head: OwnedHead | undefined = ownedHead(EMPTY_HEAD);
	/** Set since the chain's FULL commit. */
	#broken: Broken | undefined;
	readonly expiredSeqs: number[] = [];
	newestWholeSeq = 0;

	constructor(
		listed: ReadonlyMap<ObjectKey, StoredObject>,
		retained: ReadonlySet<number>,
		keepsBlocks: boolean,
	) {
		this.#listed = listed;
		this.#retained = retained;
		this.#keepsBlocks = keepsBlocks;
	}

	take(seq: number, commit: DecodedCommit | SidecarError, isNewest: boolean): void {
		const isRetained = this.#retained.has(seq);
		const before = this.#head;
		const isNext = before?.seq === seq - 1;
		this.#head = undefined;
		if (commit instanceof SidecarError) {
			this.#broken = { key: logKey(seq), error: commit };
			// Retention may delete it between the listing and this read. An object that exists and cannot
			// be decoded is damage, needed or not.
			if (isRetained || commit.code !== "OBJECT_NOT_FOUND")
				this.damage(logKey(seq), isRetained ? seq : undefined, commit);
			return;
		}
		const isFull = commit.info.kind === "full";
		if (isFull) this.#broken = undefined;
		else if (!isNext) this.#broken ??= hole(seq, before === undefined ? seq - 1 : before.seq + 1);
		this.#fold(commit, isFull ? ownedHead(EMPTY_HEAD) : isNext ? before : undefined, isNewest);
		if (isFull && isNext && this.#retained.has(seq - 1) && commit.info.previousId !== before?.id) {
			const error = new SidecarError("OBJECT_CORRUPT", {
				value: commit.key,
				reason: "it does not continue the commit before it",
			});
			this.damage(commit.key, isRetained ? seq : undefined, error);
		}
		this.#broken ??= this.#missingOf(commit);
		if (this.#broken === undefined) {
			this.newestWholeSeq = seq;
			this.#remember(commit);
		} else if (isRetained) this.damage(this.#broken.key, seq, this.#broken.error);
		else this.expiredSeqs.push(seq);
	}

	damage(key: ObjectKey, seq: number | undefined, error: SidecarError): void {
		const known = this.#damaged.get(key);
		this.#damaged.set(
			key,
			known === undefined ? { key, seq, error } : { ...known, seq: seq ?? known.seq },
		);
	}

	/**
	 * Records an error that a check of an object throws as damage of that object. @throws
	 * SidecarError STORE_*
	 */
	async guard(key: ObjectKey, check: () => Promise<void>): Promise<void> {
		try {
			await check();
		} catch (error) {
			if (!(error instanceof SidecarError) || error.category !== "damaged") throw error;
			// Retention was faster: it deletes only what no kept commit names.
			if (error.code === "OBJECT_NOT_FOUND" && !this.#named.has(key)) return;
			this.damage(key, undefined, error);
		}
	}

	damaged(): Damage[] {
		return [...this.#damaged.values()];
	}

	isNamed(key: ObjectKey): boolean {
		return this.#named.has(key);
	}

	blocksOf(key: ObjectKey): Blocks {
		return this.#blocks.get(key) ?? NO_BLOCKS;
	}

	#fold(commit: DecodedCommit, onto: OwnedHead | undefined, isNewest: boolean): void {
		if (onto === undefined) return;
		const { kind, seq } = commit.info;
		try {
			// The whole tree is checked at the end of a segment; otherwise a delta costs only its own
			// size.
			const isChecked =
				kind === "full" || isNewest || seq % SEGMENT_COMMITS === SEGMENT_COMMITS - 1;
			this.#head = isChecked ? foldCommits(onto, [commit]) : foldOnto(onto, [commit]);
		} catch (error) {
			if (!(error instanceof SidecarError) || error.category !== "damaged") throw error;
			this.#broken ??= { key: commit.key, error };
		}
	}

	#missingOf(commit: DecodedCommit): Broken | undefined {
		for (const { block } of chunksOf(commit)) {
			const there = this.#listed.get(block.key);
			const end = block.offset + block.storedBytes;
			if (there !== undefined && there.sizeBytes >= end) continue;
			const error =
				there === undefined
					? new SidecarError("OBJECT_NOT_FOUND", {
							value: block.key,
							reason: `commit ${commit.info.seq} needs it`,
						})
					: new SidecarError("OBJECT_CORRUPT", {
							value: block.key,
							reason: `it has ${there.sizeBytes} bytes, commit ${commit.info.seq} refers to byte ${end}`,
						});
			return { key: block.key, error };
		}
		return undefined;
	}

	#remember(commit: DecodedCommit): void {
		for (const chunk of chunksOf(commit)) {
			const { block } = chunk;
			this.#named.add(block.key);
			if (!this.#keepsBlocks) continue;
			let places = this.#blocks.get(block.key);
			if (places === undefined) {
				places = new Map();
				this.#blocks.set(block.key, places);
			}
			// Two commits may claim different content at one place: both are checked.
			const place = `${block.offset}:${block.storedBytes}:${block.rawBytes}:${block.codec}:${block.crc32}`;
			let known = places.get(place);
			if (known === undefined) {
				known = { block, chunks: new Map() };
				places.set(place, known);
			}
			known.chunks.set(`${chunk.offset}:${chunk.length}:${chunk.sha256}`, chunk);
		}
	}
}

function* chunksOf({ changed }: DecodedCommit): Generator<ChunkRef> {
	for (const entry of changed.values()) {
		if (entry.type === "file") yield* entry.chunks;
		else if (entry.type === "patch") yield* entry.changed.values();
	}
}

function hole(seq: number, missing: number): Broken {
	const key = logKey(missing);
	return {
		key,
		error: new SidecarError("OBJECT_NOT_FOUND", {
			value: key,
			reason: `commit ${seq} is folded onto it`,
		}),
	};
}

/** Splits the commits into segments, in order. */
function* segmentsOf(commits: readonly StoredCommit[]): Generator<readonly StoredCommit[]> {
	for (let at = 0; at < commits.length; at += SEGMENT_COMMITS)
		yield commits.slice(at, at + SEGMENT_COMMITS);
}

async function fetchOrError(
	store: ObjectStore,
	seq: number,
	signal: AbortSignal | undefined,
): Promise<DecodedCommit | SidecarError> {
	try {
		return (await fetchCommit(store, seq, signal, FIRST_GET_BYTES)).commit;
	} catch (error) {
		if (error instanceof SidecarError && error.category === "damaged") return error;
		throw error;
	}
}

/** Checks many commits with few requests, and one at a time only if one of them is damaged. */
async function checkInline(
	content: ContentCheck,
	walk: LogWalk,
	commits: readonly StoredCommit[],
): Promise<void> {
	try {
		await content.checkInline(commits.map(({ key }) => walk.blocksOf(key)));
	} catch (error) {
		if (!(error instanceof SidecarError) || error.category !== "damaged") throw error;
		for (const { key } of commits)
			await walk.guard(key, () => content.checkInline([walk.blocksOf(key)]));
	}
}

async function checkHeader(
	store: ObjectStore,
	key: ObjectKey,
	signal: AbortSignal | undefined,
): Promise<void> {
	const { body } = await store.get(key, {
		range: { offset: 0, length: PACK_HEADER_BYTES },
		signal,
	});
	checkPackHeader(key, body);
}

function isKnown(key: string): boolean {
	if (key.startsWith(LOG_PREFIX)) return seqOfKey(key) !== undefined;
	if (key.startsWith(PACK_PREFIX)) return sha256OfPackKey(key) !== undefined;
	if (key.startsWith(TAG_PREFIX)) return parseTagKey(key) !== undefined;
	return key.startsWith(SWEEP_PREFIX) && sha256OfSweepKey(key) !== undefined;
}

/** @param commits newest first */
function gapsOf(commits: readonly StoredCommit[]): (readonly [number, number])[] {
	const gaps: (readonly [number, number])[] = [];
	for (const [index, { seq }] of commits.entries()) {
		const older = commits[index + 1]?.seq ?? 0;
		if (seq > older + 1) gaps.push([older + 1, seq - 1]);
	}
	return gaps;
}

function sum(objects: readonly StoredObject[]): { readonly count: number; readonly bytes: number } {
	return {
		count: objects.length,
		bytes: objects.reduce((total, { sizeBytes }) => total + sizeBytes, 0),
	};
}
