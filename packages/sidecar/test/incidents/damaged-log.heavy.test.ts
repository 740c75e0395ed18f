/**
 * Incidents in which a damaged tree was read as if it were complete. Numbers: docs/reliability.md.
 */
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { AgingStore } from "../../../testkit/store/aging-store.ts";
import { workbench } from "../../../testkit/workbench.ts";
import { readDisk } from "../../../testkit/workspace/disk.ts";
import { readLog } from "../../src/commit/read-log.ts";
import { SidecarError } from "../../src/errors.ts";
import {
	exportTree,
	flush,
	repair,
	restore,
	retain,
	rollback,
	run,
	verify,
} from "../../src/index.ts";
import { logKey } from "../../src/log/keys.ts";
import { namespaced } from "../../src/store/namespaced.ts";
import type { ObjectStore } from "../../src/store/port.ts";
import { below, commit, put, textOf } from "./files.ts";
import { type Forgery, forge } from "./forged.ts";

const FILES = Object.fromEntries(
	["SOUL.md", "MEMORY.md", ...Array.from({ length: 12 }, (_, n) => `memory/${n}.md`)].map(
		(path) => [path, `years of ${path}`],
	),
);
const PREFIX = "users/default/";

/**
 * A machine whose workspace is durable, in a log of four commits. If its large file exceeds 4 MB,
 * it is in packs.
 */
async function durable(largeBytes = 5_000_000) {
	const dir = mkdtempSync(join(tmpdir(), "damaged-"));
	onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
	const store = new AgingStore();
	const options = (machine: string) => {
		mkdirSync(join(dir, machine), { recursive: true });
		const place = { workspace: join(dir, machine, "ws"), stateDir: join(dir, machine, "state") };
		return { ...place, store: store as ObjectStore, profile: "plain", handoverWaitMs: 0 } as const;
	};
	const a = options("a");
	const write = (path: string, content: string | Buffer) => {
		const file = join(a.workspace, path);
		mkdirSync(dirname(file), { recursive: true });
		writeFileSync(file, content);
	};
	for (const [path, text] of Object.entries(FILES)) write(path, text);
	write("large", randomBytes(largeBytes));
	await flush(a);
	write("notes/new.md", "of the newest commit only");
	await flush(a);
	const log = namespaced(store, "default");
	const newest = (await readLog(log)).head.seq;
	const keys = async () => {
		const found: string[] = [];
		for await (const page of store.list("")) found.push(...page.objects.map(({ key }) => key));
		return found;
	};
	const packs = (await keys()).filter((key) => key.startsWith(`${PREFIX}packs/`));
	const replace = async (key: string, change: (body: Buffer) => Buffer) => {
		const { body } = await store.get(key);
		await store.delete(key);
		await store.putIfAbsent(key, change(Buffer.from(body)));
	};
	return { dir, store, log, options, a, newest, keys, packs, replace };
}

type Durable = Awaited<ReturnType<typeof durable>>;

