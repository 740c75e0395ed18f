/**
 * Compares two directories without the sidecar's own code, so that one mistake cannot hide in both.
 */
import {
	closeSync,
	copyFileSync,
	existsSync,
	lstatSync,
	mkdtempSync,
	openSync,
	readdirSync,
	readFileSync,
	readlinkSync,
	readSync,
	rmSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";

export interface Entry {
	readonly type: "file" | "dir" | "link";
	readonly mode: number;
	readonly mtimeNs: bigint;
	readonly size: number;
	readonly target: string;
	readonly isDatabase: boolean;
}

export type Listing = ReadonlyMap<string, Entry>;

/** Paths that OpenClaw recreates at every start. */
const REGENERATED = /^(cache|tmp|logs|plugin-skills)(\/|$)/;
/** Locks, and the extra files of a running database. */
const TRANSIENT =
	/(\.lock|\.lock\.sqlite|\.sqlite\.(generation-lock|generation-writer|reindex-lock)\.sqlite|-wal|-shm|-journal|\.tmp|\.pid|\.sock)$/;

export const isVolatile = (path: string) => REGENERATED.test(path) || TRANSIENT.test(path);

/** Leases name a machine and a process, so they must not survive either. */
export const LEASE_TABLES: ReadonlySet<string> = new Set(["state_leases", "agent_database_leases"]);

/** Every path below `root` that a restore must bring back. */
export function scan(root: string): Listing {
	const found = new Map<string, Entry>();
	const visit = (directory: string) => {
		for (const name of readdirSync(join(root, directory))) {
			const path = directory === "" ? name : `${directory}/${name}`;
			if (isVolatile(path)) continue;
			const entry = look(join(root, path));
			if (entry === undefined) continue;
			found.set(path, entry);
			if (entry.type === "dir") visit(path);
		}
	};
	visit("");
	return found;
}

export function look(file: string): Entry | undefined {
	const stat = lstatSync(file, { bigint: true, throwIfNoEntry: false });
	if (stat === undefined) return undefined;
	const type = stat.isDirectory() ? "dir" : stat.isSymbolicLink() ? "link" : "file";
	return {
		type,
		mode: Number(stat.mode & 0o7777n),
		mtimeNs: stat.mtimeNs,
		size: type === "file" ? Number(stat.size) : 0,
		target: type === "link" ? readlinkSync(file) : "",
		isDatabase: type === "file" && isDatabase(file),
	};
}

function isDatabase(file: string): boolean {
	const fd = openSync(file, "r");
	try {
		const head = Buffer.alloc(16);
		readSync(fd, head);
		return head.toString("latin1") === "SQLite format 3\0";
	} finally {
		closeSync(fd);
	}
}

export interface Comparison {
	readonly problems: readonly string[];
	readonly files: number;
	readonly bytes: number;
	readonly directories: number;
	readonly links: number;
}

/**
 * Compares everything except databases: content, modes, times to the nanosecond, link targets, and
 * unexpected paths. A directory that contains a database must have the time that the log has. Files
 * of an open database come and go until the machine dies, and a directory's time alone makes no
 * commit.
 * @param committedTime by path, as the log lists it; undefined if the expected tree did not change
 * and is the only reference
 */
export function compareTrees(
	expectedRoot: string,
	actualRoot: string,
	committedTime?: (path: string) => bigint | undefined,
): Comparison {
	const expected = scan(expectedRoot);
	const actual = scan(actualRoot);
	const problems: string[] = [];
	const counts = { files: 0, bytes: 0, directories: 0, links: 0 };
	const holdsDatabase = new Set(databasesOf(expected).map((path) => dirname(path)));
	for (const [path, entry] of expected) {
		const other = actual.get(path);
		const committed =
			entry.type === "dir" && holdsDatabase.has(path) ? committedTime?.(path) : undefined;
		problems.push(...differences(path, { ...entry, mtimeNs: committed ?? entry.mtimeNs }, other));
		if (entry.type === "dir") counts.directories++;
		else if (entry.type === "link") counts.links++;
		else if (!entry.isDatabase) {
			counts.files++;
			counts.bytes += entry.size;
			if (
				other?.type === "file" &&
				!readFileSync(join(expectedRoot, path)).equals(readFileSync(join(actualRoot, path)))
			) {
				problems.push(`${path}: other content`);
			}
		}
	}
	for (const path of actual.keys())
		if (!expected.has(path)) problems.push(`${path}: was not there before`);
	return { problems, ...counts };
}

/**
 * A database's time and size may differ: the restored file is a snapshot of its transactions, not a
 * copy of the file.
 */
export function differences(
	path: string,
	expected: Entry,
	actual: Entry | undefined,
): readonly string[] {
	if (actual === undefined) return [`${path}: missing`];
	const problems: string[] = [];
	const differ = (what: string, a: unknown, b: unknown) => {
		if (a !== b) problems.push(`${path}: ${what} ${String(a)}, restored ${String(b)}`);
	};
	differ("type", expected.type, actual.type);
	if (expected.type !== "link") differ("mode", expected.mode.toString(8), actual.mode.toString(8));
	differ("target", expected.target, actual.target);
	if (!expected.isDatabase) {
		differ("time", expected.mtimeNs, actual.mtimeNs);
		differ("size", expected.size, actual.size);
	}
	return problems;
}

/** Databases below `root`. */
export function databasesOf(listing: Listing): readonly string[] {
	return [...listing].filter(([, entry]) => entry.isDatabase).map(([path]) => path);
}

export interface DatabaseComparison {
	readonly problems: readonly string[];
	readonly tables: number;
	/** The number of rows in `expected`, without leases. */
	readonly rows: number;
	/** The number of lease rows in `expected`, which must be absent from `actual`. */
	readonly leases: number;
}

/**
 * Compares databases row by row in any order: no row lost or added, and no lease. `actual` must
 * pass SQLite's own check.
 * @param expected may be in use, or left by a killed process; it is then read with its write-ahead
 * log
 */
export function compareDatabases(
	path: string,
	expected: string,
	actual: string,
): DatabaseComparison {
	const problems: string[] = [];
	const counts = { tables: 0, rows: 0, leases: 0 };
	try {
		withCopy(expected, (ours) =>
			withCopy(actual, (theirs) => compareTables(path, ours, theirs, problems, counts)),
		);
	} catch (error) {
		problems.push(`${path}: ${(error as Error).message}`);
	}
	return { problems, ...counts };
}

function compareTables(
	path: string,
	ours: DatabaseSync,
	theirs: DatabaseSync,
	problems: string[],
	counts: { tables: number; rows: number; leases: number },
): void {
	const checked = theirs
		.prepare("PRAGMA integrity_check")
		.all()
		.map((row) => String(Object.values(row)[0]));
	if (checked.join() !== "ok")
		problems.push(...checked.map((line) => `${path}: integrity_check says ${line}`));
	const tables = tablesOf(ours);
	for (const table of tablesOf(theirs))
		if (!tables.includes(table)) problems.push(`${path}: table ${table} was not there before`);
	for (const table of tables) {
		const rows = rowsOf(ours, table);
		const others = rowsOf(theirs, table);
		if (LEASE_TABLES.has(table)) {
			counts.leases += total(rows);
			if (others.size > 0) problems.push(`${path}: ${table} still has ${total(others)} rows`);
			continue;
		}
		counts.tables++;
		counts.rows += total(rows);
		const lost = surplus(rows, others);
		const added = surplus(others, rows);
		if (lost + added > 0)
			problems.push(
				`${path}: ${table} lost ${lost} rows of ${total(rows)} and has ${added} others`,
			);
	}
}

/**
 * Reads a copy of the file and its write-ahead log, because reading a database in place would leave
 * files next to it.
 */
function withCopy<T>(file: string, use: (database: DatabaseSync) => T): T {
	const directory = mkdtempSync(join(tmpdir(), "openclaw-demo-db-"));
	try {
		const copy = join(directory, "copy.sqlite");
		copyStill(file, copy);
		const database = new DatabaseSync(copy);
		try {
			return use(database);
		} finally {
			database.close();
		}
	} finally {
		rmSync(directory, { recursive: true, force: true });
	}
}

const COMPANIONS = ["", "-wal", "-journal"];
const COPY_TRIES = 50;

/**
 * Files from different moments are not a database, so this copies again until none of them changed
 * meanwhile.
 */
function copyStill(file: string, copy: string): void {
	const state = () =>
		COMPANIONS.map((suffix) => look(`${file}${suffix}`))
			.map((entry) => `${entry?.size} ${entry?.mtimeNs}`)
			.join();
	for (let attempt = 0; attempt < COPY_TRIES; attempt++) {
		const before = state();
		for (const suffix of COMPANIONS) {
			rmSync(`${copy}${suffix}`, { force: true });
			if (existsSync(`${file}${suffix}`)) copyFileSync(`${file}${suffix}`, `${copy}${suffix}`);
		}
		if (state() === before) return;
	}
	throw new Error(`${file} keeps changing`);
}

/** The content of virtual tables is in ordinary ones, which are compared. */
function tablesOf(database: DatabaseSync): readonly string[] {
	const tables = database
		.prepare(
			"SELECT name FROM sqlite_schema WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name",
		)
		.all();
	return tables.map(({ name }) => name as string);
}

/** The number of occurrences of each row. */
function rowsOf(database: DatabaseSync, table: string): ReadonlyMap<string, number> {
	const exists =
		database.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?").get(table) !==
		undefined;
	const rows = new Map<string, number>();
	if (!exists) return rows;
	const statement = database.prepare(`SELECT * FROM "${table.replaceAll('"', '""')}"`);
	statement.setReadBigInts(true);
	for (const row of statement.iterate()) {
		const key = JSON.stringify(Object.values(row), (_, value: unknown) =>
			typeof value === "bigint" ? `${value}n` : value,
		);
		rows.set(key, (rows.get(key) ?? 0) + 1);
	}
	return rows;
}

const total = (rows: ReadonlyMap<string, number>) =>
	[...rows.values()].reduce((sum, n) => sum + n, 0);

function surplus(rows: ReadonlyMap<string, number>, others: ReadonlyMap<string, number>): number {
	let count = 0;
	for (const [row, n] of rows) count += Math.max(0, n - (others.get(row) ?? 0));
	return count;
}
