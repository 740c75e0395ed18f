/** An agent's database of OpenClaw's, as far as it tells about turns. Tests begin and end them. */
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";

export const AGENT_DATABASE = "agents/main/agent/openclaw-agent.sqlite";

export class TurnDatabase implements Disposable {
	readonly #database: DatabaseSync;
	#rows = 0;

	constructor(file: string) {
		mkdirSync(dirname(file), { recursive: true });
		this.#database = new DatabaseSync(file);
		this.#database.exec(`PRAGMA journal_mode = WAL;
CREATE TABLE session_nodes (session_key TEXT PRIMARY KEY, current_session_id TEXT NOT NULL, status TEXT, updated_at INTEGER NOT NULL) STRICT;
CREATE TABLE transcript_events (session_id TEXT NOT NULL, seq INTEGER NOT NULL, event_json TEXT, created_at INTEGER NOT NULL, event_zstd BLOB, event_utf8_bytes INTEGER, PRIMARY KEY (session_id, seq)) STRICT;`);
	}

	begin(session: string, text: string): void {
		this.#set(session, "running");
		const message = { role: "user", content: [{ type: "text", text }] };
		const event = JSON.stringify({ type: "message", id: `e${this.#rows}`, message });
		this.#database
			.prepare("INSERT INTO transcript_events VALUES (?, ?, ?, ?, NULL, NULL)")
			.run(session, this.#rows++, event, Date.now());
	}

	end(session: string): void {
		this.#set(session, "done");
	}

	#set(session: string, status: string): void {
		this.#database
			.prepare(
				"INSERT INTO session_nodes VALUES (?1, ?1, ?2, ?3) ON CONFLICT (session_key) DO UPDATE SET status = ?2, updated_at = ?3",
			)
			.run(session, status, Date.now());
	}

	[Symbol.dispose](): void {
		this.#database.close();
	}
}
