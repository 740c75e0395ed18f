import { execFileSync } from "node:child_process";
import {
	mkdirSync,
	mkdtempSync,
	realpathSync,
	renameSync,
	rmSync,
	symlinkSync,
	truncateSync,
	utimesSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterEach, expect, test } from "vitest";
import { AgingStore } from "../../../testkit/store/aging-store.ts";
import { readDisk } from "../../../testkit/workspace/disk.ts";
import { mounted } from "../../../testkit/workspace/mounted.ts";
import { flush, ls, run, why } from "../index.ts";
import { FILE_CHUNK_BITS, MAX_CHUNKS } from "../log/limits.ts";
import { recordingLogger } from "../telemetry/logger.ts";

const undo: (() => unknown)[] = [];
afterEach(() => {
	for (const step of undo.splice(0).reverse()) step();
});

const TOKEN = `ghp_${"a1B2".repeat(9)}`;

/** A workspace with one additional root, and a directory outside. */
function place() {
	const dir = realpathSync(mkdtempSync(join(tmpdir(), "why-")));
	undo.push(() => rmSync(dir, { recursive: true, force: true }));
	const options = {
		store: new AgingStore(),
		workspace: join(dir, "ws"),
		stateDir: join(dir, "state"),
		roots: { notes: join(dir, "notes") },
		handoverWaitMs: 0,
	};
	const put = (path: string, content = "x") => {
		mkdirSync(dirname(join(dir, path)), { recursive: true });
		writeFileSync(join(dir, path), content);
	};
	const ask = async (path: string, more: object = {}) => {
		const [answer] = await why({ ...options, ...more, paths: [path] });
		return answer;
	};
	put("ws/a.md");
	put("notes/n.md");
	return { dir, options, put, ask };
}

test("why names the rule that leaves a path out: its pattern, its line, and the directory that it matches", async () => {
	const { options, put, ask } = place();
	put("ws/.openclaw-sidecar-ignore", "# mine\n*.log\n!keep.log\n/out/\n");
	for (const path of ["a.log", "keep.log", "out/deep/x", "logs/support/y", "gateway.pid"])
		put(`ws/${path}`);
	await flush(options);
	expect(await ask("a.log")).toEqual({
		path: "a.log",
		treePath: "a.log",
		stored: false,
		code: "ignored",
		reason: "line 2 of .openclaw-sidecar-ignore, *.log, leaves it out",
		remedy: "remove that line, or add the lines !/a.log to the end of .openclaw-sidecar-ignore",
		commit: undefined,
		rule: { pattern: "*.log", line: 2, at: "a.log" },
	});
	expect(await ask("keep.log")).toMatchObject({
		stored: true,
		code: "stored",
		commit: 2,
		rule: { pattern: "!keep.log", line: 3 },
	});
	expect(await ask("out/deep/x")).toMatchObject({
		code: "ignored",
		rule: { pattern: "/out/", line: 4, at: "out" },
	});
	expect(await ask("logs/support/y")).toMatchObject({
		code: "profile",
		reason: "the profile openclaw leaves logs/ out by /logs/",
		rule: { pattern: "/logs/", at: "logs" },
	});
	expect(await ask("gateway.pid")).toMatchObject({
		code: "profile",
		rule: { pattern: "/{gateway,node}.pid" },
	});
	expect(await ask("out/not/there")).toMatchObject({ code: "ignored" });
});

test("the lines that why names store the path with the next flush", async () => {
	const { options, put, ask } = place();
	put("ws/.openclaw-sidecar-ignore", "/out/\n");
	put("ws/out/deep/x");
	put("ws/out/deep/y");
	const answers = [await ask("out/deep/x"), await ask("logs/z")];
	put("ws/logs/z");
	const lines = answers.flatMap(
		(each) => each?.remedy?.match(/add the lines (.*) to the end/)?.[1]?.split(" ") ?? [],
	);
	expect(lines.length).toBeGreaterThan(2);
	put("ws/.openclaw-sidecar-ignore", `/out/\n${lines.join("\n")}\n`);
	await flush(options);
	expect([await ask("out/deep/x"), await ask("logs/z"), await ask("out/deep/y")]).toMatchObject([
		{ code: "stored" },
		{ code: "stored" },
		{ code: "ignored" },
	]);
});

