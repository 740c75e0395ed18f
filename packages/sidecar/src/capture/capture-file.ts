import type { BlockBuilder } from "../commit/block-builder.ts";
import type { LocalEntry } from "../disk/local-tree.ts";
import { FILE_CHUNK_BITS } from "../log/limits.ts";
import type { Path } from "../log/types.ts";
import type { Root } from "../path.ts";
import { lastLineEnd, readStable } from "../workspace/stable-read.ts";
import { isRacy, type Stat } from "../workspace/stat.ts";
import { type CaptureContext, readOptions } from "./capture-context.ts";
import { captureDatabase } from "./capture-database.ts";
import type { CapturedFile } from "./captured-file.ts";
import { ChunkPass } from "./chunk-pass.ts";
import { lookThrough, type SecretLook } from "./secret-guard.ts";

interface Source {
	readonly root: Root;
	readonly path: Path;
}

/** Reads of one file before a prefix of it is taken or it is left for the next flush. */
const PASSES = 3;

/**
 * Captures one regular file. New chunks go to the builder, known ones become references.
 * @param earlier result of an earlier round of the same capture
 * @param source where its bytes are read: a private copy, if it must be from the same moment as
 * other files
 */
export async function captureFile(
	context: CaptureContext,
	builder: BlockBuilder,
	path: Path,
	stat: Stat,
	earlier?: LocalEntry,
	source: Source = { root: context.root, path },
): Promise<CapturedFile> {
	const { local, secrets } = context;
	const before = local.get(path);
	if (before?.database !== undefined || earlier?.database !== undefined)
		return await captureDatabase(context, builder, path, stat, earlier);
	if (secrets.isStillExcluded(path, stat)) return { kind: "excluded" };
	const look = secrets.look(path);
	const pass = new ChunkPass(context, builder, before, FILE_CHUNK_BITS, look);
	// Chunks are sent before the next one is read, so decide first whether the file is stored at all.
	if (look !== undefined && secrets.policy !== "warn" && stat.size > 2 ** FILE_CHUNK_BITS) {
		await lookThrough(context.root, look, context.signal);
		if (look.found.size > 0) return excluded(context, look, stat);
	}
	for (let attempt = 0; attempt < PASSES; attempt++) {
		pass.reset();
		const read = await readStable(
			source.root,
			source.path,
			2 ** FILE_CHUNK_BITS,
			pass.chunk,
			readOptions(context),
		);
		if (pass.isDatabase) return await captureDatabase(context, builder, path, stat);
		if (pass.holdsSecret && look !== undefined) return excluded(context, look, stat);
		if (read.kind === "gone") return read;
		if (read.kind === "unreadable") return { kind: "deferred", reason: read.reason };
		if (read.kind === "stable")
			return stored(context, look, pass.result(read.stat, read.size, read.stat));
	}
	const prefix = await capturePrefix(context, pass, path);
	if (pass.holdsSecret && look !== undefined) return excluded(context, look, stat);
	return stored(context, look, prefix);
}

function stored(
	{ secrets }: CaptureContext,
	look: SecretLook | undefined,
	file: CapturedFile,
): CapturedFile {
	if (file.kind !== "taken" || look === undefined) return file;
	secrets.tell(look);
	secrets.forget(look.path);
	return file;
}

/** @throws SidecarError SECRET_FOUND */
function excluded({ local, secrets }: CaptureContext, look: SecretLook, stat: Stat): CapturedFile {
	secrets.refuse(
		look,
		isRacy(stat) ? undefined : stat,
		local.get(look.path)?.entry.type === "file",
	);
	return { kind: "excluded" };
}

/**
 * Captures a file that never becomes stable. If it only grows, its first bytes are a state it
 * passed through. Two reads of the same length must agree. A JSONL file is cut after its last
 * complete line, so that no reader sees half a record.
 */
async function capturePrefix(
	context: CaptureContext,
	pass: ChunkPass,
	path: Path,
): Promise<CapturedFile> {
	const unstable: CapturedFile = { kind: "deferred", reason: "it changed during every read" };
	const probe = await readStable(context.root, path, 2 ** FILE_CHUNK_BITS, () => undefined, {
		...readOptions(context),
		maxBytes: 1,
	});
	if (probe.kind === "gone") return probe;
	if (probe.kind === "unreadable") return { kind: "deferred", reason: probe.reason };
	const seen = Number(probe.stat.size);
	const size = path.endsWith(".jsonl") ? lastLineEnd(context.root, path, seen) : seen;
	if (size === 0) return unstable;
	let first: BigUint64Array | undefined;
	for (let attempt = 0; attempt < 2; attempt++) {
		pass.reset();
		const read = await readStable(context.root, path, 2 ** FILE_CHUNK_BITS, pass.chunk, {
			...readOptions(context),
			maxBytes: size,
		});
		if (read.kind === "gone") return read;
		if (read.kind === "unreadable") return { kind: "deferred", reason: read.reason };
		if (read.stat.ino !== probe.stat.ino || pass.bytes !== size) return unstable;
		if (first === undefined) first = pass.quick();
		else if (!sameNumbers(first, pass.quick())) return unstable;
	}
	const taken = pass.result(probe.stat, size, undefined);
	return taken.kind === "taken"
		? { ...taken, note: `it kept growing and was stored at ${size} bytes` }
		: taken;
}

function sameNumbers(a: BigUint64Array, b: BigUint64Array): boolean {
	return a.length === b.length && a.every((value, index) => value === b[index]);
}
