/** Changes made to a disk while no watcher ran, and which of them a restore trusts. */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openclawProfile, type Workbench, workbench } from "../../../testkit/workbench.ts";
import { readLog } from "../commit/read-log.ts";
import { type Marker, readMarker, writeMarker } from "../disk/base-marker.ts";

const readText = (...parts: string[]) => readFileSync(join(...parts), "utf8");

/** What a restore moved away, as text by path. */
const textsOf = (moved: readonly { readonly path: string; readonly to: string }[]) =>
	Object.fromEntries(moved.map(({ path, to }) => [path, readText(to)]));

async function commitTwentyFiles(bench: Workbench): Promise<string> {
	const session = await bench.open("a");
	for (let index = 0; index < 20; index++)
		writeFileSync(join(bench.workspace("a"), `f${index}`), `${index}`);
	await session.flush({ sweep: true, closed: true });
	return bench.workspace("a");
}

describe("deletions in the very directory that was restored", () => {
	// @id unwatched-all-gone
	it("are not trusted if everything is gone: it returns, and the log keeps it", async () => {
		await using bench = await workbench();
		const root = await commitTwentyFiles(bench);
		const names = readdirSync(root);
		for (const name of names) rmSync(join(root, name));

		const session = await bench.open("a");
		expect(readdirSync(root).sort()).toEqual(names.sort());
		expect(readText(root, "f7")).toBe("7");
		for (let count = 0; count < 2; count++) await session.flush({ sweep: true });
		await session.flush({ closed: true });
		expect((await readLog(bench.store)).head.tree.size).toBe(names.length + 1);
		expect(
			bench.logger.events.filter(({ event }) => event === "deletion.not-believed"),
		).toMatchObject([{ fields: { files: 20 } }]);
	});

	it("are not trusted if something critical is gone", async () => {
		await using bench = await workbench();
		const file = join(bench.workspace("a"), "openclaw.json");
		const first = await bench.open("a", { profile: openclawProfile });
		writeFileSync(file, "{}");
		for (let index = 0; index < 20; index++)
			writeFileSync(join(bench.workspace("a"), `f${index}`), `${index}`);
		await first.flush({ sweep: true, closed: true });
		rmSync(file);
		await bench.open("a", { profile: openclawProfile });
		expect(readText(file)).toBe("{}");
	});

	it("are trusted if they are few", async () => {
		await using bench = await workbench();
		const root = await commitTwentyFiles(bench);
		for (let index = 0; index < 9; index++) rmSync(join(root, `f${index}`));
		const session = await bench.open("a");
		expect(readdirSync(root)).toHaveLength(11);
		expect(await session.flush({ sweep: true })).toMatchObject({ kind: "committed", removed: 9 });
		expect((await readLog(bench.store)).head.tree.size).toBe(12);
	});
});

it("a file that is now ignored and that the log changed moves to the trash and is not overwritten", async () => {
	await using bench = await workbench();
	const a = await bench.open("a");
	mkdirSync(join(bench.workspace("a"), "notes"));
	writeFileSync(join(bench.workspace("a"), "notes/log.txt"), "v1");
	await a.flush({ sweep: true, closed: true });
	const b = await bench.open("b");
	writeFileSync(join(bench.workspace("b"), "notes/log.txt"), "v2, of the log");
	await b.flush({ sweep: true, closed: true });

	writeFileSync(join(bench.workspace("a"), "notes/log.txt"), "only on this disk");
	writeFileSync(join(bench.workspace("a"), ".openclaw-sidecar-ignore"), "notes/\n");
	const again = await bench.open("a");
	expect(textsOf(again.restored.moved)).toEqual({ "notes/log.txt": "only on this disk" });
	expect(readText(bench.workspace("a"), "notes/log.txt")).toBe("v2, of the log");
});

it("a file that replaced a directory in which the log changed does not stop the session, and its bytes go to the trash", async () => {
	await using bench = await workbench();
	const a = await bench.open("a");
	mkdirSync(join(bench.workspace("a"), "d"));
	for (const name of ["y", "z"]) writeFileSync(join(bench.workspace("a"), "d", name), "v1");
	await a.flush({ sweep: true, closed: true });
	const b = await bench.open("b");
	writeFileSync(join(bench.workspace("b"), "d/y"), "v2, of the log");
	await b.flush({ sweep: true, closed: true });

	rmSync(join(bench.workspace("a"), "d"), { recursive: true });
	writeFileSync(join(bench.workspace("a"), "d"), "a file by now");
	const again = await bench.open("a");
	expect(textsOf(again.restored.moved)).toEqual({ d: "a file by now" });
	expect(readText(bench.workspace("a"), "d/y")).toBe("v2, of the log");
	expect(readText(bench.workspace("a"), "d/z")).toBe("v1");
	await again.flush({ sweep: true, closed: true });
	expect((await readLog(bench.store)).head.tree.get("d")?.type).toBe("dir");
});

describe("a marker of another boot", () => {
	const text = "whole, as it was committed";

	/** A disk left in this state: one file torn, one missing. */
	async function torn(bench: Workbench, closed: boolean): Promise<string> {
		const root = bench.workspace("a");
		const session = await bench.open("a");
		for (const name of ["torn", "missing", "same"]) writeFileSync(join(root, name), text);
		await session.flush({ sweep: true, closed });
		const marker = readMarker(bench.privateDir("a")) as Marker;
		writeMarker(bench.privateDir("a"), { ...marker, boot: "00000000-0000-0000-0000-000000000000" });
		writeFileSync(join(root, "torn"), "wh\0\0");
		rmSync(join(root, "missing"));
		return root;
	}

	// @id unclean-end
	it("makes nothing here a change if it was not closed cleanly: the log's files return, the torn bytes go to the trash", async () => {
		await using bench = await workbench();
		const root = await torn(bench, false);
		const { restored } = await bench.open("a");
		expect(textsOf(restored.moved)).toEqual({ torn: "wh\0\0" });
		expect(restored.keptLocal).toBe(0);
		for (const name of ["torn", "missing", "same"]) expect(readText(root, name)).toBe(text);
	});

	it("is as good as one of this boot if it was closed cleanly", async (test) => {
		await using bench = await workbench();
		const root = await torn(bench, true);
		if (readMarker(bench.privateDir("a"))?.clean !== true)
			test.skip("no syncfs here, so no end is a clean one");
		const { restored } = await bench.open("a");
		expect(restored).toMatchObject({ moved: [], keptLocal: 2 });
		expect(readText(root, "torn")).toBe("wh\0\0");
		expect(existsSync(join(root, "missing"))).toBe(false);
	});
});
