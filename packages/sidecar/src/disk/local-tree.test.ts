import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { describe, expect, it } from "vitest";
import type { Stat } from "../workspace/stat.ts";
import { type LocalEntry, LocalTree } from "./local-tree.ts";

const stat: Stat = {
	type: "file",
	mode: 0o4755,
	size: 2 ** 40,
	mtimeNs: 1_700_000_000_000_000_001n,
	ctimeNs: 1_700_000_000_000_000_002n,
	ino: 2n ** 64n - 1n,
	dev: 2n ** 40n,
	uid: 2 ** 32 - 2,
	birthNs: 3n,
};
const entry = { type: "link", mtimeNs: 0n, target: "t" } as const;
const local = (changed: Partial<LocalEntry> = {}): LocalEntry => ({
	entry,
	stat,
	quick: undefined,
	database: undefined,
	...changed,
});

describe("a local tree", () => {
	it("returns each entry as it was set, whatever its stat and whatever row it reuses", () => {
		const tree = new LocalTree();
		const odd = { ...stat, mtimeNs: 2n ** 70n };
		const all: readonly (readonly [string, LocalEntry])[] = [
			["", local({ stat: { ...stat, type: "dir" } })],
			["plain", local()],
			["dirty", local({ stat: undefined })],
			["after 2262", local({ stat: odd })],
			["before 1970", local({ stat: { ...stat, mtimeNs: -1n, type: "link", mode: 0, uid: 0 } })],
			["database", local({ database: "d", quick: BigUint64Array.of(1n, 2n), annotations: {} })],
			...Array.from({ length: 100 }, (_, at) => [`many/${at}`, local()] as const),
		];
		for (const [path, each] of all)
			tree.set(path, local({ database: "earlier", stat: odd, entry: each.entry }));
		for (const [path] of all.slice(0, 50)) tree.delete(path);
		for (const [path, each] of all) tree.set(path, each);
		expect(tree.size).toBe(all.length);
		expect(new Map(tree.entries())).toEqual(new Map(all));
		for (const [path, each] of all) {
			expect(tree.entry(path)).toBe(each.entry);
			expect(tree.isClean(path, each.stat ?? stat)).toBe(each.stat !== undefined);
		}
		expect(tree.children("many").size).toBe(100);
	});

	// @id clean-by-every-field
	it("has a path as clean only under the very stat under which it was read", () => {
		const tree = new LocalTree();
		const others: readonly Partial<Stat>[] = [
			{ type: "dir" },
			{ mode: 0o755 },
			{ size: 0 },
			{ mtimeNs: 0n },
			{ ctimeNs: 0n },
			{ ino: 1n },
			{ dev: 1n },
		];
		for (const known of [stat, { ...stat, birthNs: 2n ** 70n }]) {
			tree.set("f", local({ stat: known }));
			expect(tree.isClean("f", { ...known })).toBe(true);
			for (const other of others) expect(tree.isClean("f", { ...known, ...other })).toBe(false);
		}
		expect(tree.isClean("absent", stat)).toBe(false);
		tree.delete("f");
		expect(tree.isClean("f", stat)).toBe(false);
	});

	it("needs less than 220 bytes for each path beside its entry, however many there are", () => {
		// So many that what other tests leave behind is little for each.
		const count = 150_000;
		const paths = Array.from({ length: count }, (_, at) => `directory-${at % 3_000}/file-${at}`);
		const tree = new LocalTree();
		const before = usedBytes();
		for (const [at, path] of paths.entries())
			tree.set(path, local({ stat: { ...stat, ino: BigInt(at), ctimeNs: BigInt(at) } }));
		const each = (usedBytes() - before) / count;
		expect(tree.size).toBe(count);
		// As objects the stats alone would need 220.
		expect(each).toBeLessThan(220);
		// Else nothing was counted.
		expect(each).toBeGreaterThan(20);
	});
});

function usedBytes(): number {
	setFlagsFromString("--expose-gc");
	(runInNewContext("gc") as () => void)();
	const { heapUsed, arrayBuffers } = process.memoryUsage();
	return heapUsed + arrayBuffers;
}
