/**
 * Commits that no reader could decode are never put: one of them in the log would shut the gate for
 * good.
 */
import { lstatSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it, vi } from "vitest";
import { FaultyStore } from "../../../testkit/store/faulty-store.ts";
import { plainProfile, workbench } from "../../../testkit/workbench.ts";
import { now, thisEnvironment } from "../commit/environment.ts";
import { LogWriter } from "../commit/log-writer.ts";
import { readLog } from "../commit/read-log.ts";
import { EMPTY_HEAD } from "../log/fold.ts";
import type { Entry } from "../log/types.ts";

/** Beyond 2^40 s. */
const FAR_SECONDS = 1_790_000_000_000;
const directory: Entry = { type: "dir", mode: 0o755, mtimeNs: 0n };

describe("a commit that no reader could decode", () => {
	const undecodable: [string, Entry][] = [
		[
			"a time that is too late",
			{ type: "link", mtimeNs: BigInt(FAR_SECONDS) * 1_000_000_000n, target: "t" },
		],
		[
			"a time that is too early",
			{ type: "link", mtimeNs: BigInt(-FAR_SECONDS) * 1_000_000_000n, target: "t" },
		],
		[
			"a file with fewer chunks than its size asks for",
			{ type: "file", mode: 0o644, mtimeNs: 0n, size: 5, chunkBits: 20, chunks: [] },
		],
	];
	for (const [what, entry] of undecodable) {
		// @id undecodable-commit
		it(`is not put by the writer, and the next commit succeeds: ${what}`, async () => {
			await using bench = await workbench();
			const store = new FaultyStore(bench.store);
			const writer = new LogWriter(store, thisEnvironment, EMPTY_HEAD, now(thisEnvironment));
			await writer.fence();
			const before = store.sent.length;
			const delta = (each: Entry) => ({
				changed: new Map([["", directory] as const, ["p", each] as const]),
				removed: new Set<string>(),
			});
			await expect(writer.commit(delta(entry), [], {})).rejects.toThrow();
			expect(store.sent).toHaveLength(before);
			expect(writer.isUndecided).toBe(false);
			expect(
				await writer.commit(delta({ type: "link", mtimeNs: 1n, target: "t" }), [], {}),
			).toMatchObject({ kind: "committed", seq: 2 });
			expect((await readLog(bench.store)).head.tree.get("p")).toMatchObject({ mtimeNs: 1n });
		});
	}
});

it("a file with a time that the format cannot store is deferred and named, and everything else is committed", async (test) => {
	// ext4 and similar file systems clamp such times; tmpfs accepts them.
	vi.stubEnv("TMPDIR", "/dev/shm");
	const bench = await workbench().finally(() => vi.unstubAllEnvs());
	await using _ = bench;
	const session = await bench.open("a");
	const file = join(bench.workspace("a"), "far");
	writeFileSync(file, "x");
	writeFileSync(join(bench.workspace("a"), "near"), "x");
	utimesSync(file, 1, FAR_SECONDS);
	if (lstatSync(file, { bigint: true }).mtimeNs !== BigInt(FAR_SECONDS) * 1_000_000_000n)
		test.skip("/dev/shm does not keep times beyond 2^40 s here");
	expect(await session.flush({ sweep: true, closed: true })).toMatchObject({
		kind: "committed",
		deferred: [{ path: "far" }],
	});
	expect(session.waiting).toBeGreaterThan(0);
	expect([...(await readLog(bench.store)).head.tree.keys()].sort()).toEqual(["", "near"]);

	utimesSync(file, 1, 1);
	await session.flush({ sweep: true });
	expect((await readLog(bench.store)).head.tree.has("far")).toBe(true);
	expect(session.waiting).toBe(0);
});

it("a database whose private copy disappears before it is read is deferred, and nothing is put", async () => {
	await using bench = await workbench();
	const store = new FaultyStore(bench.store);
	let isVanishing = false;
	const profile = {
		...plainProfile,
		cleanSqlite: (_path: string, copy: DatabaseSync) => {
			const file = copy.location();
			if (isVanishing && file !== null) void Promise.resolve().then(() => rmSync(file));
		},
	};
	const session = await bench.open("a", { store, profile });
	using database = new DatabaseSync(join(bench.workspace("a"), "x.db"));
	database.exec("CREATE TABLE t (v); INSERT INTO t VALUES ('old')");
	await session.flush({ sweep: true });
	const [sent, old] = [store.sent.length, (await readLog(bench.store)).head];

	isVanishing = true;
	database.exec("UPDATE t SET v = 'new'");
	expect(await session.flush({ sweep: true })).toMatchObject({
		kind: "nothing",
		deferred: [{ path: "x.db" }],
	});
	expect(session.waiting).toBeGreaterThan(0);
	expect(store.sent).toHaveLength(sent);
	expect((await readLog(bench.store)).head.id).toBe(old.id);

	isVanishing = false;
	expect(await session.flush()).toMatchObject({ kind: "committed", deferred: [] });
	await bench.open("b");
	using restored = new DatabaseSync(join(bench.workspace("b"), "x.db"));
	expect(restored.prepare("SELECT v FROM t").get()).toEqual({ v: "new" });
});
