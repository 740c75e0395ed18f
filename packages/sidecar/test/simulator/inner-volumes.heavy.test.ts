/**
 * Volumes inside a workspace that come and go, as real mounts. `INNER_VOLUMES` sets the number,
 * `FC_SEED` the first seed.
 */
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import { innerVolumes } from "./inner-volumes.ts";

const SEEDS = Number(process.env.INNER_VOLUMES ?? 6);

// @id inner-volume-storms
it("volumes that come and go never count as deletions, and lose no text", async (context) => {
	const reason = whyNoMounts();
	if (reason !== undefined) return context.skip(reason);
	const first = Number(process.env.FC_SEED) || 1;
	const sums = { starts: 0, away: 0, other: 0, toggles: 0, commits: 0 };
	for (let seed = first; seed < first + SEEDS; seed++) {
		const { violations, counts, trace } = await innerVolumes(seed);
		expect(violations, `seed ${seed}\n${trace.join("\n")}`).toEqual([]);
		for (const name of Object.keys(sums) as (keyof typeof sums)[]) sums[name] += counts[name];
	}
	// Each kind of event must have happened; otherwise the test proves nothing.
	for (const [name, count] of Object.entries(sums)) expect(count, name).toBeGreaterThan(0);
});

/** Undefined if mounts are possible. With CI=true they must be. */
function whyNoMounts(): string | undefined {
	const directory = mkdtempSync(join(tmpdir(), "mounts-"));
	try {
		execFileSync("mount", ["--bind", directory, directory], { stdio: "pipe" });
		execFileSync("umount", [directory], { stdio: "pipe" });
		return undefined;
	} catch (error) {
		if (process.env.CI === "true") throw error;
		return `needs the right to mount: ${(error as Error).message.split("\n")[1]}`;
	} finally {
		rmSync(directory, { recursive: true });
	}
}
