/**
 * Downloads: one file as it is, or a directory as a zip archive that is made while it is sent.
 *
 * A browser cannot send a header with a link. So an authorised request makes a ticket, and the
 * ticket is the URL of one download, within a minute. It says nothing about the content.
 *
 * A zip archive has no name that is not UTF-8, no backslash in a name and no drive letter at its
 * beginning: they are escaped as `%` and hex digits.
 */
import { Readable } from "node:stream";
import { ZipFile } from "yazl";
import { thisEnvironment } from "../commit/environment.ts";
import { readChunks } from "../commit/read-content.ts";
import { contentOf } from "../history/inspect.ts";
import type { ChunkRef, Entry, FileEntry, Path } from "../log/types.ts";
import { encodePath } from "../path.ts";
import type { ObjectStore } from "../store/port.ts";
import type { TreeAt } from "./log-view.ts";

const TICKET_MS = 60_000;
const MAX_TICKETS = 32;
const WINDOW_BYTES = 4 * 1024 * 1024;
/** Small files are read together: each read is a request to the store. */
const BATCH_BYTES = 8 * 1024 * 1024;
const BATCH_FILES = 1_000;

export interface DownloadBody {
	readonly name: string;
	/** Undefined if it is not known before the end. */
	readonly size: number | undefined;
	open(): Readable;
}

export class Tickets {
	readonly #tickets = new Map<string, { readonly body: DownloadBody; readonly untilMs: number }>();
	readonly #nowMs: () => number;

	constructor(nowMs: () => number) {
		this.#nowMs = nowMs;
	}

	issue(body: DownloadBody): string {
		const id = thisEnvironment.randomBytes(24).toString("base64url");
		for (const [other, { untilMs }] of this.#tickets)
			if (untilMs <= this.#nowMs()) this.#tickets.delete(other);
		this.#tickets.set(id, { body, untilMs: this.#nowMs() + TICKET_MS });
		for (const oldest of this.#tickets.keys()) {
			if (this.#tickets.size <= MAX_TICKETS) break;
			this.#tickets.delete(oldest);
		}
		return id;
	}

	/** Undefined if it was used, is too old or was never issued. */
	redeem(id: string): DownloadBody | undefined {
		const ticket = this.#tickets.get(id);
		this.#tickets.delete(id);
		return ticket !== undefined && ticket.untilMs > this.#nowMs() ? ticket.body : undefined;
	}
}

/** One file's bytes. */
export function fileBody(
	store: ObjectStore,
	{ read }: TreeAt,
	name: string,
	file: FileEntry,
): DownloadBody {
	return { name, size: file.size, open: () => Readable.from(copiesOf(store, read, file)) };
}

/**
 * A directory and everything below it.
 * @param entries by their path in the archive; directories end the names of their entries
 */
export function zipBody(
	store: ObjectStore,
	{ read }: TreeAt,
	name: string,
	entries: readonly (readonly [Path, Entry])[],
): DownloadBody {
	return { name, size: undefined, open: () => zipOf(store, read, entries) };
}

function zipOf(
	store: ObjectStore,
	read: TreeAt["read"],
	entries: readonly (readonly [Path, Entry])[],
): Readable {
	const stop = new AbortController();
	const zip = new ZipFile();
	const output = zip.outputStream as Readable;
	const files = entries.flatMap(([, entry]) => (entry.type === "file" ? [entry] : []));
	const batches = new Batches(store, read, files, stop.signal);
	for (const [path, entry] of entries) {
		const name = archiveName(path);
		const mtime = archiveTime(entry);
		if (entry.type === "dir") zip.addEmptyDirectory(name, { mtime, mode: 0o040000 | entry.mode });
		else if (entry.type === "link")
			zip.addBuffer(encodePath(entry.target), name, { mtime, mode: 0o120777 });
		else {
			const options = { mtime, mode: 0o100000 | entry.mode, size: entry.size };
			zip.addReadStreamLazy(name, options, (done) =>
				batches.open(entry).then(
					(stream) => done(null, stream),
					(error) => done(error, Readable.from([])),
				),
			);
		}
	}
	zip.on("error", (error: Error) => output.destroy(error));
	output.once("close", () => stop.abort());
	zip.end();
	return output;
}

/** Files in the order in which they are asked for, read several at a time. */
class Batches {
	readonly #store: ObjectStore;
	readonly #read: TreeAt["read"];
	readonly #files: readonly FileEntry[];
	readonly #signal: AbortSignal;
	#next = 0;
	#loaded: Buffer[] = [];

	constructor(
		store: ObjectStore,
		read: TreeAt["read"],
		files: readonly FileEntry[],
		signal: AbortSignal,
	) {
		this.#store = store;
		this.#read = read;
		this.#files = files;
		this.#signal = signal;
	}

	async open(file: FileEntry): Promise<Readable> {
		if (this.#loaded.length === 0 && file.size <= BATCH_BYTES) await this.#load();
		this.#next++;
		const bytes = this.#loaded.shift();
		return bytes === undefined
			? Readable.from(copiesOf(this.#store, this.#read, file, this.#signal))
			: Readable.from(bytes.length === 0 ? [] : [bytes]);
	}

	async #load(): Promise<void> {
		const places = new Map<ChunkRef, (readonly [file: number, at: number])[]>();
		const buffers: Buffer[] = [];
		let bytes = 0;
		for (const file of this.#files.slice(this.#next, this.#next + BATCH_FILES)) {
			bytes += file.size;
			if (bytes > BATCH_BYTES) break;
			let at = 0;
			for (const chunk of file.chunks) {
				const known = places.get(chunk);
				if (known === undefined) places.set(chunk, [[buffers.length, at]]);
				else known.push([buffers.length, at]);
				at += chunk.length;
			}
			buffers.push(Buffer.alloc(file.size));
		}
		await readChunks(
			this.#store,
			places.keys(),
			this.#read.starts,
			async (found) => {
				for (const { chunk, bytes } of found)
					for (const [file, at] of places.get(chunk) ?? []) bytes.copy(buffers[file] as Buffer, at);
			},
			this.#signal,
		);
		this.#loaded = buffers;
	}
}

/** A part of `contentOf` is valid until the next one is asked for; a stream reads ahead. */
async function* copiesOf(
	store: ObjectStore,
	read: TreeAt["read"],
	file: FileEntry,
	signal?: AbortSignal,
): AsyncGenerator<Buffer> {
	for await (const part of contentOf(store, read, file, WINDOW_BYTES, signal))
		yield Buffer.from(part);
}

export function archiveName(path: Path): string {
	return path.replace(
		/[\\%]|\p{Surrogate}|(?<=^[a-z]):/giu,
		(character) => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
	);
}

const FIRST_MS = Date.UTC(1980, 0, 2);
const LAST_MS = Date.UTC(2099, 11, 30);

/** An archive knows the times from 1980 on. */
function archiveTime({ mtimeNs }: Entry): Date {
	return new Date(Math.min(LAST_MS, Math.max(FIRST_MS, Number(mtimeNs / 1_000_000n))));
}
