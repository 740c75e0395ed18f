import type { DatabaseSync } from "node:sqlite";
import { baseOf } from "../../path.ts";
import { readTurns } from "./openclaw-turns.ts";
import { compileNamedPatterns, compilePatterns } from "./patterns.ts";
import type { Annotations, Profile } from "./profile.ts";

/**
 * OpenClaw 2026.9: the workspace is its state directory (~/.openclaw). Agents work in `workspace/`,
 * `workspace-{agent}/` or any other directory below it that openclaw.json names.
 *
 * Only exactly known paths of OpenClaw itself are left out. People and agents work in any
 * directory: a `yarn.lock`, a `server.pid` or a `notes.tmp` is data unless OpenClaw itself writes
 * that exact path. Plugins (npm/, git/, extensions/) are kept: decision 47.
 *
 * Recreated at the next start, in tens of megabytes: 52 MB below cache/, 482 MB a run below tmp/,
 * 13 GB seen below logs/.
 */
const REGENERATED = [
	"/cache/",
	"/tmp/",
	"/logs/",
	// Absolute links into the installation.
	"/plugin-skills/",
	"/sandbox/skills-workspaces/",
	"/agents/*/agent/{tmp,.tmp}/",
	// Codex keeps worktrees in its home too, so list only its own directories.
	"/agents/*/agent/codex-home/{tmp,.tmp,cache,shell_snapshots}/",
	// Codex's own log database and its write-ahead log: 43 GB in eight days.
	"/agents/*/agent/codex-home/logs_*.sqlite{,-*}",
	// Chromium: locks, which are links that name a host and a process, and caches.
	"/browser/*/user-data/Singleton{Cookie,Lock,Socket}",
	"/browser/*/user-data/{Cache,Code Cache,GPUCache,GrShaderCache,ShaderCache,DawnGraphiteCache,DawnWebGPUCache}/",
	"/browser/*/user-data/*/{Cache,Code Cache,GPUCache,GrShaderCache,ShaderCache,DawnGraphiteCache,DawnWebGPUCache}/",
];

/** Locks and process ids: a restored one blocks or delays the start of the next gateway. */
const TRANSIENT = [
	"/{openclaw.json,openclaw.json.clobber,exec-approvals.json,secrets.json,config-journal-fingerprint.key}.lock",
	"/{gateway,gateway.*}.lock",
	"/{gateway,node}.pid",
	"/{exec-approvals,mac-control}.sock",
	"/sessions.json.{lock,tmp,tmp.*}",
	// Releases of early 2026 prefer it to the real file: deleted jobs ran again.
	"/cron/jobs.json.{tmp,tmp.*,*.tmp}",
	"/state/*.lock{,.sqlite,.sqlite-*}",
	"/migration/*.lock",
	// A project's lock file is named after its tool; these are named after a file of OpenClaw's.
	"/agents/*/sessions/*.{json,jsonl}.{lock,tmp,tmp.*}",
	"/agents/*/agent/*.{json,jsonl,sqlite}.lock",
	// Databases that act as locks; 0-4 KB. A kill leaves the journal of one that is still empty.
	"/agents/*/agent/*.lock.sqlite{,-*}",
	"openclaw-agent.sqlite.{generation-lock,generation-writer,reindex-lock}.sqlite{,-*}",
];

/**
 * Temporary names that OpenClaw builds from a process id or a random number: for atomic writes,
 * also in an agent's workspace, and for a database that is rebuilt.
 */
const UNFINISHED: Readonly<Record<string, RegExp>> = {
	".fs-safe-{process id, random}.tmp":
		/^\.fs-safe-(?:[a-z]+[.-])?(?:\d+[.-])?[0-9a-f]+(?:-[0-9a-f]+)+\.tmp$/,
	"openclaw-agent.sqlite.memory-reindex-{random}":
		/^openclaw-agent\.sqlite\.memory-reindex-[0-9a-f-]+(?:-wal|-shm|-journal)?$/,
};

const KNOWN = compileNamedPatterns([...REGENERATED, ...TRANSIENT]);

