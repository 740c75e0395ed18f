/** Incidents in which two writers used one place. Numbers: docs/reliability.md. */
import { readFileSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { workbench } from "../../../testkit/workbench.ts";
import { readLog } from "../../src/commit/read-log.ts";
import { commit, put, textOf, textsOf } from "./files.ts";

const IGNORE_FILE = ".openclaw-sidecar-ignore";

// @id incident-2-ignored
it("2: paths that the image owns and the ignore file names are neither stored nor overwritten", async () => {
	await using bench = await workbench();
	const image = (version: number) => ({
		[IGNORE_FILE]: "/skills/\n",
		"skills/house.md": `of image ${version}`,
	});
	put(bench, "a", { ...image(1), "MEMORY.md": "the user's" });
	// Old enough to count as complete.
	utimesSync(join(bench.workspace("a"), IGNORE_FILE), 1_700_000_000, 1_700_000_000);
	await commit(await bench.open("a"), { closed: true });
	expect((await readLog(bench.store)).head.tree.has("skills/house.md")).toBe(false);

	put(bench, "b", { ...image(2), "MEMORY.md": "the image's template" });
	const b = await bench.open("b");
	expect(textsOf(bench, "b", ["skills/house.md", "MEMORY.md"])).toEqual({
		"skills/house.md": "of image 2",
		"MEMORY.md": "the user's",
	});
	await b.flush({ sweep: true });
	expect(textOf(bench, "b", "skills/house.md")).toBe("of image 2");
});

// @id incident-2-gives-way
it("2: the log's version replaces an image's file, whose bytes are kept and reported", async () => {
	await using bench = await workbench();
	put(bench, "a", { "openclaw.json": "with the user's keys" });
	await commit(await bench.open("a"), { closed: true });
	put(bench, "b", { "openclaw.json": "with the image's new keys" });
	const { restored } = await bench.open("b");
	expect(textOf(bench, "b", "openclaw.json")).toBe("with the user's keys");
	expect(restored.moved.map(({ path, to }) => [path, readFileSync(to, "utf8")])).toEqual([
		["openclaw.json", "with the image's new keys"],
	]);
	const told = bench.logger.events.filter(({ event }) => event === "restore.moved");
	expect(told).toMatchObject([
		{ level: "warn", fields: { path: "openclaw.json", to: restored.moved[0]?.to } },
	]);
});

// @id incident-27-two-turns
it("27: both results of two turns that end at once are kept, one in place and one quarantined", async () => {
	await using bench = await workbench();
	put(bench, "a", { "session.jsonl": "before\n" });
	const a = await bench.open("a");
	await commit(a);
	const b = await bench.open("b");
	put(bench, "a", { "session.jsonl": "before\nturn of a\n" });
	put(bench, "b", { "session.jsonl": "before\nturn of b\n" });
	await Promise.all([commit(a), commit(b)]);

	await bench.open("c");
	expect(textOf(bench, "c", "session.jsonl")).toBe("before\nturn of b\n");
	const { tree } = (await readLog(bench.store)).head;
	expect(tree.get(`.recovered/${a.writerId}/session.jsonl`)).toMatchObject({
		type: "file",
		size: 17,
	});
});

// @id incident-28-stale-copy
it("28: a worker's stale copy overwrites nothing, however often it checks", async () => {
	await using bench = await workbench();
	put(bench, "worker", { "SOUL.md": "old", "notes.md": "notes" });
	const worker = await bench.open("worker");
	await commit(worker);
	const owner = await bench.open("owner");
	put(bench, "owner", { "SOUL.md": "new" });
	await commit(owner);
	for (let round = 0; round < 3; round++) {
		utimesSync(join(bench.workspace("worker"), "SOUL.md"), round, round);
		await worker.flush({ sweep: true });
		await owner.flush({ sweep: true });
	}
	await bench.open("next");
	expect(textOf(bench, "next", "SOUL.md")).toBe("new");
	expect(textOf(bench, "owner", "SOUL.md")).toBe("new");
});
