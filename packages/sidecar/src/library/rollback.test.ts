import { randomBytes } from "node:crypto";
import {
	chmodSync,
	mkdirSync,
	mkdtempSync,
	readdirSync,
	readFileSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, describe, expect, it } from "vitest";
import { AgingStore } from "../../../testkit/store/aging-store.ts";
import { readDisk } from "../../../testkit/workspace/disk.ts";
import { readLog } from "../commit/read-log.ts";
import { flush, history, restore, rollback, run, SidecarError, verify } from "../index.ts";
import { namespaced } from "../store/namespaced.ts";
import { recordingLogger } from "../telemetry/logger.ts";

const MiB = 1024 * 1024;

const undo: (() => unknown)[] = [];
afterEach(async () => {
	for (const step of undo.splice(0).reverse()) await step();
});

function place() {
	const dir = mkdtempSync(join(tmpdir(), "rollback-"));
	undo.push(() => rmSync(dir, { recursive: true, force: true }));
	const store = new AgingStore();
	const options = (machine: string) => {
		mkdirSync(join(dir, machine), { recursive: true });
		return {
			workspace: join(dir, machine, "ws"),
			stateDir: join(dir, machine, "state"),
			store,
			profile: "plain",
			handoverWaitMs: 0,
		} as const;
	};
	const path = (machine: string, ...names: string[]) => join(dir, machine, "ws", ...names);
	const head = async () => (await readLog(namespaced(store, "default"))).head;
	return { store, options, path, head };
}

/**
 * Commit 2 is the first state, the newest the second; the second drops, adds and changes things.
 */
async function twoStates() {
	const at = place();
	const a = at.options("a");
	mkdirSync(at.path("a", "dir/empty"), { recursive: true });
	for (let index = 0; index < 12; index++)
		writeFileSync(at.path("a", `f${index}`), `first ${index}`);
	writeFileSync(at.path("a", "large"), randomBytes(5 * MiB));
	writeFileSync(at.path("a", "dir/script"), "#!/bin/sh\n", { mode: 0o750 });
	symlinkSync("dir/script", at.path("a", "link"));
	const database = new DatabaseSync(at.path("a", "db.sqlite"));
	database.exec("CREATE TABLE t (x); INSERT INTO t VALUES ('first')");
	await flush(a);
	const first = readDisk(at.path("a"));
	database.exec("UPDATE t SET x = 'second'");
	database.close();
	writeFileSync(at.path("a", "f0"), "second");
	for (const name of ["f1", "large", "link"]) rmSync(at.path("a", name));
	rmSync(at.path("a", "dir/empty"), { recursive: true });
	for (let index = 0; index < 40; index++) writeFileSync(at.path("a", `new${index}`), "x");
	await flush(a);
	const second = readDisk(at.path("a"));
	return { ...at, a, first, second, newest: (await at.head()).seq };
}

/** In halves, so that this file contains no secret. */
const SECRET = "AKIA" + "QWERTYUIOPASDFGH";

