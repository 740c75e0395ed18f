/** Slots that a store gave to two writers. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, it } from "vitest";
import { meeting, RacyStore } from "../../../testkit/store/racy-store.ts";
import { workbench } from "../../../testkit/workbench.ts";
import { logKey } from "../log/keys.ts";
import { openStore } from "../store/open.ts";
import { isSweepable } from "../store/sweepable.ts";
import { thisEnvironment } from "./environment.ts";
import { fetchCommit, readLog } from "./read-log.ts";

async function racyBench() {
	const dir = mkdtempSync(join(tmpdir(), "sidecar-racy-"));
	const inner = await openStore(pathToFileURL(join(dir, "store")).href, {});
	if (!isSweepable(inner)) throw new Error("a directory can delete");
	const store = new RacyStore(inner);
	const bench = await workbench(store);
	return {
		bench,
		store,
		write: (machine: string, name: string, text = name) => {
			mkdirSync(bench.workspace(machine), { recursive: true });
			writeFileSync(join(bench.workspace(machine), name), text);
		},
		/** The fence that a rival which knows the log up to `seq` would put into the next slot. */
		rivalFence: async (seq: number) => {
			const copy = await openStore(pathToFileURL(join(dir, `copy-${seq}`)).href, {});
			for (let at = 1; at <= seq; at++)
				await copy.putIfAbsent(logKey(at), (await store.get(logKey(at))).body);
			await (await bench.open(`rival-${seq}`, { store: copy })).flush({ deletionsAreMeant: true });
			return (await copy.get(logKey(seq + 1))).body;
		},
		overwrote: () =>
			bench.logger.events
				.filter(({ event }) => event === "store.overwrote")
				.map(({ fields }) => fields?.seq),
		[Symbol.asyncDispose]: async () => {
			await bench[Symbol.asyncDispose]();
			rmSync(dir, { recursive: true, force: true });
		},
	};
}

/** A machine with a manual clock, whose pauses let others run. */
function machineWith(onSleep: () => Promise<void> = async () => {}) {
	const environment = { ...thisEnvironment, aheadMs: 0, onSleep };
	return Object.assign(environment, {
		wallMs: () => Date.now() + environment.aheadMs,
		sleep: async (ms: number) => {
			environment.aheadMs += ms;
			await environment.onSleep();
		},
	});
}

// @id racy-fence
it("one of two writers keeps a fence that a racy store gave to both, and the other fences after it", async () => {
	await using racy = await racyBench();
	racy.write("a", "A");
	racy.write("b", "B");
	const meet = meeting(2);
	racy.store.beforeWrite = async (key) => {
		if (key === logKey(1)) await meet();
	};
	const [a, b] = await Promise.all([racy.bench.open("a"), racy.bench.open("b")]);
	const { head } = await readLog(racy.store);
	expect(head.seq).toBe(2);
	expect(racy.overwrote()).toEqual([1]);
	const [owner, other] = head.fence.writer === a.writerId ? [a, b] : [b, a];
	expect(await owner.flush({ sweep: true, closed: true })).toMatchObject({
		kind: "committed",
		quarantined: false,
	});
	expect(await other.flush({ sweep: true, closed: true })).toMatchObject({
		kind: "committed",
		quarantined: true,
	});
	const { tree } = (await readLog(racy.store)).head;
	expect([...tree.keys()].filter((path) => /(^|\/)[AB]$/.test(path))).toHaveLength(2);
});

// @id fence-overwritten-later
it("a writer finds at its first commit that its fence was overwritten after the read-back, and quarantines its bytes", async () => {
	await using racy = await racyBench();
	racy.write("a", "A");
	const environment = machineWith();
	const fence = await racy.rivalFence(0);
	const a = await racy.bench.open("a", { environment });
	environment.aheadMs += 5_000;
	await racy.store.overwrite(logKey(1), fence);
	expect(await a.flush({ sweep: true })).toMatchObject({ kind: "committed", quarantined: true });
	expect(a.isSuperseded).toBe(true);
	expect(racy.overwrote()).toEqual([1]);
	const { tree } = (await readLog(racy.store)).head;
	expect(tree.has(`.recovered/${a.writerId}/A`)).toBe(true);
});

