import {
	chmodSync,
	existsSync,
	lstatSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	rmSync,
	symlinkSync,
	utimesSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type Workbench, workbench } from "../../../testkit/workbench.ts";
import { readLog } from "../commit/read-log.ts";
import { history } from "../history/history.ts";
import type { FileEntry } from "../log/types.ts";
import { listQuarantined, recoverApply, recoverDrop, recoverTo } from "./recover.ts";
import { restore } from "./restore.ts";
import { status } from "./status.ts";

/** Machine `lost` was superseded by `owner` and continued to write; then both ended. */
let bench: Workbench;
let writer: string;
const notes = "notes/two.sh";
const quarantined = ["MEMORY.md", "notes/link", notes, "x.db"];

const on = (machine: string, where = bench) => ({
	store: pathToFileURL(join(where.dir, "store")).href,
	namespace: "alice",
	workspace: where.workspace(machine),
	stateDir: join(where.dir, "state"),
	profile: "plain" as const,
	handoverWaitMs: 0,
});
const at = (machine: string, path: string) => join(bench.workspace(machine), path);
const listed = async () =>
	(await listQuarantined(on("any"))).flatMap(({ entries }) => entries.map(([path]) => path));

beforeAll(async () => {
	bench = await workbench();
	mkdirSync(at("lost", "notes"), { recursive: true });
	for (const [path, text] of Object.entries({
		"MEMORY.md": "of both",
		"notes/one.md": "left alone by `lost`",
		kept: "left alone",
	}))
		writeFileSync(at("lost", path), text);
	const lost = await bench.open("lost");
	await lost.flush({ sweep: true });

	const owner = await bench.open("owner");
	writeFileSync(at("owner", "MEMORY.md"), "by the owner");
	writeFileSync(at("owner", "only-owner"), "x");
	rmSync(at("owner", "kept"));
	await owner.flush({ sweep: true });

	writeFileSync(at("lost", "MEMORY.md"), "by the one that lost");
	await lost.flush({ sweep: true });
	writeFileSync(at("lost", notes), "#!/bin/sh\n");
	chmodSync(at("lost", notes), 0o750);
	utimesSync(at("lost", notes), 1_600_000_000, 1_600_000_000);
	symlinkSync("/nowhere/at/all", at("lost", "notes/link"));
	using database = new DatabaseSync(at("lost", "x.db"));
	database.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (v); INSERT INTO t VALUES ('row')");
	await lost.flush({ sweep: true });
	writer = lost.writerId;
	await owner.flush({ sweep: true, closed: true });
});

afterAll(() => bench[Symbol.asyncDispose]());

describe("quarantined data", () => {
	// @id recovered-is-own-changes
	it("is what the superseded writer changed on its own disk, not other differences from the owner's tree", async () => {
		expect(await listed()).toEqual(quarantined);
	});

	it("is listed by writer, with the store's times of its first and last commit", async () => {
		const times: number[] = [];
		for await (const entry of history(bench.store))
			if (!("error" in entry) && entry.flags.recovered === true) times.push(entry.timeMs);
		expect(times).toHaveLength(2);
		expect(await listQuarantined({ ...on("any"), writer: writer.slice(0, 6) })).toMatchObject([
			{ writer, files: 4, firstMs: times[1], lastMs: times[0] },
		]);
	});

	it("is never selected by guessing", async () => {
		await expect(listQuarantined({ ...on("any"), writer: "not-hex" })).rejects.toMatchObject({
			code: "USAGE",
			value: "not-hex",
		});
		await expect(
			recoverTo({ ...on("any"), to: join(bench.dir, "none"), path: "no-such" }),
		).rejects.toMatchObject({
			code: "PATH_NOT_FOUND",
		});
		await expect(recoverDrop(on("any"))).rejects.toMatchObject({ code: "USAGE" });
	});
});

describe("recoverTo", () => {
	it("writes everything unchanged", async () => {
		const to = join(bench.dir, "out");
		expect(await recoverTo({ ...on("any"), to })).toMatchObject({
			directories: [join(to, writer)],
			files: 4,
		});
		const out = (path: string) => join(to, writer, path);
		expect(readFileSync(out("MEMORY.md"), "utf8")).toBe("by the one that lost");
		expect(lstatSync(out(notes)).mode & 0o777).toBe(0o750);
		expect(lstatSync(out(notes)).mtimeMs).toBe(1_600_000_000_000);
		expect(lstatSync(out("notes/link")).isSymbolicLink()).toBe(true);
		using database = new DatabaseSync(out("x.db"));
		expect(database.prepare("SELECT v FROM t").get()).toEqual({ v: "row" });
		expect(readdirSync(to)).toEqual([writer]);
	});

	it("writes part of it, and never into a directory that is not empty", async () => {
		const to = join(bench.dir, "part");
		await recoverTo({ ...on("any"), to, path: "notes" });
		expect(readdirSync(join(to, writer))).toEqual(["notes"]);
		await expect(recoverTo({ ...on("any"), to })).rejects.toMatchObject({
			code: "USAGE",
			value: to,
		});
		expect(readdirSync(join(to, writer))).toEqual(["notes"]);
	});

	it("leaves nothing behind if it fails", async () => {
		const to = join(bench.dir, "deep/er");
		const entry = (await readLog(bench.store)).head.tree.get(
			`.recovered/${writer}/x.db`,
		) as FileEntry;
		const object = join(bench.dir, "store/users/alice", entry.chunks[0]?.block.key as string);
		const bytes = readFileSync(object);
		const damaged = Buffer.from(bytes);
		damaged[bytes.length - 1] = (damaged[bytes.length - 1] as number) ^ 1;
		rmSync(object);
		writeFileSync(object, damaged);
		await expect(recoverTo({ ...on("any"), to })).rejects.toMatchObject({ code: "OBJECT_CORRUPT" });
		rmSync(object);
		writeFileSync(object, bytes);
		expect(existsSync(join(bench.dir, "deep"))).toBe(false);
	});
});

