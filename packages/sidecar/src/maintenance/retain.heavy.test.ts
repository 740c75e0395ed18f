import { randomBytes } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, describe, expect, it } from "vitest";
import { AgingStore } from "../../../testkit/store/aging-store.ts";
import { s3TestServer } from "../../../testkit/store/s3-server.ts";
import {
	plainProfile,
	s3Namespace,
	type Workbench,
	workbench,
} from "../../../testkit/workbench.ts";
import { readDisk } from "../../../testkit/workspace/disk.ts";
import { thisEnvironment } from "../commit/environment.ts";
import { listCommits } from "../commit/list-commits.ts";
import { listObjects } from "../commit/list-objects.ts";
import { readLog } from "../commit/read-log.ts";
import { SidecarError } from "../errors.ts";
import { resolveAt } from "../history/resolve-at.ts";
import { logKey, packKey } from "../log/keys.ts";
import { DAY_MS, DEFAULT_RETENTION } from "../log/plan-retention.ts";
import { restore } from "../restore/restore.ts";
import type { Session } from "../session/session.ts";
import { silentLogger } from "../telemetry/logger.ts";
import { noProgress } from "../telemetry/progress.ts";
import { loadFileTimes } from "../workspace/file-times.ts";
import { type RetainOptions, retain } from "./retain.ts";
import { verify } from "./verify.ts";

const MiB = 1024 * 1024;

const undo: (() => unknown)[] = [];
afterEach(async () => {
	for (const step of undo.splice(0).reverse()) await step();
});

interface Aging {
	readonly bench: Workbench;
	readonly store: AgingStore;
	retain(options?: Partial<RetainOptions>): ReturnType<typeof retain>;
	keys(prefix?: string): Promise<string[]>;
	seqs(): Promise<number[]>;
	/**
	 * Commits until the log reaches that seq: after a FULL commit, the newest needs nothing older.
	 */
	fill(session: Session, toSeq: number, machine?: string): Promise<void>;
	/**
	 * The same, with the last commit a day after the others: a pack is deleted only once the newest
	 * commit is a day younger.
	 */
	fillOverNight(session: Session, toSeq: number): Promise<void>;
	/** Writes files on the machine (null: removes) and commits them. */
	commit(
		session: Session,
		files: Readonly<Record<string, string | Buffer | null>>,
		machine?: string,
	): Promise<void>;
	/** Expects that a new machine gets exactly what `like` has. */
	expectRestores(like: string): Promise<void>;
	/** The disk of a new machine after `restore --at`. */
	restoreAt(at: number): Promise<ReturnType<typeof readDisk>>;
}

async function aging(store = new AgingStore()): Promise<Aging> {
	const bench = await workbench(store);
	undo.push(() => bench[Symbol.asyncDispose]());
	let machines = 0;
	const commit: Aging["commit"] = async (session, files, machine = "a") => {
		for (const [path, content] of Object.entries(files)) {
			if (content === null) rmSync(join(bench.workspace(machine), path));
			else writeFileSync(join(bench.workspace(machine), path), content);
			session.hint(path);
		}
		await session.flush();
	};
	const keys = async (prefix = "") => {
		const found: string[] = [];
		for await (const page of store.list(prefix)) found.push(...page.objects.map(({ key }) => key));
		return found;
	};
	return {
		bench,
		store,
		keys,
		retain: async (options) => await retain(store, { logger: silentLogger, ...options }),
		seqs: async () => {
			const seqs: number[] = [];
			for await (const { seq } of listCommits(store)) seqs.push(seq);
			return seqs;
		},
		commit,
		fill: async (session, toSeq, machine) => {
			while (session.head.seq < toSeq)
				await commit(session, { turn: String(session.head.seq) }, machine);
		},
		fillOverNight: async (session, toSeq) => {
			while (session.head.seq < toSeq - 1)
				await commit(session, { turn: String(session.head.seq) });
			store.sleepDays(1);
			await commit(session, { turn: "the next day" });
		},
		expectRestores: async (like) => {
			const machine = `new${machines++}`;
			await bench.open(machine);
			expect(readDisk(bench.workspace(machine))).toEqual(readDisk(bench.workspace(like)));
		},
		restoreAt: async (at) => {
			const machine = `past${machines++}`;
			mkdirSync(bench.workspace(machine));
			await restore({
				store,
				root: bench.workspace(machine),
				profile: plainProfile,
				privateDir: bench.privateDir(machine),
				times: await loadFileTimes(),
				quickHash: () => 0n,
				label: "t",
				logger: silentLogger,
				progress: noProgress,
				at,
			});
			return readDisk(bench.workspace(machine));
		},
	};
}

