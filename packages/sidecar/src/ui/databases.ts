/**
 * Rows of SQLite databases. Each is read by a process of its own, from a copy without a name.
 *
 * Several requests share a copy, so it does not end with the request that made it.
 */
import { createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { SidecarError } from "../errors.ts";
import { contentOf } from "../history/inspect.ts";
import { SqliteReader } from "../library/sqlite-reader.ts";
import type { FileEntry } from "../log/types.ts";
import type { ObjectStore } from "../store/port.ts";
import type { Table, TableName } from "./api.ts";
import type { TreeAt } from "./log-view.ts";

const LIMIT_BYTES = 256 * 1024 * 1024;
const KEPT = 2;
const WINDOW_BYTES = 8 * 1024 * 1024;
/** Counting reads every page of a table. */
const MAX_COUNTED_BYTES = 64 * 1024 * 1024;

export class Databases implements Disposable {
	readonly limitBytes = LIMIT_BYTES;
	readonly #store: ObjectStore;
	readonly #readers = new Map<FileEntry, Promise<SqliteReader>>();
	readonly #stop = new AbortController();

	constructor(store: ObjectStore) {
		this.#store = store;
	}

	/** @throws SidecarError PATH_NOT_FOUND: not a database after all; STORE_*, OBJECT_* */
	async tables(file: FileEntry, read: TreeAt["read"]): Promise<readonly TableName[]> {
		const reader = await this.#open(file, read);
		const tables = await reader.tables(file.size <= MAX_COUNTED_BYTES);
		return tables.map(({ name, rows }) => ({ name, rows }));
	}

	/** @throws SidecarError PATH_NOT_FOUND: no such table */
	async rows(
		file: FileEntry,
		read: TreeAt["read"],
		wanted: { readonly table: string; readonly offset: number; readonly limit: number },
	): Promise<Table> {
		const reader = await this.#open(file, read);
		return await reader.rows(wanted.table, wanted.offset, wanted.limit);
	}

	[Symbol.dispose](): void {
		this.#stop.abort();
		this.#readers.clear();
	}

	async #open(file: FileEntry, read: TreeAt["read"]): Promise<SqliteReader> {
		if (file.size > LIMIT_BYTES)
			throw new SidecarError("PATH_NOT_FOUND", {
				reason: `the database exceeds ${LIMIT_BYTES} bytes`,
			});
		const opening = this.#readers.get(file) ?? this.#keep(file, this.#copy(file, read));
		try {
			const reader = await opening;
			if (reader.isOpen) return reader;
		} catch (error) {
			this.#forget(file, opening);
			throw error;
		}
		// It was given up in an earlier request.
		this.#forget(file, opening);
		return await this.#open(file, read);
	}

	#keep(file: FileEntry, opening: Promise<SqliteReader>): Promise<SqliteReader> {
		this.#readers.set(file, opening);
		for (const [oldest, other] of this.#readers) {
			if (this.#readers.size <= KEPT) break;
			this.#readers.delete(oldest);
			other.then(
				(reader) => reader[Symbol.dispose](),
				() => {},
			);
		}
		return opening;
	}

	#forget(file: FileEntry, opening: Promise<SqliteReader>): void {
		if (this.#readers.get(file) === opening) this.#readers.delete(file);
	}

	async #copy(file: FileEntry, read: TreeAt["read"]): Promise<SqliteReader> {
		const { signal } = this.#stop;
		const parts = contentOf(this.#store, read, file, WINDOW_BYTES, signal);
		// A part is valid until the next one is asked for.
		const copies = async function* () {
			for await (const part of parts) yield Buffer.from(part);
		};
		const source = Readable.from(copies(), { objectMode: true, highWaterMark: 1 });
		return await SqliteReader.open(
			async (path) =>
				await pipeline(source, createWriteStream(path, { flags: "wx", mode: 0o600 }), { signal }),
			{ signal },
		);
	}
}