describe("recoverApply", () => {
	beforeAll(() => restore(on("machine")));

	it("requires a workspace that was restored", async () => {
		mkdirSync(bench.workspace("stranger"));
		const refused = recoverApply({ ...on("stranger"), path: "MEMORY.md" });
		await expect(refused).rejects.toMatchObject({ code: "WORKSPACE_NOT_RESTORED" });
	});

	it("applies an entry, moves away what is in its place, and removes it from the list", async () => {
		const { applied, moved, exitStatus } = await recoverApply({
			...on("machine"),
			path: "MEMORY.md",
		});
		expect({ applied, exitStatus }).toEqual({ applied: ["MEMORY.md"], exitStatus: 0 });
		expect(moved.map(({ path, to }) => [path, readFileSync(to, "utf8")])).toEqual([
			["MEMORY.md", "by the owner"],
		]);
		expect(readFileSync(at("machine", "MEMORY.md"), "utf8")).toBe("by the one that lost");
		expect(readFileSync(at("machine", "only-owner"), "utf8")).toBe("x");
		expect(await listed()).toEqual(quarantined.slice(1));
		await restore(on("another"));
		expect(readFileSync(at("another", "MEMORY.md"), "utf8")).toBe("by the one that lost");
		expect(await status(on("machine"))).toMatchObject({ isDurable: true, behind: 0 });
	});

	it("refuses a file in the place of a directory, and a path through a link", async () => {
		mkdirSync(at("machine", "x.db"));
		await expect(recoverApply({ ...on("machine"), path: "x.db" })).rejects.toMatchObject({
			code: "USAGE",
			value: "x.db",
		});
		rmSync(at("machine", "x.db"), { recursive: true });
		rmSync(at("machine", "notes"), { recursive: true });
		symlinkSync(bench.dir, at("machine", "notes"));
		await expect(recoverApply({ ...on("machine"), path: notes })).rejects.toMatchObject({
			code: "USAGE",
			value: "notes",
		});
		expect(existsSync(join(bench.dir, "two.sh"))).toBe(false);
		rmSync(at("machine", "notes"));
	});

	it("brings a directory in with everything below it", async () => {
		expect(new Set((await recoverApply({ ...on("machine"), path: "notes" })).applied)).toEqual(
			new Set(["notes/link", notes]),
		);
		expect(lstatSync(at("machine", notes)).mode & 0o777).toBe(0o750);
		expect(await listed()).toEqual(["x.db"]);
	});

	it("leaves out a secret on this disk, or refuses it, as onSecret says", async () => {
		await using own = await workbench();
		const lost = await own.open("lost");
		const owner = await own.open("owner");
		writeFileSync(join(own.workspace("lost"), "late"), "x");
		await lost.flush({ sweep: true });
		await owner.flush({ sweep: true, closed: true });
		const here = { ...on("here", own), path: "late" };
		await restore(here);
		// In halves, so that this file contains no secret.
		writeFileSync(join(here.workspace, "notes.md"), "AKIA" + "QWERTYUIOPASDFGH");
		await expect(recoverApply({ ...here, onSecret: "fail" })).rejects.toMatchObject({
			code: "SECRET_FOUND",
			value: "notes.md",
		});
		expect(await listQuarantined(here)).toMatchObject([{ files: 1 }]);
		expect(await recoverApply({ ...here, onSecret: "exclude" })).toMatchObject({
			applied: ["late"],
			exitStatus: 0,
		});
		const { tree } = (await readLog(own.store)).head;
		expect([tree.has("late"), tree.has("notes.md")]).toEqual([true, false]);
	});
});

describe("recoverDrop", () => {
	it("removes it from the list, while history keeps it", async () => {
		const { head } = await readLog(bench.store);
		expect(await recoverDrop({ ...on("machine"), path: "x.db" })).toEqual({
			by: "this process",
			files: 1,
			seq: head.seq + 2,
		});
		expect(await listed()).toEqual([]);
		const after = (await readLog(bench.store)).head;
		expect(after.isClosed).toBe(true);
		expect([...after.tree.keys()].filter((path) => path.startsWith(".recovered/"))).toEqual([]);
		expect(
			(await readLog(bench.store, { at: head.seq })).head.tree.has(`.recovered/${writer}/x.db`),
		).toBe(true);
	});

	it("supersedes no writer that may be running elsewhere", async () => {
		const first = await bench.open("first");
		const second = await bench.open("second");
		writeFileSync(at("first", "late"), "x");
		await first.flush({ sweep: true });
		await expect(recoverDrop({ ...on("machine"), path: "late" })).rejects.toMatchObject({
			code: "USAGE",
			value: second.writerId.slice(0, 8),
		});
		expect((await readLog(bench.store)).head.fence.writer).toBe(second.writerId);
		// The owner itself may, as often as it likes.
		expect(await second.dropQuarantined({ path: "late" }, { closed: false })).toMatchObject({
			files: 1,
		});
		await expect(
			first.dropQuarantined({ writer: first.writerId }, { closed: false }),
		).rejects.toMatchObject({ code: "SUPERSEDED" });
	});
});