/**
 * A log of 140 commits. `early` is inline in commit 2, `large` in a pack of commit 3, both live.
 * `gone` was in a pack that no newer tree has.
 */
async function longLog(at: Aging): Promise<Session> {
	const session = await at.bench.open("a");
	await at.commit(session, { early: randomBytes(1000) });
	await at.commit(session, { large: randomBytes(5 * MiB), gone: randomBytes(5 * MiB) });
	await at.commit(session, { gone: null });
	await at.fillOverNight(session, 140);
	return session;
}

describe("the newest commit", () => {
	// @id retained-commits-whole
	it("stays with all it names, however old; in the end everything else is deleted", async () => {
		const at = await aging();
		await longLog(at);
		for (let day = 0; day < 100; day += 10) {
			at.store.sleepDays(10);
			await at.retain();
		}
		// 128 is the FULL commit of 140; the content of `early` is in commit 2.
		expect(await at.seqs()).toEqual([...Array.from({ length: 13 }, (_, index) => 140 - index), 2]);
		const { head } = await readLog(at.store);
		const large = head.tree.get("large");
		const needed =
			large?.type === "file"
				? new Set(large.chunks.map(({ block }) => block.key))
				: new Set<string>();
		expect(await at.keys("packs/")).toEqual([...needed].sort());
		expect(await at.keys("sweeps/")).toEqual([]);
		await at.expectRestores("a");
	});

	it("stays restorable after its successor: state that an idle user had for a month and just changed is kept", async () => {
		const at = await aging();
		const session = await at.bench.open("a");
		await at.commit(session, { f: "a month ago", large: randomBytes(5 * MiB) });
		const old = readDisk(at.bench.workspace("a"));
		const { seq } = session.head;
		at.store.sleepDays(31);
		await at.commit(session, { f: "today", large: null });
		for (let run = 0; run < 3; run++) {
			await at.retain();
			at.store.sleepDays(2);
		}
		expect(await at.restoreAt(seq)).toEqual(old);
		expect(await resolveAt(at.store, "6.5d")).toBe(seq);
		await at.fill(session, 64);
		at.store.sleepDays(30);
		await at.retain();
		await expect(at.restoreAt(seq)).rejects.toMatchObject({
			code: "COMMIT_EXPIRED",
			value: String(seq),
		});
		await at.expectRestores("a");
	});
});

describe("the policy", () => {
	it("keeps every commit of 7 days and the state at each midnight of 30, all of them complete", async () => {
		const at = await aging();
		const session = await at.bench.open("a");
		const states = new Map<number, ReturnType<typeof readDisk>>();
		const seqs: { readonly seq: number; readonly time: string }[] = [];
		for (let day = 40; day > 0; day--) {
			for (const part of ["morning", "evening"]) {
				await at.commit(session, { [`f${day % 5}`]: `${part}, ${day} days ago` });
				states.set(session.head.seq, readDisk(at.bench.workspace("a")));
				seqs.push({ seq: session.head.seq, time: new Date(at.store.nowMs).toISOString() });
				at.store.sleepDays(0.25);
			}
			at.store.sleepDays(0.5);
			await at.retain();
		}
		const left = await at.seqs();
		for (let days = 0; days < 30; days++) {
			const midnight = new Date(at.store.nowMs - days * DAY_MS).toISOString().slice(0, 10);
			expect(await resolveAt(at.store, `${midnight}T00:00Z`)).toBe(
				seqs.findLast(({ time }) => time <= midnight)?.seq,
			);
		}
		for (const seq of left.filter((each) => states.has(each)))
			expect(await at.restoreAt(seq)).toEqual(states.get(seq));
	});

	it.each([
		[{ keepAllMs: DAY_MS - 1, keepDailyMs: DAY_MS }],
		[{ keepAllMs: Number.NaN, keepDailyMs: DAY_MS }],
		[{ keepAllMs: DAY_MS, keepDailyMs: -1 }],
		[{ keepAllMs: DAY_MS, keepDailyMs: Number.NaN }],
	])("is refused if invalid: %j", async (policy) => {
		const at = await aging();
		await expect(at.retain({ policy })).rejects.toMatchObject({ code: "USAGE" });
	});

	it("may become longer: what is already gone is reported, and nothing that remains is deleted", async () => {
		const at = await aging();
		await longLog(at);
		at.store.sleepDays(10);
		await at.retain({ policy: { keepAllMs: DAY_MS, keepDailyMs: 0 } });
		const before = await at.keys();
		const report = await at.retain({ policy: { keepAllMs: 60 * DAY_MS, keepDailyMs: 0 } });
		expect(report).toMatchObject({
			problem: { error: { code: "OBJECT_NOT_FOUND" } },
			sweptSeqs: [],
		});
		expect((await at.keys()).filter((key) => !key.startsWith("sweeps/"))).toEqual(
			before.filter((key) => !key.startsWith("sweeps/")),
		);
		await at.expectRestores("a");
	});
});

