import { describe, expect, test } from "vitest";
import { WRITER } from "../../../testkit/arbitrary-log.ts";
import { WrittenLog } from "../../../testkit/store/written-log.ts";
import { type CommitChanges, commitChanges } from "../history/commit-changes.ts";
import { pathHistory } from "../history/path-history.ts";
import { COMMIT_COLUMNS, commitRow, isQuiet, PATH_COLUMNS, pathRow } from "./history-rows.ts";
import { type Cell, type Column, Table } from "./table.ts";

const context = { nowMs: Date.UTC(2026, 0, 2), writerHere: WRITER };
const textOf = (cell: Cell | undefined) => (typeof cell === "object" ? cell.text : (cell ?? ""));

/** Cells by heading, without empty ones. */
function named(columns: readonly Column[], row: readonly Cell[]): Record<string, string> {
	const cells = columns.map(({ heading }, index) => [heading, textOf(row[index])] as const);
	return Object.fromEntries(cells.filter(([, text]) => text !== ""));
}

/** The newest commit's row, without its times. */
async function newestRow(log: WrittenLog): Promise<Record<string, string>> {
	const {
		WHEN: _when,
		TIME: _time,
		...row
	} = named(COMMIT_COLUMNS, commitRow(await newest(log), context));
	return row;
}

async function newest(log: WrittenLog): Promise<CommitChanges> {
	for await (const item of commitChanges(log.store)) if (item.type === "commit") return item;
	throw new Error("the log is empty");
}

const files = (count: number, text: string | undefined) =>
	Object.fromEntries(Array.from({ length: count }, (_, index) => [`notes/${index}.md`, text]));

test("on 80 columns, a row keeps the time that --at accepts, and the beginning of the paths", async () => {
	const log = new WrittenLog();
	log.write({ ...files(4, "x"), "a long name in the workspace.md": "one" });
	log.write({
		...files(2, undefined),
		"a long name in the workspace.md": "three",
		"b.md": "12345",
	});
	const plain = { isTerminal: true, style: (_: unknown, text: string) => text };
	for (const [columns, headings] of [
		[100, /^COMMIT +WHEN +TIME +SIZE +CHANGES +PATHS +BY$/],
		[80, /^COMMIT +WHEN +TIME +CHANGES +PATHS +BY$/],
		[60, /^COMMIT +TIME +CHANGES +PATHS$/],
	] as const) {
		const table = new Table(COMMIT_COLUMNS, { ...plain, columns });
		const [heading, row] = table.lines([commitRow(await newest(log), context)]);
		expect(heading).toMatch(headings);
		expect(row).toMatch(/ \d{4}-\d\d-\d\d \d\d:\d\d:\d\d /);
		expect(row?.length).toBeLessThanOrEqual(columns);
	}
});

