import { AsyncLocalStorage } from "node:async_hooks";
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { AgingStore } from "../../../testkit/store/aging-store.ts";
import { type Workbench, workbench } from "../../../testkit/workbench.ts";
import { listObjects } from "../commit/list-objects.ts";
import { readLog } from "../commit/read-log.ts";
import type { SidecarError } from "../errors.ts";
import { resolveWhen } from "../history/resolve-at.ts";
import { readTags } from "../history/tags.ts";
import { DEFAULT_RETENTION } from "../log/plan-retention.ts";
import { taggedSeqs } from "../log/tags.ts";
import { silentLogger } from "../telemetry/logger.ts";
import { noProgress } from "../telemetry/progress.ts";
import { retain } from "./retain.ts";
import { makeTag, removeTag } from "./tag.ts";
import { verify } from "./verify.ts";

const MiB = 1024 * 1024;

/** 70 commits, 40 days old. Commit `early` has a pack that no newer commit needs. */
let log: AgingStore;
let bench: Workbench;
const early = 3;

beforeAll(async () => {
	log = new AgingStore();
	bench = await workbench(log);
	const session = await bench.open("a");
	const commit = async (files: Readonly<Record<string, string | Buffer>>) => {
		for (const [path, content] of Object.entries(files)) {
			writeFileSync(join(bench.workspace("a"), path), content);
			session.hint(path);
		}
		await session.flush();
	};
	await commit({ f: "first" });
	await commit({ large: randomBytes(5 * MiB) });
	await commit({ large: randomBytes(5 * MiB) });
	while (session.head.seq < 70) await commit({ turn: String(session.head.seq) });
	log.sleepDays(40);
});
afterAll(() => bench[Symbol.asyncDispose]());

const gc = (store: AgingStore) => retain(store, { logger: silentLogger });

/** All objects that a restore of the commit reads are there and right. */
async function expectWhole(store: AgingStore, seq: number): Promise<void> {
	const { head } = await readLog(store, { at: seq });
	expect(head.tree.get("large")).toMatchObject({ size: 5 * MiB });
	const found = await verify(store, {
		policy: DEFAULT_RETENTION,
		deep: true,
		progress: noProgress,
	});
	expect(found.damaged).toEqual([]);
}

const problem = async (work: Promise<unknown>) =>
	await work.then(
		() => undefined,
		(error: unknown) => (error as SidecarError).code,
	);

describe("a tag", () => {
	// @id tag-keeps-commit
	it("keeps its commit with all it needs until it is removed, and names it", async () => {
		const store = log.fork();
		expect(await makeTag(store, "before-upgrade", String(early))).toMatchObject({
			...{ name: "before-upgrade", seq: early, isNew: true },
		});
		for (let run = 0; run < 4; run++) {
			expect((await gc(store)).problem).toBeUndefined();
			store.sleepDays(2);
		}
		await expectWhole(store, early);
		expect(await resolveWhen(store, "before-upgrade")).toEqual({ seq: early, isExact: true });
		expect(await problem(readLog(store, { at: early + 1 }))).toBe("OBJECT_NOT_FOUND");

		expect(await removeTag(store, "before-upgrade")).toMatchObject({ seq: early });
		await gc(store);
		expect(await problem(readLog(store, { at: early }))).toBe("OBJECT_NOT_FOUND");
		expect(await problem(resolveWhen(store, "before-upgrade"))).toBe("USAGE");
	});

	it("creates objects and changes none, so a running writer is not concerned", async () => {
		const store = log.fork();
		const session = await (async () => {
			const other = await workbench(store);
			return { other, writer: await other.open("a") };
		})();
		const before = (await listObjects(store, "", undefined)).objects;
		await makeTag(store, "t", "latest");
		await removeTag(store, "t");
		const after = (await listObjects(store, "", undefined)).objects;
		expect(after.map(({ key }) => key).filter((key) => !key.startsWith("tags/"))).toEqual(
			before.map(({ key }) => key),
		);
		expect(after.length).toBe(before.length + 2);
		writeFileSync(join(session.other.workspace("a"), "f"), "later");
		session.writer.hint("f");
		expect((await session.writer.flush()).kind).toBe("committed");
		expect(session.writer.isSuperseded).toBe(false);
		await session.other[Symbol.asyncDispose]();
	});

	it("is not moved: the same commit again is no change, another one is refused", async () => {
		const store = log.fork();
		await makeTag(store, "t", "70");
		expect((await makeTag(store, "t", "latest")).isNew).toBe(false);
		await expect(makeTag(store, "t", "69")).rejects.toMatchObject({
			code: "USAGE",
			message: expect.stringContaining("the tag names commit 70"),
			remedy: expect.stringContaining("tag --remove t"),
		});
		await removeTag(store, "t");
		expect(await makeTag(store, "t", "69")).toMatchObject({ seq: 69, isNew: true });
		expect((await readTags(store, undefined)).get("t")).toMatchObject({ generation: 3, seq: 69 });
		expect(await problem(removeTag(store, "never"))).toBe("USAGE");
	});

	it.each(["", "1st", "a b", "latest", "latest~2", "monday", "MAY", "now", "cafe", "a".repeat(65)])(
		"may not be named %j",
		async (name) => {
			await expect(makeTag(log.fork(), name, undefined)).rejects.toMatchObject({
				code: "USAGE",
				remedy: expect.stringContaining("begin with a letter"),
			});
		},
	);

	// @id tag-needs-all-there
	it("is taken back if a run of retention ended, with its lists, while it was made", async () => {
		const store = log.fork();
		let isDeleted = false;
		store.before = async (verb, key) => {
			if (isDeleted || verb !== "put" || !key.startsWith("tags/")) return;
			isDeleted = true;
			for (const { key: pack } of (await listObjects(store, "packs/", undefined)).objects)
				await store.delete(pack);
		};
		expect(await problem(makeTag(store, "late", String(early)))).toBe("COMMIT_EXPIRED");
		expect((await readTags(store, undefined)).get("late")?.seq).toBe(0);
	});

	it("is noticed if another commit has its number now", async () => {
		const store = log.fork();
		await store.putIfAbsent("tags/forged/00000001-000000000003", Buffer.from("ab".repeat(32)));
		await expect(resolveWhen(store, "forged")).rejects.toMatchObject({
			code: "COMMIT_NOT_FOUND",
			message: expect.stringContaining("is another one now"),
		});
	});
});