function unfinished(path: string): string | undefined {
	const name = baseOf(path);
	return Object.keys(UNFINISHED).find((pattern) => UNFINISHED[pattern]?.test(name));
}

/**
 * Tokens, keys, pairing secrets, browser cookies, and transcripts into which people paste such
 * things.
 */
const SECRET = compilePatterns([
	"/openclaw.json",
	"/openclaw.json.*",
	"/.env",
	"/.env.*",
	"/secrets.json",
	"/config-journal-fingerprint.key",
	// The token of its approval socket.
	"/exec-approvals.json",
	"/{agents,browser,credentials,devices,identity,matrix,secrets,sessions,state,transcripts}",
	"/{agents,browser,credentials,devices,identity,matrix,secrets,sessions,state,transcripts}/**",
]);

/** Its table `session_nodes` has one row per session (OpenClaw 2026.9.6). */
const AGENT_DATABASE = /^agents\/[^/]+\/agent\/openclaw-agent\.sqlite$/;

/** Agents' workspaces, and skills of the user's own. What is elsewhere is OpenClaw's own state. */
const WORKPLACE = /^(workspace(?:-[^/]+)?|workspaces\/[^/]+|worktrees\/[^/]+|skills)\/./s;

/**
 * OpenClaw writes these into each workspace. If they are gone, it takes the workspace for lost and
 * refuses every turn (`WorkspaceVanishedError`).
 */
const NEEDED_FILES = new Set([
	"AGENTS.md",
	"HEARTBEAT.md",
	"IDENTITY.md",
	"SOUL.md",
	"TOOLS.md",
	"USER.md",
]);

const AGENT_WORKSPACE = /^workspace(?:-[^/]+|s\/[^/]+)?$/;

/** A lease of another host name blocks the next gateway for five minutes (openclaw#155644). */
const LEASES = ["state_leases", "agent_database_leases"] as const;

const isCleaned = (path: string) => path === "state/openclaw.sqlite";

export const openclaw: Profile = {
	name: "openclaw",
	volatile: (path, type) => KNOWN(path, type) ?? unfinished(path),
	leavesOut: [
		{ reason: "recreated at the next start", patterns: REGENERATED },
		{
			reason: "locks, process ids, sockets and temporary files of a running gateway",
			patterns: TRANSIENT,
		},
		{ reason: "half-written files", patterns: Object.keys(UNFINISHED) },
	],
	secret: (path) => SECRET(path, "file"),
	critical: ["openclaw.json", "state/openclaw.sqlite", "workspace"],
	// The gateway refuses to start without it, so a start during a restore fails closed.
	restoredLast: ["openclaw.json"],
	cleanSqlite: (path, copy) => {
		if (isCleaned(path)) releaseLeases(copy);
	},
	isCleaned,
	annotateSqlite: (path, database, { withTexts = true } = {}) => {
		if (!AGENT_DATABASE.test(path)) return undefined;
		const running = database
			.prepare("SELECT 1 FROM session_nodes WHERE status = 'running' LIMIT 1")
			.get();
		return { turn: running === undefined ? "idle" : "running", ...turnsIn(database, withTexts) };
	},
	workplaceOf: (path) => WORKPLACE.exec(path)?.[1],
	isNeeded: (path) => NEEDED_FILES.has(baseOf(path)) || AGENT_WORKSPACE.test(path),
};

/** Another release may have other tables: that costs the labels, and nothing else. */
function turnsIn(database: DatabaseSync, withTexts: boolean): Annotations {
	try {
		return { turns: readTurns(database, withTexts) };
	} catch {
		return {};
	}
}

function releaseLeases(copy: DatabaseSync): void {
	const exists = copy.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?");
	const held = LEASES.filter(
		(table) =>
			exists.get(table) !== undefined &&
			copy.prepare(`SELECT 1 FROM ${table} LIMIT 1`).get() !== undefined,
	);
	if (held.length === 0) return;
	// Zeroed, not only unlinked: otherwise remains of the rows make every idle snapshot differ from
	// the previous one.
	copy.exec("PRAGMA secure_delete = ON; BEGIN");
	for (const table of held) copy.exec(`DELETE FROM ${table}`);
	copy.exec("COMMIT");
}
