import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { FaultyStore } from "../../../testkit/store/faulty-store.ts";
import { workbench } from "../../../testkit/workbench.ts";
import type { ListOptions, ListPage, ObjectStore } from "../store/port.ts";
import { listCommits } from "./list-commits.ts";
import { newestSeq } from "./read-log.ts";

/** As S3 may do: an empty page says nothing about the next one. */
class EmptyPageFirst extends FaultyStore {
	override async *list(prefix: string, options?: ListOptions): AsyncIterable<ListPage> {
		yield { objects: [], storeTimeMs: 1 };
		yield* super.list(prefix, options);
	}
}

describe("an empty first page of a listing", () => {
	// @id failed-listing-not-empty
	it("is not an empty log", async () => {
		await using bench = await workbench();
		const a = await bench.open("a");
		writeFileSync(join(bench.workspace("a"), "f"), "1");
		await a.flush({ sweep: true, closed: true });
		const store = new EmptyPageFirst(bench.store);
		expect((await newestSeq(store)).seq).toBe(a.head.seq);
		await bench.open("b", { store, expect: "existing" });
		expect(readFileSync(join(bench.workspace("b"), "f"), "utf8")).toBe("1");
	});

	it("is an empty log if no key comes after it", async () => {
		await using bench = await workbench();
		expect((await newestSeq(new EmptyPageFirst(bench.store))).seq).toBe(0);
	});

	it("proves nothing if there is no page at all", async () => {
		await using bench = await workbench();
		class NoPage extends FaultyStore {
			override async *list(): AsyncIterable<ListPage> {}
		}
		await expect(newestSeq(new NoPage(bench.store))).rejects.toMatchObject({
			code: "STORE_UNREACHABLE",
		});
	});
});

describe("other keys in log/", () => {
	const seqsOf = async (store: ObjectStore, options: Parameters<typeof listCommits>[1] = {}) => {
		const seqs: number[] = [];
		for await (const { seq } of listCommits(store, options)) seqs.push(seq);
		return seqs;
	};

	it("hide no commit and end no listing, wherever they sort", async () => {
		await using bench = await workbench();
		const foreign = async (name: string) =>
			await bench.store.putIfAbsent(`log/${name}`, Buffer.from("a file"));
		for (const name of ["0.log", "1.log", "fatal.log"]) await foreign(name);
		expect((await newestSeq(bench.store)).seq).toBe(0);
		expect(await seqsOf(bench.store)).toEqual([]);
		// Without a view of plain objects, so that nothing is adopted.
		for (let writer = 0; writer < 4; writer++)
			await bench.open("a", { store: new FaultyStore(bench.store) });
		for (const name of ["fffffffffffd-1", "fffffffffffc.log", "gateway.log"]) await foreign(name);
		expect((await newestSeq(bench.store)).seq).toBe(4);
		expect(await seqsOf(bench.store)).toEqual([4, 3, 2, 1]);
		expect(await seqsOf(bench.store, { limit: 3 })).toEqual([4, 3, 2]);
		expect(await seqsOf(bench.store, { from: 3, limit: 2 })).toEqual([3, 2]);
		expect(await seqsOf(bench.store, { limit: 9 })).toEqual([4, 3, 2, 1]);
	});

	it("cost an ordinary boot nothing if they sort behind the commits, and one LIST if before", async () => {
		await using bench = await workbench();
		await bench.open("a");
		const lists = async () => {
			const before = bench.store.requests.list;
			await newestSeq(bench.store);
			return bench.store.requests.list - before;
		};
		await bench.store.putIfAbsent("log/gateway.log", Buffer.from("a file"));
		expect(await lists()).toBe(1);
		await bench.store.putIfAbsent("log/2026.log", Buffer.from("a file"));
		expect(await lists()).toBe(2);
	});
});
