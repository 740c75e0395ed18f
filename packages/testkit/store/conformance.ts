import { createHash } from "node:crypto";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type {
	GetResult,
	ListOptions,
	ListPage,
	ObjectStore,
	PutOutcome,
} from "../../sidecar/src/store/port.ts";
import { isSweepable, type SweepableStore } from "../../sidecar/src/store/sweepable.ts";

/**
 * The contract of every ObjectStore as one suite, with a test for each guarantee of the port. The
 * store under test must be healthy: each implementation tests its own faults.
 */

export interface StoreUnderTest {
	/** Empty at first. */
	readonly store: ObjectStore;
	cleanup(): Promise<void>;
}

const CREATED: PutOutcome = { kind: "created" };
const EXISTS: PutOutcome = { kind: "exists" };

/** The largest object of the log, plus one byte. */
const LARGE_BYTES = 16 * 1024 * 1024 + 1;

export function describeObjectStore(name: string, makeStore: () => Promise<StoreUnderTest>): void {
	describe(`${name} is an ObjectStore`, () => {
		let store: ObjectStore;
		let cleanup: StoreUnderTest["cleanup"] | undefined;

		beforeAll(async () => {
			({ store, cleanup } = await makeStore());
		});
		afterAll(async () => {
			await cleanup?.();
		});

		const put = (key: string, body: string | Buffer = key) =>
			store.putIfAbsent(key, Buffer.from(body));
		const textOf = async (key: string) => (await store.get(key)).body.toString();
		const pagesOf = async (prefix: string, options?: ListOptions) => {
			const pages: ListPage[] = [];
			for await (const page of store.list(prefix, options)) pages.push(page);
			return pages;
		};
		const keysOf = async (prefix: string, options?: ListOptions) =>
			flatten(await pagesOf(prefix, options)).map(({ key }) => key);

		/** Before any PUT: an empty bucket or directory. */
		it("lists an empty store as empty", async () => {
			expect(flatten(await pagesOf(""))).toEqual([]);
		});

		describe("putIfAbsent", () => {
			it("creates an object that reads back as it was put", async () => {
				expect(await put("put/one", "the body")).toMatchObject(CREATED);
				expect(await textOf("put/one")).toBe("the body");
			});

			it.each([
				["the same bytes", "first"],
				["other bytes", "second"],
				["no bytes", ""],
			])(
				"refuses %s for a key that exists, and leaves the object as it was",
				async (what, second) => {
					const key = `put/twice/${what.replaceAll(" ", "-")}`;
					expect(await put(key, "first")).toMatchObject(CREATED);
					const before = await store.get(key);
					expect(await put(key, second)).toEqual(EXISTS);
					expect(await store.get(key)).toEqual(before);
				},
			);

			it("creates exactly one of 50 concurrent objects of one key, without mixing their bytes", async () => {
				const bodies = Array.from({ length: 50 }, (_, index) => Buffer.alloc(100_000, index));
				const outcomes = await Promise.all(
					bodies.map((body) => store.putIfAbsent("put/race", body)),
				);
				const created = outcomes.flatMap(({ kind }, index) => (kind === "created" ? [index] : []));
				expect(created).toHaveLength(1);
				const winner = bodies[created[0] as number] as Buffer;
				expect((await store.get("put/race")).body.equals(winner)).toBe(true);
				expect(await keysOf("put/race")).toEqual(["put/race"]);
			});

			it("stores an empty object", async () => {
				expect(await put("put/empty", "")).toMatchObject(CREATED);
				expect(await store.get("put/empty")).toMatchObject({
					body: Buffer.alloc(0),
					totalBytes: 0,
				});
				expect(flatten(await pagesOf("put/empty"))).toMatchObject([
					{ key: "put/empty", sizeBytes: 0 },
				]);
			});

			it("stores an object of more than 16 MiB, and refuses a second one", async () => {
				const body = noise(LARGE_BYTES);
				expect(await store.putIfAbsent("put/large", body)).toMatchObject(CREATED);
				// A store may refuse a large body before it has read it, and then close the connection.
				// `unknown` is allowed then, success is not.
				expect((await store.putIfAbsent("put/large", Buffer.alloc(LARGE_BYTES))).kind).not.toBe(
					"created",
				);
				const read = await store.get("put/large");
				expect(read.totalBytes).toBe(LARGE_BYTES);
				expect(read.body.equals(body)).toBe(true);
				const tail = await store.get("put/large", {
					range: { offset: LARGE_BYTES - 3, length: 1_000_000 },
				});
				expect(tail.body.equals(body.subarray(-3))).toBe(true);
			});

			it("does not change the caller's buffer", async () => {
				const body = noise(300_000);
				const before = digest(body);
				await store.putIfAbsent("put/buffer", body);
				expect(digest(body)).toBe(before);
			});

			it("accepts every character that a key may contain, unchanged", async () => {
				const keys = [
					"chars/AZaz09",
					"chars/a.b_c-d",
					"chars/x=1",
					"chars/user@example.com",
					"chars/a+b",
					"chars/..a",
					"chars/@=+-._/f",
				];
				for (const key of keys) expect(await put(key)).toMatchObject(CREATED);
				expect(await keysOf("chars/")).toEqual([...keys].sort());
				expect(await Promise.all(keys.map(textOf))).toEqual(keys);
			});

			const tooLong = `${"a/".repeat(512)}a`;
			const notKeys = [
				"",
				"/a",
				"a/",
				"a//b",
				"..",
				"a/../b",
				"./a",
				"a/.",
				".tmp/a",
				"a b",
				"a%2Fb",
				"ä",
				"a\0b",
				"a\\b",
				"a*",
			];
			it.each([
				...notKeys.map((key) => [JSON.stringify(key), key]),
				["more than 1,024 bytes", tooLong],
				["a long name", "a".repeat(256)],
			])("refuses %s as a key, for reading too", async (_, key) => {
				await expect(put(key as string)).rejects.toMatchObject({ code: "INTERNAL" });
				await expect(store.get(key as string)).rejects.toMatchObject({ code: "INTERNAL" });
			});
		});

		describe("get", () => {
			const body = Buffer.from("0123456789");
			beforeAll(async () => {
				await put("get/digits", body);
				await put("get/none", "");
			});

			it.each([
				["the beginning", 0, 3, "012"],
				["the middle", 4, 2, "45"],
				["the last byte", 9, 1, "9"],
				["all of it", 0, 10, "0123456789"],
				["past the end", 7, 100, "789"],
				["a start at the end", 10, 5, ""],
				["a start past the end", 11, 5, ""],
				["no bytes", 4, 0, ""],
			])("gives a range: %s", async (_, offset, length, expected) => {
				const read = await store.get("get/digits", { range: { offset, length } });
				expect(read.body.toString()).toBe(expected);
				expect(read.totalBytes).toBe(10);
				expectRecent(read.lastModifiedMs);
			});

			it.each([0, 5])("returns no bytes of an empty object from offset %i", async (offset) => {
				expect(await store.get("get/none", { range: { offset, length: 5 } })).toMatchObject({
					body: Buffer.alloc(0),
					totalBytes: 0,
				});
			});

			it.each([
				[-1, 5],
				[0, -1],
				[0.5, 1],
				[0, Number.NaN],
			])("refuses %d+%d as a range", async (offset, length) => {
				await expect(store.get("get/digits", { range: { offset, length } })).rejects.toMatchObject({
					code: "INTERNAL",
				});
			});

			it.each([undefined, { offset: 0, length: 5 }, { offset: 0, length: 0 }])(
				"names a missing object in the error, with range %j",
				async (range) => {
					const read = store.get("get/absent", range && { range });
					await expect(read).rejects.toMatchObject({
						name: "SidecarError",
						code: "OBJECT_NOT_FOUND",
					});
					await expect(read).rejects.toThrow("get/absent");
				},
			);

			it("reads many objects concurrently", async () => {
				const reads = await Promise.all(Array.from({ length: 150 }, () => store.get("get/digits")));
				expect(reads.filter((read: GetResult) => read.body.equals(body))).toHaveLength(150);
			});
		});

		describe("list", () => {
			it("lists and reads an object as soon as it is created", async () => {
				for (let index = 0; index < 20; index++) {
					const key = `list/now/${index}`;
					expect(await put(key)).toMatchObject(CREATED);
					expect(await keysOf("list/now/")).toContain(key);
					expect(await textOf(key)).toBe(key);
				}
			});

			it("lists sizes and times, and the ETag that the PUT returned", async () => {
				const made = await put("list/info/a", "four");
				const etag = made.kind === "created" ? made.etag : undefined;
				const [page, ...more] = await pagesOf("list/info/");
				expect(more).toEqual([]);
				const [object] = page?.objects ?? [];
				// A listing may omit ETags, but must not return different ones.
				const expected = {
					key: "list/info/a",
					sizeBytes: 4,
					lastModifiedMs: expect.any(Number),
					...(object?.etag && { etag }),
				};
				expect(page?.objects).toEqual([expected]);
				expectRecent(page?.objects[0]?.lastModifiedMs);
				expectRecent(page?.storeTimeMs);
			});

			it("returns one page with the store's time if the store is empty", async () => {
				const pages = await pagesOf("list/absent/");
				expect(pages).toEqual([{ objects: [], storeTimeMs: expect.any(Number) }]);
				expectRecent(pages[0]?.storeTimeMs);
			});

			it("orders keys by their bytes, also across directories", async () => {
				const keys = [
					"B",
					"a",
					"a+b",
					"a-b/c",
					"a.b",
					"a0",
					"a=b",
					"aa",
					"b/c",
					"b/c-d",
					"b/c.d/e",
					"b-c",
					"b0/a",
					"d/-",
					"d/x/y/z",
					"d/x-/y",
				];
				await Promise.all(keys.map((key) => put(`list/order/${key}`)));
				const expected = keys
					.map((key) => `list/order/${key}`)
					.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
				expect(await keysOf("list/order/")).toEqual(expected);
			});

			it("lists only keys with the prefix, which may end within a name", async () => {
				for (const key of ["log/1", "log2/1", "lo/1", "log-/1"]) await put(`list/beside/${key}`);
				expect(await keysOf("list/beside/log/")).toEqual(["list/beside/log/1"]);
				expect(await keysOf("list/beside/log")).toEqual([
					"list/beside/log-/1",
					"list/beside/log/1",
					"list/beside/log2/1",
				]);
				expect(await keysOf("list/beside/log/1")).toEqual(["list/beside/log/1"]);
				expect(await keysOf("list/beside/log/1/2")).toEqual([]);
			});

			it("refuses a prefix that no key can begin with", async () => {
				for (const prefix of ["/", "../", "a//", "a b"])
					await expect(pagesOf(prefix)).rejects.toMatchObject({ code: "INTERNAL" });
			});

			describe("more keys than fit on a page", () => {
				const keys = Array.from(
					{ length: 1_050 },
					(_, index) => `many/${String(index).padStart(4, "0")}`,
				);
				beforeAll(async () => {
					const outcomes = await Promise.all(keys.map((key) => put(key, "x")));
					expect(outcomes.filter(({ kind }) => kind !== "created")).toEqual([]);
				});

				it("are all listed in pages of at most 1,000", async () => {
					const pages = await pagesOf("many/");
					expect(pages.map(({ objects }) => objects.length)).toEqual([1_000, 50]);
					expect(flatten(pages).map(({ key }) => key)).toEqual(keys);
				});

				it.each([1, 7, 1_000, 1_001, 1_050, 5_000])(
					"are listed up to a limit of %i",
					async (limit) => {
						expect(await keysOf("many/", { limit })).toEqual(keys.slice(0, limit));
					},
				);

				it("cause no request beyond the limit", async () => {
					const before = store.requests.list;
					await keysOf("many/", { limit: 1_000 });
					expect(store.requests.list - before).toBe(1);
				});

				it("cause no request for pages that are not read", async () => {
					const before = store.requests.list;
					for await (const page of store.list("many/")) {
						expect(page.objects).toHaveLength(1_000);
						break;
					}
					expect(store.requests.list - before).toBe(1);
				});

				it.each([
					["a key that is there", "many/0009", 10],
					["a key between two", "many/0009a", 10],
					["a key before all", "lots", 0],
					["the last key", "many/1049", 1_050],
					["a key after all", "mb", 1_050],
				])("are listed after %s", async (_, startAfter, index) => {
					expect(await keysOf("many/", { startAfter })).toEqual(keys.slice(index));
				});

				it("are listed from a key up to a limit", async () => {
					expect(await keysOf("many/", { startAfter: "many/0020", limit: 1_005 })).toEqual(
						keys.slice(21, 1_026),
					);
				});
			});

			it("starts after a key in a nested directory", async () => {
				const keys = ["a/1", "a/2", "b-", "b/1", "b/2/x", "b/3", "c"].map(
					(key) => `list/deep/${key}`,
				);
				for (const key of keys) await put(key);
				for (const [index, startAfter] of keys.entries()) {
					expect(await keysOf("list/deep/", { startAfter })).toEqual(keys.slice(index + 1));
				}
			});
		});

		describe("abort signals", () => {
			const reason = new Error("no longer wanted");
			const signal = AbortSignal.abort(reason);
			const denied = { name: "SidecarError", code: "STORE_UNREACHABLE", cause: reason };

			it("prevent reads once aborted", async () => {
				await put("signal/there");
				await expect(store.get("signal/there", { signal })).rejects.toMatchObject(denied);
				await expect(pagesOf("signal/", { signal })).rejects.toMatchObject(denied);
			});

			it("prevent a PUT once aborted, whose outcome is then unknown", async () => {
				const before = store.requests.put;
				expect(await store.putIfAbsent("signal/never", Buffer.from("x"), { signal })).toEqual({
					kind: "unknown",
					cause: reason,
				});
				expect(store.requests.put).toBe(before);
				await expect(store.get("signal/never")).rejects.toMatchObject({ code: "OBJECT_NOT_FOUND" });
			});

			it("abort running requests, and leave the object whole or absent", async () => {
				const body = noise(LARGE_BYTES);
				const controller = new AbortController();
				const outcome = store.putIfAbsent("signal/cut", body, { signal: controller.signal });
				setImmediate(() => controller.abort(reason));
				const { kind } = await outcome;
				expect(["created", "unknown"]).toContain(kind);
				const [found] = flatten(await pagesOf("signal/cut"));
				if (kind === "created") expect(found?.sizeBytes).toBe(LARGE_BYTES);
				if (found !== undefined)
					expect((await store.get("signal/cut")).body.equals(body)).toBe(true);
			});
		});

		it("counts its requests", async () => {
			const before = { ...store.requests };
			await put("count/a");
			await put("count/a");
			await textOf("count/a");
			await store.get("count/absent").catch(() => {});
			await keysOf("count/");
			expect(store.requests).toEqual({
				put: before.put + 2,
				get: before.get + 2,
				list: before.list + 1,
			});
		});

		it("has a URL for messages", () => {
			expect(store.url).toMatch(/^(file|s3|memory):\/\//);
		});
	});
}

/**
 * The contract of a store that can delete: the guarantees of `sweepable.ts`. Run it together with
 * `describeObjectStore`.
 */
export function describeSweepableStore(
	name: string,
	makeStore: () => Promise<StoreUnderTest & { readonly store: SweepableStore }>,
): void {
	describe(`${name} is a SweepableStore`, () => {
		let store: SweepableStore;
		let cleanup: StoreUnderTest["cleanup"] | undefined;

		beforeAll(async () => {
			({ store, cleanup } = await makeStore());
		});
		afterAll(async () => {
			await cleanup?.();
		});

		const put = (key: string, body = key) => store.putIfAbsent(key, Buffer.from(body));
		const keysOf = async (prefix: string) => {
			const pages: ListPage[] = [];
			for await (const page of store.list(prefix)) pages.push(page);
			return flatten(pages).map(({ key }) => key);
		};

		it("reports that it can delete", () => {
			expect(isSweepable(store)).toBe(true);
		});

		it("deletes only that object, which is at once neither listed nor readable", async () => {
			for (const key of ["one/a", "one/ab", "one/a-/b", "one/b/c"]) await put(key);
			await store.delete("one/a");
			expect(await keysOf("one/")).toEqual(["one/a-/b", "one/ab", "one/b/c"]);
			await expect(store.get("one/a")).rejects.toMatchObject({ code: "OBJECT_NOT_FOUND" });
			await store.delete("one/b/c");
			expect(await keysOf("one/")).toEqual(["one/a-/b", "one/ab"]);
		});

		it("succeeds for a deleted key, a key with only keys below it, and a key that never existed", async () => {
			await put("twice/a");
			await store.delete("twice/a");
			await store.delete("twice/a");
			await put("below/a/b");
			await store.delete("below/a");
			await store.delete("never/a/b");
			expect(await keysOf("below/")).toEqual(["below/a/b"]);
		});

		it("leaves the key free for another object", async () => {
			await put("again/a", "first");
			await store.delete("again/a");
			expect(await put("again/a", "second")).toMatchObject(CREATED);
			expect((await store.get("again/a")).body.toString()).toBe("second");
		});

		it("deletes many objects concurrently, some of them by two callers", async () => {
			const keys = Array.from({ length: 150 }, (_, index) => `many/${index}`);
			await Promise.all(keys.map((key) => put(key)));
			await Promise.all([...keys, ...keys.slice(50, 100)].map((key) => store.delete(key)));
			expect(await keysOf("many/")).toEqual([]);
		});

		it("deletes nothing once aborted", async () => {
			await put("abort/a");
			const signal = AbortSignal.abort(new Error("no longer wanted"));
			await expect(store.delete("abort/a", { signal })).rejects.toMatchObject({
				name: "SidecarError",
				code: "STORE_UNREACHABLE",
			});
			expect(await keysOf("abort/")).toEqual(["abort/a"]);
		});

		it("refuses an invalid key", async () => {
			for (const key of ["", "/a", "a/", "../a", ".tmp/a", "a b"])
				await expect(store.delete(key)).rejects.toMatchObject({ code: "INTERNAL" });
		});

		it("counts no billable request", async () => {
			await put("count/a");
			const before = { ...store.requests };
			await store.delete("count/a");
			expect(store.requests).toEqual(before);
		});
	});
}

function flatten(pages: readonly ListPage[]): ListPage["objects"][number][] {
	return pages.flatMap(({ objects }) => objects);
}

/** Bytes that look random and are the same in each run. */
function noise(length: number): Buffer {
	const block = Buffer.concat(
		Array.from({ length: 2_048 }, (_, index) =>
			createHash("sha256").update(String(index)).digest(),
		),
	);
	return Buffer.alloc(length, block);
}

function digest(body: Buffer): string {
	return createHash("sha256").update(body).digest("hex");
}

/**
 * HTTP times are truncated to the second, and the store's clock may differ from ours. A tolerance
 * of a minute still distinguishes a time from other values.
 */
function expectRecent(timeMs: number | undefined): void {
	expect(Math.abs((timeMs ?? 0) - Date.now())).toBeLessThan(60_000);
}
