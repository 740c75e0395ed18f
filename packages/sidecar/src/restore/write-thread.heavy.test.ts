/** Ends real restores while two threads write, and restores again. */
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { Place } from "../../../testkit/cli.ts";
import { readDisk } from "../../../testkit/workspace/disk.ts";
import { identityOf, lstatPath } from "../workspace/stat.ts";

const DIRECTORIES = 100;
const FILES = 3_000;

/** A staging directory, and how many of the log's directories have files there. */
function staged(workspace: string): { readonly identity: string; readonly begun: number } {
	const staging = join(workspace, ".openclaw-sidecar/staging");
	try {
		const [name = ""] = readdirSync(staging);
		const tops = readdirSync(join(staging, name));
		const begun = tops.filter((each) => readdirSync(join(staging, name, each)).length > 0).length;
		const stat = lstatPath(staging, "");
		return { identity: stat === undefined ? "" : identityOf(stat), begun };
	} catch {
		return { identity: "", begun: 0 };
	}
}

it("a restore that was killed anywhere can run again, and a terminated one leaves nothing", async () => {
	using place = new Place();
	for (let index = 0; index < FILES; index++) {
		const directory = place.path("a", "top", `${index % DIRECTORIES}`);
		mkdirSync(directory, { recursive: true });
		writeFileSync(join(directory, `${index}`), `line ${index}\n`.repeat(index % 600));
	}
	expect((await place.cli("a", ["flush"])).status).toBe(0);
	const restored = place.path("b");
	const end = async (command: string, signal: NodeJS.Signals, when: number) => {
		const before = staged(restored).identity;
		await using child = place.start("b", [command]);
		await vi.waitUntil(
			() => {
				const { identity, begun } = staged(restored);
				return identity !== before && begun >= when;
			},
			{ timeout: 60_000, interval: 1 },
		);
		return await child.stop(signal);
	};
	for (const when of [1, 10, 30, 50])
		expect(await end("restore", "SIGKILL", when)).toMatchObject({ signal: "SIGKILL" });
	expect(readdirSync(restored)).toEqual([".openclaw-sidecar"]);
	expect((await end("run", "SIGTERM", 20)).signal).toBeUndefined();
	expect(readdirSync(restored)).toEqual([]);
	expect((await place.cli("b", ["restore"])).status).toBe(0);
	expect(readDisk(restored)).toEqual(readDisk(place.path("a")));
});
