/** Incidents in which a deletion or a wipe reached the only copy. Numbers: docs/reliability.md. */
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { DeafToPacks, FaultyStore } from "../../../testkit/store/faulty-store.ts";
import { workbench } from "../../../testkit/workbench.ts";
import { readDisk } from "../../../testkit/workspace/disk.ts";
import { readLog } from "../../src/commit/read-log.ts";
import type { ListOptions } from "../../src/store/port.ts";
import { commit, put, textOf, textsOf } from "./files.ts";

const MEMORY = Object.fromEntries(
	["SOUL.md", "MEMORY.md", "USER.md", ...Array.from({ length: 9 }, (_, n) => `memory/${n}.md`)].map(
		(path) => [path, `years of ${path}`],
	),
);

// @id incident-20-history
it("20: files that an agent deletes or rewrites can be restored from history", async () => {
	await using bench = await workbench();
	put(bench, "a", { ...MEMORY, "agents/main/sessions/sessions.json": '{"all":"of them"}' });
	const a = await bench.open("a");
	const before = await commit(a);
	rmSync(join(bench.workspace("a"), "MEMORY.md"));
	put(bench, "a", { "agents/main/sessions/sessions.json": "{}" });
	await commit(a);
	const then = (await readLog(bench.store, { at: before })).head.tree;
	const now = (await readLog(bench.store)).head.tree;
	expect(now.has("MEMORY.md")).toBe(false);
	expect(then.get("MEMORY.md")).toMatchObject({ type: "file", size: MEMORY["MEMORY.md"]?.length });
	expect(then.get("agents/main/sessions/sessions.json")).toMatchObject({ size: 17 });
});

// @id incident-26-restore-deletes-nothing
it("26: a restore over a disk with other files deletes nothing, and neither do later flushes", async () => {
	await using bench = await workbench();
	put(bench, "a", MEMORY);
	await commit(await bench.open("a"), { closed: true });
	put(bench, "b", { "only-here/notes.md": "of this disk", "SOUL.md": "another soul" });
	const b = await bench.open("b");
	for (let round = 0; round < 3; round++)
		expect(await b.flush({ sweep: true })).toMatchObject(
			round === 0 ? { removed: 0 } : { kind: "nothing" },
		);
	expect(textsOf(bench, "b", Object.keys(MEMORY))).toEqual(MEMORY);
	expect(textOf(bench, "b", "only-here/notes.md")).toBe("of this disk");
	expect(b.restored.moved.map(({ to }) => readFileSync(to, "utf8"))).toEqual(["another soul"]);
});

// @id incident-29-half-restored
it("29: a half-restored sandbox deletes nothing, and its missing files come back", async () => {
	await using bench = await workbench();
	put(bench, "a", MEMORY);
	writeFileSync(join(bench.workspace("a"), "large"), randomBytes(5_000_000));
	const a = await bench.open("a");
	const seq = await commit(a, { closed: true });
	await expect(bench.open("b", { store: new DeafToPacks(bench.store) })).rejects.toMatchObject({
		code: "STORE_UNREACHABLE",
	});
	expect(existsSync(join(bench.workspace("b"), "large"))).toBe(false);
	const b = await bench.open("b");
	await b.flush({ sweep: true });
	expect(readDisk(bench.workspace("b"))).toEqual(readDisk(bench.workspace("a")));
	expect((await readLog(bench.store)).head.tree).toEqual(
		(await readLog(bench.store, { at: seq })).head.tree,
	);
});

// @id incident-35-listing
it("35: a listing that fails, or is empty at first, does not count as an empty workspace", async () => {
	await using bench = await workbench();
	put(bench, "a", MEMORY);
	const a = await bench.open("a");
	await commit(a, { closed: true });
	const puts = bench.store.requests.put;
	const failing = new (class extends FaultyStore {
		// biome-ignore lint/correctness/useYield: it fails before its first page
		override async *list(_prefix: string, _options?: ListOptions): AsyncGenerator<never> {
			throw new Error("connection reset");
		}
	})(bench.store);
	await expect(bench.open("a", { store: failing })).rejects.toThrow();
	expect(bench.store.requests.put).toBe(puts);
	expect(textsOf(bench, "a", Object.keys(MEMORY))).toEqual(MEMORY);

	const emptyFirst = new (class extends FaultyStore {
		override async *list(prefix: string, options?: ListOptions) {
			yield { objects: [], storeTimeMs: Date.now() };
			yield* super.list(prefix, options);
		}
	})(bench.store);
	await bench.open("a", { store: emptyFirst });
	expect(textsOf(bench, "a", Object.keys(MEMORY))).toEqual(MEMORY);
});

// @id incident-35-unmounted
it("35: a directory that became empty, like an unmounted one, deletes nothing from the log", async () => {
	await using bench = await workbench();
	put(bench, "a", MEMORY);
	const a = await bench.open("a");
	await commit(a);
	const before = (await readLog(bench.store)).head.tree;
	// This looks like an unmounted volume: the directory exists and is empty.
	for (const name of readdirSync(bench.workspace("a")))
		rmSync(join(bench.workspace("a"), name), { recursive: true });
	const result = await a.flush({ sweep: true });
	// The subdirectory disappears with its files.
	expect(result).toMatchObject({ deferredDeletions: Object.keys(MEMORY).length + 1 });
	expect((await readLog(bench.store)).head.tree.size).toBe(before.size);
	await bench.open("b");
	expect(textsOf(bench, "b", Object.keys(MEMORY))).toEqual(MEMORY);
});

// @id incident-36-upgrade
it("36: after an upgrade replaces the workspace by templates, the persona is in the log and comes back", async () => {
	await using bench = await workbench();
	put(bench, "a", MEMORY);
	await commit(await bench.open("a"), { closed: true });
	rmSync(bench.workspace("a"), { recursive: true });
	put(bench, "a", { "SOUL.md": "template", "USER.md": "template", "BOOTSTRAP.md": "template" });
	const a = await bench.open("a");
	expect(textsOf(bench, "a", Object.keys(MEMORY))).toEqual(MEMORY);
	await a.flush({ sweep: true });
	await bench.open("b");
	expect(textsOf(bench, "b", Object.keys(MEMORY))).toEqual(MEMORY);
});

// @id ocs-deletions
it("OCS: deleted files stay deleted on the next machine", async () => {
	await using bench = await workbench();
	put(bench, "a", MEMORY);
	const a = await bench.open("a");
	await commit(a);
	await bench.open("b");
	const again = await bench.open("a");
	rmSync(join(bench.workspace("a"), "memory/3.md"));
	await commit(again, { closed: true });
	await bench.open("b");
	expect(existsSync(join(bench.workspace("b"), "memory/3.md"))).toBe(false);
	expect(existsSync(join(bench.workspace("b"), "memory/4.md"))).toBe(true);
});
