/** Incidents in which a limit was met in silence: each limit of the format, lowered, as a writer meets it. Numbers: docs/reliability.md. */
import { randomBytes } from "node:crypto";
import { mkdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, it, vi } from "vitest";
import { readLog } from "../../src/sync/read-log.ts";
import { readDisk } from "../disk.ts";
import { workbench } from "../workbench.ts";
import { below, commit, put, textOf } from "./files.ts";

const MiB = 1024 * 1024;

vi.mock("../../src/log/limits.ts", async (original) => ({
	...(await original<typeof import("../../src/log/limits.ts")>()),
	MAX_ENTRIES: 40,
	MAX_CHUNKS: 50,
	MAX_MANIFEST_BYTES: 4000,
	MAX_INLINE_BYTES: 64 * 1024,
	MAX_SEGMENT_INLINE_BYTES: 96 * 1024,
	MAX_BLOCK_BYTES: 1024 * 1024,
	SEGMENT_COMMITS: 4,
}));

it("fastagent #489: more than MAX_ENTRIES is refused as a whole, told each time, and taken once there is room", async () => {
	await using bench = await workbench();
	put(bench, "a", { "SOUL.md": "soul" });
	const a = await bench.open("a");
	const before = await commit(a);
	const many = Object.fromEntries(Array.from({ length: 45 }, (_, index) => [`many/${index}`, "x"]));
	put(bench, "a", { "SOUL.md": "soul, edited", ...many });
	for (let round = 0; round < 3; round++) {
		const flushed = a.flush({ sweep: true });
		await expect(flushed).rejects.toMatchObject({ code: "WORKSPACE_TOO_LARGE", exitStatus: 3 });
		await expect(flushed).rejects.toThrow(/48 files and directories, the limit is 40/);
		expect(a.isDue).toBe(true);
	}
	expect((await readLog(bench.store)).head.seq).toBe(before);
	for (let index = 0; index < 20; index++) rmSync(join(bench.workspace("a"), `many/${index}`));
	await commit(a);
	await bench.open("b");
	expect(textOf(bench, "b", "SOUL.md")).toBe("soul, edited");
	expect(below(bench.workspace("b"))).toEqual(below(bench.workspace("a")));
});

it("fastagent #489: a manifest of more than MAX_MANIFEST_BYTES is refused, told each time, and taken once it is smaller", async () => {
	await using bench = await workbench();
	put(bench, "a", { "SOUL.md": "soul" });
	const a = await bench.open("a");
	const before = await commit(a);
	const name = (index: number) => `${index}${"n".repeat(240)}`;
	for (let index = 0; index < 20; index++) writeFileSync(join(bench.workspace("a"), name(index)), "x");
	for (let round = 0; round < 2; round++) {
		const flushed = a.flush({ sweep: true });
		await expect(flushed).rejects.toMatchObject({ code: "WORKSPACE_TOO_LARGE", exitStatus: 3 });
		await expect(flushed).rejects.toThrow(/the manifest has \d+ bytes, the limit is 4000/);
	}
	expect((await readLog(bench.store)).head.seq).toBe(before);
	for (let index = 5; index < 20; index++) rmSync(join(bench.workspace("a"), name(index)));
	await commit(a);
	expect((await readLog(bench.store)).head.tree.size).toBe(7);
});

it("fastagent #489: content beyond MAX_INLINE_BYTES and MAX_SEGMENT_INLINE_BYTES goes to packs, and is no limit", async () => {
	await using bench = await workbench();
	const a = await bench.open("a");
	for (let round = 0; round < 6; round++) {
		writeFileSync(join(bench.workspace("a"), `inline-${round}`), randomBytes(40 * 1024));
		await commit(a);
	}
	writeFileSync(join(bench.workspace("a"), "beyond"), randomBytes(200 * 1024));
	await commit(a, { closed: true });
	await bench.open("b");
	expect(below(bench.workspace("b"))).toEqual(below(bench.workspace("a")));
});

it("fastagent #489: SEGMENT_COMMITS only says where a log is folded from: there may be any number of commits", async () => {
	await using bench = await workbench();
	const a = await bench.open("a");
	for (let round = 0; round < 19; round++) {
		put(bench, "a", { note: `${round}` });
		await commit(a);
	}
	expect((await readLog(bench.store)).head).toMatchObject({ seq: 20, fullSeq: 20 });
	await bench.open("b");
	expect(textOf(bench, "b", "note")).toBe("18");
});

it("fastagent #489: SQLITE_CHUNK_BITS is a size and no limit: a database of any number of pages is stored", async () => {
	await using bench = await workbench();
	mkdirSync(bench.workspace("a"));
	{
		using database = new DatabaseSync(join(bench.workspace("a"), "x.db"));
		database.exec("CREATE TABLE t (v); INSERT INTO t VALUES (zeroblob(300000))");
	}
	await commit(await bench.open("a"), { closed: true });
	await bench.open("b");
	using copy = new DatabaseSync(join(bench.workspace("b"), "x.db"), { readOnly: true });
	expect(copy.prepare("SELECT length(v) AS bytes FROM t").get()).toEqual({ bytes: 300_000 });
});

it("fastagent #489: a file of more than MAX_CHUNKS chunks is named, and the commit says what became of the rest", async () => {
	await using bench = await workbench();
	put(bench, "a", { "SOUL.md": "soul" });
	const a = await bench.open("a");
	await commit(a);
	put(bench, "a", { "SOUL.md": "soul, edited" });
	const giant = join(bench.workspace("a"), "giant");
	writeFileSync(giant, "");
	truncateSync(giant, 51 * MiB);
	const flushed = a.flush({ sweep: true });
	await expect(flushed).rejects.toMatchObject({ code: "WORKSPACE_TOO_LARGE", value: "giant" });
	expect(a.isDue).toBe(true);
	rmSync(giant);
	await commit(a);
	await bench.open("b");
	expect(textOf(bench, "b", "SOUL.md")).toBe("soul, edited");
	expect(readDisk(bench.workspace("b")).size).toBe(2);
});
