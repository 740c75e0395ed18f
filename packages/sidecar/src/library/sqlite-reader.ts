/**
 * Reads a SQLite database that may be hostile: in a process of its own, which is killed if it takes
 * too long, from a private copy that has no name any more once it is open.
 */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { lstatSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { SidecarError } from "../errors.ts";
import type { DatabaseAnswer, DatabaseRequest, TableCount, TableRows } from "./read-database.ts";

/** Counts the rows of 64 MiB in a tenth of it. */
export const SQLITE_LIMIT_MS = 5_000;

const PREFIX = "openclaw-sidecar-sqlite-";
/** No copy takes so long to write. */
const STALE_MS = 3_600_000;

/** Beside this file, or beside the bundle that it became part of. */
const SCRIPT = fileURLToPath(
	new URL(
		import.meta.url.endsWith(".ts") ? "./read-database.ts" : "./read-database.mjs",
		import.meta.url,
	),
);

export interface SqliteOptions {
	/** Ends the process. */
	readonly signal?: AbortSignal | undefined;
	/** For one request. */
	readonly limitMs?: number;
	/** Where the copy is made. Default: the system's temporary directory. */
	readonly directory?: string;
}

export class SqliteReader implements Disposable {
	readonly #child: ChildProcess;
	readonly #limitMs: number;
	readonly #ended: Promise<void>;
	/** Requests are answered one after the other. */
	#turn: Promise<unknown>;
	#hasEnded = false;

	/**
	 * @param write makes the private copy
	 * @throws SidecarError PATH_NOT_FOUND: not a database; and what `write` throws
	 */
	static async open(
		write: (path: string) => Promise<void> | void,
		options: SqliteOptions = {},
	): Promise<SqliteReader> {
		const { directory: parent = tmpdir() } = options;
		removeStaleCopies(parent);
		const directory = mkdtempSync(join(parent, PREFIX));
		try {
			const path = join(directory, "copy");
			await write(path);
			const reader = new SqliteReader(options);
			try {
				await reader.#ask({ ask: "open", path });
				return reader;
			} catch (error) {
				reader[Symbol.dispose]();
				throw error;
			}
		} finally {
			rmSync(directory, { recursive: true, force: true });
		}
	}

	private constructor({ signal, limitMs = SQLITE_LIMIT_MS }: SqliteOptions) {
		this.#limitMs = limitMs;
		this.#child = fork(SCRIPT, {
			...(signal !== undefined && { signal }),
			killSignal: "SIGKILL",
			stdio: ["ignore", "ignore", "ignore", "ipc"],
			execArgv: [],
			env: {},
		});
		this.#ended = new Promise((resolve) => {
			const end = () => {
				this.#hasEnded = true;
				resolve();
			};
			this.#child.once("exit", end).on("error", end);
		});
		this.#turn = this.#next().then((answer) => {
			if (answer === undefined) {
				signal?.throwIfAborted();
				throw new Error("the process that reads databases does not start");
			}
		});
		this.#turn.catch(() => {});
	}

	/** False if it has to be opened again. */
	get isOpen(): boolean {
		return !this.#hasEnded;
	}

	/** Ordinary tables, not SQLite's own, up to 500. @throws SidecarError PATH_NOT_FOUND */
	async tables(counts: boolean): Promise<readonly TableCount[]> {
		return (await this.#ask({ ask: "tables", counts })) as readonly TableCount[];
	}

	/** @throws SidecarError PATH_NOT_FOUND: also if there is no such table */
	async rows(table: string, offset: number, limit: number): Promise<TableRows> {
		const rows = (await this.#ask({ ask: "rows", table, offset, limit })) as TableRows | undefined;
		if (rows !== undefined) return rows;
		throw new SidecarError("PATH_NOT_FOUND", {
			value: table,
			reason: "the database has no such table",
		});
	}

	[Symbol.dispose](): void {
		this.#hasEnded = true;
		this.#child.kill("SIGKILL");
	}

	async #ask(request: DatabaseRequest): Promise<unknown> {
		const turn = this.#turn.then(async () => await this.#answer(request));
		// An unreadable answer leaves the next its turn; a process that did not start does not.
		this.#turn = turn.catch((error) => {
			if (!(error instanceof SidecarError)) throw error;
		});
		this.#turn.catch(() => {});
		return await turn;
	}

	async #answer(request: DatabaseRequest): Promise<unknown> {
		let isLate = false;
		const late = setTimeout(() => {
			isLate = true;
			this[Symbol.dispose]();
		}, this.#limitMs);
		try {
			const answer = this.#next();
			if (this.isOpen) this.#child.send(request, () => {});
			const answered = await answer;
			if (answered?.type === "done") return answered.value;
			throw unreadable(
				answered?.type === "unreadable"
					? answered.reason
					: isLate
						? `it takes longer than ${this.#limitMs / 1_000} s`
						: "its process ended",
			);
		} finally {
			clearTimeout(late);
		}
	}

	/** Undefined if the process ends before it. */
	async #next(): Promise<DatabaseAnswer | undefined> {
		const message = once(this.#child, "message").then(([answer]) => answer as DatabaseAnswer);
		message.catch(() => {});
		return await Promise.race([message, this.#ended.then(() => undefined)]);
	}
}

/** What SQLite says about a file that is not a sound database is an answer, not a bug. */
function unreadable(reason: string): SidecarError {
	return new SidecarError("PATH_NOT_FOUND", {
		reason: `SQLite cannot read it: ${reason}`,
		remedy: "download the file to examine it",
	});
}

/** A process that was killed while it wrote one left it. */
function removeStaleCopies(parent: string): void {
	for (const name of readdirSync(parent)) {
		if (!name.startsWith(PREFIX)) continue;
		const directory = join(parent, name);
		const found = lstatSync(directory, { throwIfNoEntry: false });
		if (found === undefined || found.uid !== process.getuid?.()) continue;
		if (Date.now() - found.mtimeMs > STALE_MS) rmSync(directory, { recursive: true, force: true });
	}
}
