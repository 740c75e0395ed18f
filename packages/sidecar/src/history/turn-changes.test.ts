import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fileOf } from "../../../testkit/arbitrary-log.ts";
import { WrittenLog } from "../../../testkit/store/written-log.ts";
import { isTouchedDirectory } from "../log/diff-trees.ts";
import type { Turn } from "../log/turns.ts";
import type { Annotation, CommitInfo, Path } from "../log/types.ts";
import { commitChanges } from "./commit-changes.ts";
import { changesOfTurn, type TurnChanges } from "./turn-changes.ts";

const MINE = "agent:main:openai-user:anna";
const OTHER = "agent:main:main";
const AGENT_DATABASE = "agents/main/agent/openclaw-agent.sqlite";
const START_MS = 1_700_000_000_000;

/** A workspace and the database of its agent, in which turns begin and end. */
class Agent {
	readonly log = new WrittenLog();
	#turns: Turn[] = [];
	#nowMs = START_MS;
	#restores = 0;

	constructor() {
		this.commit({ "workspace/AGENTS.md": "seeded" });
	}

	begin(session: string): void {
		const running = this.#turns.find((turn) => turn.session === session);
		if (running?.status === "running") this.end(session);
		this.#nowMs += 1_000;
		const [id, startedMs] = [`t${this.#nowMs}`, this.#nowMs + 700];
		this.#turns.unshift({ id, session, status: "running", startedMs, text: id });
	}

	end(session: string): void {
		this.#turns = this.#turns.map((turn) =>
			turn.session === session ? { ...turn, status: "done" } : turn,
		);
	}

