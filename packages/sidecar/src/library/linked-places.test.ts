/** Resolves links in the paths of directories that a user names, also of missing ones. */
import {
	existsSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	renameSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { pathToFileURL } from "node:url";
import { afterEach, describe, expect, it } from "vitest";
import { privatePath, readMarker } from "../disk/base-marker.ts";
import { doctor, exportTree, flush, restore, rollback, run, status } from "../index.ts";

const undo: (() => unknown)[] = [];
afterEach(async () => {
	for (const step of undo.splice(0).reverse()) await step();
});

function place() {
	const dir = mkdtempSync(join(tmpdir(), "places-"));
	undo.push(() => rmSync(dir, { recursive: true, force: true }));
	const ws = join(dir, "ws");
	mkdirSync(ws);
	writeFileSync(join(ws, "MEMORY.md"), "m");
	const options = {
		workspace: ws,
		stateDir: join(dir, "state"),
		store: pathToFileURL(join(dir, "store")).href,
		profile: "plain" as const,
	};
	return { dir, ws, options };
}

it("refuses a store or state directory that leads into the workspace through a link, and writes nothing there", async () => {
	const { dir, ws, options } = place();
	mkdirSync(join(ws, "sub"));
	symlinkSync("ws/sub", join(dir, "sub"));
	symlinkSync("ws", join(dir, "way"));
	for (const directory of ["sub", "way/new"]) {
		const store = pathToFileURL(join(dir, directory)).href;
		const stateDir = join(dir, directory);
		for (const verb of [flush, run, restore, status, rollback]) {
			await expect(verb({ ...options, store, to: 1 })).rejects.toMatchObject({ code: "USAGE" });
			await expect(verb({ ...options, stateDir, to: 1 })).rejects.toMatchObject({
				code: "STATE_DIR_UNUSABLE",
			});
		}
		expect(await doctor({ ...options, store })).toMatchObject({ isHealthy: false, exitStatus: 2 });
		expect(await doctor({ ...options, stateDir })).toMatchObject({
			isHealthy: false,
			exitStatus: 2,
		});
	}
	expect(readdirSync(ws).sort()).toEqual(["MEMORY.md", "sub"]);
	expect(readdirSync(join(ws, "sub"))).toEqual([]);
	// A store that contains the workspace would also be committed to itself.
	symlinkSync(".", join(dir, "up"));
	await expect(
		flush({ ...options, store: pathToFileURL(join(dir, "up")).href }),
	).rejects.toMatchObject({ code: "USAGE" });
});

describe("a workspace named by a link", () => {
	// @id linked-workspace
	it("is the directory that the link leads to, under either name", async () => {
		const { dir, ws, options } = place();
		const link = join(dir, "link");
		symlinkSync("ws", link);
		expect(await flush({ ...options, workspace: link })).toMatchObject({
			exitStatus: 0,
			kind: "committed",
		});
		expect(await status(options)).toMatchObject({ isDurable: true, workspace: ws });
		expect(await run({ ...options, workspace: link, command: ["true"] })).toMatchObject({
			exitStatus: 0,
		});
		expect(await flush(options)).toMatchObject({ exitStatus: 0, kind: "nothing" });
	});

	// @id replaced-workspace-link
	it("stays that directory when the link is replaced while the daemon runs", async () => {
		const { dir, ws, options } = place();
		const link = join(dir, "link");
		symlinkSync("ws", link);
		mkdirSync(join(dir, "other"));
		writeFileSync(join(dir, "other/theirs"), "1");
		const command = ["sh", "-c", `ln -sfn other ${link}; echo 1 >${ws}/mine`];
		expect(await run({ ...options, workspace: link, command })).toMatchObject({ exitStatus: 0 });
		await restore({ ...options, workspace: join(dir, "again") });
		expect(existsSync(join(dir, "again/mine"))).toBe(true);
		expect(existsSync(join(dir, "again/theirs"))).toBe(false);
	});

	// @id broken-workspace-link
	it("is refused, with a remedy, if the link leads nowhere or to a file", async () => {
		const { dir, ws, options } = place();
		const link = join(dir, "link");
		for (const [target, reason] of [
			["nothing", "leads nowhere"],
			["link", "leads to itself"],
			["ws/MEMORY.md", ""],
		] as const) {
			symlinkSync(target, link);
			for (const verb of [flush, status, restore, run])
				await expect(verb({ ...options, workspace: link })).rejects.toMatchObject({
					code: "WORKSPACE_NOT_DIRECTORY",
					message: expect.stringContaining(reason),
				});
			const found = (await doctor({ ...options, workspace: link })).checks.find(
				({ name }) => name === "workspace",
			);
			expect(found).toMatchObject({ status: "problem", code: "WORKSPACE_NOT_DIRECTORY" });
			rmSync(link);
		}
		expect(readFileSync(join(ws, "MEMORY.md"), "utf8")).toBe("m");
	});

	it("keeps the state that an earlier release stored under the given name", async () => {
		const { dir, ws, options } = place();
		await flush(options);
		symlinkSync(".", join(dir, "parent"));
		const given = join(dir, "parent/ws");
		const identity = { store: options.store, namespace: "default" };
		// State of an earlier release, which did not follow links.
		const [real, old] = [
			privatePath(options.stateDir, { ...identity, workspace: ws }),
			privatePath(options.stateDir, { ...identity, workspace: given }),
		];
		const marker = readFileSync(join(real, "base.json"), "utf8");
		writeFileSync(
			join(real, "base.json"),
			marker.replace(JSON.stringify(ws), JSON.stringify(given)),
		);
		renameSync(real, old);
		expect(readMarker(old)?.workspace).toBe(given);
		expect(await flush({ ...options, workspace: given })).toMatchObject({
			exitStatus: 0,
			kind: "nothing",
		});
	});
});

it("follows links to the store, the state directory, a root and an export target", async () => {
	const { dir, options } = place();
	for (const name of ["store", "state", "notes", "copy"]) {
		mkdirSync(join(dir, `real-${name}`));
		symlinkSync(`real-${name}`, join(dir, name));
	}
	writeFileSync(join(dir, "real-notes/n"), "1");
	const all = { ...options, roots: { notes: join(dir, "notes") } };
	expect(await flush(all)).toMatchObject({ exitStatus: 0 });
	expect(await status(all)).toMatchObject({ isDurable: true });
	expect((await doctor(all)).checks.filter((check) => check.status === "problem")).toEqual([]);
	await exportTree({ ...options, to: join(dir, "copy") });
	expect(readFileSync(join(dir, "real-copy/MEMORY.md"), "utf8")).toBe("m");
});

describe("status", () => {
	// @id status-missing-workspace
	it("refuses a missing workspace, like a flush", async () => {
		const { dir, ws, options } = place();
		await flush(options);
		for (const workspace of [join(dir, "nothing"), ws]) {
			rmSync(workspace, { recursive: true, force: true });
			for (const verb of [flush, status])
				await expect(verb({ ...options, workspace })).rejects.toMatchObject({
					code: "WORKSPACE_NOT_DIRECTORY",
					message: expect.stringContaining("it does not exist"),
				});
		}
	});

	// @id status-deferred-deletions
	it("is not durable while deletions are deferred, like a flush", async () => {
		const { ws, options } = place();
		mkdirSync(join(ws, "d"));
		for (let index = 0; index < 60; index++) writeFileSync(join(ws, `d/f${index}`), "");
		await flush(options);
		rmSync(join(ws, "d"), { recursive: true });
		expect(await flush(options)).toMatchObject({ exitStatus: 3, deferredDeletions: 60 });
		expect(await status(options)).toMatchObject({
			isDurable: false,
			deferredDeletions: 60,
			notDurable: [],
		});
	});

	// @id status-other-directory
	it("is not durable if another directory replaced the workspace, which a flush refuses", async () => {
		const { ws, options } = place();
		await flush(options);
		renameSync(ws, `${ws}-away`);
		mkdirSync(ws);
		await expect(flush(options)).rejects.toMatchObject({ code: "WORKSPACE_NOT_RESTORED" });
		expect(await status(options)).toMatchObject({
			isDurable: false,
			notRestored: expect.stringContaining("not the directory that was restored"),
		});
	});
});

describe("a rollback beside databases in WAL mode", () => {
	function database(file: string, ...statements: readonly string[]): void {
		const db = new DatabaseSync(file);
		for (const statement of ["PRAGMA journal_mode = wal", ...statements]) db.exec(statement);
		db.close();
	}

	// @id unchanged-database-rollback
	it("leaves an unchanged database alone, and creates no files next to it", async () => {
		const { ws, options } = place();
		database(join(ws, "a.db"), "CREATE TABLE t(x)", "INSERT INTO t VALUES (1)");
		await flush(options);
		const bytes = readFileSync(join(ws, "a.db"));
		rmSync(join(ws, "MEMORY.md"));
		await flush(options);
		const result = await rollback({ ...options, to: 2 });
		expect(result).toMatchObject({ exitStatus: 0, differences: [], moved: [] });
		expect(readFileSync(join(ws, "MEMORY.md"), "utf8")).toBe("m");
		expect(readFileSync(join(ws, "a.db")).equals(bytes)).toBe(true);
		for (const suffix of ["-wal", "-shm"])
			expect(existsSync(join(ws, `a.db${suffix}`))).toBe(false);
	});

	// @id changed-database-rollback
	it("restores a changed database, and reports it", async () => {
		const { ws, options } = place();
		database(join(ws, "a.db"), "CREATE TABLE t(x)", "INSERT INTO t VALUES (1)");
		await flush(options);
		database(join(ws, "a.db"), "INSERT INTO t VALUES (2)");
		await flush(options);
		expect(await rollback({ ...options, to: 2 })).toMatchObject({
			exitStatus: 0,
			differences: [],
			moved: [{ path: "a.db" }],
		});
		const db = new DatabaseSync(join(ws, "a.db"));
		expect(db.prepare("SELECT x FROM t").all()).toEqual([{ x: 1 }]);
		db.close();
		expect(await status(options)).toMatchObject({ isDurable: true });
	});
});