describe("a reader", () => {
	it("finds that a commit with deleted parts is past retention, by its number and in a tree that still folds", async () => {
		const at = await aging();
		await longLog(at);
		at.store.sleepDays(40);
		await at.retain();
		at.store.sleepDays(2);
		await at.retain();
		// 2 remains for its content; 1, which it is folded onto, is gone.
		for (const seq of [2, 64, 100, 127])
			await expect(at.restoreAt(seq)).rejects.toMatchObject({ code: "COMMIT_EXPIRED" });
		for (const typed of ["1", "100"])
			await expect(resolveAt(at.store, typed)).rejects.toMatchObject({ code: "COMMIT_EXPIRED" });
		expect(await at.restoreAt(128)).toBeInstanceOf(Map);
	});

	it("skips commits that remain only for their content when it asks for a time", async () => {
		const at = await aging();
		const session = await at.bench.open("a");
		await at.fill(session, 64);
		at.store.sleepDays(1);
		await at.fill(session, 70);
		await at.commit(session, { live: randomBytes(1000) });
		const remnant = session.head.seq;
		const then = new Date(at.store.nowMs).toISOString();
		expect(await resolveAt(at.store, then)).toBe(remnant);
		at.store.sleepDays(0.01);
		await at.fill(session, 130);
		at.store.sleepDays(40);
		await at.retain({ policy: { keepAllMs: DAY_MS, keepDailyMs: 50 * DAY_MS } });
		expect((await at.seqs()).filter((seq) => seq < 128)).toEqual([remnant, 64]);
		// 65 to 70, which it is folded onto, are gone; 64 was the newest at midnight.
		expect(await resolveAt(at.store, then)).toBe(64);
		expect(await at.restoreAt(64)).toBeInstanceOf(Map);
	});

	it("finds damage if content of the newest, or of the newest within a day, is missing", async () => {
		const at = await aging();
		const session = await at.bench.open("a");
		await at.commit(session, { f: randomBytes(5 * MiB) });
		await at.commit(session, { g: "g" });
		for (const key of await at.keys("packs/")) await at.store.delete(key);
		for (const seq of [2, 3])
			await expect(at.restoreAt(seq)).rejects.toMatchObject({ code: "OBJECT_NOT_FOUND" });
		at.store.sleepDays(2);
		await expect(at.restoreAt(3)).rejects.toMatchObject({ code: "OBJECT_NOT_FOUND" });
		await expect(at.restoreAt(2)).rejects.toMatchObject({ code: "COMMIT_EXPIRED" });
	});

	it("has a day to read the packs of a commit when it expires", async () => {
		const at = await aging();
		const session = await at.bench.open("a");
		await at.commit(session, { large: randomBytes(5 * MiB) });
		const state = readDisk(at.bench.workspace("a"));
		await at.commit(session, { large: null });
		await at.fill(session, 64);
		at.store.sleepDays(40);
		const onFirstPack = (meanwhile: () => Promise<unknown>) => {
			at.store.before = async (verb, key) => {
				if (verb !== "get" || !key.startsWith("packs/")) return;
				at.store.before = () => {};
				await meanwhile();
			};
		};
		onFirstPack(async () => {
			await at.retain();
			at.store.sleepDays(0.9);
			await at.retain();
		});
		expect(await at.restoreAt(2)).toEqual(state);
		expect(await at.seqs()).not.toContain(2);
	});

	it("that still reads after that day finds that the commit is past retention", async () => {
		const at = await aging();
		const session = await at.bench.open("a");
		await at.commit(session, { large: randomBytes(5 * MiB) });
		await at.commit(session, { large: null });
		await at.fillOverNight(session, 64);
		at.store.sleepDays(40);
		at.store.before = async (verb, key) => {
			if (verb !== "get" || !key.startsWith("packs/")) return;
			at.store.before = () => {};
			await at.retain();
			at.store.sleepDays(1);
			await at.retain();
		};
		await expect(at.restoreAt(2)).rejects.toMatchObject({ code: "COMMIT_EXPIRED", value: "2" });
	});
});

