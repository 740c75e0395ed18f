/** Files that a restore moves out of a workspace, and where they end up. */
import { randomBytes } from "node:crypto";
import {
	appendFileSync,
	existsSync,
	mkdirSync,
	readFileSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setImmediate as nextTurn } from "node:timers/promises";
import { afterEach, describe, expect, it } from "vitest";
import xxhash from "xxhash-wasm";
import { plainProfile, type Workbench, workbench } from "../../../testkit/workbench.ts";
import { newRestoreId, thisEnvironment } from "../commit/environment.ts";
import { readLog } from "../commit/read-log.ts";
import { DisplacedJournal } from "../disk/displaced.ts";
import { emptyTrash, readTrash } from "../disk/trash.ts";
import { SidecarError } from "../errors.ts";
import { contentOf } from "../history/inspect.ts";
import { isRestoreId } from "../log/restore-id.ts";
import { quarantineWriter } from "../log/safe-path.ts";
import { restore } from "../restore/restore.ts";
import { inspectDisk } from "../session/not-durable.ts";
import type { GetOptions } from "../store/port.ts";
import { noProgress } from "../telemetry/progress.ts";
import { loadFileTimes } from "../workspace/file-times.ts";

const closing: (() => void)[] = [];
afterEach(() => {
	for (const close of closing.splice(0)) close();
});

const place = (bench: Workbench, machine: string, path: string) =>
	join(bench.workspace(machine), path);
const write = (bench: Workbench, machine: string, path: string, text: string) =>
	writeFileSync(place(bench, machine, path), text);

/** Files below `.recovered/` by their original path, as text; links as `-> target`. */
async function quarantined(bench: Workbench): Promise<Record<string, string>> {
	const read = await readLog(bench.store);
	const found: Record<string, string> = {};
	for (const [path, entry] of read.head.tree) {
		const id = quarantineWriter(path);
		if (id === undefined || entry.type === "dir") continue;
		expect(isRestoreId(id)).toBe(true);
		const chunks: Buffer[] = [];
		if (entry.type === "file")
			for await (const bytes of contentOf(bench.store, read, entry, 1 << 20))
				chunks.push(Buffer.from(bytes));
		found[path.slice(`.recovered/${id}/`.length)] =
			entry.type === "link" ? `-> ${entry.target}` : Buffer.concat(chunks).toString();
	}
	return found;
}

/** Machine `a` continues from commit 2 while `b` commits something newer. */
async function twoSides(
	bench: Workbench,
	prepare: (machine: string) => void,
	newer: (machine: string) => void,
): Promise<void> {
	const a = await bench.open("a");
	prepare("a");
	await a.flush({ sweep: true, closed: true });
	const b = await bench.open("b");
	newer("b");
	await b.flush({ sweep: true, closed: true });
}

async function restoreAt(bench: Workbench, machine: string, at: number) {
	const [{ h64Raw }, times] = await Promise.all([xxhash(), loadFileTimes()]);
	const restored = await restore({
		store: bench.store,
		root: bench.workspace(machine),
		profile: plainProfile,
		privateDir: bench.privateDir(machine),
		times,
		quickHash: (bytes) => h64Raw(bytes),
		label: newRestoreId(thisEnvironment),
		logger: bench.logger,
		progress: noProgress,
		at,
	});
	await restored.finish(true);
	return restored;
}

