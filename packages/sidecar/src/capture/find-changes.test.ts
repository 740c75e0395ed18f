import { chmodSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { testDirectory } from "../../../testkit/workspace/test-directory.ts";
import { LocalTree } from "../disk/local-tree.ts";
import type { Filter } from "../workspace/filter.ts";
import { scan } from "../workspace/scan.ts";
import { findChanges } from "./find-changes.ts";

const keepAll: Filter = () => "keep";

/** Everything there is known and clean. */
async function known(root: string): Promise<LocalTree> {
	const local = new LocalTree();
	for (const [path, stat] of (await scan(root, keepAll)).stats)
		local.set(path, {
			entry: { type: "link", mtimeNs: 0n, target: "" },
			stat,
			quick: undefined,
			database: undefined,
		});
	return local;
}

describe("a sweep", () => {
	// @id sweep-finds-gone
	it("finds what is new, changed, gone or of another type, and everything below what is gone", async () => {
		const root = testDirectory();
		const at = (path: string) => join(root, path);
		for (const path of ["a/b/c", "keep", "gone/x/y", "typed/z", "skipped/s"]) {
			mkdirSync(join(at(path), ".."), { recursive: true });
			writeFileSync(at(path), path);
		}
		const local = await known(root);
		const found = async (filter = keepAll) => {
			const context = { root, filter, local };
			const { paths } = await findChanges(context, undefined);
			const scanned = await findChanges(context, undefined, await scan(root, filter));
			expect([...new Set(paths)].sort()).toEqual([...new Set(scanned.paths)].sort());
			return new Set(paths);
		};
		expect(await found()).toEqual(new Set());
		rmSync(at("gone"), { recursive: true });
		rmSync(at("typed"), { recursive: true });
		writeFileSync(at("typed"), "a file now");
		renameSync(at("a/b/c"), at("a/b/d"));
		const skips: Filter = (path) => (path.startsWith("skipped") ? "skip" : "keep");
		expect(await found(skips)).toEqual(
			new Set(
				["", "a/b", "a/b/c", "a/b/d", "gone", "gone/x", "gone/x/y"].concat([
					"typed",
					"typed/z",
					"skipped",
					"skipped/s",
				]),
			),
		);
	});

	it("takes nothing below an unreadable directory for gone", async () => {
		const root = testDirectory();
		mkdirSync(join(root, "shut/in"), { recursive: true });
		writeFileSync(join(root, "shut/in/f"), "");
		const local = await known(root);
		const context = { root, filter: keepAll, local };
		const blocked = {
			stats: new Map([...(await scan(root, keepAll)).stats].slice(0, 1)),
			problems: [{ path: "shut", reason: "unreadable" as const, code: "EIO" }],
		};
		chmodSync(join(root, "shut"), 0o755);
		const { paths, unreadable } = await findChanges(context, undefined, blocked);
		expect({ paths, unreadable }).toEqual({ paths: [], unreadable: ["shut"] });
	});
});