describe("packs", () => {
	it("that no commit names stay until a commit is a day younger, are condemned, and are deleted a day later", async () => {
		const at = await aging();
		const session = await at.bench.open("a");
		const key = packKey("ab".repeat(32));
		await at.store.putIfAbsent(key, Buffer.from("not referred to yet"));
		const packs = async () => {
			const { packs } = await at.retain();
			return {
				swept: packs.swept.count,
				condemned: packs.condemned.count,
				there: (await at.keys("packs/")).length,
			};
		};
		at.store.sleepDays(0.99);
		await at.commit(session, { f: "a commit that may have been begun within the pack's hour" });
		at.store.sleepDays(40);
		expect(await packs()).toEqual({ swept: 0, condemned: 0, there: 1 });
		await at.commit(session, { f: "one that was not" });
		expect(await packs()).toEqual({ swept: 0, condemned: 1, there: 1 });
		at.store.sleepDays(0.99);
		expect(await packs()).toEqual({ swept: 0, condemned: 1, there: 1 });
		expect(await at.keys("sweeps/")).toHaveLength(1);
		at.store.sleepDays(0.01);
		expect(await packs()).toEqual({ swept: 1, condemned: 0, there: 0 });
		expect(await at.keys("sweeps/")).toEqual([]);
	});
});

