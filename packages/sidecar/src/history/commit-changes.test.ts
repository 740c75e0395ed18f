import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { anyStep, deltaOf, type Step } from "../../../testkit/arbitrary-log.ts";
import { FIRST_COMMIT_MS, MS_PER_COMMIT, WrittenLog } from "../../../testkit/store/written-log.ts";
import { diffTrees } from "../log/diff-trees.ts";
import { logKey } from "../log/keys.ts";
import { SEGMENT_COMMITS } from "../log/limits.ts";
import type { Tree } from "../log/types.ts";
import type { ObjectStore } from "../store/port.ts";
import { type CommitChanges, commitChanges, type MissingCommits } from "./commit-changes.ts";
import { history } from "./history.ts";

async function collect(log: WrittenLog): Promise<(CommitChanges | MissingCommits)[]> {
	const items: (CommitChanges | MissingCommits)[] = [];
	for await (const item of commitChanges(log.store)) items.push(item);
	return items;
}

/** Commits whose whole chain is there, newest first. */
function readable(log: WrittenLog, fullSeqs: readonly number[]): number[] {
	const isThere = (seq: number) => log.objects.has(logKey(seq));
	const found: number[] = [];
	for (let seq = log.head.seq; seq >= 1; seq--) {
		const first = Math.max(1, ...fullSeqs.filter((full) => full <= seq));
		let isWhole = true;
		for (let each = first; each <= seq; each++) isWhole &&= isThere(each);
		if (isWhole) found.push(seq);
	}
	return found;
}

const EMPTY_STEP: Step = { put: [], drop: [] };

describe("commitChanges", () => {
	test("reports what a comparison of whole trees does, over FULL commits, skipped ones, and gaps", async () => {
		const anyLog = fc.record({
			steps: fc.array(anyStep, { minLength: 1, maxLength: 12 }),
			quiet: fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 12, maxLength: 12 }),
			hurry: fc.array(fc.boolean(), { minLength: 10, maxLength: 10 }),
			extraFull: fc.integer({ min: 2, max: 150 }),
			gone: fc.array(fc.integer({ min: 1, max: 300 }), { maxLength: 4 }),
		});
		await fc.assert(
			fc.asyncProperty(anyLog, async ({ steps, quiet, hurry, extraFull, gone }) => {
				const log = new WrittenLog();
				const fullSeqs: number[] = [];
				const commit = (step: Step) => {
					const seq = log.head.seq + 1;
					const isFull =
						seq === extraFull ||
						(seq % SEGMENT_COMMITS === 0 && hurry[seq / SEGMENT_COMMITS] !== true);
					if (isFull) fullSeqs.push(seq);
					log.commit(deltaOf(log.head.tree, step), isFull ? { kind: "full" } : {});
				};
				for (const [index, step] of steps.entries()) {
					commit(step);
					for (let count = quiet[index] ?? 0; count > 0; count--) commit(EMPTY_STEP);
				}
				for (const seq of gone) if (seq !== log.head.seq) log.delete(seq);
				const kept = readable(log, fullSeqs);
				const items = await collect(log);
				const commits = items.filter((item) => item.type === "commit");
				expect(commits.map(({ info }) => info.seq)).toEqual(kept);
				for (const [index, { info, previousSeq, differences, timeMs }] of commits.entries()) {
					const older = kept[index + 1] ?? (info.seq === 1 ? 0 : undefined);
					expect(previousSeq).toBe(older);
					expect(timeMs).toBe(FIRST_COMMIT_MS + (info.seq - 1) * MS_PER_COMMIT);
					expect(differences).toEqual(
						diffTrees(log.trees[older ?? 0] as Tree, log.trees[info.seq] as Tree),
					);
				}
				const missing = items.flatMap((item) =>
					item.type === "missing"
						? Array.from({ length: item.to - item.from + 1 }, (_, index) => item.to - index)
						: [],
				);
				const all = Array.from({ length: log.head.seq }, (_, index) => log.head.seq - index);
				expect(missing).toEqual(all.filter((seq) => !kept.includes(seq)));
				const order = items.map((item) => (item.type === "commit" ? item.info.seq : item.to));
				expect(order).toEqual(order.toSorted((a, b) => b - a));
			}),
			{ numRuns: 15 },
		);
	});

	test("reads each commit once, at most 32 at the same time, and only as far as the caller does", async () => {
		const log = new WrittenLog();
		for (let seq = 1; seq <= 1_000; seq++)
			log.write({ f: String(seq) }, seq % SEGMENT_COMMITS === 0 ? { kind: "full" } : {});
		expect(await collect(log)).toHaveLength(1_000);
		expect(log.gets).toBe(1_000);
		expect(log.most).toBeLessThanOrEqual(32);
		log.gets = 0;
		for await (const item of commitChanges(log.store)) {
			expect(item).toMatchObject({ type: "commit", info: { seq: 1_000 } });
			break;
		}
		expect(log.gets).toBe((1_000 % SEGMENT_COMMITS) + 1);
	});

	test("a commit that retention deletes after the listing is past retention, not damaged", async () => {
		const log = new WrittenLog();
		for (let seq = 1; seq <= 5; seq++) log.write({ f: String(seq) });
		const { store } = log;
		const racing = {
			...{ list: store.list },
			get: async (...args: Parameters<ObjectStore["get"]>) => {
				log.delete(4);
				return await store.get(...args);
			},
		} as ObjectStore;
		for await (const item of commitChanges(racing)) {
			expect(item).toEqual({ type: "missing", from: 4, to: 5, error: undefined });
			break;
		}
	});

	test("a damaged commit makes it and what is folded onto it missing, with the reason, and hides nothing older", async () => {
		const log = new WrittenLog();
		for (let seq = 1; seq <= 70; seq++)
			log.write({ f: String(seq) }, seq === 64 ? { kind: "full" } : {});
		log.objects.set(logKey(67), Buffer.from("garbage"));
		const items = await collect(log);
		expect(items).toHaveLength(1 + 66);
		expect(items[1]).toMatchObject({ info: { seq: 66 }, previousSeq: 65 });
		expect(items[0]).toEqual({
			type: "missing",
			from: 67,
			to: 70,
			error: expect.objectContaining({ code: "OBJECT_CORRUPT" }),
		});
	});
});

