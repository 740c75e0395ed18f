import { randomBytes } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { AgingStore } from "../../../testkit/store/aging-store.ts";
import { type Workbench, workbench } from "../../../testkit/workbench.ts";
import { readDisk } from "../../../testkit/workspace/disk.ts";
import { readLog } from "../commit/read-log.ts";
import { seqOfKey } from "../log/keys.ts";
import { DEFAULT_RETENTION } from "../log/plan-retention.ts";
import type { Session } from "../session/session.ts";
import { silentLogger } from "../telemetry/logger.ts";
import { noProgress } from "../telemetry/progress.ts";
import { retain } from "./retain.ts";
import { verify } from "./verify.ts";

const MiB = 1024 * 1024;

const undo: (() => unknown)[] = [];
afterEach(async () => {
	for (const step of undo.splice(0).reverse()) await step();
});

interface Place {
	readonly bench: Workbench;
	readonly store: AgingStore;
	readonly session: Session;
	/** Writes files (null: removes) and commits them. */
	commit(files: Readonly<Record<string, string | Buffer | null>>): Promise<void>;
	/** Restores the first machine's state to a new machine; returns the number of GETs. */
	restoreElsewhere(): Promise<number>;
	/** Checks every object and every checksum. */
	expectSound(): Promise<void>;
	/** Objects that hold the newest tree's content. */
	named(): Promise<string[]>;
}

async function place(): Promise<Place> {
	const store = new AgingStore();
	const bench = await workbench(store);
	undo.push(() => bench[Symbol.asyncDispose]());
	const session = await bench.open("a");
	let machines = 0;
	return {
		bench,
		store,
		session,
		commit: async (files) => {
			for (const [path, content] of Object.entries(files)) {
				if (content === null) rmSync(join(bench.workspace("a"), path));
				else writeFileSync(join(bench.workspace("a"), path), content);
				session.hint(path);
			}
			expect(await session.flush()).toMatchObject({ kind: "committed", deferredDeletions: 0 });
		},
		restoreElsewhere: async () => {
			const machine = `new${machines++}`;
			const { get } = store.requests;
			await bench.open(machine, { store: store.fork() });
			expect(readDisk(bench.workspace(machine))).toEqual(readDisk(bench.workspace("a")));
			const other = store.fork();
			await bench.open(`${machine}-counted`, { store: other });
			expect(store.requests.get).toBe(get);
			return other.requests.get;
		},
		expectSound: async () => {
			expect(
				await verify(store, { policy: DEFAULT_RETENTION, progress: noProgress, deep: true }),
			).toMatchObject({ damaged: [] });
		},
		named: async () => {
			const { head } = await readLog(store.fork());
			return [
				...new Set(
					[...head.tree.values()]
						.flatMap((entry) => (entry.type === "file" ? entry.chunks : []))
						.map(({ block }) => block.key),
				),
			];
		},
	};
}

/** A file for each of 70 commits: the FULL one is 64. */
async function manyCommits(): Promise<Place> {
	const at = await place();
	for (let index = 0; index < 70; index++)
		await at.commit({ [`note-${index}.md`]: `${index} ${randomBytes(100).toString("hex")}` });
	return at;
}

/** 9 MiB in packs, of which a third is needed. No block spans two files. */
async function deadPacks(): Promise<Place> {
	const at = await place();
	for (const name of ["a", "b", "c"])
		await at.commit({
			[`keep-${name}`]: randomBytes(2 * MiB),
			[`drop-${name}`]: randomBytes(5 * MiB),
		});
	await at.commit({ "drop-a": null });
	await at.commit({ "drop-b": null });
	return at;
}