describe("concurrent work", () => {
	it("loses nothing of a commit that lands at any point of a run", async () => {
		const policy = { keepAllMs: DAY_MS, keepDailyMs: 0 };
		const before = await aging();
		const writer = await before.bench.open("a");
		await before.commit(writer, { kept: randomBytes(5 * MiB), small: "s" });
		await before.commit(writer, { dropped: randomBytes(5 * MiB) });
		await before.commit(writer, { dropped: null });
		await before.fillOverNight(writer, 66);
		before.store.sleepDays(2);
		await before.retain({ policy });
		// Now packs are condemned; the next run deletes them, condemns others and deletes another
		// segment.
		await before.commit(writer, { later: randomBytes(5 * MiB) });
		await before.commit(writer, { later: null });
		await before.fillOverNight(writer, 130);
		before.store.sleepDays(2);
		for (const [verb, prefix] of [
			["list", "log/"],
			["get", "log/"],
			["list", "packs/"],
			["list", "sweeps/"],
			["list", "tags/"],
			["delete", "log/"],
			["put", "sweeps/"],
			["delete", "packs/"],
			["delete", "sweeps/"],
		] as const) {
			const at = await aging(before.store.fork());
			const session = await at.bench.open("a");
			let hasLanded = false;
			at.store.before = async (seenVerb, key) => {
				if (hasLanded || seenVerb !== verb || !key.startsWith(prefix)) return;
				hasLanded = true;
				await at.commit(session, { again: randomBytes(5 * MiB), small: "changed" });
				await at.commit(session, { again2: "x" });
			};
			await at.retain({ policy });
			expect({ verb, prefix, hasLanded }).toEqual({ verb, prefix, hasLanded: true });
			at.store.before = () => {};
			for (let run = 0; run < 3; run++) {
				at.store.sleepDays(2);
				expect(await at.retain()).toMatchObject({ problem: undefined });
			}
			await at.expectRestores("a");
		}
	});

	it("ends like a single run if two runs work at once", async () => {
		const one = await aging();
		await longLog(one);
		one.store.sleepDays(40);
		const two = await aging(one.store.fork());
		await one.retain();
		await Promise.all([two.retain(), two.retain()]);
		const shape = async (at: Aging) => ({
			seqs: await at.seqs(),
			packs: (await at.keys("packs/")).length,
			sweeps: (await at.keys("sweeps/")).length,
		});
		expect(await shape(two)).toEqual(await shape(one));
		for (const at of [one, two]) at.store.sleepDays(1);
		await one.retain();
		await Promise.all([two.retain(), two.retain()]);
		expect(await shape(two)).toEqual(await shape(one));
		await two.bench.open("a");
		expect(readDisk(two.bench.workspace("a"))).toEqual(readDisk(one.bench.workspace("a")));
	});

	// @id retention-killed
	it("leaves a log that restores if a run is killed anywhere, and the next run finishes the job", async () => {
		const before = await aging();
		const session = await before.bench.open("a");
		await before.commit(session, { early: randomBytes(1000), large: randomBytes(5 * MiB) });
		await before.commit(session, { gone: randomBytes(5 * MiB) });
		await before.commit(session, { gone: null });
		await before.fill(session, 70);
		before.store.sleepDays(40);
		const disk = readDisk(before.bench.workspace("a"));
		const changes = (at: Aging, limit: number) => {
			let count = 0;
			at.store.before = (verb) => {
				if ((verb === "delete" || verb === "put") && ++count > limit) throw new Error("killed");
			};
			return () => count;
		};
		const run = async (at: Aging) => {
			await at.retain();
			at.store.sleepDays(1);
			await at.retain();
		};
		const uncut = await aging(before.store.fork());
		const counted = changes(uncut, Number.POSITIVE_INFINITY);
		await run(uncut);
		const total = counted();
		expect(total).toBeGreaterThan(60);
		const shape = async (at: Aging) => [
			await at.seqs(),
			(await at.keys("packs/")).length,
			(await at.keys("sweeps/")).length,
		];
		for (const limit of [0, 1, 30, total - 4, total - 3, total - 2, total - 1]) {
			const at = await aging(before.store.fork());
			changes(at, limit);
			await expect(run(at)).rejects.toThrow("killed");
			at.store.before = () => {};
			expect((await readLog(at.store)).head.seq).toBe(70);
			await run(at);
			at.store.sleepDays(1);
			await at.retain();
			expect({ limit, shape: await shape(at) }).toEqual({ limit, shape: await shape(uncut) });
			await at.bench.open("a");
			expect(readDisk(at.bench.workspace("a"))).toEqual(disk);
		}
	});
});

describe("an unreadable commit", () => {
	it("stops all deletions if it is the newest, whatever its age, and the run names it", async () => {
		const at = await aging();
		const session = await longLog(at);
		await at.store.putIfAbsent(
			logKey(session.head.seq + 1),
			Buffer.from("garbage, written with stolen keys"),
		);
		const before = await at.keys();
		for (let run = 0; run < 3; run++) {
			at.store.sleepDays(40);
			expect(await at.retain()).toMatchObject({
				problem: { seq: 141, error: { code: "OBJECT_CORRUPT", value: logKey(141) } },
				sweptSeqs: [],
				packs: { swept: { count: 0 }, condemned: { count: 0 } },
			});
		}
		expect(await at.keys()).toEqual(before);
	});

	it("stops all deletions if it looks like a commit but continues none", async () => {
		const at = await aging();
		const session = await longLog(at);
		const other = await aging();
		const stranger = await other.bench.open("b");
		await other.fill(stranger, session.head.seq + 1, "b");
		const key = logKey(session.head.seq + 1);
		await at.store.putIfAbsent(key, (await other.store.get(key)).body);
		const before = await at.keys();
		at.store.sleepDays(100);
		expect(await at.retain()).toMatchObject({
			problem: { seq: 141, error: { code: "OBJECT_CORRUPT" } },
		});
		expect(await at.keys()).toEqual(before);
	});

	it("keeps what was stored before it if it is an older one, and later objects are deleted as usual", async () => {
		const at = await aging();
		const session = await longLog(at);
		at.store.sleepDays(5);
		// At midnight 140 is the newest, so it is retained for that day.
		await at.commit(session, { turn: "next day", brief: randomBytes(5 * MiB) });
		await at.commit(session, { brief: null });
		await at.fillOverNight(session, 200);
		await at.store.delete(logKey(130));
		const old = (await at.keys()).filter((key) => key >= logKey(140));
		at.store.sleepDays(20);
		const report = await at.retain();
		expect(report).toMatchObject({
			problem: { seq: 140, error: { code: "OBJECT_NOT_FOUND", value: logKey(130) } },
		});
		expect(report.sweptSeqs).toEqual(Array.from({ length: 51 }, (_, index) => 191 - index));
		expect(
			(await at.keys()).filter((key) => key >= logKey(140) && !key.startsWith("sweeps/")),
		).toEqual(old);
		expect(report.packs.condemned.count).toBe(1);
		await at.expectRestores("a");
	});
});

