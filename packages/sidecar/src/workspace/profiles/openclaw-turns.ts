/**
 * The newest turns of OpenClaw's conversations, as an agent's database tells them (OpenClaw
 * 2026.9.6): its tables `session_nodes` and `transcript_events`.
 *
 * A message of the role `user` begins a turn. Events of 1 KB and more are compressed. An event that
 * cannot be read may be such a message, so it begins a turn without a text: two turns never become
 * one.
 *
 * The text is advice for people. It is the beginning of the message, on one line, and secrets that
 * can be recognised are masked before it is cut. Others, such as a short password, are not.
 */
import type { DatabaseSync } from "node:sqlite";
import { zstdDecompressSync } from "node:zlib";
import { findSecrets } from "../secrets/find.ts";
import { PRIVATE_KEY } from "../secrets/kinds.ts";

/** Conversations that were used last. */
const MAX_SESSIONS = 8;
/** The last one, and whether the one before is new as well. */
const MAX_TURNS_OF_SESSION = 2;
const MAX_TURNS = 8;
/** Of all conversations together. */
const MAX_ROWS = 2_000;
const MAX_READ_BYTES = 8 * 1024 * 1024;
/** OpenClaw's own limit for a compressed event. */
const MAX_EVENT_BYTES = 4 * 1024 * 1024;
const MAX_TEXT_CHARACTERS = 60;
/** Searched for secrets: no secret that is cut here can be in what is kept. */
const SEARCHED_CHARACTERS = 4_096;
/** The format's limit for an annotation. */
const MAX_VALUE_BYTES = 4_096;

interface StoredTurn {
	/**
	 * Unique in its conversation. It begins with `#` if its message cannot be read, and with `?` if the
	 * beginning of the turn was not reached: the id then changes with each row that is added.
	 */
	readonly id: string;
	readonly session: string;
	readonly status: "running" | "done" | "stopped" | "failed";
	/** When its message arrived, by the machine's clock. */
	readonly startedMs: number;
	readonly text?: string;
}

/** The turns as JSON, those that run first, newest first. @throws Error if the database has other tables */
export function readTurns(database: DatabaseSync, withTexts: boolean): string {
	const sessions = database
		.prepare(
			"SELECT session_key AS session, current_session_id AS id, status FROM session_nodes ORDER BY status IS 'running' DESC, updated_at DESC LIMIT ?",
		)
		.all(MAX_SESSIONS) as unknown as readonly Session[];
	const left = { rows: MAX_ROWS, bytes: MAX_READ_BYTES };
	const turns = sessions
		.flatMap((session) => turnsOf(database, session, left, withTexts))
		.sort((a, b) => Number(isRunning(b)) - Number(isRunning(a)) || b.startedMs - a.startedMs)
		.slice(0, MAX_TURNS);
	while (Buffer.byteLength(JSON.stringify(turns)) > MAX_VALUE_BYTES) turns.pop();
	return JSON.stringify(turns);
}

const isRunning = ({ status }: StoredTurn) => status === "running";

interface Session {
	readonly session: string;
	readonly id: string;
	readonly status: string | null;
}

interface Row {
	readonly seq: number;
	readonly startedMs: number;
	readonly json: string | null;
	readonly zstd: Uint8Array | null;
	readonly bytes: number | null;
}

function turnsOf(
	database: DatabaseSync,
	{ session, id, status }: Session,
	left: { rows: number; bytes: number },
	withTexts: boolean,
): StoredTurn[] {
	const rows = database
		.prepare(
			`SELECT seq, created_at AS startedMs, coalesce(event_utf8_bytes, octet_length(event_json)) AS bytes,
			CASE WHEN octet_length(event_json) <= ${MAX_EVENT_BYTES} THEN event_json END AS json,
			CASE WHEN octet_length(event_zstd) <= ${MAX_EVENT_BYTES} THEN event_zstd END AS zstd
			FROM transcript_events WHERE session_id = ? ORDER BY seq DESC`,
		)
		.iterate(id) as unknown as Iterable<Row>;
	const turns: StoredTurn[] = [];
	for (const row of rows) {
		left.rows--;
		if (row.json !== null || row.zstd !== null) left.bytes -= row.bytes ?? 0;
		const isReached = left.rows >= 0 && left.bytes >= 0;
		const message = isReached ? messageOf(row) : { id: `?${row.seq}`, text: undefined };
		if (message === undefined) continue;
		const { text } = message;
		turns.push({
			id: message.id,
			session,
			// How an earlier one ended is not recorded.
			status: turns.length === 0 ? statusOf(status) : "done",
			startedMs: row.startedMs,
			...(withTexts && text !== undefined && { text }),
		});
		if (!isReached || turns.length === MAX_TURNS_OF_SESSION) break;
	}
	return turns;
}

function statusOf(status: string | null): StoredTurn["status"] {
	if (status === "running") return "running";
	if (status === "killed") return "stopped";
	return status === "failed" || status === "timeout" ? "failed" : "done";
}

interface Message {
	readonly id: string;
	readonly text: string | undefined;
}

/** Without it an event is no message of a user, and need not be parsed. */
const USER = /"role"\s*:\s*"user"/;

/** The message that begins a turn; undefined for any other event. */
function messageOf(row: Row): Message | undefined {
	const unread = { id: `#${row.seq}`, text: undefined };
	try {
		const json = row.json ?? decompressed(row);
		if (!json.startsWith("{")) return unread;
		if (!USER.test(json)) return undefined;
		const { id, type, message } = JSON.parse(json) as {
			readonly id?: unknown;
			readonly type?: unknown;
			readonly message?: { readonly role?: unknown; readonly content?: unknown };
		};
		if (type !== "message" || message?.role !== "user") return undefined;
		return {
			id: typeof id === "string" && /^[\w-]{1,64}$/.test(id) ? id : unread.id,
			text: shortened(textOf(message.content)),
		};
	} catch {
		return unread;
	}
}

/** @throws Error */
function decompressed({ zstd, bytes }: Row): string {
	if (zstd === null || bytes === null || bytes > MAX_EVENT_BYTES) throw new Error("too large");
	return zstdDecompressSync(zstd, { maxOutputLength: bytes }).toString("utf8");
}

function textOf(content: unknown): string {
	if (typeof content === "string") return content;
	if (!Array.isArray(content)) return "";
	const texts = (content as readonly ({ readonly text?: unknown } | null)[]).map(
		(part) => part?.text,
	);
	return texts.filter((text) => typeof text === "string").join(" ");
}

/** Control characters, and those that change the direction of a line or do not show. */
const UNSEEN = /[\p{C}\p{Z}]+/gu;

function shortened(text: string): string | undefined {
	const line = masked(text.slice(0, SEARCHED_CHARACTERS).replace(UNSEEN, " ").trim());
	const characters = [...line];
	if (characters.length <= MAX_TEXT_CHARACTERS) return line || undefined;
	return `${characters
		.slice(0, MAX_TEXT_CHARACTERS - 1)
		.join("")
		.trimEnd()}…`;
}

function masked(text: string): string {
	const bytes = Buffer.from(text);
	let shown = "";
	let at = 0;
	for (const { kind, start, end } of findSecrets(bytes).toSorted((a, b) => a.start - b.start)) {
		if (end <= at) continue;
		shown += `${bytes.toString("utf8", at, Math.max(at, start))}***`;
		// A match proves a secret, and may end within it. A key has several lines.
		if (kind === PRIVATE_KEY.kind) return shown;
		at = end;
		while (at < bytes.length && (bytes[at] as number) > 0x20) at++;
	}
	return shown + bytes.toString("utf8", at);
}
