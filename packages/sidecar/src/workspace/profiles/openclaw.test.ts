import { DatabaseSync } from "node:sqlite";
import { describe, expect, test } from "vitest";
import { makeFilter } from "../filter.ts";
import { openclaw } from "./openclaw.ts";
import { plain } from "./plain.ts";

const filter = makeFilter(openclaw);

// @id openclaw-keeps
describe("openclaw keeps", () => {
	test.each([
		"openclaw.json",
		"openclaw.json.bak",
		"openclaw.json.last-good",
		"config-journal-fingerprint.key",
		".env",
		"state/openclaw.sqlite",
		"state/openclaw-quarantine.sqlite",
		"agents/main/agent/openclaw-agent.sqlite",
		"agents/main/sessions/cold/0a.jsonl.zst",
		"credentials/whatsapp/creds.json",
		"media/inbound/photo.tmp.jpg",
		"extensions/mine/package-lock.json",
		"extensions/mine/yarn.lock",
		"skills/mine/tmp/x",
		"browser/default/user-data/Default/Cookies",
		"workspace/AGENTS.md",
		"workspace/.git/index.lock",
		"workspace/yarn.lock",
		"workspace/Cargo.lock",
		"workspace/notes.tmp",
		"workspace/a.tmp.b",
		"workspace/server.pid",
		"workspace/tmp/x",
		"workspace/cache/x",
		"workspace/logs/x.log",
		"workspace/npm/index.js",
		"workspace/node_modules/x/index.js",
		"workspace/plugin-skills/x",
		"workspace/x.memory-reindex-1",
		"workspace-research/poetry.lock",
		"sandboxes/agent-1/uv.lock",
		"agents/main/tmp-notes.md",
		"memory/main.sqlite",
		// @id openclaw-keeps-worktree-lock
		"worktrees/repo/task/yarn.lock",
		"worktrees/repo/task/.git/index.lock",
		"worktrees/repo/task/node_modules/x/index.js",
		"workspaces/a/Cargo.lock",
		"agents/b/proj/uv.lock",
		"agents/b/uv.lock",
		"agents/b/agent/poetry.lock",
		"agents/b/agent/proj/tmp/x",
		"agents/b/sessions/flake.lock",
		"agents/main/agent/codex-home/worktrees/1/cache/x",
		"fleet/cells/one/Gemfile.lock",
		"skills/mine/package-lock.json",
		"unheard-of/service.pid",
		"unheard-of/x.tmp",
		"unheard-of/x.tmp.1",
		"unheard-of/x.sock",
		"unheard-of/x.memory-reindex-1",
		"unheard-of/x.quarantined-1",
		"yarn.lock",
		"flake.lock",
		"notes.tmp",
		"workspace/.fs-safe-notes.tmp",
		"state/openclaw.sqlite.quarantined-2026",
		"openclaw-config-backup-2026/openclaw.json",
		// @id openclaw-keeps-plugin-modules
		"extensions/mine/node_modules/x/index.js",
		"npm/projects/whatsapp/node_modules/x.js",
		"git/x/index.js",
		"dev/x",
		"npm-runtime/x",
		"tools/x",
	])("%s", (path) => {
		expect(filter(path, "file")).toBe("keep");
	});
});

describe("openclaw skips", () => {
	test.each([
		"tmp/plugin-captures/1/x",
		"cache/control-ui-assets/a/b.js",
		"logs/commands.log",
		"plugin-skills/x",
		"openclaw.json.lock",
		".fs-safe-replace.12.0a-0b.tmp",
		"agents/main/agent/openclaw-agent.sqlite.generation-lock.sqlite",
		"agents/main/agent/openclaw-agent.sqlite.generation-writer.sqlite",
		"agents/main/agent/openclaw-agent.sqlite.reindex-lock.sqlite",
		"agents/main/agent/openclaw-agent.sqlite.memory-reindex-0a-0b",
		"agents/main/agent/x.lock.sqlite",
		"agents/main/agent/openclaw-agent.sqlite.reindex-lock.sqlite-journal",
		"agents/main/agent/openclaw-agent.sqlite.memory-reindex-0a-0b-wal",
		"agents/main/agent/codex-home/logs_2.sqlite-wal",
		"workspace/.fs-safe-replace.12.0a-0b.tmp",
		"agents/main/agent/codex-home/logs_2.sqlite",
		"agents/main/agent/codex-home/tmp/x",
		"agents/main/agent/codex-home/shell_snapshots/x",
		"agents/main/sessions/1.jsonl.lock",
		"sandbox/skills-workspaces/1/x",
		"browser/default/user-data/SingletonLock",
		"browser/default/user-data/Default/Code Cache/js/x",
		"exec-approvals.sock",
		"gateway.pid",
		"gateway.lock",
		"gateway.1a2b3c4d.lock",
		"state/openclaw.sqlite.sandbox-1.lock",
		"state/device-identity.0a.lock.sqlite",
		"agents/main/agent/openclaw-agent.sqlite.lock",
		"agents/main/agent/auth-profiles.json.lock",
		"agents/main/sessions/sessions.json.lock",
		"elsewhere/agent/openclaw-agent.sqlite.reindex-lock.sqlite",
		"sessions.json.tmp.4711",
	])("%s", (path) => {
		expect(filter(path, "file")).toBe("skip");
	});

	test("only by patterns that it lists, each once", () => {
		const listed = (openclaw.leavesOut ?? []).flatMap(({ patterns }) => patterns);
		expect(listed.length).toBeGreaterThan(20);
		expect(new Set(listed).size).toBe(listed.length);
		expect(openclaw.volatile("logs", "dir")).toBe("/logs/");
		for (const path of ["sessions.json.tmp.4711", ".fs-safe-replace.12.0a-0b.tmp", "gateway.pid"])
			expect(listed).toContain(openclaw.volatile(path, "file"));
		expect(openclaw.volatile("workspace/logs", "dir")).toBeUndefined();
	});

	test("a Chromium lock, which is a link", () => {
		expect(filter("browser/default/user-data/SingletonLock", "link")).toBe("skip");
	});
});