describe("an edit that meets a newer commit", () => {
	// @id displaced-edit-not-durable
	it("is not durable before the next commit, which keeps it below .recovered/", async () => {
		await using bench = await workbench();
		await twoSides(
			bench,
			(machine) => write(bench, machine, "note", "common"),
			(machine) => write(bench, machine, "note", "newer"),
		);
		write(bench, "a", "note", "mine");

		const session = await bench.open("a");
		expect(readFileSync(place(bench, "a", "note"), "utf8")).toBe("newer");
		expect(session.restored.moved).toMatchObject([{ path: "note", isInLog: false }]);
		expect(session.waiting).toBe(1);
		expect(await session.flush({ sweep: true })).toMatchObject({ kind: "committed" });
		expect(session.waiting).toBe(0);
		expect(await quarantined(bench)).toEqual({ note: "mine" });
		expect(
			bench.logger.events.filter(({ event }) => event === "quarantine.committed"),
		).toMatchObject([{ level: "warn", fields: { files: 1, bytes: 4, paths: ["note"] } }]);
		expect((await session.flush({ sweep: true })).kind).toBe("nothing");
	});

	// @id displaced-edit-after-kill
	it("is found by the next start if the machine restored and was killed before it committed", async () => {
		await using bench = await workbench();
		await twoSides(
			bench,
			(machine) => write(bench, machine, "note", "common"),
			(machine) => write(bench, machine, "note", "newer"),
		);
		write(bench, "a", "note", "mine");
		await bench.open("a");

		const again = await bench.open("a");
		expect(again.restored.moved).toEqual([]);
		expect(
			bench.logger.events.filter(({ event }) => event === "restore.moved-before"),
		).toMatchObject([{ fields: { path: "note" } }]);
		await again.flush({ sweep: true });
		expect(await quarantined(bench)).toEqual({ note: "mine" });
		expect(new DisplacedJournal(bench.privateDir("a")).entries()).toEqual([]);
	});

	it("is named by an inspection until it is committed, and not afterwards", async () => {
		await using bench = await workbench();
		await twoSides(
			bench,
			(machine) => write(bench, machine, "note", "common"),
			(machine) => write(bench, machine, "note", "newer"),
		);
		write(bench, "a", "note", "mine");
		const session = await bench.open("a");
		const look = async () =>
			await inspectDisk(
				{
					store: bench.store,
					root: bench.workspace("a"),
					profile: plainProfile,
					privateDir: bench.privateDir("a"),
				},
				(await readLog(bench.store)).head,
			);
		expect((await look()).notDurable).toMatchObject([{ path: "note", kind: "displaced" }]);
		await session.flush({ sweep: true, closed: true });
		expect((await look()).notDurable).toEqual([]);
	});

	// @id displaced-database-with-wal
	it("is kept with its rows if it is a database whose newest rows are in the WAL", async () => {
		await using bench = await workbench();
		const insert = (machine: string, row: string) => {
			const database = new DatabaseSync(place(bench, machine, "a.db"));
			closing.push(() => database.isOpen && database.close());
			database.exec(
				"PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE IF NOT EXISTS t (x)",
			);
			database.prepare("INSERT INTO t VALUES (?)").run(row);
			return database;
		};
		await twoSides(
			bench,
			(machine) => insert(machine, "common").close(),
			(machine) => insert(machine, "newer").close(),
		);
		insert("a", "mine");

		const session = await bench.open("a");
		await session.flush({ sweep: true, closed: true });
		const texts = await quarantined(bench);
		expect(Object.keys(texts)).toEqual(["a.db"]);
		expect(texts["a.db"]).toContain("mine");
	});

	it("is kept if it is a link, and if it is a file that replaced a directory", async () => {
		await using bench = await workbench();
		await twoSides(
			bench,
			(machine) => {
				symlinkSync("common", place(bench, machine, "link"));
				mkdirSync(place(bench, machine, "d"));
				write(bench, machine, "d/x", "common");
			},
			(machine) => {
				rmSync(place(bench, machine, "link"));
				symlinkSync("newer", place(bench, machine, "link"));
				write(bench, machine, "d/x", "newer");
			},
		);
		rmSync(place(bench, "a", "link"));
		symlinkSync("mine", place(bench, "a", "link"));
		rmSync(place(bench, "a", "d"), { recursive: true });
		write(bench, "a", "d", "a file by now");

		const session = await bench.open("a");
		await session.flush({ sweep: true, closed: true });
		expect(await quarantined(bench)).toEqual({ link: "-> mine", d: "a file by now" });
	});

	it("is not stored again if the log has the same bytes, like an image's defaults at every start", async () => {
		await using bench = await workbench();
		const a = await bench.open("a");
		write(bench, "a", "SOUL.md", "a soul");
		await a.flush({ sweep: true, closed: true });
		for (const machine of ["b", "c"]) {
			mkdirSync(bench.workspace(machine));
			write(bench, machine, "SOUL.md", "a template");
			const session = await bench.open(machine);
			await session.flush({ sweep: true, closed: true });
			expect(session.waiting).toBe(0);
		}
		const { tree } = (await readLog(bench.store)).head;
		expect([...tree.keys()].filter((path) => path.endsWith("/SOUL.md"))).toHaveLength(1);
	});

	// @id displaced-private-file
	it("stays only in the trash, and is named, if the ignore file keeps it out of the log", async () => {
		await using bench = await workbench();
		await twoSides(
			bench,
			(machine) => write(bench, machine, "private", "common"),
			(machine) => write(bench, machine, "private", "newer"),
		);
		write(bench, "a", "private", "mine");
		write(bench, "a", ".openclaw-sidecar-ignore", "/private\n");
		const session = await bench.open("a");
		await session.flush({ sweep: true, closed: true });
		expect(session.waiting).toBe(0);
		expect(await quarantined(bench)).toEqual({});
		expect(
			bench.logger.events.filter(({ event }) => event === "quarantine.left-out"),
		).toMatchObject([{ fields: { path: "private" } }]);
		expect(readFileSync(session.restored.moved[0]?.to as string, "utf8")).toBe("mine");
		const trash = readTrash(bench.privateDir("a"));
		expect(trash.flatMap(({ entries }) => entries)).toMatchObject([
			{ path: "private", isOnlyCopy: false, isExcluded: true },
		]);
		expect(emptyTrash(bench.privateDir("a"), trash)).toEqual([]);
		expect(readFileSync(session.restored.moved[0]?.to as string, "utf8")).toBe("mine");
	});
});

