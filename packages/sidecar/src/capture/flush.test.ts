/** Flushes that meet failures on the disk, in the store or in the log. */
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { DeafToLists } from "../../../testkit/store/faulty-store.ts";
import { plainProfile, workbench } from "../../../testkit/workbench.ts";
import { asOrdinaryUser } from "../../../testkit/workspace/as-ordinary-user.ts";
import { thisEnvironment } from "../commit/environment.ts";
import { readLog } from "../commit/read-log.ts";

/** No pause between tries. */
const environment = { ...thisEnvironment, sleep: async () => {} };

describe("unreadable content", () => {
	// @id unreadable-directory
	it("stays in the log and is named if it is in a directory that became unreadable, and stops nothing else", async () => {
		await asOrdinaryUser(async () => {
			await using bench = await workbench();
			const root = bench.workspace("a");
			const session = await bench.open("a");
			mkdirSync(join(root, "g/p"), { recursive: true });
			writeFileSync(join(root, "g/p/x"), "1");
			await session.flush({ sweep: true });

			writeFileSync(join(root, "g/p/x"), "2");
			writeFileSync(join(root, "important"), "!");
			chmodSync(join(root, "g"), 0);
			try {
				for (const hint of ["g/p/x", "g", "important"]) session.hint(hint);
				expect(await session.flush()).toMatchObject({ kind: "committed" });
				writeFileSync(join(root, "more"), "!");
				expect(await session.flush({ sweep: true })).toMatchObject({ kind: "committed" });
				expect(session.deferred.length).toBeGreaterThan(0);
				const paths = [...(await readLog(bench.store)).head.tree.keys()].sort();
				expect(paths).toEqual(["", "g", "g/p", "g/p/x", "important", "more"]);
			} finally {
				chmodSync(join(root, "g"), 0o700);
			}
			await session.flush({ sweep: true });
			expect(session.deferred).toEqual([]);
			await bench.open("b");
			expect(readFileSync(join(bench.workspace("b"), "g/p/x"), "utf8")).toBe("2");
		});
	});

	it("waits if it is a database that cannot be cleaned, and stops nothing else", async () => {
		await using bench = await workbench();
		const profile = {
			...plainProfile,
			cleanSqlite: () => {
				throw new Error("made up");
			},
		};
		const session = await bench.open("a", { profile });
		{
			using database = new DatabaseSync(join(bench.workspace("a"), "a.db"));
			database.exec("CREATE TABLE t (v)");
		}
		writeFileSync(join(bench.workspace("a"), "important"), "!");
		expect(await session.flush({ sweep: true })).toMatchObject({
			kind: "committed",
			deferred: [{ path: "a.db" }],
		});
		expect(session.waiting).toBeGreaterThan(0);
		expect([...(await readLog(bench.store)).head.tree.keys()].sort()).toEqual(["", "important"]);
	});
});

describe("a commit that was undecided, then lost its slot, while the log could not be read", () => {
	it("is taken again and committed in place if a superseded writer had the slot", async () => {
		await using bench = await workbench();
		const old = await bench.open("old");
		const store = new DeafToLists(bench.store);
		const owner = await bench.open("owner", { store, environment });
		writeFileSync(join(bench.workspace("owner"), "f"), "1");
		store.queue("lost-request", "lost-request", "lost-request");
		expect(await owner.flush({ sweep: true })).toMatchObject({ kind: "unknown" });
		writeFileSync(join(bench.workspace("old"), "late"), "1");
		expect(await old.flush({ sweep: true })).toMatchObject({
			kind: "committed",
			quarantined: true,
		});

		store.isDeafToLists = true;
		await expect(owner.flush()).rejects.toMatchObject({ code: "STORE_UNREACHABLE" });
		expect(owner.waiting).toBeGreaterThan(0);
		expect(owner.isDue).toBe(true);
		store.isDeafToLists = false;
		expect(await owner.flush()).toMatchObject({ kind: "committed", quarantined: false });
		expect(owner.waiting).toBe(0);
		expect(owner.isDue).toBe(false);
		expect((await readLog(bench.store)).head.tree.has("f")).toBe(true);
	});

	it("is taken again and quarantined if a new owner had the slot", async () => {
		await using bench = await workbench();
		const store = new DeafToLists(bench.store);
		const first = await bench.open("first", { store, environment });
		await first.flush({ sweep: true });
		writeFileSync(join(bench.workspace("first"), "f"), "1");
		first.hint("f");
		store.queue("lost-request", "lost-request", "lost-request");
		expect(await first.flush()).toMatchObject({ kind: "unknown" });
		await bench.open("second");

		store.isDeafToLists = true;
		await expect(first.flush()).rejects.toMatchObject({ code: "STORE_UNREACHABLE" });
		store.isDeafToLists = false;
		expect(await first.flush()).toMatchObject({ kind: "committed", quarantined: true });
		expect(first.waiting).toBe(0);
		expect((await readLog(bench.store)).head.tree.has(`.recovered/${first.writerId}/f`)).toBe(true);
	});
});

it("a superseded writer quarantines a file that replaces a directory it had quarantined, and later changes", async () => {
	await using bench = await workbench();
	const root = bench.workspace("a");
	const session = await bench.open("a");
	await bench.open("b");
	mkdirSync(join(root, "d/e"), { recursive: true });
	writeFileSync(join(root, "d/x"), "1");
	writeFileSync(join(root, "d/e/y"), "1");
	expect(await session.flush({ sweep: true })).toMatchObject({
		kind: "committed",
		quarantined: true,
	});
	rmSync(join(root, "d"), { recursive: true });
	writeFileSync(join(root, "d"), "a file by now");
	writeFileSync(join(root, "other"), "later");
	expect(await session.flush({ sweep: true })).toMatchObject({
		kind: "committed",
		quarantined: true,
	});
	writeFileSync(join(root, "more"), "later still");
	expect(await session.flush({ sweep: true })).toMatchObject({
		kind: "committed",
		quarantined: true,
	});
	expect(session.waiting).toBe(0);

	const { head } = await readLog(bench.store);
	const home = `.recovered/${session.writerId}`;
	expect([...head.tree.keys()].filter((path) => path.startsWith(`${home}/`)).sort()).toEqual(
		["d", "more", "other"].map((name) => `${home}/${name}`),
	);
	expect(head.tree.get(`${home}/d`)?.type).toBe("file");
	// The next machine can restore, too.
	await bench.open("c");
});