describe("restic #22180: names that are repeated or out of order", () => {
	const forgeries: readonly (readonly [string, Forgery])[] = [
		// @id restic-22180-name-twice
		["a name twice", { kind: "full", changed: ["", "SOUL.md", "SOUL.md"] }],
		[
			"a name twice, as a file and as a directory",
			{ kind: "full", changed: ["", "SOUL.md", "SOUL.md/"] },
		],
		[
			"a name twice below a directory",
			{ kind: "full", changed: ["", "memory/", "memory/1.md", "memory/1.md"] },
		],
		["names that go down", { kind: "full", changed: ["", "b", "a"] }],
		["the root after its children", { kind: "full", changed: ["a", ""] }],
		["a child before its directory", { kind: "full", changed: ["", "d/x", "d/"] }],
		["a changed name twice", { kind: "delta", changed: ["SOUL.md", "SOUL.md"] }],
		["changed names that go down", { kind: "delta", changed: ["b", "a"] }],
		["a removed name twice", { kind: "delta", changed: [], removed: ["SOUL.md", "SOUL.md"] }],
		[
			"removed names that go down",
			{ kind: "delta", changed: [], removed: ["SOUL.md", "MEMORY.md"] },
		],
		[
			"a name that is changed and removed",
			{ kind: "delta", changed: ["SOUL.md"], removed: ["SOUL.md"] },
		],
		["a name in two spellings", { kind: "delta", changed: ["memory/./1.md"] }],
		["a name that ends in a slash", { kind: "delta", changed: ["memory//"] }],
		["a file above another one", { kind: "delta", changed: ["SOUL.md/below"] }],
		["a file without its directory", { kind: "delta", changed: ["nowhere/x"] }],
	];
	for (const [what, forgery] of forgeries) {
		// @id restic-22180-refused
		it(`restic #22180: restore, flush and run refuse the tree and touch nothing: ${what}`, async () => {
			const at = await durable(5000);
			const { key, body } = forge((await readLog(at.log)).head, forgery);
			await at.log.putIfAbsent(key, body);
			const [before, keys] = [readDisk(at.a.workspace), await at.keys()];
			for (const start of [
				() => restore(at.a),
				() => flush(at.a),
				() => run({ ...at.a, command: ["true"] }),
				() => restore(at.options("b")),
			]) {
				const error = await start().catch((caught: unknown) => caught);
				expect(error).toBeInstanceOf(SidecarError);
				expect((error as SidecarError).code).toMatch(/^(TREE_UNSAFE|OBJECT_CORRUPT)$/);
				// The message names an invalid tree by its seq, and an object by its key.
				expect((error as SidecarError).message).toMatch(
					new RegExp(`${key}|commit ${at.newest + 1}`),
				);
			}
			expect(readDisk(at.a.workspace)).toEqual(before);
			expect(await at.keys()).toEqual(keys);
			// The previous commit can be restored, and the garbage can be removed.
			await restore({ ...at.options("c"), at: at.newest });
			expect(below(at.options("c").workspace)).toEqual(below(at.a.workspace));
			expect(await verify({ store: at.store })).toMatchObject({
				newestWholeSeq: at.newest,
				damaged: [{ key }],
			});
			await repair({ ...at.a, after: at.newest, isConfirmed: true });
			expect(await flush(at.a)).toMatchObject({ kind: "nothing" });
			expect(readDisk(at.a.workspace)).toEqual(before);
		});
	}

	// @id restic-22180-byte-order
	it("restic #22180: names in the order of their bytes are accepted, in any order as text", async () => {
		const at = await durable(5000);
		// U+FB00 sorts before U+1F600 by bytes and after it by UTF-16 units.
		const { key, body } = forge((await readLog(at.log)).head, {
			kind: "full",
			changed: ["", "ﬀ", "😀"],
		});
		await at.log.putIfAbsent(key, body);
		await restore(at.options("b"));
		expect(
			[...readDisk(at.options("b").workspace).keys()].filter((path) => path.startsWith("hex:")),
		).toHaveLength(2);
	});
});

/** Paths below a directory with their contents. */
function contentsOf(directory: string): readonly (readonly [string, string])[] {
	return [...readDisk(directory)].map(([path, { type, content }]) => [path, `${type} ${content}`]);
}

/** The damage to one object: the newest commit, one before it, or a pack. */
const DAMAGES: readonly (readonly [string, (at: Durable) => Promise<void>])[] = [
	[
		"the newest commit is empty",
		({ replace, newest }) => replace(PREFIX + logKey(newest), () => Buffer.alloc(0)),
	],
	[
		"the newest commit ends in its middle",
		({ replace, newest }) => replace(PREFIX + logKey(newest), (body) => body.subarray(0, 100)),
	],
	[
		"a bit of the newest commit is another",
		({ replace, newest }) => replace(PREFIX + logKey(newest), (body) => flipped(body, 70)),
	],
	["an earlier commit is gone", ({ store }) => store.delete(PREFIX + logKey(2))],
	[
		"an earlier commit is damaged",
		({ replace }) => replace(PREFIX + logKey(2), (body) => flipped(body, 70)),
	],
	["a pack is gone", ({ store, packs }) => store.delete(packs[0] as string)],
	[
		"a pack ends in its middle",
		({ replace, packs }) =>
			replace(packs[0] as string, (body) => body.subarray(0, body.length >> 1)),
	],
	[
		"a bit of a pack is another",
		({ replace, packs }) => replace(packs[0] as string, (body) => flipped(body, body.length >> 1)),
	],
	["commits are denied", ({ store }) => refuse(store, "log/", "STORE_ACCESS_DENIED")],
	["commits cannot be reached", ({ store }) => refuse(store, "log/", "STORE_UNREACHABLE")],
	["packs are denied", ({ store }) => refuse(store, "packs/", "STORE_ACCESS_DENIED")],
	["packs cannot be reached", ({ store }) => refuse(store, "packs/", "STORE_UNREACHABLE")],
];

function flipped(body: Buffer, index: number): Buffer {
	body.writeUInt8((body[index] as number) ^ 1, index);
	return body;
}

