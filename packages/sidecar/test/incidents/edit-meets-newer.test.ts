/** W1: an edit that meets a newer commit, on a machine that loses the workspace before its first commit. See docs/reliability.md. */
import { expect, it } from "vitest";
import { displacedFiles } from "../../src/sync/quarantine.ts";
import { readLog } from "../../src/sync/read-log.ts";
import type { Session } from "../../src/sync/session.ts";
import { type Workbench, workbench } from "../workbench.ts";
import { commit, put, textOf } from "./files.ts";

/** On `b` an edit of `path` gave way to a newer commit of `a`; then `c` took the workspace over. */
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

async function setAside(bench: Workbench): Promise<string[]> {
	const { tree, leftOut } = (await readLog(bench.store)).head;
	expect(leftOut).toBe(0);
	return [...tree].filter(([path, { type }]) => path.startsWith(".recovered/") && type === "file").map(([path]) => path);
}

it("W1: a machine that is superseded before its first commit keeps the edit below its own directory", async () => {
	await using bench = await workbench();
	const b = await displacedThenSuperseded(bench, "notes.md");
	const [displaced] = displacedFiles(bench.privateDir("b"));
	put(bench, "b", { "notes.md": "edited again" });
	await b.flush({ sweep: true });
	expect(b.isSuperseded).toBe(true);
	expect(b.waiting).toBe(0);
	expect(await setAside(bench)).toEqual([`.recovered/${b.writerId}/notes.md`, `.recovered/${b.writerId}/notes.md~${displaced?.restore}`]);
	expect(displacedFiles(bench.privateDir("b"))).toEqual([]);
});

it("W1: an edit whose name has no room there is named and not durable, and the next start keeps it", async () => {
	await using bench = await workbench();
	const name = "n".repeat(250);
	const b = await displacedThenSuperseded(bench, name);
	const flushed = await b.flush({ sweep: true });
	expect(flushed).toMatchObject({ deferred: [{ path: name, reason: expect.stringContaining("too long") }] });
	expect(b.waiting).toBeGreaterThan(0);
	expect(await setAside(bench)).toEqual([]);
	await commit(await bench.open("b"));
	expect(await setAside(bench)).toEqual([expect.stringMatching(`^\\.recovered/00000000[0-9a-f]{24}/${name}$`)]);
});
