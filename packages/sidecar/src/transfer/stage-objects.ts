import PQueue from "p-queue";
import { SidecarError } from "../errors.ts";
import { byDepth, type KeyTree } from "../log/key-tree.ts";
import { MAX_LINK_BYTES } from "../log/limits.ts";
import { type Attributes, parseAttributes } from "../log/object-attributes.ts";
import type { Path } from "../log/types.ts";
import { decodeName } from "../path.ts";
import type { PlainObject, PlainObjects } from "../store/plain.ts";
import type { Progress } from "../telemetry/types.ts";
import type { Materializer } from "../workspace/materialize.ts";

/**
 * Parallel requests: at S3's 85 MB/s a connection, far more than a disk writes; for small objects,
 * 20 times the rate of one at a time.
 */
const PARALLEL_GETS = 20;
/**
 * Larger objects are read in ranges of this size. With 63 ms to the first byte and 12 ms for the
 * rest, twenty at once still make 260 MB/s in 20 MiB of memory. A range that is all zeros stays a
 * hole.
 */
const SEGMENT_BYTES = 1024 * 1024;
/** Buffers of this size or more are reused. */
const POOLED_BYTES = 256 * 1024;
/** Waiting tasks: enough to keep the queue busy, without a closure for each of a million objects. */
const WAITING = 2 * PARALLEL_GETS;

/** The mode if none is given: the workspace may hold credentials. */
const DEFAULT_FILE_MODE = 0o600;

export interface StageOptions {
	readonly objects: PlainObjects;
	readonly tree: KeyTree<PlainObject>;
	/** The writer of an empty directory; it is closed. */
	readonly writer: Materializer;
	readonly progress: Progress;
	readonly signal?: AbortSignal | undefined;
}

export interface Staged {
	files: number;
	links: number;
}

/**
 * Downloads a checked listing into an empty directory: every object whole or in ranges of one
 * version, at most twenty requests at once. Modes, times and links come from the objects' metadata.
 * The first failure ends all.
 * @throws SidecarError SOURCE_CHANGED, SOURCE_UNSAFE (a link without a target), STORE_*,
 * WORKSPACE_*
 */
export async function stageObjects(options: StageOptions): Promise<Staged> {
	const { tree, writer, progress } = options;
	const stage = new Stage(options);
	progress.start("import", { files: tree.files.size, bytes: tree.bytes });
	for (const path of byDepth(tree.directories)) writer.makeDirectory(path);
	const attributes = await stage.run();
	// Its own directory is in the root, which gets its time now. Deepest first, so that nothing
	// changes in a directory that has its time.
	writer.reveal((path) => {
		throw new SidecarError("INTERNAL", {
			value: path,
			reason: "something appeared in a private directory",
		});
	});
	writer.close();
	for (const path of byDepth(attributes.keys()).reverse()) {
		const { mode, mtimeNs } = attributes.get(path) as Attributes;
		if (mode !== undefined && mtimeNs !== undefined)
			writer.finishDirectory(path, mode & 0o3777, mtimeNs);
	}
	progress.end();
	return stage.staged;
}

class Stage {
	readonly #options: StageOptions;
	readonly #stop = new AbortController();
	readonly #signal: AbortSignal;
	readonly #queue = new PQueue({ concurrency: PARALLEL_GETS });
	readonly #idle: Buffer[] = [];
	#failure: { readonly error: unknown } | undefined;
	readonly staged: Staged = { files: 0, links: 0 };

	constructor(options: StageOptions) {
		this.#options = options;
		this.#signal =
			options.signal === undefined
				? this.#stop.signal
				: AbortSignal.any([options.signal, this.#stop.signal]);
	}

	/** @returns the attributes of the directories' own objects */
	async run(): Promise<Map<Path, Attributes>> {
		const { files, markers } = this.#options.tree;
		const attributes = new Map<Path, Attributes>();
		for (const [path, marker] of markers) {
			await this.#add(async () => {
				attributes.set(
					path,
					parseAttributes(
						(await this.#options.objects.get(marker, { signal: this.#signal })).metadata,
					),
				);
			});
		}
		for (const [path, object] of files) {
			if (object.sizeBytes <= SEGMENT_BYTES) await this.#add(() => this.#whole(path, object));
			else await this.#inSegments(path, object);
		}
		await this.#queue.onIdle();
		if (this.#failure !== undefined) throw this.#failure.error;
		this.#options.signal?.throwIfAborted();
		return attributes;
	}

	async #add(task: () => Promise<void>): Promise<void> {
		await this.#queue.onSizeLessThan(WAITING);
		this.#queue
			.add(async () => {
				if (!this.#signal.aborted) await task();
			})
			.catch((error: unknown) => {
				this.#failure ??= { error };
				this.#stop.abort();
			});
	}

	async #whole(path: Path, object: PlainObject): Promise<void> {
		const { objects, writer, progress } = this.#options;
		const isPooled = object.sizeBytes >= POOLED_BYTES;
		const buffer = isPooled ? this.#buffer() : undefined;
		const { body, metadata } = await objects.get(object, {
			into: buffer,
			signal: this.#signal,
		});
		const attributes = parseAttributes(metadata);
		if (attributes.type === "link") this.#link(path, object, body, attributes);
		else {
			writer.placeFile(path, body, modeOf(attributes), timeOf(attributes, object));
			this.staged.files++;
		}
		if (buffer !== undefined) this.#idle.push(buffer);
		progress.advance({ files: 1, bytes: body.length });
	}

	#link(path: Path, { key }: PlainObject, body: Buffer, { mtimeNs = 0n }: Attributes): void {
		if (body.length === 0 || body.length > MAX_LINK_BYTES || body.includes(0)) {
			throw new SidecarError("SOURCE_UNSAFE", {
				value: key,
				reason: "its metadata calls it a link, and its bytes are not a target",
			});
		}
		this.#options.writer.placeLink(path, decodeName(body), mtimeNs);
		this.staged.links++;
	}

	async #inSegments(path: Path, object: PlainObject): Promise<void> {
		const { objects, writer, progress } = this.#options;
		const { sizeBytes } = object;
		const file = writer.stageFile(path, sizeBytes);
		let left = Math.ceil(sizeBytes / SEGMENT_BYTES);
		for (let offset = 0; offset < sizeBytes; offset += SEGMENT_BYTES) {
			await this.#add(async () => {
				const length = Math.min(SEGMENT_BYTES, sizeBytes - offset);
				const buffer = this.#buffer();
				const { body, metadata } = await objects.get(object, {
					range: { offset, length },
					into: buffer,
					signal: this.#signal,
				});
				file.writeAt(offset, body);
				this.#idle.push(buffer);
				left--;
				progress.advance({ files: left === 0 ? 1 : 0, bytes: length });
				if (left > 0) return;
				const attributes = parseAttributes(metadata);
				file.finish(modeOf(attributes), timeOf(attributes, object));
				this.staged.files++;
			});
		}
	}

	#buffer(): Buffer {
		return this.#idle.pop() ?? Buffer.allocUnsafeSlow(SEGMENT_BYTES);
	}
}

function modeOf({ mode }: Attributes): number {
	return (mode ?? DEFAULT_FILE_MODE) & 0o1777;
}

function timeOf({ mtimeNs }: Attributes, { lastModifiedMs }: PlainObject): bigint {
	return mtimeNs ?? BigInt(lastModifiedMs) * 1_000_000n;
}
