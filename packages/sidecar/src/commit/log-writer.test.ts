/** How a writer treats its commits after a pause, and what happens when two clones of it meet. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { DeafToLists, FaultyStore } from "../../../testkit/store/faulty-store.ts";
import { workbench } from "../../../testkit/workbench.ts";
import { logKey } from "../log/keys.ts";
import { SEGMENT_COMMITS } from "../log/limits.ts";
import type { Entry } from "../log/types.ts";
import type { SweepableStore } from "../store/sweepable.ts";
import { BlockBuilder } from "./block-builder.ts";
import { ChunkIndex } from "./chunk-index.ts";
import { type Environment, now, thisEnvironment } from "./environment.ts";
import { LogWriter } from "./log-writer.ts";
import { readLog } from "./read-log.ts";

const HOUR_MS = 3_600_000;

/** A machine with manual clocks, whose pauses take no time. */
function turnable(): Environment & { turn(ms: number): void } {
	let turnedMs = 0;
	return {
		...thisEnvironment,
		wallMs: () => thisEnvironment.wallMs() + turnedMs,
		bootMs: () => thisEnvironment.bootMs() + turnedMs,
		sleep: async () => {},
		turn: (ms) => {
			turnedMs += ms;
		},
	};
}

// @id commit-before-fence
it("a commit is refused before the fence is won", async () => {
	await using bench = await workbench();
	const writer = new LogWriter(
		bench.store,
		thisEnvironment,
		(await readLog(bench.store)).head,
		now(thisEnvironment),
	);
	const root: Entry = { type: "dir", mode: 0o755, mtimeNs: 0n };
	await expect(
		writer.commit({ changed: new Map([["", root]]), removed: new Set() }, [], {}),
	).rejects.toMatchObject({ code: "INTERNAL" });
	expect((await readLog(bench.store)).head.seq).toBe(0);
});

describe("a commit after a pause of more than an hour", () => {
	// @id undecided-without-list
	it("stays undecided if the log cannot be listed, and nothing of its flush is forgotten", async () => {
		await using bench = await workbench();
		const store = new DeafToLists(bench.store);
		const environment = turnable();
		const session = await bench.open("a", { store, environment });
		for (const name of ["kept", "gone"]) writeFileSync(join(bench.workspace("a"), name), name);
		environment.turn(2 * HOUR_MS);
		store.isDeafToLists = true;
		expect(await session.flush({ sweep: true })).toMatchObject({ kind: "unknown" });
		store.isDeafToLists = false;
		rmSync(join(bench.workspace("a"), "gone"));
		expect(await session.flush({ sweep: true })).toMatchObject({ kind: "committed" });
		const { tree } = (await readLog(bench.store)).head;
		expect([...tree.keys()].sort()).toEqual(["", "kept"]);
	});

	it("is not lost if other writers built on it", async () => {
		await using bench = await workbench();
		const old = await bench.open("old");
		const store = new FaultyStore(bench.store);
		const environment = turnable();
		const owner = await bench.open("owner", { store, environment });
		writeFileSync(join(bench.workspace("owner"), "f"), "1");
		store.queue("lost-answer", "lost-answer", "lost-answer");
		store.isDeaf = true;
		expect(await owner.flush({ sweep: true })).toMatchObject({ kind: "unknown" });
		store.isDeaf = false;
		writeFileSync(join(bench.workspace("old"), "late"), "1");
		expect(await old.flush({ sweep: true })).toMatchObject({
			kind: "committed",
			quarantined: true,
		});
		environment.turn(2 * HOUR_MS);
		const slot = owner.head.seq + 1;
		expect(await owner.flush()).toMatchObject({ kind: "committed", seq: slot });
		rmSync(join(bench.workspace("owner"), "f"));
		expect(await owner.flush({ sweep: true })).toMatchObject({
			kind: "committed",
			removed: 1,
			quarantined: false,
		});
		expect((await readLog(bench.store)).head.tree.has("f")).toBe(false);
	});
});