describe("rollback", () => {
	it("leaves out a secret on this disk, or refuses it, as onSecret says", async () => {
		const { options, path, head } = place();
		const a = options("a");
		mkdirSync(path("a"), { recursive: true });
		for (const text of ["first", "second"]) {
			writeFileSync(path("a", "f"), text);
			await flush(a);
		}
		writeFileSync(path("a", "notes.md"), SECRET);
		await expect(rollback({ ...a, to: 2, onSecret: "fail" })).rejects.toMatchObject({
			code: "SECRET_FOUND",
			value: "notes.md",
		});
		expect(readFileSync(path("a", "f"), "utf8")).toBe("second");
		const moved = expect.arrayContaining([
			expect.objectContaining({ path: "notes.md", isInLog: false }),
		]);
		expect(await rollback({ ...a, to: 2, onSecret: "exclude" })).toMatchObject({
			exitStatus: 0,
			moved,
		});
		await flush({ ...a, onSecret: "exclude" });
		expect([...(await head()).tree.keys()].filter((each) => each.endsWith("notes.md"))).toEqual([]);
	});

	// @id rollback-secret-undone
	it("changes nothing if onSecret is fail and the earlier commit holds a secret", async () => {
		const { options, path, head } = place();
		const a = options("a");
		mkdirSync(path("a"), { recursive: true });
		writeFileSync(path("a", "f"), "first");
		writeFileSync(path("a", "notes.md"), SECRET);
		await flush(a);
		const { seq } = await head();
		writeFileSync(path("a", "f"), "second");
		writeFileSync(path("a", "notes.md"), "no secret");
		await flush(a);
		await expect(rollback({ ...a, to: seq, onSecret: "fail" })).rejects.toMatchObject({
			...{ code: "SECRET_FOUND", value: "notes.md" },
			message: expect.stringContaining("nothing was rolled back"),
		});
		const texts = ["f", "notes.md"].map((name) => readFileSync(path("a", name), "utf8"));
		expect(texts).toEqual(["second", "no secret"]);
		expect(await flush(a)).toMatchObject({ kind: "nothing", exitStatus: 0 });
		expect(await rollback({ ...a, to: seq })).toMatchObject({ exitStatus: 0 });
	});

	// @id rollback
	it("makes one new commit with the exact tree of the old one; the disk and other machines follow, and it can be undone", async () => {
		const { a, path, options, first, second, newest, store, head } = await twoStates();
		const before = await head();
		const result = await rollback({ ...a, to: 2 });
		// A fence, the state before, and the rollback. More than half of the files go, in this one
		// commit.
		expect(result).toMatchObject({
			to: 2,
			from: newest + 2,
			seq: newest + 3,
			removed: 40,
			differences: [],
			superseded: false,
			exitStatus: 0,
		});
		const changed = ["db.sqlite", "dir/empty", "f0", "f1", "large", "link"];
		const added = Array.from({ length: 40 }, (_, index) => `new${index}`);
		expect(result.changes.map(({ path }) => path)).toEqual([...changed, ...added.sort()]);
		expect(readDisk(path("a"))).toEqual(first);
		await restore(options("b"));
		expect(readDisk(path("b"))).toEqual(first);
		const old = (await readLog(namespaced(store, "default"), { at: 2 })).head;
		expect([...(await head()).tree.keys()].sort()).toEqual([...old.tree.keys()].sort());

		// History is unchanged.
		expect((await readLog(namespaced(store, "default"), { at: newest })).head.id).toBe(before.id);
		expect(await verify({ store, deep: true })).toMatchObject({ damaged: [], gaps: [] });
		await rollback({ ...a, to: result.from });
		expect(readDisk(path("a"))).toEqual(second);
	});

	it("refers to nothing that only older commits name, and stores it again", async () => {
		const { a, store, head } = await twoStates();
		const there = new Set<string>();
		for await (const page of store.list(""))
			for (const { key } of page.objects) there.add(key.replace("users/default/", ""));
		const named = (tree: Awaited<ReturnType<typeof head>>["tree"]) =>
			new Set(
				[...tree.values()].flatMap((entry) =>
					entry.type === "file" ? entry.chunks.map(({ block }) => block.key) : [],
				),
			);
		const before = named((await head()).tree);
		const { bytes } = await rollback({ ...a, to: 2 });
		expect(bytes).toBeGreaterThan(5 * MiB);
		for (const key of named((await head()).tree))
			expect(there.has(key) && !before.has(key)).toBe(false);
	});

	it("first commits what is not durable here, so that it can be restored", async () => {
		const { a, path } = await twoStates();
		writeFileSync(path("a", "unsaved"), "only here");
		const { from } = await rollback({ ...a, to: 2 });
		expect(readdirSync(path("a"))).not.toContain("unsaved");
		await rollback({ ...a, to: from });
		expect(readFileSync(path("a", "unsaved"), "utf8")).toBe("only here");
	});

	it("works in an empty directory, and refuses one that does not derive from the log", async () => {
		const { options, path, first, head } = await twoStates();
		const { seq } = await head();
		writeFileSync(join(options("stranger").workspace, "..", "mine"), "");
		mkdirSync(path("stranger"));
		writeFileSync(path("stranger", "mine"), "mine");
		await expect(rollback({ ...options("stranger"), to: 2 })).rejects.toMatchObject({
			code: "WORKSPACE_NOT_RESTORED",
		});
		expect(readFileSync(path("stranger", "mine"), "utf8")).toBe("mine");
		expect((await head()).seq).toBe(seq);
		expect(await rollback({ ...options("empty"), to: 2 })).toMatchObject({ exitStatus: 0 });
		expect(readDisk(path("empty"))).toEqual(first);
	});

	it("refuses while a daemon owns the workspace, and does nothing", async () => {
		const { a, path, second } = await twoStates();
		const stop = new AbortController();
		const logger = recordingLogger();
		const running = run({ ...a, logger, signal: stop.signal });
		while (!logger.events.some(({ event }) => event === "watch.started"))
			await new Promise(setImmediate);
		await expect(rollback({ ...a, to: 2 })).rejects.toMatchObject({ code: "WORKSPACE_BUSY" });
		stop.abort();
		await running;
		expect(readDisk(path("a"))).toEqual(second);
	});

	it("changes nothing in the log if interrupted before its commit: a restore brings back the newest commit", async () => {
		const { a, path, second, store } = await twoStates();
		let commits = 0;
		store.before = (verb, key) => {
			// The fence, then the state before; the third commit is the rollback.
			if (verb === "put" && key.includes("/log/") && ++commits > 2)
				throw new SidecarError("STORE_ACCESS_DENIED", { value: key, reason: "made up" });
		};
		await expect(rollback({ ...a, to: 2 })).rejects.toMatchObject({ code: "STORE_ACCESS_DENIED" });
		store.before = () => {};
		await restore(a);
		// What the restore put into a directory changed that directory's time.
		const files = (disk: typeof second) => [...disk].filter(([, { type }]) => type !== "dir");
		expect(files(readDisk(path("a")))).toEqual(files(second));
	});

	it("reports if it loses the tree to another writer, and its bytes are quarantined", async () => {
		const { a, options, store, second, path } = await twoStates();
		let commits = 0;
		store.before = async (verb, key) => {
			if (verb !== "put" || !key.includes("/log/") || ++commits !== 3) return;
			store.before = () => {};
			const b = options("b");
			await restore(b);
			writeFileSync(path("b", "by the other"), "x");
			await flush(b);
		};
		expect(await rollback({ ...a, to: 2 })).toMatchObject({ superseded: true, exitStatus: 4 });
		await restore(options("c"));
		expect(new Set(readDisk(path("c")).keys())).toEqual(
			new Set([...second.keys(), "by the other"]),
		);
		const owners = new Set<string>();
		for await (const entry of history({ store }))
			if ("flags" in entry && entry.flags.recovered === true) owners.add(entry.writer);
		expect(owners.size).toBe(1);
	});

	it("empties the workspace if the target is a log's first commit, which has no tree", async () => {
		const { a, path } = await twoStates();
		expect(await rollback({ ...a, to: 1 })).toMatchObject({ differences: [], exitStatus: 0 });
		expect(readdirSync(path("a"))).toEqual([]);
	});

	it("succeeds and lists the mode if the profile makes a secret's mode stricter than it was", async () => {
		const { options, path } = place();
		const a = { ...options("a"), profile: "openclaw" } as const;
		mkdirSync(path("a", "credentials"), { recursive: true });
		for (const name of ["openclaw.json", "credentials/key.json", "note"])
			writeFileSync(path("a", name), "{}");
		for (const [name, mode] of [
			["credentials", 0o755],
			["openclaw.json", 0o644],
		] as const)
			chmodSync(path("a", name), mode);
		await flush(a);
		writeFileSync(path("a", "openclaw.json"), '{ "changed": 1 }');
		writeFileSync(path("a", "note"), "changed");
		await flush(a);
		const { exitStatus, differences } = await rollback({ ...a, to: 2 });
		expect(exitStatus).toBe(0);
		expect(
			differences.map(({ path, ...difference }) => [
				path,
				"aspects" in difference && difference.aspects,
			]),
		).toEqual([
			["credentials", ["mode"]],
			["openclaw.json", ["mode"]],
		]);
		expect(readFileSync(path("a", "openclaw.json"), "utf8")).toBe("{}");
	});

	it.runIf(process.getuid?.() === 0)(
		"succeeds in directories whose times it may not set, and lists them",
		async () => {
			const { options, path } = place();
			const a = options("a");
			mkdirSync(path("a", "team"), { recursive: true });
			writeFileSync(path("a", "team/note"), "first");
			for (const name of [".", "team"]) chmodSync(path("a", name), 0o2777);
			const [user, machine] = [1500, join(path("a"), "..")];
			for (const name of [machine, join(machine, "..")]) chmodSync(name, 0o777);
			const process_ = process as { seteuid?: (id: number) => void };
			process_.seteuid?.(user);
			try {
				await flush(a);
				rmSync(path("a", "team/note"), { force: true });
				writeFileSync(path("a", "other"), "second");
				await flush(a);
				const { exitStatus, differences } = await rollback({ ...a, to: 2 });
				expect(exitStatus).toBe(0);
				expect(differences.map((each) => [each.path, "aspects" in each && each.aspects])).toEqual([
					["", ["time"]],
					["team", ["time"]],
				]);
				expect(readFileSync(path("a", "team/note"), "utf8")).toBe("first");
			} finally {
				process_.seteuid?.(0);
			}
		},
	);

	it("fails for a missing commit", async () => {
		const { a } = await twoStates();
		await expect(rollback({ ...a, to: 99 })).rejects.toMatchObject({ code: "COMMIT_NOT_FOUND" });
		await expect(rollback({ ...a, to: "soon" })).rejects.toMatchObject({ code: "USAGE" });
	});
});
