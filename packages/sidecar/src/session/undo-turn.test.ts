import { describe, expect, test } from "vitest";
import { fileOf } from "../../../testkit/arbitrary-log.ts";
import type { TurnChanges } from "../history/turn-changes.ts";
import type { PathDifference } from "../log/diff-trees.ts";
import type { Entry, Path, Tree } from "../log/types.ts";
import { type Profile, profileNamed } from "../workspace/profile.ts";
import { ownersPlace, planTurnUndo } from "./undo-turn.ts";

const profile = profileNamed("openclaw") as Profile;
const file = fileOf(Buffer.from("x"), 20, { mode: 0o644, mtimeNs: 0n }) as unknown as Entry;
const dir: Entry = { type: "dir", mode: 0o755, mtimeNs: 0n };
const added = (path: Path, after = file): PathDifference => ({ kind: "added", path, after });
const removed = (path: Path): PathDifference => ({ kind: "removed", path, before: file });
const changed = (path: Path): PathDifference => ({
	...{ kind: "changed", path, before: file, after: file, aspects: ["content"] },
});

function plan(
	differences: readonly PathDifference[],
	now: readonly Path[],
	rest: Partial<TurnChanges> & {
		readonly deferred?: readonly Path[];
		readonly directories?: readonly Path[];
	} = {},
) {
	const { deferred = [], directories = [], ...more } = rest;
	const turn = { id: "t", session: "s", status: "done", startedMs: 1 } as const;
	const changes = { turn, before: 1, differences, left: [], isAlone: true, ...more };
	const tree: Tree = new Map([
		...directories.map((path) => [path, dir] as const),
		...now.map((path) => [path, file] as const),
	]);
	const { paths, missing, left } = planTurnUndo(changes, tree, deferred, profile);
	return { paths: [...paths], missing: [...missing], left: left.map(({ path }) => path) };
}

describe("an undo of a turn", () => {
	test("touches files of people and agents alone, in every directory of theirs", () => {
		const theirs = [
			...[changed("workspace/a"), added("workspace-two/b"), removed("skills/mine/SKILL.md")],
			...[changed(".roots/project/c"), added("workspace/dir", dir), added("workspace/dir/d")],
		];
		const own = [
			...[changed("openclaw.json"), added("credentials/whatsapp/creds.json"), added("media/x")],
			...[removed("state/a"), added("agents/two", dir), changed("agents/main/sessions/1.jsonl")],
		];
		expect(plan([...theirs, ...own], ["workspace/a", "workspace-two/old"])).toEqual({
			paths: theirs.map(({ path }) => path),
			missing: [],
			left: own.map(({ path }) => path).filter((path) => path !== "agents/two"),
		});
		expect(ownersPlace(".roots/project", profile)).toBeUndefined();
		expect(ownersPlace("anything", { secret: () => false })).toBe("");
	});

	test("leaves every file of a Git repository, and takes back the files beside it", () => {
		const theirs = [added("workspace/app/.git/objects/aa/bb"), changed("workspace/app/.git/index")];
		expect(plan([...theirs, added("workspace/app/main.ts")], ["workspace/app/old.ts"])).toEqual({
			paths: ["workspace/app/main.ts"],
			missing: [],
			left: theirs.map(({ path }) => path),
		});
	});

	// @id undo-keeps-what-the-agent-needs
	test("deletes no file without which the agent refuses to work, and changes it back", () => {
		const names = ["AGENTS", "HEARTBEAT", "IDENTITY", "SOUL", "TOOLS", "USER"];
		const seeded = names.map((name) => `workspace/${name}.md`);
		const now = [...seeded, "workspace/note.md", "workspace/MEMORY.md"];
		expect(
			plan(
				now.map((path) => added(path)),
				now,
			),
		).toMatchObject({
			paths: ["workspace/note.md", "workspace/MEMORY.md"],
			left: seeded,
		});
		expect(plan([changed("workspace/SOUL.md")], now)).toMatchObject({
			paths: ["workspace/SOUL.md"],
			left: [],
		});
		expect(plan([added(".roots/project/AGENTS.md")], now).paths).toEqual([]);
	});

	// @id undo-empties-no-workspace
	test("empties no directory that the agent works in", () => {
		const all = ["workspace/a", "workspace/b/c", "workspace-two/d"];
		const git = ["workspace/.git/HEAD"];
		const everything = all.map((path) => added(path));
		expect(plan(everything, [...all, ...git, "workspace-two/e"])).toMatchObject({
			paths: ["workspace-two/d"],
			left: ["workspace/a", "workspace/b/c"],
		});
		expect(plan([...everything, removed("workspace/old")], [...all, "workspace-two/e"])).toEqual({
			...{ paths: [...all, "workspace/old"], missing: [], left: [] },
		});
		const skill = "skills/mine/SKILL.md";
		expect(plan([added(skill)], [skill]).paths).toEqual([skill]);
		expect(plan([added(".roots/p/a")], [".roots/p/a"]).paths).toEqual([]);
		expect(
			plan([added("workspace/a")], ["workspace/a", "workspace/b"], {
				...{ isAlone: false, deferred: ["workspace/b"] },
			}).paths,
		).toEqual([]);
	});

	test("leaves what cannot come back beside what stays", () => {
		const other = "workspace/other";
		expect(plan([removed("workspace/d/x")], ["workspace/d", other])).toEqual({
			...{ paths: [], missing: [], left: ["workspace/d/x"] },
		});
		const file = changed("workspace/d");
		const both = [file, removed("workspace/d/x")];
		expect(plan(both, ["workspace/d", other]).paths).toEqual(both.map(({ path }) => path));
		const now = [other, "workspace/d/theirs"];
		expect(plan([file], now, { directories: ["workspace/d"] }).left).toEqual(["workspace/d"]);
		expect(plan([file], [other], { directories: ["workspace/d"] }).left).toEqual([]);
	});

	test("brings back what is missing and not committed yet, unless another turn ran", () => {
		const deferred = ["workspace/a", "state/x"];
		expect(plan([], [], { deferred })).toEqual({ paths: [], missing: ["workspace/a"], left: [] });
		expect(plan([], [], { deferred, isAlone: false })).toEqual({
			...{ paths: [], missing: [], left: ["workspace/a"] },
		});
	});

	test("does not tell of the agent's own databases, which every turn changes", () => {
		const left = ["agents/main/agent/openclaw-agent.sqlite", "workspace/own.sqlite"].map(
			(path) => ({ path, reason: "it is a database" }),
		);
		expect(plan([], [], { left }).left).toEqual(["workspace/own.sqlite"]);
	});
});