describe("a writer that sleeps during retention", () => {
	/** A machine with the store's clocks. */
	const clockOf = (at: Aging) => ({
		...thisEnvironment,
		wallMs: () => at.store.nowMs,
		bootMs: () => at.store.nowMs,
		sleep: async () => {},
	});

	// @id swept-slot
	it("does not own the newest commit if it wins a deleted slot: its bytes go below .recovered/", async () => {
		const at = await aging();
		const sleeper = await at.bench.open("sleeper", { environment: clockOf(at) });
		await at.commit(sleeper, { f: "before it slept" }, "sleeper");
		const slot = sleeper.head.seq + 1;
		const owner = await at.bench.open("a", { environment: clockOf(at) });
		await at.fill(owner, 70);
		at.store.sleepDays(40);
		await at.retain();
		expect(await at.seqs()).not.toContain(slot);

		await at.commit(sleeper, { f: "after it woke" }, "sleeper");
		expect(await at.seqs()).toContain(slot);
		expect(sleeper.isSuperseded).toBe(true);
		const { head } = await readLog(at.store);
		expect([head.seq, head.tree.has(`.recovered/${sleeper.writerId}/f`)]).toEqual([71, true]);
		await at.expectRestores("a");
		// Nobody had the state in the deleted slot: a time does not select it, and the next runs delete
		// it.
		expect(await resolveAt(at.store, "0s")).toBeGreaterThan(70);
		for (let day = 0; day < 2; day++) {
			at.store.sleepDays(1);
			expect(await at.retain()).toMatchObject({ problem: undefined });
		}
		expect(await at.seqs()).not.toContain(slot);
		await at.expectRestores("a");
	});

	// @id slow-writer-keeps-packs
	it("finds all its packs between their PUT and its commit, however often a run came by meanwhile", async () => {
		const at = await aging();
		const session = await at.bench.open("a", { environment: clockOf(at) });
		at.store.before = async (verb, key) => {
			if (verb !== "put" || !key.startsWith("log/")) return;
			at.store.before = () => {};
			for (let run = 0; run < 2; run++) {
				at.store.sleepDays(20);
				await at.retain();
			}
		};
		await at.commit(session, { large: randomBytes(5 * MiB), small: "s" });
		expect(session.waiting).toBe(0);
		await at.expectRestores("a");
		at.store.sleepDays(40);
		for (let run = 0; run < 3; run++) {
			at.store.sleepDays(2);
			await at.retain();
		}
		await at.expectRestores("a");
	});
});

