import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { FaultyStore } from "../../test/faulty-store.ts";
import { workbench } from "../../test/workbench.ts";
import type { ListOptions, ListPage } from "../store/port.ts";
import { newestSeq } from "./read-log.ts";

/** As S3 may: a page that is empty says nothing about the next one. */
class EmptyPageFirst extends FaultyStore {
	override async *list(prefix: string, options?: ListOptions): AsyncIterable<ListPage> {
		yield { objects: [], storeTimeMs: 1 };
		yield* super.list(prefix, options);
	}
}

describe("an empty first page of a listing", () => {
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

	it("is one where no key comes after it", async () => {
		await using bench = await workbench();
		expect((await newestSeq(new EmptyPageFirst(bench.store))).seq).toBe(0);
	});

	it("and no page at all proves nothing", async () => {
		await using bench = await workbench();
		class NoPage extends FaultyStore {
			override async *list(): AsyncIterable<ListPage> {}
		}
		await expect(newestSeq(new NoPage(bench.store))).rejects.toMatchObject({ code: "STORE_UNREACHABLE" });
	});
});