describe("a tag that is made while retention runs", () => {
	/** After every request whose kind differs from the one before, and after every tenth. */
	const stepsOf = async (
		run: (store: AgingStore) => Promise<unknown>,
	): Promise<readonly number[]> => {
		const store = log.fork();
		const kinds: string[] = [];
		store.before = (verb, key) => {
			kinds.push(`${verb} ${key.split("/")[0]}`);
		};
		await run(store);
		return kinds.flatMap((kind, step) =>
			kind !== kinds[step - 1] || step % 10 === 0 ? [step] : [],
		);
	};

	/** All other requests wait for `work`, whose own do not. */
	const during = (store: AgingStore, step: number, work: () => Promise<unknown>) => {
		const isWork = new AsyncLocalStorage<true>();
		let seen = 0;
		let working: Promise<unknown> | undefined;
		store.before = async () => {
			if (isWork.getStore()) return;
			if (seen++ === step) working = isWork.run(true, work);
			await working;
		};
	};

	// @id tag-made-during-retention
	it("keeps its commit, or is refused: at each step of a run", async () => {
		let kept = 0;
		let refused = 0;
		for (const step of await stepsOf(gc)) {
			const store = log.fork();
			let code: string | undefined;
			during(store, step, async () => {
				code = await problem(makeTag(store, "t", String(early)));
			});
			await gc(store);
			await settle(store, code);
			if (code === undefined) kept++;
			else refused++;
		}
		expect(Math.min(kept, refused)).toBeGreaterThan(2);
	});

	// @id retention-during-tag
	it("keeps its commit, or is refused: with a whole run at each step of its making", async () => {
		const make = (store: AgingStore) => makeTag(store, "t", String(early));
		for (const step of await stepsOf(make)) {
			const store = log.fork();
			during(store, step, async () => await gc(store));
			await settle(store, await problem(make(store)));
		}
	});

	async function settle(store: AgingStore, code: string | undefined): Promise<void> {
		store.before = () => {};
		const { objects } = await listObjects(store, "tags/", undefined);
		const tagged = taggedSeqs(objects.map(({ key }) => key));
		if (code !== undefined) {
			expect(code).toBe("COMMIT_EXPIRED");
			expect(tagged.size).toBe(0);
		} else expect([...tagged]).toEqual([early]);
		for (let run = 0; run < 2; run++) {
			store.sleepDays(2);
			expect((await gc(store)).problem).toBeUndefined();
		}
		if (code === undefined) await expectWhole(store, early);
	}
});