async function refuse(
	store: AgingStore,
	part: string,
	code: "STORE_ACCESS_DENIED" | "STORE_UNREACHABLE",
): Promise<void> {
	store.before = (verb, key) => {
		if (verb === "get" && key.startsWith(PREFIX + part))
			throw new SidecarError(code, { value: key, reason: "made up" });
	};
}

describe("restic #22181: files that cannot be loaded are not deleted", () => {
	for (const [what, damage] of DAMAGES) {
		// @id restic-22181-no-verb-deletes
		it(`restic #22181: no verb deletes a file or an object: ${what}`, async () => {
			const at = await durable();
			await damage(at);
			const [before, keys] = [contentsOf(at.a.workspace), await at.keys()];
			at.store.sleepDays(60);
			const verbs: readonly (readonly [string, () => Promise<unknown>])[] = [
				["restore", () => restore(at.a)],
				["restore --at", () => restore({ ...at.a, at: at.newest })],
				["flush", () => flush(at.a)],
				["run", () => run({ ...at.a, command: ["true"] })],
				["rollback", () => rollback({ ...at.a, to: at.newest })],
				["export", () => exportTree({ ...at.options("x"), to: join(at.dir, "copy") })],
				["verify", () => verify({ store: at.store, deep: true })],
				["gc", () => retain({ store: at.store })],
				["repair", () => repair({ ...at.a, after: at.newest, isConfirmed: true })],
			];
			for (const [verb, go] of verbs) {
				const error = await go().then(
					() => undefined,
					(caught: unknown) => caught,
				);
				// A verb that only reads commits may not notice a damaged pack, and a warm disk needs none.
				const refusal = error instanceof SidecarError ? error.exitStatus : undefined;
				if (error !== undefined)
					expect([5, 6, 7, ...(verb === "repair" ? [2] : [])], `${verb}: ${error}`).toContain(
						refusal,
					);
				expect({ verb, contents: contentsOf(at.a.workspace) }).toEqual({ verb, contents: before });
				const left = new Set(await at.keys());
				expect({ verb, gone: keys.filter((key) => !left.has(key)) }).toEqual({ verb, gone: [] });
			}
			await expect(restore(at.options("b"))).rejects.toSatisfy((error) =>
				[5, 6, 7].includes((error as SidecarError).exitStatus),
			);
		});
	}

	// @id restic-22181-repair
	it("restic #22181: a commit that repair removes is not a deletion: files that only it had stay on the disk and are committed", async () => {
		const at = await durable();
		await at.replace(PREFIX + logKey(at.newest), (body) => body.subarray(0, 100));
		const before = contentsOf(at.a.workspace);
		const { objects } = await repair({ ...at.a, after: at.newest - 1, isConfirmed: true });
		expect(objects).toHaveLength(1);
		expect(readFileSync(objects[0]?.copy as string)).toHaveLength(100);
		// The disk derives from a commit that is gone, so nothing of it is committed before the log was
		// checked.
		await expect(flush(at.a)).rejects.toMatchObject({ code: "WORKSPACE_NOT_RESTORED" });
		await restore(at.a);
		await flush(at.a);
		expect(contentsOf(at.a.workspace)).toEqual(before);
		expect((await readLog(at.log)).head.tree.has("notes/new.md")).toBe(true);
	});

	// @id restic-22181-daemon
	it("restic #22181: a daemon that cannot read a commit deletes nothing, and continues once it can", async () => {
		await using bench = await workbench(new AgingStore());
		const store = bench.store as AgingStore;
		put(bench, "a", FILES);
		const a = await bench.open("a");
		await commit(a);
		const other = await bench.open("b");
		put(bench, "b", { "of-b.md": "b" });
		await commit(other);
		put(bench, "a", { "of-a.md": "a" });
		const before = contentsOf(bench.workspace("a"));
		store.before = (verb, key) => {
			if (verb === "get")
				throw new SidecarError("STORE_ACCESS_DENIED", { value: key, reason: "made up" });
		};
		expect(await a.flush({ sweep: true })).toMatchObject({
			kind: "unknown",
			cause: { code: "STORE_ACCESS_DENIED" },
		});
		expect(a.waiting).toBeGreaterThan(0);
		expect(contentsOf(bench.workspace("a"))).toEqual(before);
		store.before = () => {};
		expect(await a.flush()).toMatchObject({ kind: "committed" });
		const { tree } = (await readLog(bench.store)).head;
		for (const path of Object.keys(FILES)) expect(tree.has(path), path).toBe(true);
		expect([...tree.keys()].filter((path) => path.endsWith("/of-a.md"))).toHaveLength(1);
		expect(textOf(bench, "a", "of-a.md")).toBe("a");
	});
});
