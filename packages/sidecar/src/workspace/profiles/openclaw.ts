import type { DatabaseSync } from "node:sqlite";
import { compilePatterns } from "./patterns.ts";
import type { Profile } from "./profile.ts";

/**
 * OpenClaw 2026.9: the workspace is its state directory (~/.openclaw), and the directory its agent works in is `workspace/` (or
 * `workspace-{agent}/`) below it.
 *
 * What people and agents author; an additional root is an agent's directory as `workspace/` is. A `notes.tmp` or a `yarn.lock` in here is data, so no pattern for file names reaches in.
 */
const AUTHORED = compilePatterns(["/{.roots,workspace,workspace-*,skills,hooks,extensions,sandboxes,wiki,canvas,media,transcripts}/**"]);

/** Made again at the next start, in tens of megabytes: 52 MB below cache/, 482 MB a run below tmp/, 13 GB seen below logs/. */
const REGENERATED = compilePatterns([
	"/cache/",
	"/tmp/",
	"/logs/",
	// Absolute links into the installation.
	"/plugin-skills/",
	// Installations, which OpenClaw's own backup skips too. A plugin missing from npm/ is installed again from the registry.
	"/dev/",
	"/git/",
	"/npm/",
	"/npm-runtime/",
	"/tools/",
	"/extensions/**/node_modules/",
	"/sandbox/skills-workspaces/",
	"/agents/*/agent/**/{tmp,.tmp,cache,shell_snapshots}/",
	// Codex's own log database, and its write-ahead log: 43 GB in eight days.
	"/agents/*/agent/codex-home/logs_*.sqlite{,-*}",
	// Chromium: locks, which are links that name a host and a process, and caches.
	"/browser/*/user-data/Singleton*",
	// OpenClaw's atomic write, `.fs-safe-replace.{pid}.{uuid}.tmp`, also in an agent's workspace.
	".fs-safe-*.tmp",
	"/browser/*/user-data/**/{Cache,Code Cache,GPUCache,GrShaderCache,ShaderCache,DawnGraphiteCache,DawnWebGPUCache}/",
]);

/** Locks, process ids and half-written files, wherever OpenClaw itself keeps house. */
const TRANSIENT = compilePatterns([
	"*.lock",
	// Databases that are locks; 0-4 KB, and their names end in .sqlite. A kill leaves the journal of one that is still empty.
	"*.lock.sqlite{,-*}",
	"*.sqlite.{generation-lock,generation-writer,reindex-lock}.sqlite{,-*}",
	// A database while it is rebuilt, without a .sqlite of its own.
	"*.memory-reindex-*",
	"*.quarantined-*",
	"*.pid",
	"*.sock",
	"*.tmp",
	"*.tmp.*",
	"openclaw-config-backup-*/",
	"*.update-captures/",
]);

/** Tokens, keys, pairing secrets, browser cookies, and transcripts into which people paste such things. */
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

/** A lease of another host name keeps the next gateway down for five minutes (openclaw#155644). */
const LEASES = ["state_leases", "agent_database_leases"] as const;

const isCleaned = (path: string) => path === "state/openclaw.sqlite";

export const openclaw: Profile = {
	name: "openclaw",
	volatile: (path, type) => REGENERATED(path, type) || (!AUTHORED(path, type) && TRANSIENT(path, type)),
	secret: (path) => SECRET(path, "file"),
	critical: ["openclaw.json", "state/openclaw.sqlite", "workspace"],
	// Without it the gateway refuses to start, so a start in the middle of a restore fails closed.
	restoredLast: ["openclaw.json"],
	cleanSqlite: (path, copy) => {
		if (isCleaned(path)) releaseLeases(copy);
	},
	isCleaned,
};

function releaseLeases(copy: DatabaseSync): void {
	const exists = copy.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?");
	const held = LEASES.filter(
		(table) => exists.get(table) !== undefined && copy.prepare(`SELECT 1 FROM ${table} LIMIT 1`).get() !== undefined,
	);
	if (held.length === 0) return;
	// Zeroed, not unlinked: else the rows' remains would make every idle snapshot differ from the one before.
	copy.exec("PRAGMA secure_delete = ON; BEGIN");
	for (const table of held) copy.exec(`DELETE FROM ${table}`);
	copy.exec("COMMIT");
}
