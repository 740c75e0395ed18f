/** The ignore file while a session runs: what it removes from the log and what it brings back. */
import {
	appendFileSync,
	existsSync,
	mkdirSync,
	rmSync,
	symlinkSync,
	utimesSync,
	writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { expect, it } from "vitest";
import { environmentWithClock, type Workbench, workbench } from "../../../testkit/workbench.ts";
import { readLog } from "../commit/read-log.ts";

const IGNORE_FILE = ".openclaw-sidecar-ignore";

function write(bench: Workbench, path: string, text: string): void {
	const file = join(bench.workspace("a"), path);
	mkdirSync(dirname(file), { recursive: true });
	writeFileSync(file, text);
	// Old enough to be what its author intended.
	if (path === IGNORE_FILE) utimesSync(file, Date.now() / 1000 - 60, Date.now() / 1000 - 60);
}

const paths = async (bench: Workbench, at?: number) =>
	[...(await readLog(bench.store, at === undefined ? {} : { at })).head.tree]
		.filter(([, { type }]) => type === "file")
		.map(([path]) => path)
		.sort();

it("newly ignored paths leave the newest tree, stay on the disk and in history, and can return", async () => {
	await using bench = await workbench();
	const session = await bench.open("a");
	for (const path of [
		"notes.md",
		"more.md",
		"build/out.bin",
		"build/keep/me.md",
		"deep/build/out.bin",
	])
		write(bench, path, path);
	await session.flush({ sweep: true });
	const { seq } = session.head;
	const all = await paths(bench);

	write(bench, IGNORE_FILE, "/build/*\n!/build/keep/\n");
	session.hint(IGNORE_FILE);
	expect(await session.flush()).toMatchObject({ kind: "committed" });
	expect(await paths(bench)).toEqual([
		IGNORE_FILE,
		...all.filter((path) => path !== "build/out.bin"),
	]);
	expect(existsSync(join(bench.workspace("a"), "build/out.bin"))).toBe(true);
	expect(await paths(bench, seq)).toEqual(all);
	appendFileSync(join(bench.workspace("a"), "build/out.bin"), "changed");
	session.hint("build/out.bin");
	expect(await session.flush()).toMatchObject({ kind: "nothing" });

	await bench.open("b");
	expect(existsSync(join(bench.workspace("b"), "build/out.bin"))).toBe(false);
	expect(existsSync(join(bench.workspace("b"), "build/keep/me.md"))).toBe(true);

	const again = await bench.open("a");
	write(bench, IGNORE_FILE, "# nothing\n");
	again.hint(IGNORE_FILE);
	expect(await again.flush()).toMatchObject({ kind: "committed" });
	expect(await paths(bench)).toEqual([IGNORE_FILE, ...all]);
});

it("ignoring most of the tree at once is deferred like any such deletion until a second sweep confirms it", async () => {
	await using bench = await workbench();
	const clock = environmentWithClock();
	const session = await bench.open("a", { environment: clock.environment });
	for (let index = 0; index < 20; index++) write(bench, `docs/${index}.md`, String(index));
	await session.flush({ sweep: true });
	write(bench, IGNORE_FILE, "docs/\n");
	session.hint(IGNORE_FILE);
	expect(await session.flush()).toMatchObject({ deferredDeletions: 20 + 1 });
	expect(await paths(bench)).toHaveLength(21);
	clock.pass(61_000);
	expect(await session.flush({ sweep: true })).toMatchObject({
		kind: "committed",
		deferredDeletions: 0,
	});
	expect(await paths(bench)).toEqual([IGNORE_FILE]);
});

// @id ignore-file-becomes-unusable
it("an ignore file that becomes unusable during a session keeps its last patterns, is named, and stays unchanged in the log", async () => {
	await using bench = await workbench();
	const session = await bench.open("a");
	write(bench, "rules", "/private/\n");
	symlinkSync("rules", join(bench.workspace("a"), IGNORE_FILE));
	const again = await bench.open("a");
	write(bench, "private/key", "secret");
	await again.flush({ sweep: true });
	rmSync(join(bench.workspace("a"), IGNORE_FILE));
	symlinkSync("../outside", join(bench.workspace("a"), IGNORE_FILE));
	write(bench, "private/other", "secret");
	const refused = [{ path: IGNORE_FILE, reason: expect.stringContaining("leads nowhere") }];
	expect(await again.flush({ sweep: true })).toMatchObject({ deferred: refused });
	expect(again.waiting).toBe(1);
	expect(bench.logger.events.filter(({ event }) => event === "ignore.unreadable")).toHaveLength(1);
	expect(await paths(bench)).toEqual(["rules"]);
	expect((await readLog(bench.store)).head.tree.get(IGNORE_FILE)).toMatchObject({
		target: "rules",
	});
	await expect(bench.open("a")).rejects.toMatchObject({ code: "IGNORE_FILE_UNUSABLE" });
	expect(session.isSuperseded).toBe(false);
});
