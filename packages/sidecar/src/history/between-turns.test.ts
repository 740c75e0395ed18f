import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { type Workbench, workbench } from "../../../testkit/workbench.ts";
import { openclaw } from "../workspace/profiles/openclaw.ts";
import { resolveBetweenTurns } from "./between-turns.ts";
import { history } from "./history.ts";

/** Commits one change of the agent's database for each status; returns the commits' numbers. */
async function commitTurns(bench: Workbench, statuses: readonly string[]): Promise<number[]> {
	const session = await bench.open("a", { profile: openclaw });
	const directory = join(bench.workspace("a"), "agents/main/agent");
	mkdirSync(directory, { recursive: true });
	using database = new DatabaseSync(join(directory, "openclaw-agent.sqlite"));
	database.exec("PRAGMA journal_mode = WAL; CREATE TABLE session_nodes (status TEXT)");
	const seqs: number[] = [];
	for (const status of statuses) {
		database.exec(`DELETE FROM session_nodes; INSERT INTO session_nodes VALUES ('${status}')`);
		await session.flush({ sweep: true });
		seqs.push(session.head.seq);
	}
	return seqs;
}

describe("resolveBetweenTurns", () => {
	// @id time-between-turns
	test("moves a time from a commit during a turn to the last one before the turn", async () => {
		await using bench = await workbench();
		const [idle, running, more] = await commitTurns(bench, ["done", "running", "running"]);
		expect(await resolveBetweenTurns(bench.store, "0s")).toEqual({
			seq: idle,
			isDuringTurn: false,
			insteadOf: more,
		});
		expect(running).toBe((idle as number) + 1);
	});

	test("keeps a commit that is named by its number, and says that a turn was running", async () => {
		await using bench = await workbench();
		const [, running] = await commitTurns(bench, ["done", "running"]);
		expect(await resolveBetweenTurns(bench.store, String(running))).toEqual({
			seq: running,
			isDuringTurn: true,
			insteadOf: undefined,
		});
	});

	test("keeps a commit between two turns", async () => {
		await using bench = await workbench();
		const seqs = await commitTurns(bench, ["running", "done"]);
		expect(await resolveBetweenTurns(bench.store, "0s")).toEqual({
			seq: seqs.at(-1),
			isDuringTurn: false,
			insteadOf: undefined,
		});
	});

	test("is shown by the history, for each commit after the database's", async () => {
		await using bench = await workbench();
		await commitTurns(bench, ["running", "failed"]);
		const turns: unknown[] = [];
		for await (const entry of history(bench.store))
			turns.unshift("turn" in entry ? entry.turn : "-");
		expect(turns).toEqual(["-", "running", "idle"]);
	});
});