test("why tells links, special files, companions of databases and reserved names apart", async () => {
	const { dir, options, put, ask } = place();
	execFileSync("mkfifo", [join(dir, "ws/fifo")]);
	symlinkSync(join(dir, "elsewhere"), join(dir, "ws/link"));
	put("elsewhere/file");
	put("ws/.openclaw-sidecar/staging/1");
	put("ws/.roots/notes/x");
	put("ws/plain-wal");
	const db = new DatabaseSync(join(dir, "ws/my.db"));
	undo.push(() => db.close());
	db.exec("PRAGMA journal_mode = WAL; CREATE TABLE t(x); INSERT INTO t VALUES (1)");
	await flush(options);
	const codes: Record<string, string | undefined> = {};
	for (const path of [
		"fifo",
		"link",
		"link/file",
		"my.db",
		"my.db-wal",
		"my.db-shm",
		"plain-wal",
		".openclaw-sidecar/staging/1",
		join(dir, "ws/.roots/notes/x"),
		".roots/notes/n.md",
		join(dir, "notes/n.md"),
		join(dir, "notes"),
		".roots",
		".",
	])
		codes[path.replace(dir, "")] = (await ask(path))?.code;
	expect(codes).toEqual({
		fifo: "special",
		link: "stored",
		"link/file": "below-link",
		"my.db": "stored",
		"my.db-wal": "companion",
		"my.db-shm": "companion",
		"plain-wal": "stored",
		".openclaw-sidecar/staging/1": "reserved",
		"/ws/.roots/notes/x": "reserved",
		".roots/notes/n.md": "stored",
		"/notes/n.md": "stored",
		"/notes": "stored",
		".roots": "stored",
		".": "stored",
	});
	db.exec("INSERT INTO t VALUES (2)");
	expect(await ask("my.db")).toMatchObject({ stored: false, code: "pending", commit: 2 });
});

test("why tells what is outside, gone, new or in a root that is not here", async () => {
	const { dir, options, put, ask } = place();
	put("ws/gone");
	expect(await ask("a.md")).toMatchObject({ code: "pending", commit: undefined });
	await flush(options);
	put("elsewhere/file");
	put("ws/new");
	put("ws/a.md", "changed");
	rmSync(join(dir, "ws/gone"));
	expect(await ask(join(dir, "elsewhere/file"))).toMatchObject({
		treePath: undefined,
		code: "outside",
		remedy: `add --root elsewhere=${join(dir, "elsewhere")}, or move it into the workspace`,
	});
	expect(await ask("../elsewhere/file")).toMatchObject({ code: "outside" });
	expect(await ask("new")).toMatchObject({ code: "pending", reason: "it is new since commit 2" });
	expect(await ask("a.md")).toMatchObject({ code: "pending", commit: 2 });
	expect(await ask("gone")).toMatchObject({ code: "deleted", commit: 2 });
	expect(await ask("never")).toMatchObject({ code: "missing", commit: undefined });
	expect(await ask(".roots/notes/n.md", { roots: {} })).toMatchObject({
		code: "no-root",
		remedy: "add --root notes=DIR",
		stored: false,
	});
	symlinkSync(join(dir, "ws"), join(dir, "alias"));
	expect(await ask(join(dir, "alias/new"))).toMatchObject({ treePath: "new", code: "pending" });
});

test("why tells that a root is missing or another one, and that the workspace is another directory", async () => {
	const { dir, options, put, ask } = place();
	await flush(options);
	renameSync(join(dir, "notes"), join(dir, "moved"));
	expect(await ask(".roots/notes/n.md")).toMatchObject({ code: "unavailable", commit: 2 });
	put("notes/n.md", "of another volume");
	expect(await ask(".roots/notes/n.md")).toMatchObject({ code: "unavailable" });
	renameSync(join(dir, "ws"), join(dir, "old"));
	put("ws/mine");
	expect(await ask("mine")).toMatchObject({ code: "not-restored" });
});