describe("repack", () => {
	it("gathers the records of many old commits: the tree stays the same, and a restore makes fewer requests", async () => {
		const at = await manyCommits();
		expect(at.session.isRepackDue).toBe(true);
		// Sixty-three of them are before the FULL commit: not yet many.
		expect(await at.session.repack()).toEqual({ kind: "nothing" });
		expect(at.session.isRepackDue).toBe(false);
		for (let index = 70; index < 140; index++)
			await at.commit({ [`note-${index}.md`]: `${index}` });
		expect(at.session.isRepackDue).toBe(true);
		const before = await at.restoreElsewhere();
		const disk = readDisk(at.bench.workspace("a"));
		expect(await at.session.repack()).toMatchObject({ kind: "committed", seq: 142, objects: 126 });
		expect((await at.named()).filter((key) => (seqOfKey(key) ?? 1000) < 128)).toEqual([]);
		const after = await at.restoreElsewhere();
		expect(before - after).toBeGreaterThan(100);
		expect(readDisk(at.bench.workspace("a"))).toEqual(disk);
		expect(await at.session.repack()).toEqual({ kind: "nothing" });
		// The disk equals the log: nothing is captured again.
		expect(await at.session.flush({ sweep: true })).toMatchObject({ kind: "nothing" });
		await at.expectSound();
	});

	it("empties packs that are mostly dead, and retention removes them once history ends", async () => {
		const at = await deadPacks();
		const packs = (await at.named()).filter((key) => seqOfKey(key) === undefined);
		expect(await at.session.repack()).toMatchObject({ kind: "committed" });
		const left = await at.named();
		expect(left.filter((key) => packs.includes(key)).length).toBeLessThan(packs.length);
		await at.restoreElsewhere();
		// The commits that name the old places are needed until the next FULL commit.
		while (at.session.head.seq < 64) await at.commit({ turn: String(at.session.head.seq) });
		for (let day = 0; day < 4; day++) {
			at.store.sleepDays(20);
			await at.commit({ turn: String(day) });
			await retain(at.store, { logger: silentLogger });
		}
		const stored: string[] = [];
		for await (const page of at.store.list("packs/"))
			stored.push(...page.objects.map(({ key }) => key));
		expect(stored.sort()).toEqual(
			(await at.named()).filter((key) => seqOfKey(key) === undefined).sort(),
		);
		await at.expectSound();
		await at.restoreElsewhere();
	});

	// @id damaged-bytes-not-repacked
	it("never gives damaged bytes a new checksum, and then commits nothing", async () => {
		const at = await deadPacks();
		const { seq } = at.session.head;
		const { head } = await readLog(at.store);
		const kept = head.tree.get("keep-a");
		const [chunk, ...rest] = kept?.type === "file" ? kept.chunks : [];
		if (chunk === undefined) throw new Error("no chunk");
		// A log with a false hash for these bytes: only the SHA-256 can tell.
		const lie = { ...chunk, sha256: "00".repeat(32) };
		(at.session.head.tree as Map<string, unknown>).set("keep-a", {
			...kept,
			chunks: [lie, ...rest],
		});
		await expect(at.session.repack()).rejects.toMatchObject({ code: "OBJECT_CORRUPT" });
		expect(at.session.head.seq).toBe(seq);
	});

	it("ends on request without a commit, and can start again", async () => {
		const at = await deadPacks();
		const { seq } = at.session.head;
		const stop = new AbortController();
		at.store.before = (verb) => {
			if (verb === "get") stop.abort(new Error("a change"));
		};
		await expect(at.session.repack(stop.signal)).rejects.toThrow();
		at.store.before = () => {};
		expect(at.session.head.seq).toBe(seq);
		expect(await at.session.repack()).toMatchObject({ kind: "committed", seq: seq + 1 });
	});

	it("belongs to the owner: a writer that lost the tree has nothing to repack", async () => {
		const at = await deadPacks();
		const other = await at.bench.open("b");
		expect(await at.session.repack()).toEqual({ kind: "lost" });
		expect(at.session.isRepackDue).toBe(false);
		expect(await other.repack()).toMatchObject({ kind: "committed" });
	});
});
