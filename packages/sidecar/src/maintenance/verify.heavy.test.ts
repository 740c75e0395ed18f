import { randomBytes } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { AgingStore } from "../../../testkit/store/aging-store.ts";
import { workbench } from "../../../testkit/workbench.ts";
import { readLog } from "../commit/read-log.ts";
import { logKey, packKey } from "../log/keys.ts";
import { DEFAULT_RETENTION } from "../log/plan-retention.ts";
import type { ChunkRef } from "../log/types.ts";
import type { Session } from "../session/session.ts";
import { silentLogger } from "../telemetry/logger.ts";
import { noProgress } from "../telemetry/progress.ts";
import { retain } from "./retain.ts";
import { verify } from "./verify.ts";
import { ContentCheck } from "./verify-content.ts";

const MiB = 1024 * 1024;

const undo: (() => unknown)[] = [];
afterEach(async () => {
	for (const step of undo.splice(0).reverse()) await step();
});

async function log() {
	const store = new AgingStore();
	const bench = await workbench(store);
	undo.push(() => bench[Symbol.asyncDispose]());
	const session = await bench.open("a");
	const commit = async (files: Readonly<Record<string, string | Buffer | null>>) => {
		for (const [path, content] of Object.entries(files)) {
			if (content === null) rmSync(join(bench.workspace("a"), path));
			else writeFileSync(join(bench.workspace("a"), path), content);
			session.hint(path);
		}
		await session.flush();
	};
	await commit({ small: randomBytes(900) });
	await commit({ large: randomBytes(9 * MiB) });
	while (session.head.seq < 70) await commit({ turn: String(session.head.seq) });
	return { store, session, commit, check: (deep = false) => check(store, deep) };
}

async function check(store: AgingStore, deep = false) {
	return await verify(store, { policy: DEFAULT_RETENTION, deep, progress: noProgress });
}

const packsOf = async (session: Session) => {
	const large = session.head.tree.get("large");
	return large?.type === "file" ? [...new Set(large.chunks.map(({ block }) => block.key))] : [];
};

/** Changes the object's bytes. */
async function replace(
	store: AgingStore,
	key: string,
	change: (body: Buffer) => Buffer,
): Promise<void> {
	const { body } = await store.get(key);
	const { before } = store;
	store.before = () => {};
	await store.delete(key);
	await store.putIfAbsent(key, change(Buffer.from(body)));
	store.before = before;
}

const flip = (at: number) => (body: Buffer) => {
	body.writeUInt8(body.readUInt8(at) ^ 1, at);
	return body;
};

describe("a good log", () => {
	it("passes both checks, and the deep one hashes every content byte once", async () => {
		const { check } = await log();
		expect(await check()).toMatchObject({
			newestSeq: 70,
			newestWholeSeq: 70,
			commits: { count: 70 },
			checkedBytes: 0,
			damaged: [],
			expiredSeqs: [],
			gaps: [],
			orphans: [],
			unknownKeys: [],
		});
		const turns = Array.from({ length: 67 }, (_, index) => String(index + 3).length).reduce(
			(sum, length) => sum + length,
			0,
		);
		expect(await check(true)).toMatchObject({ damaged: [], checkedBytes: 9 * MiB + 900 + turns });
	});

	it("passes during retention, and the remains of expired commits are reported", async () => {
		const { store, session, commit } = await log();
		await commit({ large: null });
		await commit({ large: randomBytes(5 * MiB) });
		while (session.head.seq < 129) await commit({ turn: String(session.head.seq) });
		// A pack is deleted only once the newest commit is a day younger.
		store.sleepDays(1);
		await commit({ turn: "the next day" });
		for (let run = 0; run < 3; run++) {
			store.sleepDays(40);
			await retain(store, { logger: silentLogger });
			const found = await check(store, true);
			// `small` is in commit 2, the new `large` in a pack.
			expect(found).toMatchObject({
				damaged: [],
				newestWholeSeq: 130,
				expiredSeqs: [2],
				gaps: [
					[3, 127],
					[1, 1],
				],
			});
			expect(found.orphans.length).toBe(run === 0 ? 2 : 0);
		}
	});

	it("may hold a pack that nothing names yet, and foreign keys", async () => {
		const { store, check } = await log();
		await store.putIfAbsent("packs/readme", Buffer.from("x"));
		await store.putIfAbsent("other/x", Buffer.from("x"));
		expect(await check()).toMatchObject({ damaged: [], unknownKeys: ["other/x", "packs/readme"] });
	});
});

