import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { workbench } from "../../../testkit/workbench.ts";
import { readLog } from "../commit/read-log.ts";
import { Room } from "./room.ts";

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
		const room = new Room({ entries: 97, chunks: 0 }, { entries: 100, chunks: 10 });
		const left = ["d", "d/1", "d/2", "d/3", "d/4", "d/1"].map((path) => room.admit(path)?.path);
		expect(left).toEqual([undefined, undefined, undefined, "d", "d", undefined]);
	});

	it("does not include chunks that the tree already has, or those of a second read", () => {
		const room = new Room({ entries: 0, chunks: 6 }, { entries: 100, chunks: 10 });
		const MiB = 1 << 20;
		expect(room.reserve("grown", 7 * MiB, 5)).toBeUndefined();
		expect(room.reserve("grown", 8 * MiB, 5)).toBeUndefined();
		expect(room.reserve("new", 2 * MiB, 0)).toMatchObject({ path: "new" });
		expect(room.reserve("new", MiB, 0)).toBeUndefined();
		expect(room.reserve("shrunk", MiB, 5)).toBeUndefined();
	});
});