	/** @param ageMs how long ago the files were written */
	commit(
		files: Readonly<Record<Path, string | undefined>>,
		{
			ageMs = 0,
			isRestore = false,
			...info
		}: Partial<CommitInfo> & { readonly ageMs?: number; readonly isRestore?: boolean } = {},
	): number {
		this.#nowMs += 1_000;
		if (isRestore) this.#restores++;
		const isRunning = ({ status }: Turn) => Number(status === "running");
		const named = this.#turns.toSorted((a, b) => isRunning(b) - isRunning(a)).slice(0, 8);
		const annotations: Annotation[] = [
			...(this.#restores > 0
				? [{ path: "", name: "put-back", value: String(this.#restores) }]
				: []),
			{ path: AGENT_DATABASE, name: "turns", value: JSON.stringify(named) },
		];
		const meta = { mode: 0o644, mtimeNs: BigInt(this.#nowMs - ageMs) * 1_000_000n };
		return this.log.write(files, { annotations, wallTimeMs: this.#nowMs, ...info }, meta);
	}

	get last(): Turn | undefined {
		return this.#turns.find(({ session }) => session === MINE);
	}

	async changes(): Promise<TurnChanges | undefined> {
		return await changesOfTurn(commitChanges(this.log.store), MINE);
	}
}

const kinds = (changes: TurnChanges | undefined) =>
	changes?.differences
		.filter((each) => each.kind !== "added" || each.after.type !== "dir")
		.map(({ path, kind }) => `${kind} ${path}`);
const left = (changes: TurnChanges | undefined) =>
	Object.fromEntries((changes?.left ?? []).map(({ path, reason }) => [path, reason]));

describe("the last turn of a conversation", () => {
	test("is not looked for beyond 1,000 commits, also if newer ones still name it", async () => {
		const agent = new Agent();
		agent.begin(MINE);
		agent.commit({ "workspace/mine.md": "1" });
		agent.end(MINE);
		for (let i = 0; i < 998; i++) agent.commit({ "workspace/later.md": String(i) });
		expect((await agent.changes())?.turn.session).toBe(MINE);
		for (let i = 0; i < 3; i++) agent.commit({ "workspace/later.md": `again ${i}` });
		expect(await agent.changes()).toBeUndefined();
	});

	test("changed what its commits changed, from before the first to after the last", async () => {
		const agent = new Agent();
		agent.commit({ "workspace/a": "1", "workspace/b": "1", "workspace/c": "1" });
		agent.begin(MINE);
		agent.commit({ "workspace/a": "2", "workspace/new": "1" });
		agent.commit({ "workspace/a": "3", "workspace/b": undefined, "workspace/gone": "x" });
		agent.end(MINE);
		agent.commit({ "workspace/gone": undefined });
		agent.commit({ "agents/x": "1" });
		const changes = await agent.changes();
		expect(changes).toMatchObject({ before: 2, isAlone: true, turn: { text: agent.last?.text } });
		expect(kinds(changes)).toEqual([
			"changed workspace/a",
			"removed workspace/b",
			"added workspace/new",
		]);
		expect(left(changes)).toEqual({});
	});

	// @id undo-only-this-conversation
	test("is that of this conversation, however many turns others had since", async () => {
		const agent = new Agent();
		agent.commit({ "workspace/a": "1", "workspace/theirs": "1" });
		agent.begin(MINE);
		agent.commit({ "workspace/a": "2" });
		agent.end(MINE);
		for (let count = 0; count < 20; count++) {
			agent.begin(OTHER);
			agent.commit({ "workspace/theirs": `2 ${count}` });
			agent.end(OTHER);
			agent.commit({});
		}
		const changes = await agent.changes();
		expect(changes).toMatchObject({ turn: { session: MINE }, isAlone: false });
		expect(kinds(changes)).toEqual(["changed workspace/a"]);
	});

	test("leaves every path of a commit in which another turn ran as well", async () => {
		const agent = new Agent();
		agent.commit({ "workspace/a": "1", "workspace/b": "1" });
		agent.begin(MINE);
		agent.commit({ "workspace/a": "2" });
		agent.begin(OTHER);
		agent.commit({ "workspace/b": "2" });
		agent.end(OTHER);
		agent.commit({ "workspace/c": "2" });
		agent.commit({ "workspace/d": "2" });
		agent.end(MINE);
		agent.commit({});
		const changes = await agent.changes();
		expect(kinds(changes)).toEqual(["changed workspace/a", "added workspace/d"]);
		expect(left(changes)).toEqual({
			"workspace/b": "another turn ran at the same time",
			"workspace/c": "another turn ran at the same time",
		});
	});

	test("leaves what another turn changed that a late capture did not know yet", async () => {
		const agent = new Agent();
		agent.begin(MINE);
		agent.commit({ "workspace/a": "2" });
		const known = agent.log.head.annotations;
		agent.begin(OTHER);
		agent.commit({ "workspace/theirs": "2" }, { annotations: known });
		agent.commit({ "workspace/b": "2" });
		const changes = await agent.changes();
		expect(kinds(changes)).toEqual(["added workspace/a"]);
		expect(Object.keys(left(changes))).toEqual(["workspace/b", "workspace/theirs"]);
	});

	test("is not joined with the turn before it, of the same conversation", async () => {
		const agent = new Agent();
		agent.begin(MINE);
		agent.commit({ "workspace/first": "1" });
		agent.begin(MINE);
		agent.commit({ "workspace/both": "1" });
		agent.commit({ "workspace/second": "1" });
		agent.end(MINE);
		agent.commit({});
		const changes = await agent.changes();
		expect(kinds(changes)).toEqual(["added workspace/second"]);
		expect(Object.keys(left(changes))).toEqual(["workspace/both"]);
	});

	test("leaves what changed again since, and what an undo brought back already", async () => {
		const agent = new Agent();
		agent.commit({ "workspace/a": "1", "workspace/b": "1", "workspace/c": "1" });
		agent.begin(MINE);
		agent.commit({ "workspace/a": "2", "workspace/b": "2", "workspace/c": undefined });
		agent.end(MINE);
		agent.commit({});
		agent.commit({ "workspace/a": "by hand" });
		agent.commit({ "workspace/b": "1", "workspace/c": "1" }, { isRestore: true });
		const changes = await agent.changes();
		expect(kinds(changes)).toEqual([]);
		expect(Object.values(left(changes))).toEqual(Array(3).fill("it changed again since"));
	});

	test("has the deletions that were committed after it, unless another turn ran", async () => {
		for (const isOther of [false, true]) {
			const agent = new Agent();
			agent.commit({ "workspace/a": "1", "workspace/b": "1" });
			agent.begin(MINE);
			agent.commit({ "workspace/a": "2" });
			agent.end(MINE);
			agent.commit({});
			if (isOther) agent.begin(OTHER);
			if (isOther) agent.commit({});
			if (isOther) agent.end(OTHER);
			if (isOther) agent.commit({});
			agent.commit({ "workspace/a": undefined, "workspace/b": undefined });
			expect(kinds(await agent.changes())).toEqual(
				isOther ? [] : ["removed workspace/a", "removed workspace/b"],
			);
		}
	});

	test("leaves files that are older than it, but not those that it moved", async () => {
		const agent = new Agent();
		agent.commit({ "workspace/a": "moved" });
		agent.begin(MINE);
		agent.commit(
			{ "workspace/a": undefined, "workspace/dir/a": "moved", "workspace/unpacked": "old" },
			{ ageMs: 3_600_000 },
		);
		const changes = await agent.changes();
		expect(kinds(changes)).toEqual(["removed workspace/a", "added workspace/dir/a"]);
		expect(left(changes)).toEqual({
			"workspace/unpacked": "it was written before the turn began",
		});
	});

	test("knows a file of its first second on a disk that keeps whole seconds", async () => {
		const agent = new Agent();
		agent.begin(MINE);
		agent.commit({ "workspace/a": "1" }, { ageMs: 1_000 });
		agent.commit({ "workspace/b": "1" }, { ageMs: 2_001 });
		expect(kinds(await agent.changes())).toEqual(["added workspace/a"]);
	});

	// @id undo-leaves-databases
	test("leaves databases", async () => {
		const agent = new Agent();
		agent.begin(MINE);
		agent.commit({ "workspace/a": "1" });
		const annotations = agent.log.head.annotations;
		const meta = { mode: 0o644, mtimeNs: BigInt(START_MS + 3_600_000) * 1_000_000n };
		const database = fileOf(Buffer.from("SQLite format 3"), 14, meta);
		agent.log.commit(
			{ changed: new Map([["workspace/own.sqlite", database]]), removed: new Set() },
			{ annotations, wallTimeMs: START_MS + 3_600_000 },
		);
		const changes = await agent.changes();
		expect(kinds(changes)).toEqual(["added workspace/a"]);
		expect(left(changes)).toEqual({
			"workspace/own.sqlite": "it is a database, which the agent may have open",
		});
	});

	test("is unknown without one, and refused if retention deleted the state before it", async () => {
		const agent = new Agent();
		agent.begin(OTHER);
		agent.commit({ "workspace/a": "1" });
		expect(await agent.changes()).toBeUndefined();
		agent.end(OTHER);
		for (let count = 0; count < 62; count++) agent.commit({});
		agent.begin(MINE);
		agent.commit({ "workspace/mine": "1" }, { kind: "full" });
		agent.log.delete(agent.log.head.seq - 1);
		await expect(agent.changes()).rejects.toMatchObject({ code: "COMMIT_EXPIRED" });
	});

	test("that changed nothing alone has no state to go back to", async () => {
		const agent = new Agent();
		agent.begin(OTHER);
		agent.commit({});
		agent.begin(MINE);
		agent.commit({ "workspace/a": "1" });
		expect(await agent.changes()).toMatchObject({ before: undefined, differences: [] });
	});
});

test("a path is the turn's only if every commit that changed it since is the turn's alone", async () => {
	const step = fc.record({
		act: fc.constantFrom("none", "begin mine", "end mine", "begin other", "end other"),
		files: fc.dictionary(
			fc.constantFrom("workspace/a", "workspace/b", "workspace/c"),
			fc.option(fc.constantFrom("1", "2", "3"), { nil: undefined }),
			{ maxKeys: 2 },
		),
		isRestore: fc.boolean(),
	});
	await fc.assert(
		fc.asyncProperty(fc.array(step, { maxLength: 30 }), async (steps) => {
			const agent = new Agent();
			/** By conversation: whether a turn runs, or ran since the last commit. */
			const now = new Map<string, { running: boolean; ran: boolean; turns: number }>(
				[MINE, OTHER].map((session) => [session, { running: false, ran: false, turns: 0 }]),
			);
			const commits: { seq: number; mine: number; isAlone: boolean }[] = [];
			for (const { act, files, isRestore } of steps) {
				const session = act.endsWith("mine") ? MINE : OTHER;
				const state = now.get(session) as { running: boolean; ran: boolean; turns: number };
				// Two turns of one conversation in one commit: neither is alone.
				let isTwo = false;
				if (act.startsWith("begin")) {
					isTwo = session === MINE && (state.ran || state.running);
					agent.begin(session);
					Object.assign(state, { running: true, ran: true, turns: state.turns + 1 });
				}
				if (act.startsWith("end")) {
					agent.end(session);
					state.running = false;
				}
				const present = [...agent.log.head.tree.keys()];
				const changed = Object.fromEntries(
					Object.entries(files).filter(
						([path, text]) => text !== undefined || present.includes(path),
					),
				);
				const seq = agent.commit(changed, { isRestore });
				const mine = now.get(MINE)?.ran ? (now.get(MINE)?.turns ?? 0) : 0;
				const isAlone = mine > 0 && !now.get(OTHER)?.ran && !isTwo && !isRestore;
				commits.push({ seq, mine, isAlone });
				for (const each of now.values()) each.ran = each.running;
			}
			const last = now.get(MINE)?.turns ?? 0;
			const changes = await agent.changes();
			if (last === 0) {
				expect(changes).toBeUndefined();
				return;
			}
			const first = commits.findIndex(({ mine }) => mine === last);
			const foreign = new Set<Path>();
			for await (const item of commitChanges(agent.log.store)) {
				if (item.type === "missing" || item.info.seq < (commits[first]?.seq ?? 0)) continue;
				const { mine, isAlone } = commits.find(({ seq }) => seq === item.info.seq) ?? {
					mine: 0,
					isAlone: false,
				};
				if (isAlone && mine === last) continue;
				const isQuiet = item.turns === undefined;
				for (const each of item.differences)
					if (!isTouchedDirectory(each) && !(isQuiet && each.kind === "removed"))
						foreign.add(each.path);
			}
			for (const { path } of changes?.differences ?? []) expect(foreign).not.toContain(path);
			// What comes back is what was there before the turn.
			const before = agent.log.trees[changes?.before ?? 0];
			for (const each of changes?.differences ?? [])
				expect(before?.get(each.path)).toEqual(each.kind === "added" ? undefined : each.before);
		}),
		{ numRuns: 300 },
	);
});