// @id replaced-slot-in-drain
it("a drain finds that an earlier commit was overwritten, and commits its bytes again before it ends", async () => {
	await using racy = await racyBench();
	racy.write("a", "A");
	const a = await racy.bench.open("a");
	const fence = await racy.rivalFence(1);
	expect(await a.flush({ sweep: true })).toMatchObject({
		kind: "committed",
		seq: 2,
		quarantined: false,
	});
	await racy.store.overwrite(logKey(2), fence);
	expect(await a.flush({ sweep: true, closed: true, inHurry: true })).toMatchObject({
		kind: "committed",
		seq: 3,
		quarantined: true,
	});
	expect(racy.overwrote()).toEqual([2]);
	const { tree, fence: owner } = (await readLog(racy.store)).head;
	expect(owner.seq).toBe(2);
	expect(tree.has(`.recovered/${a.writerId}/A`)).toBe(true);
});

// @id replaced-slot-at-end
it("a superseded writer notices a replaced slot at its end, and quarantines its bytes again", async () => {
	await using racy = await racyBench();
	racy.write("a", "A");
	const a = await racy.bench.open("a");
	await racy.bench.open("b");
	const fence = await racy.rivalFence(2);
	expect(await a.flush({ sweep: true })).toMatchObject({
		kind: "committed",
		seq: 3,
		quarantined: true,
	});
	await racy.store.overwrite(logKey(3), fence);
	// Nothing has changed since, so no commit would check it.
	expect(await a.flush({ sweep: true, closed: true, inHurry: true })).toMatchObject({
		kind: "committed",
		seq: 4,
		quarantined: true,
	});
	expect(racy.overwrote()).toEqual([3]);
	expect((await readLog(racy.store)).head.tree.has(`.recovered/${a.writerId}/A`)).toBe(true);
});

// @id replaced-slot-on-loss
it("a writer notices a replaced slot when it loses another one, and quarantines its bytes again", async () => {
	await using racy = await racyBench();
	racy.write("a", "A");
	const a = await racy.bench.open("a");
	await racy.bench.open("b");
	expect(await a.flush({ sweep: true })).toMatchObject({
		kind: "committed",
		seq: 3,
		quarantined: true,
	});
	const fence = await racy.rivalFence(2);
	await racy.store.overwrite(logKey(3), fence);
	await racy.bench.open("c");
	racy.write("a", "A2");
	await a.flush({ sweep: true });
	expect(racy.overwrote()).toEqual([3]);
	const { tree } = (await readLog(racy.store)).head;
	expect(["A", "A2"].filter((name) => tree.has(`.recovered/${a.writerId}/${name}`))).toEqual([
		"A",
		"A2",
	]);
});

// @id last-commit-replaced
it("a last commit that a rival's late write replaced is not reported as durable", async () => {
	await using racy = await racyBench();
	racy.write("a", "A");
	const environment = machineWith();
	const a = await racy.bench.open("a", { environment });
	const fence = await racy.rivalFence(1);
	environment.onSleep = async () => {
		environment.onSleep = async () => {};
		await racy.store.overwrite(logKey(2), fence);
	};
	expect(await a.flush({ sweep: true, closed: true, inHurry: true })).toMatchObject({
		kind: "committed",
		seq: 3,
		quarantined: true,
	});
	expect((await fetchCommit(racy.store, 2)).commit.info.flags.fence).toBe(true);
	expect((await readLog(racy.store)).head.tree.has(`.recovered/${a.writerId}/A`)).toBe(true);
});

it("the checks cost one GET at the start, one before a late first commit, and nothing with an ordinary change", async () => {
	await using racy = await racyBench();
	const { requests } = racy.store;
	const environment = machineWith();
	racy.write("a", "A");
	const counted = async (work: () => Promise<unknown>) => {
		const before = { ...requests };
		await work();
		return {
			list: requests.list - before.list,
			get: requests.get - before.get,
			put: requests.put - before.put,
		};
	};
	// The racy store's own check before each PUT is not a request of the writer.
	const own = 1;
	let a: Awaited<ReturnType<typeof racy.bench.open>> | undefined;
	const session = () => a as NonNullable<typeof a>;
	expect(await counted(async () => (a = await racy.bench.open("a", { environment })))).toEqual({
		list: 1,
		get: 1 + own,
		put: 1,
	});
	environment.aheadMs += 5_000;
	expect(await counted(() => session().flush({ sweep: true }))).toEqual({
		list: 0,
		get: 1 + own,
		put: 1,
	});
	for (let change = 0; change < 3; change++) {
		racy.write("a", "A", `${change}`);
		expect(await counted(() => session().flush({ sweep: true }))).toEqual({
			list: 0,
			get: 0 + own,
			put: 1,
		});
	}
	racy.write("a", "A", "last");
	// A directory has no ETags, so each slot is read after the LIST. With ETags the LIST is enough.
	expect(
		await counted(() => session().flush({ sweep: true, closed: true, inHurry: true })),
	).toEqual({ list: 1, get: 4 + 1 + own, put: 1 });
});
