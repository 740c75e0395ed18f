import { DatabaseSync } from "node:sqlite";
import { zstdCompressSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { profileNamed, withoutTexts } from "../profile.ts";
import { openclaw } from "./openclaw.ts";
import { readTurns } from "./openclaw-turns.ts";

const AGENT = "agents/main/agent/openclaw-agent.sqlite";

let database: DatabaseSync;
beforeEach(() => {
	database = new DatabaseSync(":memory:");
	database.exec(`
CREATE TABLE session_nodes (session_key TEXT PRIMARY KEY, current_session_id TEXT NOT NULL, status TEXT, updated_at INTEGER NOT NULL) STRICT;
CREATE TABLE transcript_events (session_id TEXT NOT NULL, seq INTEGER NOT NULL, event_json TEXT, created_at INTEGER NOT NULL, event_zstd BLOB, event_utf8_bytes INTEGER, PRIMARY KEY (session_id, seq)) STRICT;`);
});
afterEach(() => database.close());

let clockMs = 1_000;

function session(key: string, status: string | null = "done"): void {
	database
		.prepare(
			"INSERT INTO session_nodes VALUES (?1, ?1, ?2, ?3) ON CONFLICT DO UPDATE SET status = ?2, updated_at = ?3",
		)
		.run(key, status, ++clockMs);
}

/** A row as OpenClaw writes it: compressed from 1 KB on. */
function row(key: string, text: string): void {
	const bytes = Buffer.from(text);
	const isPacked = bytes.length >= 1_024;
	const { n } = database
		.prepare("SELECT count(*) AS n FROM transcript_events WHERE session_id = ?")
		.get(key) as { n: number };
	database
		.prepare("INSERT INTO transcript_events VALUES (?, ?, ?, ?, ?, ?)")
		.run(
			...([key, n, isPacked ? null : text, ++clockMs] as const),
			...([isPacked ? zstdCompressSync(bytes) : null, isPacked ? bytes.length : null] as const),
		);
}

function say(key: string, role: string, content: unknown, id = `e${clockMs}`): void {
	row(key, JSON.stringify({ type: "message", id, message: { role, content } }));
}

const read = (withTexts = true) => JSON.parse(readTurns(database, withTexts));
const texts = () => read().map(({ text }: { text?: string }) => text);

describe("the newest turns", () => {
	test("begin with the messages of users, newest first, and those that run come before", () => {
		session("agent:main:main", "killed");
		say("agent:main:main", "user", "tidy my notes", "one");
		say("agent:main:main", "assistant", "done");
		session("agent:main:cron", "running");
		say(
			"agent:main:cron",
			"user",
			[{ type: "text", text: "what" }, { type: "image" }, null],
			"two",
		);
		session("agent:main:later");
		say("agent:main:later", "user", "and then?", "three");
		row("agent:main:later", JSON.stringify({ type: "custom", data: '"role":"user"' }));
		expect(read()).toEqual([
			{
				...{ id: "two", session: "agent:main:cron", status: "running" },
				...{ startedMs: expect.any(Number), text: "what" },
			},
			expect.objectContaining({ id: "three", status: "done" }),
			expect.objectContaining({ id: "one", status: "stopped", text: "tidy my notes" }),
		]);
	});

	test("are read from compressed events, and a message of 4 KB is cut", () => {
		session("s");
		say("s", "user", `tidy ${"my notes, ".repeat(500)}`);
		say("s", "tool", "x".repeat(100_000));
		expect(texts()).toEqual([expect.stringMatching(/^tidy my notes, my notes, .*…$/)]);
		expect([...texts()[0]].length).toBeLessThanOrEqual(60);
	});

	// @id unreadable-begins-a-turn
	test.each([
		["is not JSON", "not JSON", null, null],
		["is damaged", null, Buffer.from([1, 2, 3]), 10],
		["is longer than it says", null, zstdCompressSync(Buffer.from('{"type":"message"}')), 4],
		["is larger than OpenClaw compresses", null, Buffer.alloc(5 * 1024 * 1024), 9 * 1024 * 1024],
	])("are never joined by an event that %s", (_, json, zstd, bytes) => {
		session("s");
		say("s", "user", "the first", "one");
		database
			.prepare("INSERT INTO transcript_events VALUES ('s', 1, ?, ?, ?, ?)")
			.run(json, ++clockMs, zstd, bytes);
		say("s", "assistant", "answered");
		expect(read()).toMatchObject([
			{ id: "#1", status: "done" },
			{ id: "one", text: "the first" },
		]);
		expect(read()[0]).not.toHaveProperty("text");
	});

	test("are of one line, without characters that a terminal obeys or hides", () => {
		session("s");
		say("s", "user", "  a\r\n\tb\u001b[31m\u202e c\u200b\u{e0041}d \ud800");
		expect(texts()).toEqual(["a b [31m c d"]);
	});

	// @id label-masks-secrets
	test("mask what can be recognised as a secret, also if it would be cut in the middle", () => {
		session("s");
		const key = `AKIA${"QWERTYUIOPASDFGH"}`;
		say("s", "user", `${"é".repeat(50)} ${key} and ${key}`);
		expect(texts()).toEqual([`${"é".repeat(50)} *** and…`]);
		session("t");
		say("t", "user", `ghp_${"a1".repeat(18)}`);
		expect(texts()[0]).toBe("***");
	});

	test("mask a whole key and a whole token, of which a match proves only the beginning", () => {
		session("s");
		const body = "MC4CAQAwBQYDK2VwBCIEI".padEnd(64, "kQ7w");
		say("s", "user", `use -----BEGIN PRIVATE KEY-----\n${body}\n-----END PRIVATE KEY-----`);
		expect(texts()).toEqual(["use ***"]);
		session("t");
		const part = Buffer.from(JSON.stringify({ alg: "HS256", typ: "JWT" })).toString("base64url");
		say("t", "user", `try ${part}.${part}.c2lnbmF0dXJlLW9mLXRoZS10b2tlbg now`);
		expect(texts()[0]).toBe("try *** now");
	});

	test("keep no text if that is asked for", () => {
		session("s");
		say("s", "user", "tidy my notes", "one");
		expect(read(false)[0]).toEqual({
			...{ id: "one", session: "s", status: "done", startedMs: expect.any(Number) },
		});
		const quiet = withoutTexts(openclaw);
		expect(quiet.annotateSqlite?.(AGENT, database)?.turns).not.toContain("tidy");
		expect([quiet.name, quiet.secret("openclaw.json")]).toEqual(["openclaw", true]);
		const plain = profileNamed("plain");
		expect(plain && withoutTexts(plain)).toBe(plain);
	});

	test("of a long turn have an id that no other turn gets, and none that is older", () => {
		session("s");
		say("s", "user", "the first", "one");
		say("s", "user", "a long one", "two");
		for (let count = 0; count < 2_100; count++) say("s", "assistant", "x");
		expect(read()).toEqual([expect.objectContaining({ id: "?101", status: "done" })]);
	});

	test("fit in an annotation, however long the names of conversations are", () => {
		for (let count = 0; count < 12; count++) {
			const key = `agent:main:${count}:${"x".repeat(900)}`;
			session(key);
			say(key, "user", "hello");
		}
		expect(Buffer.byteLength(readTurns(database, true))).toBeLessThanOrEqual(4_096);
		expect(read().length).toBeGreaterThan(2);
	});

	test("cost the label alone if the database has other tables", () => {
		session("s", "running");
		database.exec("ALTER TABLE transcript_events RENAME TO events");
		expect(openclaw.annotateSqlite?.(AGENT, database)).toEqual({ turn: "running" });
	});

	test("are none in a database without a turn", () => {
		expect(read()).toEqual([]);
		session("s", null);
		expect(read()).toEqual([]);
	});
});

describe("the files of people and agents", () => {
	test.each([
		["workspace/notes.md", "workspace"],
		["workspace-research/a/b", "workspace-research"],
		["workspaces/one/a", "workspaces/one"],
		["skills/mine/SKILL.md", "skills"],
		["workspace", undefined],
		["workspaces/one", undefined],
		["openclaw.json", undefined],
		["state/openclaw.sqlite", undefined],
		["credentials/whatsapp/creds.json", undefined],
		["agents/main/sessions/1.jsonl", undefined],
		["workspacex/a", undefined],
		["media/inbound/a.jpg", undefined],
	])("%s is in %s", (path, place) => {
		expect(openclaw.workplaceOf?.(path)).toBe(place);
	});
});
