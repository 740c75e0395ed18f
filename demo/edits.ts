/**
 * The file changes that a user and their tools make while the agent runs, one of each kind, and how
 * to check that the log has them.
 */
import {
	appendFileSync,
	chmodSync,
	mkdirSync,
	renameSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { Random } from "../packages/testkit/openclaw/random.ts";

/** Relative to the state directory. */
export const EDITED = "workspace/tour";
export const DELETED = `${EDITED}/obsolete.md`;
export const DELETED_CONTENT = "Nobody needs this now. Or so we think.\n";
export const KILLED_DATABASE = `${EDITED}/tasks.sqlite`;
export const ROWS = 1_000;

/** Files that the edits below change. */
export function writeDrafts(stateDirectory: string): string {
	const at = (name: string) => join(stateDirectory, EDITED, name);
	mkdirSync(at(""), { recursive: true });
	writeFileSync(at("draft.md"), "# Draft\n\nTo be renamed.\n");
	writeFileSync(at("journal.md"), "08:00 The first machine starts.\n");
	writeFileSync(at("obsolete.md"), DELETED_CONTENT);
	writeFileSync(at("private.md"), "Not for everybody.\n", { mode: 0o644 });
	writeFileSync(at("tool.sh"), "#!/bin/sh\necho hello\n", { mode: 0o644 });
	return "5 files";
}

export function makeEdits(stateDirectory: string): string {
	const at = (name: string) => join(stateDirectory, EDITED, name);
	writeFileSync(at("plan – für später.md"), "- survive the machine\n");
	appendFileSync(at("journal.md"), "08:01 Something happened.\n");
	renameSync(at("draft.md"), at("final.md"));
	rmSync(at("obsolete.md"));
	chmodSync(at("private.md"), 0o600);
	chmodSync(at("tool.sh"), 0o755);
	symlinkSync("final.md", at("latest"));
	symlinkSync("/nowhere/at all", at("dangling"));
	mkdirSync(at("empty directory"));
	writeFileSync(at("numbers.bin"), new Random(1).bytes(3_000_000));
	return "10 edits, one of them 3 MB";
}

/**
 * A process that commits rows and then kills itself at once. Its commits are only in the
 * write-ahead log; the database file alone has none of them.
 */
export function databaseWriter(stateDirectory: string): readonly string[] {
	const program = `
		const { DatabaseSync } = require("node:sqlite");
		const database = new DatabaseSync(process.argv[1]);
		database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; CREATE TABLE IF NOT EXISTS tasks (id INTEGER PRIMARY KEY, text TEXT)");
		const insert = database.prepare("INSERT INTO tasks (text) VALUES (?)");
		for (let i = 0; i < ${ROWS}; i++) insert.run("task " + i);
		process.kill(process.pid, "SIGKILL");`;
	return [process.execPath, "--eval", program, "--", join(stateDirectory, KILLED_DATABASE)];
}
