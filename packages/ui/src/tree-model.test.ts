import { expect, test } from "vitest";
import type { Level, Row } from "../../sidecar/src/ui/api.ts";
import { PAGE_ROWS, TreeModel } from "./tree-model.ts";

/** Directories a to c, each with `inside` files, and files at the top. */
function sample(inside: number, filesAtTop = 3) {
	const asked: string[] = [];
	const row = (name: string, type: Row["type"]): Row => ({ name, type, mtimeMs: 0, size: 1 });
	const levels: Record<string, Row[]> = {
		"": [
			...["a", "b", "c"].map((name) => row(name, "dir")),
			...Array.from({ length: filesAtTop }, (_, index) => row(`top-${index}`, "file")),
		],
	};
	for (const name of ["a", "b", "c"])
		levels[name] = Array.from({ length: inside }, (_, index) => row(`${name}${index}`, "file"));
	const load = async (path: string, offset: number, limit: number): Promise<Level> => {
		asked.push(`${path}+${offset}`);
		const all = levels[path] ?? [];
		return { seq: 1, total: all.length, offset, rows: all.slice(offset, offset + limit) };
	};
	const model = new TreeModel(load, (error) => {
		throw error;
	});
	return { model, asked };
}

const shown = (model: TreeModel) => model.slice(0, model.count).map(({ path }) => path);
const loaded = async (model: TreeModel) => {
	for (let round = 0; round < 10; round++) {
		shown(model);
		await Promise.resolve();
	}
	return shown(model);
};

test("shows the top level, and loads a directory when it is opened", async () => {
	const { model, asked } = sample(2);
	await model.start();
	expect(shown(model)).toEqual(["a", "b", "c", "top-0", "top-1", "top-2"]);
	expect(asked).toEqual(["+0"]);
	model.toggle(1);
	expect(await loaded(model)).toEqual(["a", "b", "b/b0", "b/b1", "c", "top-0", "top-1", "top-2"]);
	model.toggle(0);
	expect((await loaded(model)).slice(0, 5)).toEqual(["a", "a/a0", "a/a1", "b", "b/b0"]);
	model.toggle(3);
	expect(await loaded(model)).toEqual(["a", "a/a0", "a/a1", "b", "c", "top-0", "top-1", "top-2"]);
});

test("counts rows that are not loaded, and loads only the page that is looked at", async () => {
	const { model, asked } = sample(10_000);
	await model.start();
	model.toggle(1);
	await loaded(
		new TreeModel(
			async () => ({ seq: 1, total: 0, offset: 0, rows: [] }),
			() => {},
		),
	);
	expect(model.count).toBe(10_006);
	const middle = 2 + 5_000;
	expect(model.at(middle)?.row).toBeUndefined();
	await Promise.resolve();
	await Promise.resolve();
	expect(model.at(middle)).toMatchObject({ path: "b/b5000", depth: 1, position: 5_001 });
	expect(asked).toEqual(["+0", "b+0", `b+${Math.floor(5_000 / PAGE_ROWS) * PAGE_ROWS}`]);
	expect(model.at(10_002)?.path).toBe("c");
});

test("opens what is above a path, and tells its row", async () => {
	const { model } = sample(900);
	await model.start();
	model.toggle(0);
	await loaded(model);
	const index = await model.reveal([1, 450]);
	expect(model.at(index)).toMatchObject({ path: "b/b450" });
	expect(index).toBe(1 + 900 + 1 + 450);
});

test("keeps directories open in the tree of another moment", async () => {
	const { model } = sample(2);
	await model.start();
	model.toggle(2);
	expect([...model.openPaths]).toEqual(["c"]);
});
