/**
 * Does to a state directory what an OpenClaw gateway does, without OpenClaw. It makes the same
 * tree, keeps both databases open in WAL mode, and takes the leases that tie them to one machine.
 * Each turn writes the same amount in the same places.
 *
 * As measured for OpenClaw 2026.9.6, a turn makes 250 writes. It adds about 1 MB to the agent's
 * write-ahead log and 0.3 MB to that of the state database. It also creates a file and appends to
 * one below workspace/. An idle gateway renews one lease every 30 s.
 */
import { execFileSync } from "node:child_process";
import {
	appendFileSync,
	chmodSync,
	existsSync,
	mkdirSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { hostname } from "node:os";
import { dirname, join } from "node:path";
import type { DatabaseSync } from "node:sqlite";
import { APP_VERSION, openAgentDatabase, openStateDatabase, transact } from "./fake-databases.ts";
import { Random } from "./random.ts";

export interface FakeGatewayOptions {
	readonly seed?: number;
	/** Milliseconds since the epoch. */
	readonly now?: () => number;
	/**
	 * Fill cache/ at the start if it is missing: 1,555 files, 52 MB. Default true, like the real
	 * gateway.
	 */
	readonly withCache?: boolean;
	/** The absolute path that it writes into its databases; default: the directory itself. */
	readonly statePath?: string;
	/** The holder of the leases. */
	readonly owner?: { readonly pid: number; readonly host: string };
}

export interface TurnResult {
	/** Counted over the life of the state, not of the process. */
	readonly turn: number;
	/** The input that a model would get: the system prompt and every message so far. */
	readonly messages: number;
	/** Ids of the transcript rows that the turn added. */
	readonly firstSeq: number;
	readonly lastSeq: number;
}

/** From start to stop. */
interface Open {
	readonly state: DatabaseSync;
	readonly agent: DatabaseSync;
	readonly heartbeat: NodeJS.Timeout;
}

const LEASE_MS = 300_000;
const HEARTBEAT_MS = 30_000;
const SESSION_KEY = "agent:main:openai-user:anna";
const SESSION_ID = "bad645b6-9ea2-4802-b69d-dd05d5433c27";
const AGENT_DATABASE = "agents/main/agent/openclaw-agent.sqlite";

const CACHE_FILES = 1_555;
const CACHE_BYTES = 51_964_922;

/**
 * Bytes that a turn with one tool call traces. The large ones are the context sent to the model.
 */
const TRAJECTORY_BYTES = [735, 9_769, 15_037, 9_139, 5_739, 12_227, 31_247, 3_394, 697];

export class FakeGateway {
	readonly #dir: string;
	readonly #statePath: string;
	readonly #seed: number;
	readonly #now: () => number;
	readonly #withCache: boolean;
	readonly #owner: { readonly pid: number; readonly host: string };
	#open: Open | undefined;

	/** @param dir the state directory, which must contain an openclaw.json before `start` */
	constructor(dir: string, options: FakeGatewayOptions = {}) {
		this.#dir = dir;
		this.#statePath = options.statePath ?? dir;
		this.#seed = options.seed ?? 1;
		this.#now = options.now ?? Date.now;
		this.#withCache = options.withCache ?? true;
		this.#owner = options.owner ?? { pid: process.pid, host: hostname() };
	}

	/**
	 * @throws in the cases where the real one refuses: no openclaw.json, or another machine's lease.
	 */
	start(): void {
		if (!existsSync(join(this.#dir, "openclaw.json")))
			throw new Error("Missing config. Run `openclaw setup` or set gateway.mode=local");
		for (const path of [
			"state",
			"agents/main/agent",
			"media/outbound",
			"media/playback-transcode",
			"cache",
		])
			this.#directory(path, 0o700);
		for (const path of ["plugin-skills", "tmp"]) this.#directory(path, 0o755);
		if (this.#withCache) this.#fillCache();
		this.#linkSkills();

		const state = openStateDatabase(join(this.#dir, "state/openclaw.sqlite"));
		try {
			this.#takeLease(state);
			this.#lock();
			const agent = openAgentDatabase(join(this.#dir, AGENT_DATABASE));
			this.#open = {
				state,
				agent,
				heartbeat: setInterval(() => this.#renewLease(state), HEARTBEAT_MS).unref(),
			};
			for (const name of ["generation-lock", "generation-writer", "reindex-lock"])
				this.#write(`${AGENT_DATABASE}.${name}.sqlite`, "", 0o644);
			for (const path of ["state/openclaw.sqlite", AGENT_DATABASE]) protect(join(this.#dir, path));
			this.#registerAgent(state, agent);
			this.#seedWorkspace(state);
		} catch (error) {
			if (this.#open === undefined) state.close();
			else this.stop();
			throw error;
		}
	}

	/** @throws if the workspace that the database names is missing; the real one then answers 500 */
	turn(text = "How far are we?"): TurnResult {
		const { state, agent } = this.#running();
		if (!existsSync(join(this.#dir, "workspace/AGENTS.md")))
			throw new Error("WorkspaceVanishedError: the workspace is not there");
		const turn = 1 + count(state, "SELECT count(*) AS n FROM task_runs");
		const random = new Random(this.#seed * 1_000_003 + turn);
		const firstSeq = count(agent, "SELECT coalesce(max(seq), -1) + 1 AS n FROM transcript_events");

		this.#runStarts(state, random, turn);
		this.#converse(agent, random, turn, text);
		this.#trace(agent, random, turn);
		this.#runEnds(state, random, turn);
		this.#editWorkspace(random, turn, text);

		const messages =
			1 +
			count(
				agent,
				"SELECT count(*) AS n FROM transcript_event_identities WHERE event_type = 'message'",
			);
		return {
			turn,
			messages,
			firstSeq,
			lastSeq: count(agent, "SELECT max(seq) AS n FROM transcript_events"),
		};
	}

	/** Stops as on SIGTERM: leaves no lease and no lock. */
	stop(): void {
		const { state, agent, heartbeat } = this.#running();
		clearInterval(heartbeat);
		this.#open = undefined;
		transact(state, () =>
			state.exec("DELETE FROM state_leases; DELETE FROM agent_database_leases"),
		);
		agent.close();
		state.close();
		rmSync(join(this.#dir, this.#lockDirectory), { recursive: true, force: true });
	}

	#running(): Open {
		if (this.#open === undefined) throw new Error("the gateway is not running");
		return this.#open;
	}

	#directory(path: string, mode: number): void {
		mkdirSync(join(this.#dir, path), { recursive: true, mode });
	}

	#write(path: string, content: string | Uint8Array, mode: number): void {
		const file = join(this.#dir, path);
		if (!existsSync(file)) writeFileSync(file, content, { mode });
	}

	/**
	 * Control UI assets: mostly small, each stored in two more compressed forms. The content is
	 * arbitrary and incompressible.
	 */
	#fillCache(): void {
		const assets = join(
			this.#dir,
			"cache/control-ui-assets",
			new Random(this.#seed).hex(64),
			"assets",
		);
		if (existsSync(assets)) return;
		mkdirSync(assets, { recursive: true, mode: 0o700 });
		const random = new Random(this.#seed);
		// Few files hold most of the bytes: half of them are small, the largest has 3.5 MB.
		const weights = Array.from({ length: CACHE_FILES }, () =>
			Math.min(3_000, (1 - random.next()) ** -1.4 - 0.98),
		);
		const total = weights.reduce((sum, weight) => sum + weight, 0);
		const pool = random.bytes(8 * 1024 * 1024);
		let rest = CACHE_BYTES;
		for (const [i, weight] of weights.entries()) {
			const size = i === CACHE_FILES - 1 ? rest : Math.floor((weight / total) * CACHE_BYTES);
			rest -= size;
			const from = random.int(0, pool.length - Math.min(size, pool.length));
			const extension = ["js", "js.gz", "js.br", "css", "css.gz"][i % 5];
			writeFileSync(
				join(assets, `chunk-${String(i).padStart(4, "0")}.${extension}`),
				pool.subarray(from, from + size),
				{ mode: 0o600 },
			);
		}
	}

	/** Absolute path into the installation. */
	#linkSkills(): void {
		for (const [name, plugin] of [
			["browser-automation", "browser"],
			["canvas", "canvas"],
		] as const) {
			const link = join(this.#dir, "plugin-skills", name);
			rmSync(link, { force: true });
			symlinkSync(
				`/usr/local/lib/node_modules/openclaw/dist/extensions/${plugin}/skills/${name}`,
				link,
			);
		}
	}

	/**
	 * The real one's rule (openclaw#155644): the lease of a dead process on this host is taken over.
	 * The lease of another host is valid for its 300 s.
	 */
	#takeLease(state: DatabaseSync): void {
		const now = this.#now();
		const { pid, host } = this.#owner;
		transact(state, () => {
			const held = state
				.prepare(
					"SELECT payload_json FROM state_leases WHERE scope = 'gateway-owner' AND expires_at > ?",
				)
				.get(now);
			if (held !== undefined) {
				const { owner } = JSON.parse(held.payload_json as string) as {
					owner: { pid: number; host: string };
				};
				if (owner.host !== host || (owner.pid !== pid && isAlive(owner.pid))) {
					throw new Error(
						"Gateway failed to start: Another Gateway owner lease is still active for this state directory",
					);
				}
			}
			const payload = JSON.stringify({
				owner: { pid, host, startedAt: now },
				port: 18_789,
				mode: "foreground",
				supervisor: null,
			});
			state
				.prepare(
					"INSERT OR REPLACE INTO state_leases VALUES ('gateway-owner', 'global', ?, ?, ?, ?, ?, ?)",
				)
				.run(new Random(now).uuid(), now + LEASE_MS, now, payload, now, now);
			state.exec("DELETE FROM agent_database_leases");
			state
				.prepare("INSERT INTO agent_database_leases VALUES (?, 'main', ?, ?, ?, ?)")
				.run(new Random(now + 1).uuid(), join(this.#statePath, AGENT_DATABASE), pid, now, now);
		});
	}

	#renewLease(state: DatabaseSync): void {
		const now = this.#now();
		state
			.prepare("UPDATE state_leases SET expires_at = ?, heartbeat_at = ?, updated_at = ?")
			.run(now + LEASE_MS, now, now);
	}

	get #lockDirectory(): string {
		return `tmp/openclaw-${process.getuid?.() ?? 0}`;
	}

	#lock(): void {
		const directory = this.#lockDirectory;
		rmSync(join(this.#dir, directory), { recursive: true, force: true });
		for (const path of ["tmp/agent-cli", "tmp/node-workspace-transfer", directory])
			this.#directory(path, 0o700);
		this.#write("tmp/agent-cli/openclaw", '#!/bin/sh\nexec openclaw "$@"\n', 0o700);
		const lock = JSON.stringify({
			pid: this.#owner.pid,
			stateDir: this.#statePath,
			port: 18_789,
			startTime: this.#now(),
		});
		for (const name of ["gateway.state.lock", "gateway.dfdb3c19.lock"]) {
			this.#write(`${directory}/${name}`, lock, 0o600);
			this.#write(`${directory}/${name}.sqlite`, "", 0o644);
		}
	}

	#registerAgent(state: DatabaseSync, agent: DatabaseSync): void {
		const now = this.#now();
		transact(state, () => {
			state
				.prepare(
					"INSERT OR IGNORE INTO schema_meta VALUES ('primary', 'global', 18, NULL, ?, ?, ?)",
				)
				.run(APP_VERSION, now, now);
			state
				.prepare("INSERT OR REPLACE INTO agent_databases VALUES ('main', ?, 23, ?, 4096)")
				.run(AGENT_DATABASE, now);
			state
				.prepare("INSERT OR IGNORE INTO device_identities VALUES ('gateway', ?)")
				.run(new Random(this.#seed + 7).bytes(48));
			state
				.prepare("INSERT OR IGNORE INTO cron_jobs VALUES (?, 'memory-core:dreaming', '{}', ?)")
				.run(join(this.#statePath, "cron/jobs.json"), now);
		});
		transact(agent, () => {
			agent
				.prepare("INSERT OR IGNORE INTO session_nodes VALUES (?, ?, '{}', 'done', ?)")
				.run(SESSION_KEY, SESSION_ID, now);
			agent
				.prepare("INSERT OR IGNORE INTO session_windows VALUES (?, ?, ?, ?)")
				.run(SESSION_ID, SESSION_KEY, now, now);
			agent
				.prepare("INSERT OR IGNORE INTO session_transcript_index_state VALUES (?, -1, ?)")
				.run(SESSION_ID, now);
		});
	}

	/**
	 * Once. After that, the database records that the workspace exists, and a turn without it fails.
	 */
	#seedWorkspace(state: DatabaseSync): void {
		if (count(state, "SELECT count(*) AS n FROM workspace_setup_state") > 0) return;
		const random = new Random(this.#seed + 11);
		this.#directory("workspace/memory", 0o755);
		const sizes = { AGENTS: 6_306, SOUL: 1_570, USER: 1_137, IDENTITY: 1_401, MEMORY: 4_200 };
		for (const [name, size] of Object.entries(sizes))
			this.#write(
				`workspace/${name}.md`,
				`# ${name}\n\n${random.text(size - name.length - 4)}`,
				0o644,
			);
		gitInit(join(this.#dir, "workspace"));
		state.prepare("INSERT INTO workspace_setup_state VALUES ('workspace', ?)").run(this.#now());
	}

	#runStarts(state: DatabaseSync, random: Random, turn: number): void {
		const runId = runIdOf(turn);
		transact(state, () =>
			state
				.prepare("INSERT INTO task_runs VALUES (?, 'queued', ?, ?)")
				.run(runId, random.text(500), this.#now()),
		);
		for (const status of ["running", "context", "model", "tool"])
			this.#progress(state, random, runId, status);
	}

	#runEnds(state: DatabaseSync, random: Random, turn: number): void {
		for (const status of ["replying", "indexing", "done"])
			this.#progress(state, random, runIdOf(turn), status);
		state.prepare("UPDATE agent_databases SET last_seen_at = ?").run(this.#now());
	}

	#progress(state: DatabaseSync, random: Random, runId: string, status: string): void {
		const now = this.#now();
		transact(state, () => {
			state
				.prepare("UPDATE task_runs SET status = ?, updated_at = ? WHERE run_id = ?")
				.run(status, now, runId);
			state
				.prepare("INSERT INTO audit_events (at, kind, event_json) VALUES (?, ?, ?)")
				.run(now, `run.${status}`, random.text(700));
			for (let i = 0; i < 2; i++) {
				const table = `feature_${String(random.int(0, 9)).padStart(3, "0")}`;
				state
					.prepare(
						`INSERT INTO ${table} (owner_key, value_json, created_at, updated_at, expires_at) VALUES (?, ?, ?, ?, ?)`,
					)
					.run(runId, random.text(120), now, now, now + LEASE_MS);
			}
		});
	}

	/** Seven events, one transaction each; messages are indexed for search. */
	#converse(agent: DatabaseSync, random: Random, turn: number, text: string): void {
		const reply = random.text(1_800);
		this.#event(agent, random, "message", "user", `turn ${turn}: ${text}`);
		this.#event(agent, random, "custom", undefined, random.text(366));
		this.#event(agent, random, "message", "assistant", random.text(900));
		this.#event(agent, random, "message", "tool", random.text(576));
		this.#event(agent, random, "custom", undefined, random.text(460));
		this.#event(agent, random, "message", "assistant", reply);
		this.#event(agent, random, "custom", undefined, random.text(339));
	}

	#event(
		agent: DatabaseSync,
		random: Random,
		type: string,
		role: string | undefined,
		text: string,
	): void {
		const now = this.#now();
		transact(agent, () => {
			const seq = count(agent, "SELECT coalesce(max(seq), -1) + 1 AS n FROM transcript_events");
			const id = random.uuid();
			const isPacked = text.length > 800;
			agent
				.prepare("INSERT INTO transcript_events VALUES (?, ?, ?, ?, ?, ?)")
				.run(
					SESSION_ID,
					seq,
					isPacked ? null : text,
					now,
					isPacked ? random.bytes(Math.floor(text.length / 3)) : null,
					text.length,
				);
			agent
				.prepare("INSERT INTO transcript_event_identities VALUES (?, ?, ?, ?, ?)")
				.run(SESSION_ID, id, seq, type, now);
			agent
				.prepare("INSERT INTO session_transcript_active_events VALUES (?, ?, ?)")
				.run(SESSION_ID, seq, seq);
			if (role !== undefined) {
				agent
					.prepare("INSERT INTO session_transcript_fts VALUES (?, ?, ?, ?, ?)")
					.run(text, SESSION_ID, id, role, now);
			}
			agent
				.prepare("UPDATE session_transcript_index_state SET indexed_seq = ?, updated_at = ?")
				.run(seq, now);
			this.#touchSession(agent, random);
		});
	}

	#trace(agent: DatabaseSync, random: Random, turn: number): void {
		for (const size of TRAJECTORY_BYTES) {
			transact(agent, () => {
				const seq = count(
					agent,
					"SELECT coalesce(max(seq), -1) + 1 AS n FROM trajectory_runtime_events",
				);
				agent
					.prepare("INSERT INTO trajectory_runtime_events VALUES (?, ?, ?, ?, ?)")
					.run(SESSION_ID, seq, runIdOf(turn), random.text(size), this.#now());
				this.#touchSession(agent, random);
			});
			for (let i = 0; i < 2; i++) transact(agent, () => this.#touchSession(agent, random));
		}
	}

	#touchSession(agent: DatabaseSync, random: Random): void {
		const now = this.#now();
		agent
			.prepare("UPDATE session_nodes SET status = 'running', entry_json = ?, updated_at = ?")
			.run(random.text(1_500), now);
		agent.prepare("UPDATE session_windows SET updated_at = ?").run(now);
	}

	/** In place, as the agent's tools write: creates or appends, never renames. */
	#editWorkspace(random: Random, turn: number, text: string): void {
		this.#directory("workspace/notes", 0o755);
		writeFileSync(
			join(this.#dir, `workspace/notes/turn-${String(turn).padStart(4, "0")}.md`),
			random.text(5_000),
		);
		appendFileSync(join(this.#dir, "workspace/memory/today.md"), `- turn ${turn}: ${text}\n`);
		if (turn % 3 === 0) appendFileSync(join(this.#dir, "workspace/exec.log"), random.text(2_700));
	}
}

const runIdOf = (turn: number) => `chatcmpl_${String(turn).padStart(6, "0")}`;

function count(database: DatabaseSync, sql: string): number {
	return (database.prepare(sql).get() as { n: number }).n;
}

function isAlive(pid: number): boolean {
	try {
		return process.kill(pid, 0);
	} catch (error) {
		return (error as NodeJS.ErrnoException).code === "EPERM";
	}
}

/** SQLite gives a database's extra files the mode of the database. */
function protect(file: string): void {
	for (const suffix of ["", "-wal", "-shm"])
		if (existsSync(`${file}${suffix}`)) chmodSync(`${file}${suffix}`, 0o600);
}

/**
 * Runs git without the user's settings and templates. Like OpenClaw, continues if git is missing.
 */
function gitInit(directory: string): void {
	const env = {
		PATH: process.env.PATH,
		HOME: dirname(directory),
		GIT_CONFIG_NOSYSTEM: "1",
		GIT_CONFIG_GLOBAL: "/dev/null",
	};
	try {
		execFileSync("git", ["-c", "init.defaultBranch=master", "init", "--quiet"], {
			cwd: directory,
			env,
			stdio: "ignore",
		});
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
	}
}