test("a commit tells which turns ran since the one before, across chains, with how they ended", async () => {
	const log = new WrittenLog();
	const turn = { id: "a", session: "s", status: "done", startedMs: 1, text: "hi" };
	const said = (status: string) => [
		{
			path: "agent.sqlite",
			name: "turns",
			value: JSON.stringify([{ ...turn, status }]),
		},
	];
	const none = [{ path: "agent.sqlite", name: "turns", value: "[]" }];
	log.write({ f: "1" }, { annotations: none });
	for (let seq = 2; seq < 64; seq++) log.write({ f: String(seq) }, { annotations: none });
	log.write({ f: "64" }, { kind: "full", annotations: said("running") });
	log.write({ f: "65" }, { annotations: said("done") });
	log.write({ f: "66" }, { annotations: said("done"), flags: { fence: true }, fenceSeq: 66 });
	const putBack = { path: "", name: "put-back", value: "1" };
	log.write({ f: "67" }, { annotations: [putBack, ...said("done")], fenceSeq: 66 });
	const items = [];
	for await (const item of commitChanges(log.store)) if (item.type === "commit") items.push(item);
	const told = items.map(({ info, turns, isPutBack }) => [info.seq, turns, isPutBack]);
	expect(told.slice(0, 5)).toEqual([
		[67, undefined, true],
		[66, undefined, undefined],
		[65, [turn], undefined],
		[64, [turn], undefined],
		[63, undefined, undefined],
	]);
	const listed = [];
	for await (const entry of history(log.store, { withTurns: true, limit: 4 })) listed.push(entry);
	expect(listed).toMatchObject([
		{ seq: 67, isPutBack: true },
		{ seq: 66 },
		{ seq: 65, turns: [turn] },
		{ seq: 64, turns: [turn] },
	]);
	expect(listed).toHaveLength(4);
});
