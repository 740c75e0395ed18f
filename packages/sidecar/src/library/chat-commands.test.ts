import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { AGENT_DATABASE, TurnDatabase } from "../../../testkit/openclaw/turn-database.ts";
import { openclawProfile, type Workbench, workbench } from "../../../testkit/workbench.ts";
import type { Serving } from "../daemon/daemon.ts";
import { FlushLoop } from "../daemon/flush-loop.ts";
import { putBackNow, undoTurnNow } from "../daemon/requests.ts";
import { SidecarError } from "../errors.ts";
import { ownCommand } from "../openclaw/commands.ts";
import { Roots } from "../path.ts";
import { fileAndWhen, runChatCommand } from "./chat-commands.ts";
import type { OpenWorkspace } from "./options.ts";

const ANNA = "agent:main:openai-user:anna";

let bench: Workbench;
let turns: TurnDatabase;
let flushes: FlushLoop;
let serving: Pick<Serving, "putBack" | "undoTurn">;
const path = (name: string) => join(bench.workspace("a"), name);
const write = (name: string, text: string) => writeFileSync(path(name), text);
const text = (name: string) => readFileSync(path(name), "utf8");
const commit = async () => {
	await flushes.flush(true);
	return flushes.session.head.seq;
};

beforeEach(async () => {
	bench = await workbench();
	turns = new TurnDatabase(path(AGENT_DATABASE));
	mkdirSync(path("workspace/my notes"), { recursive: true });
	const files = ["AGENTS.md", "notes.md", "my notes/a b.md"];
	for (const name of files) write(`workspace/${name}`, "one");
	write("openclaw.json", '{"token":"a secret"}');
	const session = await bench.open("a", { profile: openclawProfile });
	const cadence = { quietMs: 3_600_000, maxDelayMs: 3_600_000 };
	flushes = new FlushLoop(session, { ...cadence, logger: bench.logger }, () => undefined);
	const workspace = bench.workspace("a");
	serving = {
		putBack: async (what) => await putBackNow(flushes, workspace, what),
		undoTurn: async (conversation) => await undoTurnNow(flushes, workspace, conversation),
	};
	await commit();
});
afterEach(async () => {
	flushes.close();
	turns[Symbol.dispose]();
	await bench[Symbol.asyncDispose]();
});

async function run(line: string, conversation = ANNA): Promise<string> {
	const command = ownCommand(line);
	if (command === undefined) throw new Error(`${line} is no command`);
	const opened = {
		...{ store: bench.store, root: new Roots(bench.workspace("a")), profile: openclawProfile },
		logger: bench.logger,
	} as unknown as OpenWorkspace;
	return await runChatCommand(opened, serving as Serving, command, conversation);
}

/** A turn of a conversation that writes these files, and its last commit. */
async function turn(said: string, files: Readonly<Record<string, string>>, session = ANNA) {
	turns.begin(session, said);
	for (const [name, content] of Object.entries(files)) write(name, content);
	await commit();
	turns.end(session);
	return await commit();
}

describe("/undo", () => {
	test("says what it took back, what it left, and that the conversation stays", async () => {
		await turn("tidy `my` notes", { "workspace/notes.md": "two", "workspace/new.md": "x" });
		write("workspace/new.md", "by hand");
		const answer = await run("/undo");
		expect(answer.split("\n")).toEqual([
			expect.stringMatching(/^`tidy 'my' notes` \(.*\) changed 1 file, now taken back:$/),
			"- `workspace/notes.md` is as before",
			"Left as they are:",
			"- `workspace/new.md`: it changed again since",
			expect.stringMatching(/^Not taken back: this conversation/),
		]);
		expect([text("workspace/notes.md"), text("workspace/new.md")]).toEqual(["one", "by hand"]);
		expect(await run("/undo")).toMatch(/^Nothing to take back: `tidy 'my' notes`/);
		expect(text("workspace/notes.md")).toBe("one");
	});

	test("of another conversation, or with words, takes nothing back", async () => {
		await turn("write", { "workspace/notes.md": "two" });
		expect(await run("/undo", "agent:main:openai-user:bob")).toMatch(/^There is nothing/);
		expect(await run("/undo that")).toMatch(/^`\/undo` did nothing/);
		expect(text("workspace/notes.md")).toBe("two");
	});

	test("shows ten files of many, and tells how many more there are", async () => {
		const many = Array.from({ length: 15 }, (_, index) => [`workspace/f${index}`, "x"] as const);
		await turn("write", Object.fromEntries(many));
		const answer = await run("/undo");
		expect(answer).toContain("changed 15 files");
		expect(answer.match(/is gone/g)).toHaveLength(10);
		expect(answer).toContain("- and 5 more");
	});

	test("that fails says so instead of failing, and names no place to the chat", async () => {
		serving.undoTurn = async () => {
			throw new SidecarError("STORE_UNREACHABLE", { value: "s3://private-bucket" });
		};
		expect(await run("/undo")).toMatch(/^`\/undo` failed \(STORE_UNREACHABLE\)/);
		serving.undoTurn = async () => {
			throw new Error("a bug");
		};
		expect(await run("/undo")).toMatch(/INTERNAL/);
		const failed = bench.logger.events.filter(({ event }) => event === "agent.command-failed");
		expect(failed.map(({ level }) => level)).toEqual(["warn", "error"]);
	});
});