describe("a commit does not refer to", () => {
	/** A machine with the store's clocks. */
	const clockOf = (at: Aging) => ({
		...thisEnvironment,
		wallMs: () => at.store.nowMs,
		bootMs: () => at.store.nowMs,
		sleep: async () => {},
	});
	/** No commit of the log names missing objects, not even until the writer notices. */
	const expectNothingDangles = async (at: Aging) => {
		expect(
			await verify(at.store, { policy: DEFAULT_RETENTION, deep: true, progress: noProgress }),
		).toMatchObject({ damaged: [] });
	};

	it("a pack that its writer stored more than an hour ago and never referred to: it is stored again", async () => {
		const at = await aging();
		const session = await at.bench.open("a", { environment: clockOf(at) });
		at.store.before = (verb, key) => {
			if (verb === "put" && key.startsWith("log/"))
				throw new SidecarError("STORE_ACCESS_DENIED", { value: key, reason: "made up" });
		};
		await expect(at.commit(session, { large: randomBytes(5 * MiB) })).rejects.toMatchObject({
			code: "STORE_ACCESS_DENIED",
		});
		at.store.before = () => {};
		expect(await at.keys("packs/")).toHaveLength(1);
		at.store.sleepDays(2);
		writeFileSync(join(at.bench.workspace("a"), "small"), "s");
		session.hint("small");
		await session.flush({ maxFileBytes: MiB });
		for (let run = 0; run < 2; run++) {
			at.store.sleepDays(2);
			await at.retain();
		}
		expect(await at.keys("packs/")).toEqual([]);
		await session.flush();
		await expectNothingDangles(at);
		await at.expectRestores("a");
	});

	it("a pack that was stored hours before, in the same flush: it is checked again right before the commit", async () => {
		const at = await aging();
		const session = await at.bench.open("a", { environment: clockOf(at) });
		at.store.before = async (verb, key) => {
			if (verb !== "put" || !key.startsWith("packs/") || (await at.keys("packs/")).length === 0)
				return;
			at.store.before = () => {};
			at.store.sleepDays(0.1);
		};
		await at.commit(session, { large: randomBytes(20 * MiB) });
		const { objects } = await listObjects(at.store, "packs/", undefined);
		const large = session.head.tree.get("large");
		const named = new Set(large?.type === "file" ? large.chunks.map(({ block }) => block.key) : []);
		// One remains from before the pause, and nothing names it.
		expect(objects.length).toBeGreaterThan(named.size);
		for (const { key, timeMs } of objects) if (named.has(key)) expect(timeMs).toBe(at.store.nowMs);
		await at.expectRestores("a");
	});

	it("content that only older commits hold: if it returns, it is stored again", async () => {
		const at = await aging();
		const session = await at.bench.open("a", { environment: clockOf(at) });
		const content = randomBytes(5 * MiB);
		await at.commit(session, { large: content });
		await at.commit(session, { large: null });
		await at.fillOverNight(session, 66);
		for (let run = 0; run < 2; run++) {
			at.store.sleepDays(40);
			await at.retain();
		}
		expect(await at.keys("packs/")).toEqual([]);
		await at.commit(session, { large: content });
		await expectNothingDangles(at);
		await at.expectRestores("a");
	});
});

it("a dry run reports what a run would do, and does nothing", async () => {
	const at = await aging();
	await longLog(at);
	at.store.sleepDays(40);
	const before = await at.keys();
	const dry = await at.retain({ dryRun: true });
	expect(await at.keys()).toEqual(before);
	const { dryRun: _, ...said } = dry;
	const { dryRun: __, ...done } = await at.retain();
	expect(said).toEqual(done);
	expect(done.sweptSeqs.length).toBe(126);
});

it("an empty log and keys that are not the log's are not touched", async () => {
	const at = await aging();
	const others = ["log/zzz", "packs/readme.txt", "sweeps/zzz", "other/x", packKey("ab".repeat(32))];
	for (const key of others) await at.store.putIfAbsent(key, Buffer.from("x"));
	for (let run = 0; run < 3; run++) {
		at.store.sleepDays(40);
		expect(await at.retain()).toMatchObject({
			newestSeq: 0,
			unknownKeys: ["log/zzz", "packs/readme.txt", "sweeps/zzz"],
		});
	}
	expect((await at.keys()).sort()).toEqual([...others].sort());
});

describe.skipIf(s3TestServer() === undefined)("on a real S3 server", () => {
	it("keeps young objects, by the store's clock", async () => {
		const store = await s3Namespace();
		await using bench = await workbench(store);
		const session = await bench.open("a");
		writeFileSync(join(bench.workspace("a"), "f"), "x");
		await session.flush({ sweep: true });
		expect(await retain(store, { logger: silentLogger, policy: DEFAULT_RETENTION })).toMatchObject({
			newestSeq: 2,
			kept: { count: 2 },
			sweptSeqs: [],
			problem: undefined,
		});
	});
});