// @id displaced-by-restore-at
it("`restore --at` keeps an edit that it moves away, but no content that differs only in an older commit", async () => {
	await using bench = await workbench();
	const a = await bench.open("a");
	for (const path of ["same", "edited"]) write(bench, "a", path, "v1");
	await a.flush({ sweep: true });
	for (const path of ["same", "edited", "new"]) write(bench, "a", path, "v2");
	await a.flush({ sweep: true, closed: true });
	write(bench, "a", "edited", "v3, never committed");

	const restored = await restoreAt(bench, "a", 2);
	expect(restored.moved.map(({ path, isInLog }) => [path, isInLog]).sort()).toEqual([
		["edited", false],
		["new", true],
		["same", true],
	]);
	const again = await bench.open("a");
	expect(readFileSync(place(bench, "a", "edited"), "utf8")).toBe("v2");
	await again.flush({ sweep: true, closed: true });
	expect(await quarantined(bench)).toEqual({ edited: "v3, never committed" });
});

// @id failed-restore-puts-back
it("a restore puts back what it moved if the store fails in the middle, and the next start continues", async () => {
	await using bench = await workbench();
	await twoSides(
		bench,
		(machine) => write(bench, machine, "note", "common"),
		(machine) => {
			write(bench, machine, "note", "newer");
			writeFileSync(place(bench, machine, "large"), randomBytes(6_000_000));
		},
	);
	write(bench, "a", "note", "mine");
	const journal = new DisplacedJournal(bench.privateDir("a"));
	let seen: readonly string[] = [];
	const failing = new Proxy(bench.store, {
		get(target, name) {
			const member: unknown = Reflect.get(target, name, target);
			if (name !== "get") return typeof member === "function" ? member.bind(target) : member;
			return async (key: string, options?: GetOptions) => {
				if (!key.startsWith("packs/")) return await target.get(key, options);
				while (existsSync(place(bench, "a", "note"))) await nextTurn();
				seen = journal.entries().map(({ path }) => path);
				throw new SidecarError("STORE_UNREACHABLE", { value: key, reason: "made up" });
			};
		},
	});
	await expect(bench.open("a", { store: failing })).rejects.toMatchObject({
		code: "STORE_UNREACHABLE",
	});
	expect(seen).toEqual(["note"]);
	expect(readFileSync(place(bench, "a", "note"), "utf8")).toBe("mine");
	expect(journal.entries()).toEqual([]);

	const session = await bench.open("a");
	await session.flush({ sweep: true, closed: true });
	expect(await quarantined(bench)).toEqual({ note: "mine" });
});

// @id torn-journal
it("a journal whose last line was cut short by a crash is read, and writing to it continues", async () => {
	await using bench = await workbench();
	const journal = new DisplacedJournal(bench.privateDir("a"));
	const entries = ["a", "b", "\udcff"].map((path) => ({
		path,
		restore: newRestoreId(thisEnvironment),
		name: `${path}.1`,
	}));
	journal.add(entries.slice(0, 2));
	appendFileSync(join(bench.privateDir("a"), "displaced.jsonl"), '{"path":"torn","rest');
	journal.add(entries.slice(2));
	expect(journal.entries()).toEqual(entries);
	journal.remove(entries.slice(0, 1));
	expect(journal.entries()).toEqual(entries.slice(1));
	journal.remove(entries);
	expect(journal.entries()).toEqual([]);
});
