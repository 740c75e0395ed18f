import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type Workbench, workbench } from "../../../testkit/workbench.ts";
import { logKey } from "../log/keys.ts";
import { SEGMENT_COMMITS } from "../log/limits.ts";
import type { ObjectStore } from "../store/port.ts";
import { type HistoryEntry, type HistoryOptions, history } from "./history.ts";

const COMMITS = SEGMENT_COMMITS + 6;

async function longLog(bench: Workbench): Promise<void> {
	const session = await bench.open("writer");
	const file = join(bench.workspace("writer"), "f");
	while (session.head.seq < COMMITS) {
		writeFileSync(file, String(session.head.seq));
		session.hint("f");
		await session.flush();
	}
}

/** Counts GETs, and how many of them run at once. */
class Counting implements Pick<ObjectStore, "list" | "get"> {
	readonly #store: ObjectStore;
	#now = 0;
	gets = 0;
	most = 0;

	constructor(store: ObjectStore) {
		this.#store = store;
	}

	list(...args: Parameters<ObjectStore["list"]>): ReturnType<ObjectStore["list"]> {
		return this.#store.list(...args);
	}

	async get(...args: Parameters<ObjectStore["get"]>): ReturnType<ObjectStore["get"]> {
		this.gets++;
		this.most = Math.max(this.most, ++this.#now);
		try {
			return await this.#store.get(...args);
		} finally {
			this.#now--;
		}
	}

	all(options?: HistoryOptions): AsyncGenerator<HistoryEntry> {
		return history(this as unknown as ObjectStore, options);
	}
}

async function collect(entries: AsyncIterable<HistoryEntry>): Promise<HistoryEntry[]> {
	const all: HistoryEntry[] = [];
	for await (const entry of entries) all.push(entry);
	return all;
}

test("history lists every commit with its details, newest first; reads ahead within bounds; a limit costs no more than it needs", async () => {
	await using bench = await workbench();
	await longLog(bench);
	const store = new Counting(bench.store);
	const all = await collect(store.all());
	expect(all.map(({ seq }) => seq)).toEqual(
		Array.from({ length: COMMITS }, (_, index) => COMMITS - index),
	);
	expect(all.find(({ seq }) => seq === SEGMENT_COMMITS)).toMatchObject({
		kind: "full",
		changed: 2,
		removed: 0,
		flags: {},
	});
	expect(all.find(({ seq }) => seq === SEGMENT_COMMITS + 1)).toMatchObject({
		kind: "delta",
		changed: 1,
	});
	expect(all.at(-1)).toMatchObject({ seq: 1, flags: { fence: true }, changed: 0 });
	expect(new Set(all.map((entry) => "writer" in entry && entry.writer)).size).toBe(1);
	for (const { timeMs, objectBytes } of all) expect(timeMs > 0 && objectBytes > 64).toBe(true);
	expect(store.most).toBeLessThanOrEqual(16);

	const limited = new Counting(bench.store);
	expect((await collect(limited.all({ limit: 3 }))).map(({ seq }) => seq)).toEqual([
		COMMITS,
		COMMITS - 1,
		COMMITS - 2,
	]);
	expect(limited.gets).toBe(3);

	const left = new Counting(bench.store);
	for await (const { seq } of left.all()) if (seq < COMMITS) break;
	expect(left.gets).toBeLessThan(20);
});

test("an unreadable commit gives its reason and hides no other, and a key that is not a commit's is skipped", async () => {
	await using bench = await workbench();
	const session = await bench.open("writer");
	await bench.store.putIfAbsent(logKey(session.head.seq + 1), Buffer.from("garbage"));
	const [newest, older] = await collect(history(bench.store));
	expect(newest).toMatchObject({
		seq: session.head.seq + 1,
		objectBytes: 7,
		error: { code: "OBJECT_CORRUPT" },
	});
	expect(older).toMatchObject({ seq: session.head.seq, flags: { fence: true } });
	await bench.store.putIfAbsent("log/garbage", Buffer.from("x"));
	expect(await collect(history(bench.store))).toEqual([newest, older]);
});