test("why tells that a path is in a volume that is not mounted", async (context) => {
	const { dir, options, put, ask } = place();
	{
		using made = mounted(context);
		made.tmpfs(join(dir, "ws/volume"));
		put("ws/volume/deep/x");
		await flush(options);
		expect(await ask("volume/deep/x")).toMatchObject({ code: "stored" });
	}
	const unmounted = {
		stored: false,
		code: "unavailable",
		reason: "volume: its volume is not mounted",
		commit: 2,
	};
	expect(await ask("volume/deep/x")).toMatchObject(unmounted);
	put("ws/volume/deep/x", "of another disk");
	expect(await ask("volume/deep/x")).toMatchObject(unmounted);
});

test("why tells that --on-secret keeps a file out", async () => {
	const { options, put, ask } = place();
	put("ws/work/token.txt", `token ${TOKEN}\n`);
	await flush({ ...options, onSecret: "exclude" });
	expect(await ask("work/token.txt", { onSecret: "exclude" })).toMatchObject({
		stored: false,
		code: "secret",
		reason: expect.stringMatching(/--on-secret exclude: it holds/),
	});
	expect(await ask("work/token.txt", { onSecret: "fail" })).toMatchObject({
		code: "secret",
		reason: expect.stringMatching(/--on-secret fail commits nothing .*: it holds/),
	});
	expect(await ask("work/token.txt")).toMatchObject({ code: "pending" });
});

test("why tells what does not fit the format, and what a daemon could not take", async () => {
	const { dir, options, put, ask } = place();
	put("ws/huge");
	truncateSync(join(dir, "ws/huge"), (MAX_CHUNKS + 1) * 2 ** FILE_CHUNK_BITS);
	expect(await ask("huge")).toMatchObject({
		code: "no-room",
		reason: expect.stringContaining("too large"),
	});
	const stop = new AbortController();
	const logger = recordingLogger();
	const running = run({ ...options, logger, signal: stop.signal });
	await expect
		.poll(() => logger.events.some(({ event }) => event === "flush.not-taken"))
		.toBe(true);
	expect(await ask("huge")).toMatchObject({
		code: "deferred",
		reason: expect.stringContaining("the daemon could not take it: too large"),
	});
	expect(await ask("a.md")).toMatchObject({ code: "stored" });
	rmSync(join(dir, "ws/huge"));
	stop.abort();
	await running;
});

test("why says stored exactly for the paths that a flush committed", async () => {
	const { dir, options, put } = place();
	put("ws/.openclaw-sidecar-ignore", "*.log\n!b/*.log\n/c/*\n!/c/keep/\n/notes/\n");
	for (const path of ["x.log", "b/x.log", "c/x", "c/keep/y", "tmp/x", "logs/x", "workspace/tmp/x"])
		put(`ws/${path}`);
	put("notes/x.log");
	execFileSync("mkfifo", [join(dir, "ws/b/fifo")]);
	symlinkSync("x.log", join(dir, "ws/b/link"));
	const db = new DatabaseSync(join(dir, "ws/b/my.db"));
	undo.push(() => db.close());
	db.exec("PRAGMA journal_mode = WAL; CREATE TABLE t(x)");
	utimesSync(join(dir, "ws/b/x.log"), 1, 1);
	await flush(options);
	const committed = (await ls(options)).entries.map(([path]) => path);
	const paths = [
		...readDisk(join(dir, "ws")).keys(),
		...[...readDisk(join(dir, "notes")).keys()].map((path) => `.roots/notes/${path}`),
	].filter((path) => path !== "" && !path.endsWith("/"));
	const stored = (await why({ ...options, paths })).filter((answer) => answer.stored);
	expect(stored.map(({ path }) => path).sort()).toEqual(
		committed.filter((path) => path !== ".roots" && path !== ".roots/notes").sort(),
	);
	expect(stored.length).toBeLessThan(paths.length);
});