describe("/history", () => {
	test("lists changes of people's and agents' files, with their turns", async () => {
		const seq = await turn("write it", { "workspace/notes.md": "two", "openclaw.json": "{}" });
		const [row, ...more] = (await run("/history")).split("\n");
		expect(row?.replace(/ · [^·]*(?:now|ago) · /, " · ")).toBe(
			`- \`${seq - 1}\` · 1 file: \`workspace/notes.md\` · \`answered: 'write it' · openai-user:anna\``,
		);
		expect(more).toHaveLength(2);
		expect(more[0]).toContain("3 files");
		expect(await run("/history")).not.toContain("openclaw.json");
	});

	test("of a file lists its versions, also of one that is gone", async () => {
		await turn("write it", { "workspace/notes.md": "second" });
		rmSync(path("workspace/notes.md"));
		await commit();
		const rows = (await run("/history notes.md")).split("\n");
		expect(rows[0]).toBe("Versions of `workspace/notes.md`:");
		expect(rows[1]).toMatch(/ · deleted$/);
		expect(rows[2]).toMatch(/ · changed, 6 B · `answered: 'write it'/);
		expect(rows[3]).toMatch(/ · created, 3 B$/);
		expect(await run("/history my notes")).toContain("`workspace/my notes/a b.md`");
	});

	// @id chat-hides-secrets
	test.each(["/history openclaw.json", "/restore openclaw.json 1", "/restore openclaw.json"])(
		"%s is refused: it is the agent's own, and may hold secrets",
		async (line) => {
			const before = text("openclaw.json");
			await turn("write", { "openclaw.json": "{}" });
			const answer = await run(line);
			expect(answer).toMatch(/did nothing: `openclaw.json` belongs to the agent's own state/);
			expect(answer).not.toContain(before);
			expect(text("openclaw.json")).toBe("{}");
		},
	);
});

describe("/restore", () => {
	test("brings a version back, by number or by time, and the same again changes nothing", async () => {
		const first = flushes.session.head.seq;
		await turn("write it", { "workspace/notes.md": "two" });
		const answer = await run(`/restore notes.md ${first}`);
		expect(answer).toContain(`\`workspace/notes.md\` is as in commit ${first} again. `);
		expect(text("workspace/notes.md")).toBe("one");
		expect(await run(`/restore workspace/notes.md ${first}`)).toMatch(/is already as in commit/);
		expect(await run("/restore notes.md now")).toMatch(/is already as in commit/);
		expect(text("workspace/notes.md")).toBe("one");
	});

	test("brings back a file that is gone, also one with spaces in its name", async () => {
		rmSync(path("workspace/my notes/a b.md"));
		await commit();
		expect(await run('/restore "my notes/a b.md"')).toMatch(/again\./);
		expect(text("workspace/my notes/a b.md")).toBe("one");
	});

	test("asks which version of a file that is there, and changes nothing", async () => {
		await turn("write it", { "workspace/notes.md": "two" });
		expect(await run("/restore notes.md")).toMatch(/which version you want/);
		expect(text("workspace/notes.md")).toBe("two");
	});

	test.each([
		["/restore", /needs a file/],
		["/restore nothing.md", /no commit has `nothing.md`/],
		["/restore ../../etc/passwd", /no commit has/],
		["/restore /etc/passwd", /no commit has/],
		["/restore workspace/../openclaw.json", /no commit has/],
		["/restore notes.md 99999", /names no version/],
		["/restore notes.md monday morning", /names no version/],
		["/restore my notes 1", /is a directory|is not in commit/],
		["/restore own.sqlite 3", /is a database/],
	])("%s is refused", async (line, reason) => {
		const own = new DatabaseSync(path("workspace/own.sqlite"));
		own.exec("CREATE TABLE t (a)");
		own.close();
		await commit();
		expect(await run(line)).toMatch(reason);
		expect(existsSync(path("workspace/own.sqlite"))).toBe(true);
	});
});

test.each<[string, readonly string[], string, string | undefined]>([
	["a.md", ["a.md"], "a.md", undefined],
	["a.md 41", ["a.md"], "a.md", "41"],
	["a b.md yesterday 18:00", ["a b.md", "a"], "a b.md", "yesterday 18:00"],
	["gone.md yesterday 18:00", [], "gone.md", "yesterday 18:00"],
	['"a b.md" 41', [], "a b.md", "41"],
	["“a b.md”  2h", [], "a b.md", "2h"],
	["'a'", [], "a", undefined],
])("%s with %j is the file %s, %s", (rest, files, file, when) => {
	expect(fileAndWhen(rest, (typed) => files.includes(typed))).toEqual({ file, when });
});
