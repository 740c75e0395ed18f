/**
 * W1: an edit that conflicts with a newer commit, on a machine that loses the workspace before its
 * first commit. See docs/reliability.md.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { expect, it, onTestFinished } from "vitest";
import { plainProfile, type Workbench, workbench } from "../../../testkit/workbench.ts";
import { readLog } from "../../src/commit/read-log.ts";
import { displacedFiles } from "../../src/disk/displaced.ts";
import { Roots } from "../../src/path.ts";
import { Session } from "../../src/session/session.ts";
import { noProgress } from "../../src/telemetry/progress.ts";
import { commit, put, textOf } from "./files.ts";

/** On `b`, a newer commit of `a` displaced an edit of `path`. Then `c` took over the workspace. */
async function displacedThenSuperseded(bench: Workbench, path: string): Promise<Session> {
	put(bench, "a", { [path]: "first" });
	await commit(await bench.open("a"), { closed: true });
	await (await bench.open("b")).flush({ sweep: true, closed: true });
	const a = await bench.open("a");
	put(bench, "a", { [path]: "newer" });
	await commit(a, { closed: true });
	put(bench, "b", { [path]: "the edit" });
	const b = await bench.open("b");
	expect(textOf(bench, "b", path)).toBe("newer");
	await bench.open("c");
	return b;
}

async function quarantined(bench: Workbench): Promise<string[]> {
	const { tree, leftOut } = (await readLog(bench.store)).head;
	expect(leftOut).toBe(0);
	return [...tree]
		.filter(([path, { type }]) => path.startsWith(".recovered/") && type === "file")
		.map(([path]) => path);
}

// @id edit-of-superseded-machine
it("W1: a machine that is superseded before its first commit keeps the edit below its own directory", async () => {
	await using bench = await workbench();
	const b = await displacedThenSuperseded(bench, "notes.md");
	const [displaced] = displacedFiles(bench.privateDir("b"));
	put(bench, "b", { "notes.md": "edited again" });
	await b.flush({ sweep: true });
	expect(b.isSuperseded).toBe(true);
	expect(b.waiting).toBe(0);
	expect(await quarantined(bench)).toEqual([
		`.recovered/${b.writerId}/${displaced?.restore}/notes.md`,
		`.recovered/${b.writerId}/notes.md`,
	]);
	expect(displacedFiles(bench.privateDir("b"))).toEqual([]);
});

// @id edit-with-long-path
it("W1: an edit whose path is too long there is named and not durable, and the next start keeps it", async () => {
	// Short enough for the trash, but too long for `.recovered/`.
	const [workspace, privateDir] = ["w", "p"].map((name) => mkdtempSync(`/tmp/${name}`)) as [
		string,
		string,
	];
	onTestFinished(() => {
		for (const path of [workspace, privateDir]) rmSync(path, { recursive: true, force: true });
	});
	await using bench = await workbench();
	const own = {
		...bench,
		workspace: (machine: string) => (machine === "b" ? workspace : bench.workspace(machine)),
	};
	const path = `${`${"n".repeat(250)}/`.repeat(16)}${"n".repeat(14)}`;
	const open: Workbench["open"] = async (machine) =>
		machine === "b"
			? await Session.open({
					store: bench.store,
					root: new Roots(workspace),
					privateDir,
					profile: plainProfile,
					logger: bench.logger,
					progress: noProgress,
					handoverWaitMs: 0,
				})
			: await bench.open(machine);
	const b = await displacedThenSuperseded({ ...own, open }, path);
	expect(await b.flush({ sweep: true })).toMatchObject({
		deferred: [{ path, reason: expect.stringContaining("too long") }],
	});
	expect(b.waiting).toBeGreaterThan(0);
	expect(await quarantined(bench)).toEqual([]);
	await commit(await open("b"));
	expect(await quarantined(bench)).toEqual([
		expect.stringMatching(/^\.recovered\/00000000[0-9a-f]{24}\/n/),
	]);
});
