import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { workbench } from "../../../testkit/workbench.ts";
import { readLog } from "../commit/read-log.ts";
import { Room } from "./room.ts";

const NOTHING = { entries: 0, chunks: 0, manifestBytes: 0 };
const SMALL = { entries: 100, chunks: 10, manifestBytes: 10_000 };

describe("content beyond a limit of the format", () => {
	// @id file-without-room
	it("is named and left out, and everything else is committed", async () => {
		await using bench = await workbench();
		const session = await bench.open("a");
		writeFileSync(join(bench.workspace("a"), "huge"), "");
		truncateSync(join(bench.workspace("a"), "huge"), 8 * 2 ** 40);
		writeFileSync(join(bench.workspace("a"), "MEMORY.md"), "m");
		const result = await session.flush({ sweep: true, closed: true });
		expect(result).toMatchObject({
			kind: "committed",
			deferred: [
				{ path: "huge", reason: expect.stringContaining("too large: it has 8796093022208 bytes") },
			],
		});
		expect([...(await readLog(bench.store)).head.tree.keys()].sort()).toEqual(["", "MEMORY.md"]);
	});

	it("is named once for a directory if there are too many files, and the first ones are taken", () => {
		const room = new Room({ ...NOTHING, entries: 97 }, SMALL);
		const left = ["d", "d/1", "d/2", "d/3", "d/4", "d/1"].map((path) => room.admit(path)?.path);
		expect(left).toEqual([undefined, undefined, undefined, "d", "d", undefined]);
	});

	it("does not include chunks that the tree already has, or those of a second read", () => {
		const room = new Room({ ...NOTHING, chunks: 6 }, SMALL);
		const MiB = 1 << 20;
		expect(room.reserve("grown", 7 * MiB, 5)).toBeUndefined();
		expect(room.reserve("grown", 8 * MiB, 5)).toBeUndefined();
		expect(room.reserve("new", 2 * MiB, 0)).toMatchObject({ path: "new" });
		expect(room.reserve("new", MiB, 0)).toBeUndefined();
		expect(room.reserve("shrunk", MiB, 5)).toBeUndefined();
	});

	// @id manifest-room
	it("is left out if the manifest would have no room for its name, its target or its chunks", () => {
		const room = new Room(NOTHING, { ...SMALL, entries: 1e6, chunks: 1e6 });
		const named = (path: string, targetBytes?: number) => room.admit(path, targetBytes)?.reason;
		expect(named("link", 9_990)).toContain(
			"the names and places of all files may need 10000 bytes",
		);
		expect(room.reserve("large", 102 << 20, 0)).toMatchObject({ path: "large" });
		const fits = [...Array(400).keys()].filter((at) => named(`${at}`) === undefined).length;
		expect(fits).toBeGreaterThan(300);
		expect(fits).toBeLessThan(400);
	});

	it("is left out below .recovered/ too, with the directories that it needs there", () => {
		const room = new Room({ ...NOTHING, entries: 97 }, SMALL);
		const file = { type: "file", mode: 0o600, mtimeNs: 0n, chunkBits: 20, chunks: [] } as const;
		expect(room.holds(["q/large", "q"], { ...file, size: 11 << 20 })).toBe(false);
		expect(room.holds(["q/a", "q"], { ...file, size: 1 })).toBe(true);
		expect(room.holds(["q/b"], { ...file, size: 1 })).toBe(true);
		expect(room.holds(["q/c"], { ...file, size: 1 })).toBe(false);
	});
});