describe("a machine that is frozen for hours while it reads the log", () => {
	// @id lost-to-retention
	it("loses a slot that others filled and retention deleted meanwhile, although the store lets it be created", async () => {
		await using bench = await workbench();
		const environment = turnable();
		const since = now(environment);
		const { head } = await readLog(bench.store);
		const other = new LogWriter(bench.store, thisEnvironment, head, now(thisEnvironment));
		expect(await other.fence()).toMatchObject({ kind: "committed", seq: 1 });
		for (let seq = 2; seq <= SEGMENT_COMMITS; seq++) {
			const changed = new Map<string, Entry>([
				["", { type: "dir", mode: 0o755, mtimeNs: BigInt(seq) }],
			]);
			expect(await other.commit({ changed, removed: new Set() }, [], {})).toMatchObject({
				kind: "committed",
				seq,
			});
		}
		for (let seq = 1; seq < SEGMENT_COMMITS; seq++)
			await (bench.store as SweepableStore).delete(logKey(seq));
		environment.turn(2 * HOUR_MS);
		const late = new LogWriter(bench.store, environment, head, since);
		expect(await late.fence()).toMatchObject({ kind: "lost" });
	});
});

describe("one memory image on two machines", () => {
	// @id one-fence-held-twice
	it("holds one fence twice: the first to commit keeps it, the other quarantines its bytes under a new name", async () => {
		await using bench = await workbench();
		let drawn = 0;
		const frozen = thisEnvironment.wallMs();
		// Before they part, both get the same numbers: so they draw the same name and make the same
		// fence.
		const machine = () => {
			drawn = 0;
			return {
				...thisEnvironment,
				wallMs: () => frozen,
				randomBytes: (count: number) => Buffer.alloc(count, ++drawn),
			};
		};
		const { head } = await readLog(bench.store);
		const one = new LogWriter(bench.store, machine(), head, now(thisEnvironment));
		const two = new LogWriter(bench.store, machine(), head, now(thisEnvironment));
		for (const writer of [one, two])
			expect(await writer.fence()).toMatchObject({ kind: "committed", seq: 1 });
		expect(two.id).toBe(one.id);

		const root: Entry = { type: "dir", mode: 0o755, mtimeNs: 0n };
		const link = (target: string): Entry => ({ type: "link", mtimeNs: 0n, target });
		const delta = (entries: Record<string, Entry>) => ({
			changed: new Map(Object.entries(entries)),
			removed: new Set<string>(),
		});
		expect(await one.commit(delta({ "": root, who: link("one") }), [], {})).toMatchObject({
			kind: "committed",
			seq: 2,
		});
		expect(await two.commit(delta({ "": root, who: link("two") }), [], {})).toEqual({
			kind: "lost",
			isBroken: false,
		});
		expect([one.isSuperseded, two.isSuperseded]).toEqual([false, true]);
		expect(two.id).not.toBe(one.id);
		const home = `.recovered/${two.id}`;
		const aside = delta({ ".recovered": root, [home]: root, [`${home}/who`]: link("two") });
		expect(await two.commit(aside, [], { recovered: true })).toMatchObject({
			kind: "committed",
			seq: 3,
		});
		expect(await one.commit(delta({ who: link("one again") }), [], {})).toEqual({
			kind: "lost",
			isBroken: false,
		});
		expect(await one.commit(delta({ who: link("one again") }), [], {})).toMatchObject({
			kind: "committed",
			seq: 4,
		});

		const log = (await readLog(bench.store)).head;
		expect([log.fence.writer, log.leftOut]).toEqual([one.id, 0]);
		expect([log.tree.get("who"), log.tree.get(`${home}/who`)]).toEqual([
			link("one again"),
			link("two"),
		]);
	});
});

describe("a reference to a pack", () => {
	// @id reference-age
	it("is allowed for an hour from before the pack was sent, not from the arrival of its answer", async () => {
		await using bench = await workbench();
		const environment = turnable();
		const index = new ChunkIndex(environment);
		const store = new FaultyStore(bench.store);
		const upload = async (sha256: string, sleptMs: number) => {
			store.beforePut = async () => environment.turn(sleptMs);
			const builder = new BlockBuilder({ store, environment, index, inlineLimitBytes: 0 });
			await builder.add(sha256, Buffer.from(sha256));
			await builder.finish();
			return index.lookup(sha256);
		};
		expect(await upload("aa", 0.9 * HOUR_MS)).toBeDefined();
		expect(await upload("bb", 1.1 * HOUR_MS)).toBeUndefined();
	});
});
