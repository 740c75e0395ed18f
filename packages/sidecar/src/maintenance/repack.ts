/**
 * Moves content of the newest tree out of objects that hold little else of it, and commits the new
 * places. That is an ordinary commit in which no content, time or name changes. Does not access a
 * disk.
 *
 * For idle hours: `signal` ends it at any point without a loss. Every SHA-256 is checked on the
 * way, so that damaged bytes never get a new checksum.
 */
import PQueue from "p-queue";
import { BlockBuilder } from "../commit/block-builder.ts";
import type { Environment } from "../commit/environment.ts";
import { listObjects } from "../commit/list-objects.ts";
import type { LogWriter, WriteOutcome } from "../commit/log-writer.ts";
import { type FoundChunk, readChunks } from "../commit/read-content.ts";
import { PACK_PREFIX } from "../log/keys.ts";
import { packsOf, planRepack } from "../log/plan-repack.ts";
import type { Chunk, ChunkRef, Entry, ObjectKey, Path, Tree } from "../log/types.ts";
import type { ObjectStore } from "../store/port.ts";

export type RepackResult =
	/** No object has too little needed content. */
	| { readonly kind: "nothing" }
	| {
			readonly kind: "committed";
			readonly seq: number;
			readonly objects: number;
			readonly bytes: number;
	  }
	/** Another writer was faster, or the answer is not known yet: the next flush resolves it. */
	| { readonly kind: Exclude<WriteOutcome["kind"], "committed"> };

/**
 * The writer must own the tree and have no undecided commit.
 * @param signal ends it; a commit in flight is then `unknown`
 * @throws SidecarError STORE_*, OBJECT_NOT_FOUND, OBJECT_CORRUPT, and the signal's reason
 */
export async function repack(
	store: ObjectStore,
	environment: Environment,
	writer: LogWriter,
	signal?: AbortSignal,
): Promise<RepackResult> {
	const { head } = writer;
	const packs = packsOf(head);
	const listed = packs.size === 0 ? [] : (await listObjects(store, PACK_PREFIX, signal)).objects;
	const from = planRepack(head, new Map(listed.map(({ key, sizeBytes }) => [key, sizeBytes])));
	if (from.size === 0) return { kind: "nothing" };
	const builder = new BlockBuilder({
		store,
		index: writer.index,
		environment,
		inlineLimitBytes: 0,
		signal,
	});
	await copyContent(store, head.tree, from, builder, signal);
	await builder.finish();
	signal?.throwIfAborted();
	const changed = movedEntries(head.tree, from, builder);
	const outcome = await writer.commit(
		{ changed, removed: new Set() },
		[],
		{},
		{
			signal,
			// The content is the same, so what was said about it still holds.
			annotations: writer.head.annotations,
		},
	);
	if (outcome.kind !== "committed") return { kind: outcome.kind };
	return {
		kind: "committed",
		seq: outcome.seq,
		objects: from.size,
		bytes: builder.uploadedBytes + outcome.bytes,
	};
}

async function copyContent(
	store: ObjectStore,
	tree: Tree,
	from: ReadonlySet<ObjectKey>,
	builder: BlockBuilder,
	signal: AbortSignal | undefined,
): Promise<void> {
	const wanted = [...chunksOf(tree)].filter(({ block }) => from.has(block.key));
	// Six ranges arrive at once, and a builder accepts one chunk at a time.
	const adding = new PQueue({ concurrency: 1 });
	const take = async (found: readonly FoundChunk[]) =>
		await adding.add(async () => {
			for (const { chunk, bytes } of found)
				if (builder.lookup(chunk.sha256) === undefined) await builder.add(chunk.sha256, bytes);
		});
	await readChunks(store, wanted, new Map(), take, signal);
}

/** The entries with content in those objects; that content has its new place only in the index. */
function movedEntries(
	tree: Tree,
	from: ReadonlySet<ObjectKey>,
	builder: BlockBuilder,
): Map<Path, Entry<Chunk>> {
	const moved = new Map<Path, Entry<Chunk>>();
	for (const [path, entry] of tree) {
		if (entry.type !== "file" || !entry.chunks.some(({ block }) => from.has(block.key))) continue;
		const chunks = entry.chunks.map(
			(chunk): Chunk =>
				from.has(chunk.block.key) ? (builder.lookup(chunk.sha256) ?? chunk) : chunk,
		);
		moved.set(path, { ...entry, chunks });
	}
	return moved;
}

function* chunksOf(tree: Tree): Generator<ChunkRef> {
	for (const entry of tree.values()) if (entry.type === "file") yield* entry.chunks;
}
