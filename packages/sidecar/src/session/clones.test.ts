/**
 * One memory image continued twice (a VM that was snapshotted and resumed on two hosts), each clone
 * with a copy of the disk.
 */
import { createHash } from "node:crypto";
import { readFileSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { FaultyStore } from "../../../testkit/store/faulty-store.ts";
import { type Workbench, workbench } from "../../../testkit/workbench.ts";
import type { Environment } from "../commit/environment.ts";
import { readLog } from "../commit/read-log.ts";
import { logKey } from "../log/keys.ts";
import type { ObjectStore, PutOutcome } from "../store/port.ts";
import type { Session } from "./session.ts";

/**
 * Two machines of one seed draw the same numbers and read the same clocks, like clones that do not
 * know they were cloned.
 */
function copiedMachine(seed: string): Environment & { ms: number } {
	let drawn = 0;
	return {
		ms: 1_800_000_000_000,
		hostName: "",
		wallMs() {
			return this.ms;
		},
		bootMs() {
			return this.ms;
		},
		sleep: async () => {},
		randomBytes: (count) =>
			createHash("sha256").update(`${seed} ${drawn++}`).digest().subarray(0, count),
	};
}

/**
 * Writes the same bytes with the same time to every clone's disk, so that all clones make the same
 * commit.
 */
async function commitAlike(
	bench: Workbench,
	copies: ReadonlyMap<string, Session>,
	file: string,
	text: string,
): Promise<void> {
	for (const [name, session] of copies) {
		const path = join(bench.workspace(name), file);
		writeFileSync(path, text);
		utimesSync(path, 1_700_000_000, 1_700_000_000);
		utimesSync(bench.workspace(name), 1_700_000_000, 1_700_000_000);
		expect(await session.flush({ sweep: true })).toMatchObject({ kind: "committed" });
	}
	expect(new Set([...copies.values()].map(({ head }) => head.id)).size).toBe(1);
}

/**
 * Sessions that hold one fence under one name. Each restores before any of them fences, and all
 * make the same fence.
 */
async function copiesOf(
	bench: Workbench,
	stores: Readonly<Record<string, FaultyStore>>,
	machines: Readonly<Record<string, Environment>> = {},
): Promise<Map<string, Session>> {
	const names = Object.keys(stores);
	let waiting = names.length;
	const all = Promise.withResolvers<void>();
	const sessions = Object.entries(stores).map(async ([name, store]) => {
		store.beforePut = async () => {
			waiting--;
			if (waiting === 0) all.resolve();
			await all.promise;
		};
		return [
			name,
			await bench.open(name, { store, environment: machines[name] ?? copiedMachine("one") }),
		] as const;
	});
	const copies = new Map(await Promise.all(sessions));
	await commitAlike(bench, copies, "MEMORY.md", "before the copy");
	return copies;
}

function write(bench: Workbench, name: string, file: string, text: string): void {
	writeFileSync(join(bench.workspace(name), file), text);
}

function get(copies: ReadonlyMap<string, Session>, name: string): Session {
	return copies.get(name) as Session;
}

describe("clones of one writer's memory", () => {
	// @id clone-takes-new-name
	it("let the first to commit keep the tree; every other takes a new name and quarantines its bytes", async () => {
		await using bench = await workbench();
		const copies = await copiesOf(bench, {
			a: new FaultyStore(bench.store),
			b: new FaultyStore(bench.store),
			c: new FaultyStore(bench.store),
		});
		const name = get(copies, "a").writerId;
		expect(get(copies, "b").writerId).toBe(name);
		for (const each of ["a", "b", "c"]) {
			write(bench, each, "MEMORY.md", `by ${each}`);
			write(bench, each, `only-${each}`, each);
			await get(copies, each).flush({ sweep: true });
		}
		// Later too, neither of them writes to the owner's tree again.
		for (const each of ["c", "a", "b"]) {
			write(bench, each, "MEMORY.md", `by ${each} again`);
			await get(copies, each).flush({ sweep: true });
		}
		expect([...copies.values()].map(({ isSuperseded }) => isSuperseded)).toEqual([
			false,
			true,
			true,
		]);
		const [b, c] = [get(copies, "b").writerId, get(copies, "c").writerId];
		expect(new Set([name, b, c]).size).toBe(3);

		const { head } = await readLog(bench.store);
		expect(head.fence.writer).toBe(name);
		expect(head.leftOut).toBe(0);
		expect([...head.tree.keys()].sort()).toEqual(
			["", ".recovered", "MEMORY.md", "only-a"]
				.concat([b, c].map((writer) => `.recovered/${writer}`))
				.concat([b, c].map((writer) => `.recovered/${writer}/MEMORY.md`))
				.concat(`.recovered/${b}/only-b`, `.recovered/${c}/only-c`)
				.sort(),
		);
		expect(await get(copies, "a").flush({ sweep: true, closed: true })).toMatchObject({
			quarantined: false,
		});
		await bench.open("fresh");
		expect(readFileSync(join(bench.workspace("fresh"), "MEMORY.md"), "utf8")).toBe("by a again");
		const told = bench.logger.events
			.filter(({ event }) => event === "writer.superseded")
			.map(({ kind, fields }) => [
				kind,
				fields.because,
				fields.previously,
				fields.owner,
				fields.writer,
			]);
		expect(told).toEqual([b, c].map((writer) => ["security", "clone", name, name, writer]));
	});

	it("treat a commit whose answer was lost as their own, and it costs the other clone the tree", async () => {
		await using bench = await workbench();
		const store = new FaultyStore(bench.store);
		const copies = await copiesOf(bench, { a: store, b: new FaultyStore(bench.store) });
		write(bench, "a", "f", "by a");
		store.queue("lost-answer");
		store.isDeaf = true;
		expect(await get(copies, "a").flush({ sweep: true })).toMatchObject({ kind: "unknown" });
		write(bench, "b", "f", "by b");
		expect(await get(copies, "b").flush({ sweep: true })).toMatchObject({
			kind: "committed",
			quarantined: true,
		});
		store.isDeaf = false;
		await get(copies, "a").flush({ sweep: true });
		expect(get(copies, "a").isSuperseded).toBe(false);
		const { tree } = (await readLog(bench.store)).head;
		expect(tree.has("f")).toBe(true);
		expect(tree.has(`.recovered/${get(copies, "b").writerId}/f`)).toBe(true);
	});

	// @id clone-slept-past-retention
	it("quarantine after a sleep past retention, whether their own clocks or only the store's show the sleep", async () => {
		await using bench = await workbench();
		const weekMs = 7 * 24 * 3_600_000;
		const environment = copiedMachine("one");
		let storeTimeMs = environment.wallMs();
		const stores = {
			awake: new FaultyStore(bench.store),
			byOwn: new FaultyStore(bench.store),
			byStore: withClock(bench.store, () => storeTimeMs),
		};
		const copies = await copiesOf(bench, stores, { byOwn: environment });
		const awake = get(copies, "awake");
		const next = logKey(awake.head.seq + 1);
		// Enough commits for a FULL in between: the log is then readable without the deleted ones.
		for (let count = awake.head.seq; count < 64; count++) {
			write(bench, "awake", "MEMORY.md", `${count}`);
			await awake.flush({ sweep: true });
		}
		for (let seq = 1; seq < 64; seq++) rmSync(join(bench.dir, "store/users/alice", logKey(seq)));
		environment.ms += weekMs;
		storeTimeMs += weekMs;

		for (const name of ["byOwn", "byStore"]) {
			const asleep = get(copies, name);
			write(bench, name, "last-words", name);
			expect(await asleep.flush({ sweep: true })).toMatchObject({
				kind: "committed",
				quarantined: true,
			});
			expect(asleep.isSuperseded).toBe(true);
			// Retention deleted the slot, so the store accepted a commit in it. Only a look at the newest
			// key showed that the slot was lost.
			rmSync(join(bench.dir, "store/users/alice", next));
			const { tree, fence } = (await readLog(bench.store)).head;
			expect(fence.writer).toBe(awake.writerId);
			expect(tree.has("last-words")).toBe(false);
			expect(tree.has(`.recovered/${asleep.writerId}/last-words`)).toBe(true);
		}
		write(bench, "awake", "MEMORY.md", "and on");
		expect(await awake.flush({ sweep: true })).toMatchObject({
			kind: "committed",
			quarantined: false,
		});
	});
});

it("clones are not inferred from an own commit that is no longer the newest", async () => {
	await using bench = await workbench();
	const late = await bench.open("late");
	const environment = copiedMachine("one");
	const store = new FaultyStore(bench.store);
	const owner = await bench.open("owner", { store, environment });
	write(bench, "owner", "f", "by the owner");
	environment.ms += 2 * 3_600_000;
	const list = store.list.bind(store);
	let raced = false;
	store.list = async function* (prefix, options) {
		// Runs between the owner's commit and its look at the newest key.
		if (!raced) {
			raced = true;
			write(bench, "late", "f", "quarantined");
			await late.flush({ sweep: true });
		}
		yield* list(prefix, options);
	};
	await owner.flush({ sweep: true });
	expect(raced).toBe(true);
	expect(owner.isSuperseded).toBe(false);
	const { tree, fence } = (await readLog(bench.store)).head;
	expect(fence.writer).toBe(owner.writerId);
	expect(tree.has("f")).toBe(true);
});

it("a writer whose fence is still valid completes a log that an operator cut", async () => {
	await using bench = await workbench();
	const session = await bench.open("a");
	write(bench, "a", "kept", "1");
	write(bench, "a", "deleted", "1");
	await session.flush({ sweep: true });
	const cut = session.head.seq;
	write(bench, "a", "added", "1");
	rmSync(join(bench.workspace("a"), "deleted"));
	await session.flush({ sweep: true });
	write(bench, "a", "kept", "2");
	await session.flush({ sweep: true });
	// Newest first, as `repair` does. Another writer's commit in the freed slot shows the writer that
	// something is wrong.
	for (const seq of [cut + 2, cut + 1]) rmSync(join(bench.dir, "store/users/alice", logKey(seq)));
	const blocked = new FaultyStore(bench.store);
	await blocked.putIfAbsent(logKey(cut + 3), Buffer.from("garbage"));
	write(bench, "a", "late", "1");
	await expect(session.flush({ sweep: true })).rejects.toThrow();
	rmSync(join(bench.dir, "store/users/alice", logKey(cut + 3)));
	await session.flush({ sweep: true });

	expect(session.isSuperseded).toBe(false);
	const { tree } = (await readLog(bench.store)).head;
	expect([...tree.keys()].sort()).toEqual(["", "added", "kept", "late"]);
});

/** Makes the store report its own time in its answers, as S3 does. */
function withClock(store: ObjectStore, storeTimeMs: () => number): FaultyStore {
	const faulty = new FaultyStore(store);
	const putIfAbsent = async (key: string, body: Buffer): Promise<PutOutcome> => {
		await faulty.beforePut(key);
		const outcome = await store.putIfAbsent(key, body);
		return outcome.kind === "created" ? { ...outcome, storeTimeMs: storeTimeMs() } : outcome;
	};
	return Object.assign(faulty, { putIfAbsent });
}
