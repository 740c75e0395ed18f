import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { describeObjectStore, describeSweepableStore } from "../../../testkit/store/conformance.ts";
import { DirectoryStore } from "./directory.ts";
import { assertNamespace, namespaced } from "./namespaced.ts";
import type { ObjectStore } from "./port.ts";
import { isSweepable } from "./sweepable.ts";

for (const describeStore of [describeObjectStore, describeSweepableStore]) {
	describeStore("a namespace of a DirectoryStore", async () => {
		const base = await mkdtemp(join(tmpdir(), "store-"));
		return {
			store: namespaced(new DirectoryStore(base), "user@example.com"),
			cleanup: () => rm(base, { recursive: true }),
		};
	});
}

describe("assertNamespace", () => {
	it.each([
		"u",
		"0",
		"user-1",
		"Alice.Bob",
		"user@example.com",
		"a+b=c_d-e",
		"a..b",
		"-",
		"=",
		"x".repeat(128),
	])("accepts %j", (namespace) => {
		expect(() => assertNamespace(namespace)).not.toThrow();
	});

	it.each([
		["empty", ""],
		["129 characters", "x".repeat(129)],
		["a dot", "."],
		["two dots", ".."],
		["a dot first", ".hidden"],
		["a slash", "a/b"],
		["a way up", "../other"],
		["a backslash", "a\\b"],
		["a NUL", "a\0"],
		["a line feed at the end", "a\n"],
		["a space", "a b"],
		["a percent sign", "a%2Fb"],
		["a star", "*"],
		["a letter that is not ASCII", "é"],
		["a full-width slash", "a／b"],
		["an escape sequence", "\u001b[2J"],
	])("refuses %s", (_, namespace) => {
		expect(() => assertNamespace(namespace)).toThrow(
			expect.objectContaining({ name: "SidecarError", code: "NAMESPACE_INVALID" }),
		);
	});

	it("shows the value readably, and cannot send control codes to a terminal", () => {
		expect(() => assertNamespace("")).toThrow('""');
		expect(() => assertNamespace("\u001b[2J")).toThrow("\\u001b[2J");
	});

	it("rejects every value that would leave users/{namespace}/", () => {
		const unit = fc.constantFrom(
			"a",
			"Z",
			"0",
			".",
			"_",
			"-",
			"=",
			"@",
			"+",
			"/",
			"\\",
			"\0",
			"%2f",
			" ",
		);
		fc.assert(
			fc.property(fc.string({ unit, maxLength: 6 }), (namespace) => {
				try {
					assertNamespace(namespace);
				} catch {
					return;
				}
				expect(new URL(`file:///users/${namespace}/log`).pathname.split("/")).toHaveLength(4);
				expect(join("/users", namespace, "log")).toBe(`/users/${namespace}/log`);
			}),
		);
	});
});

describe("namespaced", () => {
	let base: string;
	let store: ObjectStore;
	beforeAll(async () => {
		base = await mkdtemp(join(tmpdir(), "store-"));
		store = new DirectoryStore(base);
	});
	afterAll(() => rm(base, { recursive: true }));

	const put = (where: ObjectStore, key: string) => where.putIfAbsent(key, Buffer.from(key));
	async function keysOf(where: ObjectStore, prefix = "", startAfter?: string): Promise<string[]> {
		const keys: string[] = [];
		for await (const page of where.list(prefix, startAfter === undefined ? {} : { startAfter }))
			keys.push(...page.objects.map(({ key }) => key));
		return keys;
	}

	it("keeps namespaces apart that have a common beginning", async () => {
		const [a, ab] = [namespaced(store, "a"), namespaced(store, "ab")];
		await put(a, "log/1");
		await put(ab, "log/2");
		expect(await keysOf(a)).toEqual(["log/1"]);
		expect(await keysOf(ab)).toEqual(["log/2"]);
		expect(await keysOf(a, "", "log/1")).toEqual([]);
		await expect(a.get("log/2")).rejects.toMatchObject({ code: "OBJECT_NOT_FOUND" });
		expect(await keysOf(store)).toEqual(["users/a/log/1", "users/ab/log/2"]);
	});

	it.each(["", "/", "../ab/log/2", "log/../../ab/log/2"])(
		"refuses %j as a way out",
		async (key) => {
			const a = namespaced(store, "a");
			await expect(a.get(key)).rejects.toMatchObject({ code: "INTERNAL" });
			await expect(put(a, key)).rejects.toMatchObject({ code: "INTERNAL" });
			if (key !== "") await expect(keysOf(a, key)).rejects.toMatchObject({ code: "INTERNAL" });
		},
	);

	it("refuses an invalid namespace", () => {
		expect(() => namespaced(store, "..")).toThrow(
			expect.objectContaining({ code: "NAMESPACE_INVALID" }),
		);
	});

	it("deletes within the namespace only, and cannot delete if the store cannot", async () => {
		const [own, other] = [namespaced(new DirectoryStore(base), "own"), namespaced(store, "other")];
		await put(own, "log/1");
		await put(other, "log/1");
		await own.delete("log/1");
		expect(await keysOf(other)).toEqual(["log/1"]);
		await expect(own.delete("../other/log/1")).rejects.toMatchObject({ code: "INTERNAL" });
		const { list, get, putIfAbsent, close, url, requests } = store;
		expect(isSweepable(namespaced({ list, get, putIfAbsent, close, url, requests }, "own"))).toBe(
			false,
		);
	});

	it("names itself, counts with the store, and closes it", async () => {
		let isClosed = false;
		const inner: ObjectStore = Object.assign(Object.create(store), {
			close: async () => {
				isClosed = true;
			},
			url: "s3://bucket",
			requests: store.requests,
		});
		const view = namespaced(inner, "a");
		expect(view.url).toBe("s3://bucket/users/a");
		expect(view.requests).toBe(store.requests);
		await view.close();
		expect(isClosed).toBe(true);
	});
});