describe("damage", () => {
	it("of a manifest is found and named, together with the newest complete commit", async () => {
		const { store, check } = await log();
		await replace(store, logKey(70), flip(70));
		expect(await check()).toMatchObject({
			newestWholeSeq: 69,
			damaged: [{ key: logKey(70), seq: 70, error: { code: "OBJECT_CORRUPT" } }],
		});
	});

	it("includes garbage in the newest slots, but not a key that is not a commit's", async () => {
		const { store, check } = await log();
		await store.putIfAbsent(logKey(71), Buffer.from("garbage"));
		await store.putIfAbsent("log/+", Buffer.from("x"));
		expect(await check()).toMatchObject({
			newestSeq: 71,
			newestWholeSeq: 70,
			damaged: [{ key: logKey(71), seq: 71 }],
			unknownKeys: ["log/+"],
		});
	});

	it("includes a missing commit that retained ones are folded onto", async () => {
		const { store, check } = await log();
		await store.delete(logKey(66));
		const { damaged, newestWholeSeq, gaps } = await check();
		expect(damaged).toMatchObject([
			{ key: logKey(66), seq: 70, error: { code: "OBJECT_NOT_FOUND" } },
		]);
		expect({ newestWholeSeq, gaps }).toEqual({ newestWholeSeq: 65, gaps: [[66, 66]] });
	});

	it("includes a commit that does not continue the one before it, even a FULL one", async () => {
		const [one, two] = [await log(), await log()];
		for (const seq of [64, 70]) {
			const { body } = await two.store.get(logKey(seq));
			await replace(one.store, logKey(seq), () => body);
		}
		const { damaged } = await one.check();
		expect(damaged.map(({ key }) => key).sort()).toContain(logKey(64));
		expect(damaged.map(({ key }) => key)).not.toContain(logKey(63));
	});

	it("includes a pack that is missing, truncated, or has another header", async () => {
		for (const [change, code] of [
			[undefined, "OBJECT_NOT_FOUND"],
			[(body: Buffer) => body.subarray(0, body.length - 1), "OBJECT_CORRUPT"],
			[flip(9), "OBJECT_CORRUPT"],
		] as const) {
			const { store, session, check } = await log();
			const [pack] = await packsOf(session);
			if (change === undefined) await store.delete(pack as string);
			else await replace(store, pack as string, change);
			expect((await check()).damaged).toMatchObject([{ key: pack, error: { code } }]);
		}
	});

	it("includes content that only a deep check reads, in a pack and inline", async () => {
		const { store, session, check } = await log();
		const [pack] = await packsOf(session);
		await replace(store, pack as string, flip(5000));
		const inline = session.head.tree.get("turn");
		const block = inline?.type === "file" ? inline.chunks[0]?.block : undefined;
		await replace(store, block?.key as string, flip(block?.offset as number));
		expect((await check()).damaged).toEqual([]);
		const { damaged } = await check(true);
		expect(damaged.map(({ key }) => key).sort()).toEqual([block?.key, pack].sort());
	});

	it("is found even if every other checksum is right and only a manifest lies about the content", async () => {
		const { store, session } = await log();
		const large = session.head.tree.get("large");
		const turn = session.head.tree.get("turn");
		for (const file of [large, turn]) {
			const chunk = file?.type === "file" ? file.chunks[0] : undefined;
			if (chunk === undefined) throw new Error("no chunk");
			const { block } = chunk;
			const lying = { ...chunk, sha256: "0".repeat(64) };
			const content = new ContentCheck(store, undefined);
			const check = async (chunks: readonly ChunkRef[]) => {
				const blocks = new Map([
					["place", { block, chunks: new Map(chunks.map((each) => [each.sha256, each])) }],
				]);
				if (file === turn) await content.checkInline([blocks]);
				else await content.checkPack({ key: block.key, sizeBytes: 1, timeMs: 0 }, blocks);
			};
			await check([chunk]);
			await expect(check([chunk, lying])).rejects.toMatchObject({
				code: "OBJECT_CORRUPT",
				value: block.key,
			});
		}
	});

	it("of a pack that nothing needs is also found by a deep check", async () => {
		const { store, check } = await log();
		await store.putIfAbsent(packKey("ab".repeat(32)), Buffer.from("not a pack"));
		expect((await check()).damaged).toMatchObject([
			{ key: packKey("ab".repeat(32)), seq: undefined },
		]);
		expect((await check(true)).damaged).toMatchObject([{ key: packKey("ab".repeat(32)) }]);
	});
});

it("what verify calls complete can be read, and the rest cannot", async () => {
	const { store, session, commit } = await log();
	while (session.head.seq < 130) await commit({ turn: String(session.head.seq) });
	store.sleepDays(40);
	await retain(store, { logger: silentLogger });
	const { expiredSeqs, gaps } = await check(store);
	expect(expiredSeqs).toEqual([2]);
	await expect(readLog(store, { at: 2 })).rejects.toMatchObject({ code: "OBJECT_NOT_FOUND" });
	for (let seq = 130; seq > (gaps[0]?.[1] ?? 0); seq--)
		expect((await readLog(store, { at: seq })).head.seq).toBe(seq);
});
