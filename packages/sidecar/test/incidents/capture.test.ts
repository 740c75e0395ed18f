/**
 * Incidents in which part of a workspace was silently never stored. Numbers: docs/reliability.md.
 */
import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openclawProfile, type Workbench, workbench } from "../../../testkit/workbench.ts";
import { readDisk } from "../../../testkit/workspace/disk.ts";
import { commit } from "./files.ts";

/** By incident: the paths that some tool left out. */
const LEFT_OUT: readonly (readonly [string, readonly string[]])[] = [
	// @id incident-8-tokens
	[
		"8: refreshed tokens",
		["agents/main/agent/auth-profiles.json", "credentials/oauth.json", "identity/device.json"],
	],
	// @id incident-13-workspace
	[
		"13: the agent's own workspace",
		["workspace/IDENTITY.md", "workspace/USER.md", "workspace/MEMORY.md"],
	],
	// @id incident-21-old-layout
	["21: automations, in the old layout", ["cron/jobs.json", "agents/main/sessions/sessions.json"]],
	// @id incident-28-dot-directories
	["28: dot directories", ["workspace/.openclaw/state.json", "workspace/.config/a/b", ".env"]],
	// @id ocs-key-names
	[
		"OCS: names that look like keys, locks or logs",
		[
			"workspace/server.pem",
			"workspace/id.key",
			"workspace/.env",
			"workspace/.secrets/a",
			"workspace/yarn.lock",
			"workspace/build.log",
		],
	],
	// @id hermes-git
	[
		"HERMES: .git",
		["workspace/.git/HEAD", "workspace/.git/objects/0a/bc", "workspace/project/.git/config"],
	],
];

const DATABASES: readonly (readonly [string, string])[] = [
	// @id incident-21-new-layout
	["21: automations, in the new layout", "state/openclaw.sqlite"],
	// @id hermes-databases
	["HERMES: databases in directories", "workspace/a/b/notes.db"],
];

/** OCS silently left out files over 10 MB. fastagent refused to store anything beyond 64 MB. */
const LARGE = [
	// @id ocs-large-file
	["OCS: a file over 10 MB", "workspace/11-mb.bin", 11_000_000],
	// @id fastagent-64-mb
	["fastagent: a workspace over 64 MB", "workspace/65-mb.bin", 65_000_000],
] as const;

let bench: Workbench;
let before: ReturnType<typeof readDisk>;
let after: ReturnType<typeof readDisk>;

beforeAll(async () => {
	bench = await workbench();
	const write = (path: string, content: string | Buffer, mode = 0o600) => {
		const file = join(bench.workspace("a"), path);
		mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
		writeFileSync(file, content, { mode });
	};
	for (const [, paths] of LEFT_OUT)
		for (const path of paths) write(path, `${path}, as the agent wrote it`);
	// Whole numbers that do not repeat within a chunk: as good as any content, and fast to generate
	// and compress.
	for (const [, path, sizeBytes] of LARGE)
		write(path, Buffer.from(Uint32Array.from({ length: sizeBytes / 4 }, (_, n) => n).buffer));
	symlinkSync("MEMORY.md", join(bench.workspace("a"), "workspace/link"));
	for (const [, path] of DATABASES) {
		const file = join(bench.workspace("a"), path);
		mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
		using database = new DatabaseSync(file);
		database.exec(
			"PRAGMA journal_mode = WAL; CREATE TABLE cron_jobs (v); INSERT INTO cron_jobs VALUES ('every morning')",
		);
	}
	await commit(await bench.open("a", { profile: openclawProfile }));
	await bench.open("b", { profile: openclawProfile });
	before = readDisk(bench.workspace("a"));
	after = readDisk(bench.workspace("b"));
});

afterAll(async () => await bench[Symbol.asyncDispose]());

it.each(LEFT_OUT)("%s: are stored and restored", (_, paths) => {
	for (const path of paths)
		expect({ path, ...after.get(path) }).toEqual({ path, ...before.get(path) });
});

it.each(LARGE)("%s: is stored and restored", (_, path) => {
	expect(after.get(path)).toEqual(before.get(path));
});

// @id fastagent-links
it("fastagent: links are stored and restored", () => {
	expect(after.get("workspace/link")).toMatchObject({
		type: "link",
		content: before.get("workspace/link")?.content,
	});
});

describe("databases", () => {
	it.each(DATABASES)("%s: the rows are stored and restored", (_, path) => {
		using database = new DatabaseSync(join(bench.workspace("b"), path), { readOnly: true });
		expect(database.prepare("SELECT v FROM cron_jobs").all()).toEqual([{ v: "every morning" }]);
	});
});
