import { mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { plainProfile, workbench } from "../../../testkit/workbench.ts";
import { BlockBuilder } from "../commit/block-builder.ts";
import { ChunkIndex } from "../commit/chunk-index.ts";
import { thisEnvironment } from "../commit/environment.ts";
import { LocalTree } from "../disk/local-tree.ts";
import { Roots } from "../path.ts";
import { silentLogger } from "../telemetry/logger.ts";
import { Capture } from "./capture.ts";
import { KnownRoots } from "./known-roots.ts";
import { SecretGuard } from "./secret-guard.ts";

/** A first capture of an unknown workspace, and what it read. */
async function firstCapture() {
	const bench = await workbench();
	const root = bench.workspace("a");
	mkdirSync(root);
	const index = new ChunkIndex(thisEnvironment);
	const reads: string[] = [];
	const copies: string[] = [];
	const context = {
		root: new Roots(root),
		filter: () => "keep" as const,
		profile: { ...plainProfile, cleanSqlite: (path: string) => void copies.push(path) },
		tempDir: bench.dir,
		local: new LocalTree(),
		index,
		quickHash: (bytes: Uint8Array) => {
			reads.push(Buffer.from(bytes).toString());
			return 0n;
		},
		logger: silentLogger,
		keepsRaw: () => false,
		secrets: new SecretGuard({
			policy: "warn",
			profile: plainProfile,
			quickHash: () => 0n,
			logger: silentLogger,
		}),
	};
	const builder = new BlockBuilder({
		store: bench.store,
		index,
		environment: thisEnvironment,
		inlineLimitBytes: 1e6,
		signal: undefined,
	});
	return {
		bench,
		root,
		context,
		builder,
		reads,
		copies,
		local: context.local,
		capture: new Capture(context, builder),
		next: () => new Capture(context, builder),
	};
}

const typesOf = ({ changed }: Capture) =>
	Object.fromEntries([...changed].map(([path, { entry }]) => [path, entry.type]));

test("a first capture reads a file once, however many new directories lead to it, and a later hint reads it again", async () => {
	const { bench, root, reads, capture } = await firstCapture();
	await using _ = bench;
	mkdirSync(join(root, "a/b/c"), { recursive: true });
	for (const path of ["a/b/c/1", "a/b/2", "3"]) writeFileSync(join(root, path), path);
	await capture.take(["", "3", "a", "a/b", "a/b/2", "a/b/c", "a/b/c/1"]);
	expect(reads.sort()).toEqual(["3", "a/b/2", "a/b/c/1"]);
	reads.length = 0;
	await capture.take(["a/b/2"]);
	expect(reads).toEqual(["a/b/2"]);
});

test("a path that changes its type between two hints of one round is inspected again", async () => {
	const { bench, root, capture } = await firstCapture();
	await using _ = bench;
	mkdirSync(join(root, "d"));
	writeFileSync(join(root, "d/inside"), "1");
	writeFileSync(join(root, "f"), "1");
	function* hints() {
		yield "";
		// A file replaces the directory, and a directory replaces the file.
		renameSync(join(root, "d"), join(root, "elsewhere"));
		writeFileSync(join(root, "d"), "a file");
		rmSync(join(root, "f"));
		mkdirSync(join(root, "f"));
		writeFileSync(join(root, "f/inside"), "1");
		yield* ["d", "f"];
		expect(typesOf(capture)).toEqual({ "": "dir", d: "file", f: "dir", "f/inside": "file" });
		// Undone: the directory is back, with the content of the first inspection.
		rmSync(join(root, "d"));
		renameSync(join(root, "elsewhere"), join(root, "d"));
		yield "d";
	}
	await capture.take(hints());
	expect(typesOf(capture)).toEqual({
		"": "dir",
		d: "dir",
		"d/inside": "file",
		f: "dir",
		"f/inside": "file",
	});
});

test("a restored and unchanged database is copied once per capture, however many hints our own reads cause", async () => {
	const { bench, root, copies, local, capture, next } = await firstCapture();
	await using _ = bench;
	{
		using database = new DatabaseSync(join(root, "memory.db"));
		database.exec("PRAGMA journal_mode = WAL; CREATE TABLE t (v); INSERT INTO t VALUES ('x')");
	}
	// A younger file may hide another write within the same clock tick.
	await delay(60);
	await capture.take([""]);
	// What a restore knows: the content, but not the state of its WAL.
	for (const [path, { entry }] of capture.changed)
		local.set(path, { entry, stat: undefined, quick: undefined, database: undefined });
	copies.length = 0;
	const again = next();
	for (let round = 0; round < 3; round++) await again.take(["memory.db"]);
	expect(copies).toEqual(["memory.db"]);
	expect(again.changed.size + again.removed.size + again.deferred.size).toBe(0);
});

// @id unavailable-root-not-read
test("no name in an unavailable root is inspected, whatever leads there, and the rest of the workspace is taken", async () => {
	const { bench, root, context, builder, reads } = await firstCapture();
	await using _ = bench;
	const notes = join(bench.dir, "notes");
	mkdirSync(notes);
	for (const path of [join(notes, "theirs"), join(root, "mine")]) writeFileSync(path, path);
	const roots = new Roots(root, new Map([["notes", notes]]));
	const asked: string[] = [];
	const filter = (path: string) => {
		asked.push(path);
		return "keep" as const;
	};
	const unavailable = KnownRoots.open(roots, {
		roots: { notes: { directory: notes, identity: "another directory" } },
		mounts: {},
		filter,
		holds: () => false,
	});
	const capture = new Capture({ ...context, root: roots, filter }, builder, unavailable);
	await capture.take(["", "mine", ".roots", ".roots/notes", ".roots/notes/theirs"]);
	expect(asked).toContain("mine");
	expect(asked).not.toContain(".roots/notes/theirs");
	expect(reads).toEqual([join(root, "mine")]);
});
