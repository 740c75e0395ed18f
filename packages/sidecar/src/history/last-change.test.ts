import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AgingStore } from "../../../testkit/store/aging-store.ts";
import { type Workbench, workbench } from "../../../testkit/workbench.ts";
import { logKey } from "../log/keys.ts";
import { lastChange, undoOf } from "./last-change.ts";

const store = new AgingStore();
let bench: Workbench;

/** Commit 64 is FULL: it names the whole tree, and changes `full` only. */
beforeAll(async () => {
	bench = await workbench(store);
	const session = await bench.open("a");
	const write = async (path: string, text: string) => {
		writeFileSync(join(bench.workspace("a"), path), text);
		session.hint(path);
		await session.flush();
	};
	await write("early", "x");
	await write("gone", "x");
	rmSync(join(bench.workspace("a"), "gone"));
	session.hint("gone");
	await session.flush();
	while (session.head.seq < 63) await write("turn", String(session.head.seq));
	await write("full", "x");
	await write("turn", "last");
});
afterAll(() => bench[Symbol.asyncDispose]());

describe("lastChange", () => {
	it("finds the last commit that changed a path, also if that is a FULL commit", async () => {
		const of = async (path: string) => await lastChange(store, (each) => each === path);
		expect(await of("turn")).toMatchObject({ seq: 65, before: 64 });
		expect(await of("full")).toMatchObject({
			...{ seq: 64, before: 63 },
			differences: [{ kind: "added", path: "full" }],
		});
		expect(await of("gone")).toMatchObject({
			...{ seq: 4, before: 3 },
			differences: [{ kind: "removed", path: "gone" }],
		});
		expect(await of("never")).toBeUndefined();
	});

	it("passes over a FULL commit that names a path and does not change it", async () => {
		await expect(lastChange(store, (path) => path === "early")).rejects.toMatchObject({
			code: "COMMIT_NOT_FOUND",
			value: "2",
		});
	});

	// @id undo-after-gap
	it("an undo refuses a change whose state just before is gone, and names the next older one", async () => {
		const left = store.fork();
		for (let seq = 60; seq < 64; seq++) await left.delete(logKey(seq));
		await expect(undoOf(left, ["full"])).rejects.toMatchObject({
			...{ code: "COMMIT_EXPIRED", value: "64" },
			remedy: expect.stringContaining("restore PATH --at 59"),
		});
		expect(await undoOf(left, ["turn"])).toMatchObject({ undone: 65, at: 64 });
	});

	it("an undo touches exactly the paths of the change", async () => {
		expect(await undoOf(store, ["full", "gone"])).toMatchObject({
			...{ undone: 64, at: 63 },
			only: { paths: new Set(["full"]), isRecursive: false },
		});
	});
});