describe("a row of history", () => {
	test("counts paths, names them, and tells how much content is new", async () => {
		const log = new WrittenLog();
		log.write({ ...files(4, "x"), "a.md": "one" });
		log.write({ ...files(2, undefined), "a.md": "three", "b.md": "12345" });
		expect(await newestRow(log)).toEqual({
			COMMIT: "2",
			SIZE: "10 B",
			CHANGES: "+1 ~1 -2",
			PATHS: "2 at the top, 2 in notes",
			BY: "this machine",
		});
	});

	test("names the machine, but not for commits that repeat what their predecessor said", async () => {
		const log = new WrittenLog();
		const annotations = [{ path: "", name: "host", value: "laptop\n" }];
		log.write({ "a.md": "1" }, { annotations });
		log.write({ "a.md": "2" }, { annotations });
		expect(await newestRow(log)).toMatchObject({ BY: "laptop\\u000a" });
		log.write({ "a.md": "3" }, { annotations, flags: { recovered: true } });
		expect(await newestRow(log)).toMatchObject({ BY: "this machine" });
		log.write({ "a.md": "4" }, { annotations: [{ path: "", name: "host", value: "" }] });
		expect(await newestRow(log)).toMatchObject({ BY: "this machine" });
	});

	test("names what a reader must not overlook", async () => {
		const log = new WrittenLog();
		log.write(files(20, "x"));
		log.write(files(12, undefined));
		expect(await newestRow(log)).toMatchObject({ CHANGES: "-12", NOTES: "MASS DELETION" });
		log.write(files(11, "y"), { flags: { alarm: true } });
		expect(await newestRow(log)).toMatchObject({ NOTES: "MASS REWRITE" });
		log.write(files(10, undefined));
		expect(await newestRow(log)).not.toHaveProperty("NOTES");
		const turn = { path: "", name: "turn", value: "running" };
		log.write({ "a.md": "x" }, { annotations: [turn] });
		expect(await newestRow(log)).toMatchObject({ NOTES: "during a turn" });
		log.write({ "a.md": "y" }, { annotations: [{ path: "", name: "turn", value: "idle" }] });
		expect(await newestRow(log)).not.toHaveProperty("NOTES");
		const writer = "22".repeat(16);
		log.write(
			{ [`.recovered/${writer}/a.md`]: "x" },
			{ writer, fenceSeq: 0, flags: { recovered: true } },
		);
		expect(await newestRow(log)).toMatchObject({
			PATHS: `.recovered/${writer}/a.md`,
			BY: "writer 22222222",
			NOTES: "quarantined",
		});
	});

	test("tells the turns that ran, and a restore of paths", async () => {
		const log = new WrittenLog();
		const turn = { id: "a", session: "agent:main:main", status: "done", startedMs: 1 };
		const said = (...turns: object[]) => [
			{ path: "a.sqlite", name: "turns", value: JSON.stringify(turns) },
		];
		log.write({ a: "1" }, { annotations: said() });
		log.write({ a: "2" }, { annotations: said({ ...turn, text: "tidy \u001b[31m my notes" }) });
		expect(await newestRow(log)).toMatchObject({
			TURN: "answered: 'tidy \\u001b[31m my notes' · main",
		});
		const other = { ...turn, id: "b", session: "agent:work:cron", status: "failed", startedMs: 2 };
		const annotations = [{ path: "", name: "put-back", value: "1" }, ...said(other, turn)];
		log.write({ a: "3" }, { annotations });
		expect(await newestRow(log)).toMatchObject({ TURN: "undo or restore; failed · work:cron" });
		log.write({ a: "4" }, { annotations });
		expect(await newestRow(log)).not.toHaveProperty("TURN");
	});

	test("says what a commit without a change is", async () => {
		const log = new WrittenLog();
		log.write({});
		log.write({}, { flags: { fence: true }, fenceSeq: 2 });
		expect(isQuiet(await newest(log))).toBe(true);
		expect(await newestRow(log)).toMatchObject({ PATHS: "start of a writer" });
		log.write({}, { flags: { closed: true }, fenceSeq: 2 });
		expect(await newestRow(log)).toMatchObject({ PATHS: "end of a writer" });
		log.write({ a: "x" }, { flags: { closed: true }, fenceSeq: 2 });
		expect(isQuiet(await newest(log))).toBe(false);
	});

	test("says after which commit a change was made if those between are gone", async () => {
		const log = new WrittenLog();
		for (let seq = 1; seq <= 130; seq++)
			log.write({ f: String(seq) }, seq % 64 === 0 ? { kind: "full" } : {});
		for (let seq = 70; seq < 128; seq++) log.delete(seq);
		const rows = [];
		for await (const item of commitChanges(log.store, { from: 128 }))
			if (item.type === "commit") rows.push(named(COMMIT_COLUMNS, commitRow(item, context)));
		expect(rows[0]).toMatchObject({ COMMIT: "128", CHANGES: "~1", NOTES: "since 69" });
		const changes = [];
		for await (const item of pathHistory(log.store, (path) => path === "f", { from: 128 }))
			if (item.type === "change") changes.push(named(PATH_COLUMNS, pathRow(item, context)));
		expect(changes[0]).toMatchObject({ COMMIT: "128", CHANGE: "changed since 69", PATH: "f" });
		expect(changes.at(-1)).toMatchObject({ COMMIT: "1", CHANGE: "created", SIZE: "1 B" });
	});

	test("counts what the oldest state has, and calls none of it new", async () => {
		const log = new WrittenLog();
		for (let seq = 1; seq <= 70; seq++)
			log.write({ f: "same", g: "x" }, seq % 64 === 0 ? { kind: "full" } : {});
		for (let seq = 1; seq < 64; seq++) log.delete(seq);
		const rows = [];
		for await (const item of commitChanges(log.store))
			if (item.type === "commit" && !isQuiet(item))
				rows.push(named(COMMIT_COLUMNS, commitRow(item, context)));
		expect(rows).toEqual([
			expect.objectContaining({ COMMIT: "64", PATHS: "2 paths in the oldest state that is left" }),
		]);
		expect(rows[0]).not.toHaveProperty("CHANGES");
	});
});
