/**
 * The two databases of OpenClaw 2026.9.6, as far as the sidecar can distinguish them from the real
 * ones. The relevant tables have their real names and columns. Empty tables and indices bring the
 * files to the real size.
 */
import { DatabaseSync } from "node:sqlite";

export const APP_VERSION = "2026.9.6";

/** Measured: pages of 4 KiB, incremental vacuum, write-ahead log, and commits without fsync. */
const PRAGMAS =
	"PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL";

const STATE_SCHEMA = `
CREATE TABLE state_leases (
  scope TEXT NOT NULL, lease_key TEXT NOT NULL, owner TEXT NOT NULL, expires_at INTEGER, heartbeat_at INTEGER, payload_json TEXT,
  created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL, PRIMARY KEY (scope, lease_key)
) STRICT;
CREATE TABLE agent_database_leases (
  lease_id TEXT PRIMARY KEY, agent_id TEXT NOT NULL, path TEXT NOT NULL, owner_pid INTEGER NOT NULL, owner_start_time INTEGER,
  opened_at INTEGER NOT NULL
) STRICT;
CREATE TABLE schema_meta (
  meta_key TEXT NOT NULL PRIMARY KEY, role TEXT NOT NULL, schema_version INTEGER NOT NULL, agent_id TEXT, app_version TEXT,
  created_at INTEGER NOT NULL, updated_at INTEGER NOT NULL
) STRICT;
CREATE TABLE agent_databases (agent_id TEXT PRIMARY KEY, path TEXT, schema_version INTEGER, last_seen_at INTEGER, size_bytes INTEGER);
CREATE TABLE audit_events (id INTEGER PRIMARY KEY, at INTEGER NOT NULL, kind TEXT NOT NULL, event_json TEXT NOT NULL) STRICT;
CREATE INDEX audit_events_at ON audit_events (at);
CREATE TABLE cron_jobs (store_key TEXT, job_id TEXT, job_json TEXT, updated_at INTEGER, PRIMARY KEY (store_key, job_id));
CREATE TABLE device_identities (device_id TEXT PRIMARY KEY, private_key BLOB NOT NULL);
CREATE TABLE task_runs (run_id TEXT PRIMARY KEY, status TEXT, detail_json TEXT, updated_at INTEGER);
CREATE INDEX task_runs_updated ON task_runs (updated_at);
CREATE TABLE workspace_setup_state (workspace TEXT PRIMARY KEY, attested_at INTEGER);
`;

const AGENT_SCHEMA = `
CREATE TABLE session_nodes (session_key TEXT PRIMARY KEY, current_session_id TEXT NOT NULL, entry_json TEXT NOT NULL, status TEXT, updated_at INTEGER) STRICT;
CREATE INDEX session_nodes_updated ON session_nodes (updated_at);
CREATE TABLE session_windows (session_id TEXT PRIMARY KEY, session_key TEXT NOT NULL, created_at INTEGER, updated_at INTEGER) STRICT;
CREATE INDEX session_windows_updated ON session_windows (updated_at);
CREATE TABLE transcript_events (
  session_id TEXT NOT NULL, seq INTEGER NOT NULL, event_json TEXT, created_at INTEGER NOT NULL, event_zstd BLOB, event_utf8_bytes INTEGER,
  PRIMARY KEY (session_id, seq)
) STRICT;
CREATE TABLE transcript_event_identities (
  session_id TEXT NOT NULL, event_id TEXT NOT NULL, seq INTEGER NOT NULL, event_type TEXT, created_at INTEGER NOT NULL,
  PRIMARY KEY (session_id, event_id)
) STRICT;
CREATE INDEX transcript_event_identities_seq ON transcript_event_identities (session_id, seq);
CREATE TABLE session_transcript_active_events (session_id TEXT NOT NULL, active_position INTEGER NOT NULL, event_seq INTEGER NOT NULL, PRIMARY KEY (session_id, active_position)) STRICT;
CREATE TABLE session_transcript_index_state (session_id TEXT PRIMARY KEY, indexed_seq INTEGER NOT NULL, updated_at INTEGER NOT NULL) STRICT;
CREATE VIRTUAL TABLE session_transcript_fts USING fts5(
  text, session_id UNINDEXED, message_id UNINDEXED, role UNINDEXED, timestamp UNINDEXED, tokenize = 'unicode61 remove_diacritics 2'
);
CREATE TABLE trajectory_runtime_events (
  session_id TEXT NOT NULL, seq INTEGER NOT NULL, run_id TEXT, event_json TEXT NOT NULL, created_at INTEGER NOT NULL, PRIMARY KEY (session_id, seq)
) STRICT;
CREATE INDEX trajectory_runtime_events_run ON trajectory_runtime_events (run_id);
`;

interface Kind {
	readonly schema: string;
	readonly userVersion: number;
	/** Empty tables with two indices each, up to the real size: 1.46 MB and 0.95 MB. */
	readonly fillers: number;
}

const STATE: Kind = { schema: STATE_SCHEMA, userVersion: 18, fillers: 107 };
const AGENT: Kind = { schema: AGENT_SCHEMA, userVersion: 23, fillers: 63 };

/** @param file created if it does not exist */
export const openStateDatabase = (file: string): DatabaseSync => open(file, STATE);
export const openAgentDatabase = (file: string): DatabaseSync => open(file, AGENT);

function open(file: string, { schema, userVersion, fillers }: Kind): DatabaseSync {
	const database = new DatabaseSync(file, { timeout: 5_000 });
	database.exec(PRAGMAS);
	const { user_version } = database.prepare("PRAGMA user_version").get() as {
		user_version: number;
	};
	if (user_version === 0) {
		const tables = Array.from({ length: fillers }, (_, i) =>
			fillerTable(String(i).padStart(3, "0")),
		);
		transact(database, () =>
			database.exec(`${schema}${tables.join("")}PRAGMA user_version = ${userVersion};`),
		);
		database.exec("PRAGMA wal_checkpoint(TRUNCATE)");
	}
	return database;
}

function fillerTable(name: string): string {
	return `CREATE TABLE feature_${name} (id INTEGER PRIMARY KEY, owner_key TEXT, value_json TEXT NOT NULL, created_at INTEGER, updated_at INTEGER, expires_at INTEGER, detail TEXT) STRICT;
CREATE INDEX feature_${name}_owner ON feature_${name} (owner_key, updated_at);
CREATE INDEX feature_${name}_expires ON feature_${name} (expires_at);
`;
}

export function transact<T>(database: DatabaseSync, change: () => T): T {
	database.exec("BEGIN IMMEDIATE");
	try {
		const result = change();
		database.exec("COMMIT");
		return result;
	} catch (error) {
		database.exec("ROLLBACK");
		throw error;
	}
}
