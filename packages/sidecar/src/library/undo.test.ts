import {
	chmodSync,
	mkdirSync,
	mkdtempSync,
	readFileSync,
	rmSync,
	symlinkSync,
	utimesSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { AgingStore } from "../../../testkit/store/aging-store.ts";
import { readDisk } from "../../../testkit/workspace/disk.ts";
import { readLog } from "../commit/read-log.ts";
import { flush, restorePaths, run, undo } from "../index.ts";
import { namespaced } from "../store/namespaced.ts";

let dir: string;
let store: AgingStore;
let options: {
	readonly workspace: string;
	readonly stateDir: string;
	readonly handoverWaitMs: 0;
} & {
	readonly store: AgingStore;
	readonly profile: "plain";
};
const path = (...names: string[]) => join(dir, "ws", ...names);
const write = (name: string, text: string) => writeFileSync(path(name), text);
const text = (name: string) => readFileSync(path(name), "utf8");
const newest = async () => (await readLog(namespaced(store, "default"))).head.seq;
/** Without the top directory: each start sets its time. */
const disk = () => new Map([...readDisk(join(dir, "ws"))].filter(([at]) => at !== ""));

beforeEach(async () => {
	dir = mkdtempSync(join(tmpdir(), "undo-"));
	store = new AgingStore();
	options = {
		...{ workspace: join(dir, "ws"), stateDir: join(dir, "state"), store },
		...{ profile: "plain", handoverWaitMs: 0 },
	};
	mkdirSync(path("dir"), { recursive: true });
	write("a", "one");
	write("dir/b", "one");
	write("c", "one");
	await flush(options);
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

describe("undo", () => {
	it("goes back to before the last change as a new commit, and a second undo takes it back", async () => {
		const first = disk();
		write("a", "two");
		rmSync(path("c"));
		symlinkSync("a", path("dir/link"));
		chmodSync(path("dir/b"), 0o640);
		await flush(options);
		const [second, seq] = [disk(), await newest()];

		const undone = await undo(options);
		expect(undone).toMatchObject({ undone: seq, by: "this process", exitStatus: 0, dryRun: false });
		expect(disk()).toEqual(first);
		expect(undone.seq).toBe(await newest());
		expect(undone.seq).toBeGreaterThan(seq);
		expect(undone.changes.map(({ path, kind }) => [path, kind])).toEqual(
			expect.arrayContaining([
				["a", "changed"],
				["c", "added"],
				["dir/link", "removed"],
				["dir/b", "changed"],
			]),
		);

		expect(await undo(options)).toMatchObject({ undone: undone.seq, exitStatus: 0 });
		expect(disk()).toEqual(second);
	});

	it("undoes a change that is in no commit yet, and history keeps it", async () => {
		write("a", "unsaved");
		const { undone } = await undo(options);
		expect(text("a")).toBe("one");
		await restorePaths({ ...options, paths: ["a"], at: undone, to: join(dir, "out") });
		expect(readFileSync(join(dir, "out/a"), "utf8")).toBe("unsaved");
	});

	// @id undo-only-its-paths
	it("undoes the last change of the named paths only, whatever else changed since", async () => {
		write("a", "two");
		await flush(options);
		const seq = await newest();
		write("dir/b", "two");
		await flush(options);
		expect(await undo({ ...options, paths: [path("a")] })).toMatchObject({
			undone: seq,
			changes: [{ path: "a", kind: "changed" }],
		});
		expect([text("a"), text("dir/b")]).toEqual(["one", "two"]);
	});

	it("passes over commits that change nothing", async () => {
		write("a", "two");
		await flush(options);
		const seq = await newest();
		// A fence, and a closed commit with the time of a directory.
		await run({ ...options, command: ["touch", path("dir")] });
		expect(await newest()).toBeGreaterThan(seq);
		expect((await undo(options)).undone).toBe(seq);
	});

	it("brings back the time of a file that was only touched", async () => {
		const first = disk();
		utimesSync(path("a"), 1, 1);
		await flush(options);
		expect((await undo(options)).changes).toMatchObject([{ path: "a", kind: "time" }]);
		expect(disk()).toEqual(first);
	});

	it("with dryRun names what would change, and writes neither to the disk nor to the store", async () => {
		write("a", "two");
		await flush(options);
		const [before, seq] = [disk(), await newest()];
		expect(await undo({ ...options, dryRun: true })).toMatchObject({
			...{ undone: seq, at: seq - 1, dryRun: true },
			changes: [{ path: "a", kind: "changed", bytes: 3 }],
		});
		write("c", "unsaved");
		expect(await undo({ ...options, dryRun: true })).toMatchObject({
			...{ undone: 0, at: seq },
			changes: [{ path: "c", kind: "changed", bytes: 3 }],
		});
		write("c", "one");
		expect(disk().get("a")).toEqual(before.get("a"));
		expect(await newest()).toBe(seq);
	});

	// @id undo-missing-is-last-change
	it("brings back what is missing after a wipe, undoes nothing older, and dryRun says the same", async () => {
		for (let index = 0; index < 40; index++) write(`f${index}`, `${index}`);
		await flush(options);
		write("a", "two");
		await flush(options);
		const all = disk();
		const wipe = () => {
			for (let index = 0; index < 40; index++) rmSync(path(`f${index}`));
		};
		wipe();
		const tried = await undo({ ...options, dryRun: true });
		const done = await undo(options);
		expect(disk()).toEqual(all);
		const names = ({ changes }: typeof done) => changes.map(({ path }) => path).sort();
		expect([tried.undone, done.undone, names(done)]).toEqual([0, 0, names(tried)]);
		expect(done.changes).toHaveLength(40);

		wipe();
		write("c", "unsaved");
		expect(names(await undo(options))).toEqual([...names(tried), "c"].sort());
		expect(disk()).toEqual(all);
	});

	it("refuses to undo the first content, and a path that no commit has", async () => {
		await expect(undo(options)).rejects.toMatchObject({
			code: "COMMIT_NOT_FOUND",
			message: expect.stringContaining("it is the first content of the log"),
		});
		await expect(undo({ ...options, paths: ["nothing"] })).rejects.toMatchObject({
			code: "PATH_NOT_FOUND",
			message: expect.stringContaining("no commit changed it"),
		});
		expect(text("a")).toBe("one");
	});
});
