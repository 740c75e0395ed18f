import {
	chmodSync,
	cpSync,
	existsSync,
	lstatSync,
	lutimesSync,
	mkdirSync,
	mkdtempSync,
	rmSync,
	statSync,
	symlinkSync,
	utimesSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { freePort } from "../packages/testkit/free-port.ts";
import { answers } from "../packages/testkit/openclaw/agent.ts";
import {
	FakeGateway,
	type FakeGatewayOptions,
	type TurnResult,
} from "../packages/testkit/openclaw/fake-gateway.ts";
import {
	generateOpenClawState,
	summarize,
	takeTurn,
} from "../packages/testkit/openclaw/generate-state.ts";
import { Running } from "../packages/testkit/processes.ts";
import { compareDatabases, compareTrees, isVolatile, scan } from "./compare.ts";

const STATE = "state/openclaw.sqlite";
const AGENT = "agents/main/agent/openclaw-agent.sqlite";

let root: string;

beforeEach(() => {
	root = mkdtempSync(join(tmpdir(), "demo-test-"));
});

afterEach(() => rmSync(root, { recursive: true, force: true }));

const at = (...parts: string[]) => join(root, ...parts);
const sizeOf = (path: string) => statSync(path).size;

describe("generateOpenClawState", () => {
	test("depends only on its seed", async () => {
		const options = { seed: 5, turns: 2, withCache: false };
		const one = await generateOpenClawState(at("one"), options);
		const two = await generateOpenClawState(at("another place"), options);
		const other = await generateOpenClawState(at("other"), { ...options, seed: 6 });
		expect(two).toEqual(one);
		expect(other.digest).not.toBe(one.digest);
		expect(summarize(at("one"))).toEqual(one);
	});

	test("has the measured sizes and modes", async () => {
		const { regenerated } = await generateOpenClawState(at("s"), {
			seed: 1,
			turns: 0,
			withCache: true,
		});
		expect(regenerated).toEqual({ files: 1_556, bytes: 51_964_922 + 29 });
		expect(sizeOf(at("s", STATE)) / 1e6).toBeCloseTo(1.46, 1);
		expect(sizeOf(at("s", AGENT)) / 1e6).toBeCloseTo(0.95, 1);
		const modes = [
			"",
			"openclaw.json",
			STATE,
			AGENT,
			"credentials/whatsapp/default/creds.json",
		].map((path) => lstatSync(at("s", path)).mode & 0o777);
		expect(modes).toEqual([0o700, 0o600, 0o600, 0o600, 0o600]);
		for (const name of ["AGENTS", "SOUL", "USER", "IDENTITY", "MEMORY"])
			expect(existsSync(at("s/workspace", `${name}.md`))).toBe(true);
	});
});

describe("FakeGateway", () => {
	let running: FakeGateway[];

	beforeEach(async () => {
		running = [];
		await generateOpenClawState(at("s"), { seed: 1, turns: 1, withCache: false });
	});

	afterEach(() => {
		for (const gateway of running) gateway.stop();
	});

	function start(options: FakeGatewayOptions = {}): FakeGateway {
		const gateway = new FakeGateway(at("s"), { withCache: false, ...options });
		gateway.start();
		running.push(gateway);
		return gateway;
	}

	function stop(gateway: FakeGateway): void {
		gateway.stop();
		running.splice(running.indexOf(gateway), 1);
	}

	test("writes as much as a turn of OpenClaw, about 1 MB and 0.3 MB, to the write-ahead logs only", () => {
		const gateway = start();
		const before = [STATE, AGENT].map(
			(path) => [statSync(at("s", path)).mtimeMs, sizeOf(at("s", `${path}-wal`))] as const,
		);
		gateway.turn();
		const after = [STATE, AGENT].map(
			(path) => [statSync(at("s", path)).mtimeMs, sizeOf(at("s", `${path}-wal`))] as const,
		);
		expect(after.map(([mtime]) => mtime)).toEqual(before.map(([mtime]) => mtime));
		const [state = 0, agent = 0] = after.map(([, size], i) => size - (before[i]?.[1] ?? 0));
		expect(state).toBeGreaterThan(250_000);
		expect(state).toBeLessThan(400_000);
		expect(agent).toBeGreaterThan(900_000);
		expect(agent).toBeLessThan(1_300_000);
	});

	test("continues counting after a restart", () => {
		const first = start();
		const { turn, messages, lastSeq } = first.turn();
		stop(first);
		expect(takeTurn(at("s"), 2)).toEqual({
			turn: turn + 1,
			messages: messages + 4,
			firstSeq: lastSeq + 1,
			lastSeq: lastSeq + 7,
		});
	});

	test("is stopped by another host's lease but not by that of a dead local process, and leaves no lease", () => {
		const leases = () => {
			const database = new DatabaseSync(at("s", STATE), { readOnly: true });
			const { n } = database
				.prepare(
					"SELECT (SELECT count(*) FROM state_leases) + (SELECT count(*) FROM agent_database_leases) AS n",
				)
				.get() as { n: number };
			database.close();
			return n;
		};
		const first = start({ owner: { pid: 2 ** 30, host: "a" } });
		expect(leases()).toBe(2);
		cpSync(at("s"), at("crashed"), { recursive: true });
		stop(first);
		expect(leases()).toBe(0);

		const elsewhere = new FakeGateway(at("crashed"), {
			withCache: false,
			owner: { pid: 1, host: "b" },
		});
		expect(() => elsewhere.start()).toThrow("Another Gateway owner lease is still active");
		const again = new FakeGateway(at("crashed"), {
			withCache: false,
			owner: { pid: 1, host: "a" },
		});
		again.start();
		again.stop();
	});

	test("does not start without openclaw.json, and takes no turn without its workspace", () => {
		const gateway = start();
		rmSync(at("s/workspace"), { recursive: true });
		expect(() => gateway.turn()).toThrow("WorkspaceVanishedError");
		rmSync(at("s/openclaw.json"));
		expect(() => new FakeGateway(at("s")).start()).toThrow("Missing config");
	});

	test("as a process takes turns over HTTP, and keeps its committed rows when it is killed", async () => {
		const port = await freePort();
		const program = join(import.meta.dirname, "../packages/testkit/openclaw/fake-gateway-main.ts");
		const gateway = new Running(
			"gateway",
			[process.execPath, program, at("s"), String(port), "--without-cache"],
			{
				PATH: process.env.PATH ?? "",
			},
		);
		try {
			await answers(`http://127.0.0.1:${port}/readyz`, gateway, 10_000);
			const response = await fetch(`http://127.0.0.1:${port}/turn`, {
				method: "POST",
				body: "hello",
			});
			const { lastSeq } = (await response.json()) as TurnResult;
			gateway.killGroup();
			expect((await gateway.exited).signal).toBe("SIGKILL");
			expect(sizeOf(at("s", `${AGENT}-wal`))).toBeGreaterThan(900_000);
			const database = new DatabaseSync(at("s", AGENT));
			expect(database.prepare("SELECT max(seq) AS seq FROM transcript_events").get()).toEqual({
				seq: lastSeq,
			});
			database.close();
		} finally {
			gateway.killGroup();
		}
	});
});

describe("the comparison", () => {
	const FILES = {
		"same.md": "same",
		"content.md": "one",
		"mode.md": "mode",
		"time.md": "time",
		"gone.md": "gone",
	};

	beforeEach(() => {
		for (const side of ["a", "b"]) {
			mkdirSync(at(side, "dir"), { recursive: true });
			for (const [name, content] of Object.entries(FILES)) writeFileSync(at(side, name), content);
			symlinkSync("same.md", at(side, "link"));
			const database = new DatabaseSync(at(side, "some.db"));
			database.exec(
				"CREATE TABLE t (id INTEGER PRIMARY KEY, v); CREATE TABLE state_leases (owner); INSERT INTO t (v) VALUES (1), (2), ('2')",
			);
			database.close();
			for (const name of scan(at(side)).keys()) lutimesSync(at(side, name), 1_000, 1_000);
		}
	});

	test("finds differences in content, mode, time and target, and missing and additional paths", () => {
		expect(compareTrees(at("a"), at("b")).problems).toEqual([]);
		writeFileSync(at("b/content.md"), "two");
		utimesSync(at("b/content.md"), 1_000, 1_000);
		chmodSync(at("b/mode.md"), 0o600);
		utimesSync(at("b/time.md"), 1_000, 1_000.001);
		rmSync(at("b/gone.md"));
		rmSync(at("b/link"));
		symlinkSync("elsewhere", at("b/link"));
		lutimesSync(at("b/link"), 1_000, 1_000);
		writeFileSync(at("b/more.md"), "");
		const { problems } = compareTrees(at("a"), at("b"));
		const beginnings = problems.map((problem) => problem.split(" ").slice(0, 2).join(" "));
		expect(beginnings.sort()).toEqual([
			"content.md: other",
			"gone.md: missing",
			"link: target",
			"mode.md: mode",
			"more.md: was",
			"time.md: time",
		]);
	});

	test("finds lost, changed and added rows, leases, and a damaged database", () => {
		const compare = () => compareDatabases("some.db", at("a/some.db"), at("b/some.db"));
		expect(compare()).toMatchObject({ problems: [], tables: 1, rows: 3, leases: 0 });
		change("a", "INSERT INTO state_leases VALUES ('me')");
		expect(compare()).toMatchObject({ problems: [], leases: 1 });
		change("b", "INSERT INTO state_leases VALUES ('me')");
		expect(compare().problems).toEqual(["some.db: state_leases still has 1 rows"]);
		change(
			"b",
			"DELETE FROM state_leases; DELETE FROM t WHERE id = 1; UPDATE t SET v = 2 WHERE id = 3",
		);
		expect(compare().problems).toEqual(["some.db: t lost 2 rows of 3 and has 1 others"]);
		change("b", "CREATE TABLE u (x)");
		expect(compare().problems).toContain("some.db: table u was not there before");
		change(
			"b",
			"PRAGMA writable_schema = 1; UPDATE sqlite_schema SET rootpage = 99 WHERE name = 't'",
		);
		expect(compare().problems.join()).toMatch(/malformed|integrity_check/);
	});

	function change(side: string, sql: string): void {
		const database = new DatabaseSync(at(side, "some.db"), { defensive: false });
		database.exec(sql);
		database.close();
	}

	test("leaves out paths that OpenClaw recreates, but not similar paths elsewhere", () => {
		const volatile = [
			"cache/x",
			"tmp",
			"state/openclaw.sqlite-wal",
			`${AGENT}.reindex-lock.sqlite`,
			"plugin-skills/canvas",
		];
		const kept = ["workspace/cache/x", "workspace/tmp", STATE, "openclaw.json", "cacheable"];
		expect(volatile.map(isVolatile)).not.toContain(false);
		expect(kept.map(isVolatile)).not.toContain(true);
	});
});
