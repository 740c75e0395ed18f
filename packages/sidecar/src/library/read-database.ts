/**
 * The process that reads one SQLite database for `SqliteReader`.
 *
 * A database may be hostile. A crafted one of a few pages keeps SQLite busy for ever, and nothing
 * but the end of its process interrupts it. So SQLite runs in a thread of this process, while the
 * other thread waits for the parent: if the parent is gone, so is this process.
 */
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { isMainThread, parentPort, Worker } from "node:worker_threads";

export type DatabaseRequest =
	| { readonly ask: "open"; readonly path: string }
	| { readonly ask: "tables"; readonly counts: boolean }
	| {
			readonly ask: "rows";
			readonly table: string;
			readonly offset: number;
			readonly limit: number;
	  };

export type DatabaseAnswer =
	| { readonly type: "ready" }
	/** `value` is undefined if there is no such table. */
	| { readonly type: "done"; readonly value?: unknown }
	| { readonly type: "unreadable"; readonly reason: string };

export interface TableCount {
	readonly name: string;
	readonly rows?: number;
}

export interface TableRows {
	readonly columns: readonly string[];
	/** Values as text; null is null; a long value is cut. */
	readonly rows: readonly (readonly (string | null)[])[];
	readonly hasMore: boolean;
}

/** No agent has more. */
const MAX_TABLES = 500;
const MAX_COLUMNS = 100;
const MAX_VALUE_CHARACTERS = 1_000;

if (isMainThread) {
	const worker = new Worker(new URL(import.meta.url));
	const send = (answer: DatabaseAnswer) => process.send?.(answer);
	worker.on("message", send);
	process.on("message", (request) => worker.postMessage(request));
	process.once("disconnect", () => process.kill(process.pid, "SIGKILL"));
} else {
	const answer = (value: DatabaseAnswer) => parentPort?.postMessage(value);
	let database: DatabaseSync | undefined;
	parentPort?.on("message", (request: DatabaseRequest) => {
		try {
			if (request.ask === "open") {
				database = open(request.path);
				answer({ type: "done" });
			} else {
				const opened = database as DatabaseSync;
				const value =
					request.ask === "tables" ? tablesOf(opened, request) : rowsOf(opened, request);
				answer({ type: "done", value });
			}
		} catch (error) {
			answer({ type: "unreadable", reason: (error as Error).message });
		}
	});
	answer({ type: "ready" });
}

function open(path: string): DatabaseSync {
	const url = pathToFileURL(path);
	// A database in WAL mode could not be opened read-only otherwise.
	url.searchParams.set("immutable", "1");
	const database = new DatabaseSync(url, { readOnly: true });
	// The content is not ours: no function that a schema names runs.
	database.exec(
		"PRAGMA trusted_schema = OFF; PRAGMA query_only = ON; PRAGMA cell_size_check = ON; PRAGMA schema_version",
	);
	return database;
}

function tablesOf(database: DatabaseSync, { counts }: { readonly counts: boolean }): TableCount[] {
	return tableNames(database).map((name) => {
		if (!counts) return { name };
		const row = database.prepare(`SELECT count(*) AS rows FROM ${quoted(name)}`).get();
		return { name, rows: Number(row?.rows) };
	});
}

function rowsOf(
	database: DatabaseSync,
	{ table, offset, limit }: Extract<DatabaseRequest, { ask: "rows" }>,
): TableRows | undefined {
	if (!tableNames(database).includes(table)) return undefined;
	const columns = database
		.prepare("SELECT name FROM pragma_table_info(?) LIMIT ?")
		.all(table, MAX_COLUMNS)
		.map(({ name }) => String(name));
	const select = database.prepare(
		`SELECT ${columns.map(shown).join(", ")} FROM ${quoted(table)} LIMIT ? OFFSET ?`,
	);
	select.setReturnArrays(true);
	const rows = select.all(limit + 1, offset) as unknown as (string | null)[][];
	return { columns, rows: rows.slice(0, limit), hasMore: rows.length > limit };
}

/** Ordinary tables by SQLite's own word: what a schema's text says may be forged. */
function tableNames(database: DatabaseSync): string[] {
	return database
		.prepare(
			"SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name LIMIT ?",
		)
		.all(MAX_TABLES)
		.map(({ name }) => String(name));
}

function quoted(name: string): string {
	return `"${name.replaceAll('"', '""')}"`;
}

/** Text, cut: a value may have a gigabyte, and a number more digits than JSON keeps. */
function shown(column: string): string {
	const name = quoted(column);
	return `CASE typeof(${name}) WHEN 'blob' THEN 'blob of ' || length(${name}) || ' bytes' ELSE substr(CAST(${name} AS TEXT), 1, ${MAX_VALUE_CHARACTERS}) END`;
}
