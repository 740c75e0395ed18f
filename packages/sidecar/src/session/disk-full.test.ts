import { execFileSync } from "node:child_process";
import {
	closeSync,
	mkdirSync,
	openSync,
	readdirSync,
	readFileSync,
	rmSync,
	writeFileSync,
	writeSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, type TestContext, test } from "vitest";
import { workbench } from "../../../testkit/workbench.ts";
import { readLog } from "../commit/read-log.ts";

/** Mounts a separate file system if permitted; otherwise the test says why it was skipped. */
function mountSmall(
	context: TestContext,
	path: string,
	size: string,
): Disposable & { resize(size: string): void } {
	mkdirSync(path, { recursive: true });
	try {
		execFileSync("mount", ["-t", "tmpfs", "-o", `size=${size}`, "tmpfs", path], { stdio: "pipe" });
	} catch (error) {
		context.skip(`needs the right to mount a tmpfs: ${(error as Error).message.split("\n")[1]}`);
	}
	return {
		resize: (to) => execFileSync("mount", ["-o", `remount,size=${to}`, path]),
		[Symbol.dispose]: () => execFileSync("umount", [path]),
	};
}

/**
 * Incompressible bytes without repeated chunks. Repeated chunks look like holes, which need no
 * space.
 */
const part = (seed: number) =>
	Buffer.from(
		Uint32Array.from(
			{ length: 262_144 },
			(_, at) => Math.imul(at + seed * 999_983, 2654435761) ^ (at << 7),
		).buffer,
	);

// @id restore-runs-out-of-room
test("a restore over older files that runs out of room leaves each file whole, old or new, and continues with room", async (context) => {
	await using bench = await workbench();
	using disk = mountSmall(context, bench.workspace("b"), "38m");
	const names = Array.from({ length: 4 }, (_, index) => `f${index}`);
	const source = await bench.open("a");
	const write = (version: string) => {
		for (const [index, name] of names.entries())
			writeFileSync(
				join(bench.workspace("a"), name),
				Buffer.concat([Buffer.from(version), part(index), part(index)]),
			);
	};
	write("old");
	await source.flush({ sweep: true });
	const machine = await bench.open("b");
	expect((await machine.flush({ sweep: true, closed: true })).kind).toBe("committed");

	// One chunk repeated ten times counts once, as if the rest were holes. The check beforehand finds
	// room; the disk does not have it.
	const owner = await bench.open("a");
	write("new");
	for (let index = 0; index < 4; index++)
		writeFileSync(
			join(bench.workspace("a"), `more${index}`),
			Buffer.concat(Array.from({ length: 10 }, () => part(7))),
		);
	await owner.flush({ sweep: true, closed: true });
	const puts = bench.store.requests.put;
	await expect(bench.open("b")).rejects.toMatchObject({
		code: "WORKSPACE_DISK_FULL",
		exitStatus: 2,
	});
	expect(bench.store.requests.put).toBe(puts);
	const versions = names.map((name) => {
		const bytes = readFileSync(join(bench.workspace("b"), name));
		expect(bytes.length).toBe(3 + 2 * 1024 * 1024);
		return bytes.toString("latin1", 0, 3);
	});
	for (const version of versions) expect(["old", "new"]).toContain(version);
	expect(() => readFileSync(join(bench.workspace("b"), ".openclaw-sidecar"))).toThrow(/ENOENT/);

	disk.resize("80m");
	await bench.open("b");
	for (const name of [...names, "more3"])
		expect(
			readFileSync(join(bench.workspace("b"), name)).equals(
				readFileSync(join(bench.workspace("a"), name)),
			),
		).toBe(true);
});

test("an additional root without room is named before anything is written, however much room the workspace has", async (context) => {
	await using bench = await workbench();
	const source = await bench.open("a", { roots: { notes: join(bench.dir, "notes") } });
	writeFileSync(join(bench.workspace("a"), "f"), "1");
	writeFileSync(join(bench.dir, "notes/large"), part(1));
	await source.flush({ sweep: true });
	const small = join(bench.dir, "small");
	using _ = mountSmall(context, small, "1m");
	const error = await bench
		.open("b", { roots: { notes: small } })
		.catch((caught: unknown) => caught);
	expect(error).toMatchObject({
		code: "WORKSPACE_DISK_FULL",
		message: expect.stringContaining(small),
	});
	expect(readdirSync(bench.workspace("b"))).toEqual([]);
});

test("a database waits and is named if its copy has no room, and everything else is committed", async (context) => {
	await using bench = await workbench();
	using _ = mountSmall(context, bench.privateDir("a"), "1m");
	const session = await bench.open("a");
	using database = new DatabaseSync(join(bench.workspace("a"), "x.db"));
	database.exec("CREATE TABLE t (v); INSERT INTO t VALUES ('row')");
	writeFileSync(join(bench.workspace("a"), "MEMORY.md"), "text");
	const filler = join(bench.privateDir("a"), "filler");
	fillUp(filler);
	expect(await session.flush({ sweep: true })).toMatchObject({
		kind: "committed",
		deferred: [{ path: "x.db", reason: expect.stringContaining("no room") }],
	});
	expect(session.waiting).toBeGreaterThan(0);
	writeFileSync(join(bench.workspace("a"), "MEMORY.md"), "and on");
	expect(await session.flush({ sweep: true })).toMatchObject({ kind: "committed" });
	const full = (await readLog(bench.store)).head.tree;
	expect(full.get("MEMORY.md")).toMatchObject({ size: 6 });
	expect(full.has("x.db")).toBe(false);
	// If the marker cannot be written, the older one stays. That only makes a restore inspect paths
	// twice.
	expect(bench.logger.events.map(({ event }) => event)).toContain("workspace.marker-not-written");

	rmSync(filler);
	expect(await session.flush({ sweep: true })).toMatchObject({ kind: "committed", deferred: [] });
	expect((await readLog(bench.store)).head.tree.has("x.db")).toBe(true);
	expect(session.waiting).toBe(0);
});

function fillUp(path: string): void {
	const fd = openSync(path, "wx");
	try {
		for (const size of [64 * 1024, 1]) {
			try {
				for (;;) writeSync(fd, Buffer.alloc(size));
			} catch (error) {
				expect(error).toMatchObject({ code: "ENOSPC" });
			}
		}
	} finally {
		closeSync(fd);
	}
}