test("secrets are the files that hold credentials, and none of the user's files", () => {
	const secret = [
		"openclaw.json",
		"openclaw.json.bak.1",
		"exec-approvals.json",
		".env",
		"credentials",
		"credentials/a/b.json",
		"state/openclaw.sqlite",
		"agents/x/agent/a.sqlite",
	];
	const open = [
		"workspace",
		"workspace/.env",
		"workspace/credentials/x",
		"media/inbound/x.jpg",
		"openclaw.jsonx",
		"statement",
	];
	expect(secret.filter((path) => !openclaw.secret(path))).toEqual([]);
	expect(open.filter((path) => openclaw.secret(path))).toEqual([]);
});

test("plain stores everything", () => {
	const all = makeFilter(plain);
	for (const path of ["tmp/x", "a.lock", "openclaw.json.lock", "cache/x"])
		expect(all(path, "file")).toBe("keep");
	expect(plain.secret("openclaw.json")).toBe(false);
});

describe("cleaning", () => {
	const rows = (db: DatabaseSync, table: string) =>
		db.prepare(`SELECT count(*) AS n FROM ${table}`).get()?.n;

	test("releases leases in the state database and touches nothing else", () => {
		const db = new DatabaseSync(":memory:");
		db.exec(
			"CREATE TABLE state_leases(key, owner); CREATE TABLE cron_jobs(id); INSERT INTO state_leases VALUES ('gateway-owner', 'x'); INSERT INTO cron_jobs VALUES (1)",
		);
		openclaw.cleanSqlite?.("state/openclaw.sqlite", db);
		expect([rows(db, "state_leases"), rows(db, "cron_jobs")]).toEqual([0, 1]);
		db.exec(
			"CREATE TABLE agent_database_leases(id); INSERT INTO agent_database_leases VALUES (1); INSERT INTO state_leases VALUES ('a', 'b')",
		);
		openclaw.cleanSqlite?.("state/openclaw.sqlite", db);
		expect([rows(db, "state_leases"), rows(db, "agent_database_leases")]).toEqual([0, 0]);
		db.close();
	});

	test("leaves other databases alone, and does not write to one without leases", () => {
		const db = new DatabaseSync(":memory:");
		db.exec("CREATE TABLE state_leases(key); INSERT INTO state_leases VALUES (1)");
		openclaw.cleanSqlite?.("workspace/state/openclaw.sqlite", db);
		expect(rows(db, "state_leases")).toBe(1);
		db.exec("DELETE FROM state_leases");
		const changes = () => db.prepare("SELECT total_changes() AS n").get()?.n;
		const before = changes();
		openclaw.cleanSqlite?.("state/openclaw.sqlite", db);
		expect(changes()).toBe(before);
		db.close();
	});
});

describe("annotating", () => {
	const path = "agents/main/agent/openclaw-agent.sqlite";

	test("tells whether a turn was running when an agent's database was captured", () => {
		const db = new DatabaseSync(":memory:");
		db.exec(
			"CREATE TABLE session_nodes(session_key, status); INSERT INTO session_nodes VALUES ('a', 'done'), ('b', NULL)",
		);
		expect(openclaw.annotateSqlite?.(path, db)).toEqual({ turn: "idle" });
		db.exec("INSERT INTO session_nodes VALUES ('c', 'running')");
		expect(openclaw.annotateSqlite?.(path, db)).toEqual({ turn: "running" });
		expect(openclaw.annotateSqlite?.("workspace/openclaw-agent.sqlite", db)).toBeUndefined();
		db.close();
	});
});
