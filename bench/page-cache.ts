/** What the page cache holds when a measured process starts. */
import { execFileSync } from "node:child_process";
import { accessSync, constants, rmSync, writeFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";

/** Cold: nothing of the disk is in memory, neither the program nor what it reads. */
export type PageCache = "warm" | "cold";

const DROP = "/proc/sys/vm/drop_caches";
/** ext4's RECENTCY_MIN of 60 s, which holds for inodes that are written back, and a little more. */
const RECENT_MS = 65_000;

/** The reason why the page cache cannot be dropped here. */
export function whyNoCold(): string | undefined {
	try {
		accessSync(DROP, constants.W_OK);
		return undefined;
	} catch {
		return "a cold page cache is skipped: writing to drop_caches needs root";
	}
}

/** All writes are on the disk, so that nobody pays for what another left; if cold, see above. */
export function freeze(cache: PageCache): void {
	execFileSync("sync");
	if (cache === "cold") writeFileSync(DROP, "3");
}

/**
 * Deletes files so that nobody pays for it later. ext4 skips inodes that were deleted in the last
 * minute, one by one: after 300,000 deletions, `tar -x` of 10,000 files takes up to 4 times as long.
 * @param waits until that is over
 */
export async function remove(paths: readonly string[], waits = true): Promise<void> {
	for (const path of paths) rmSync(path, { recursive: true, force: true });
	if (!waits) return;
	execFileSync("sync");
	await delay(RECENT_MS);
}
