import { execFileSync, spawnSync } from "node:child_process";
import {
	appendFileSync,
	chmodSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	readlinkSync,
	renameSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, onTestFinished, test } from "vitest";
import { HintedIndex } from "../../../testkit/workspace/hinted-index.ts";
import { startNode } from "../../../testkit/workspace/start-node.ts";
import { testDirectory } from "../../../testkit/workspace/test-directory.ts";
import { fsPath } from "../path.ts";
import { type Filter, makeFilter } from "./filter.ts";
import { openclaw } from "./profiles/openclaw.ts";
import { plain } from "./profiles/plain.ts";
import { watchWorkspace } from "./watch.ts";

const everything = makeFilter(plain);

/** A watcher on a directory, what it reported, and an index maintained by its hints. */
async function watched(root: string, filter: Filter = everything) {
	const hints: string[] = [];
	const doubts: string[] = [];
	const waiting = new Set<() => void>();
	const wake = () => {
		for (const check of waiting) check();
	};
	const index = new HintedIndex(root, filter);
	const watcher = await watchWorkspace(
		root,
		filter,
		(path) => {
			hints.push(path);
			index.hint(path);
			wake();
		},
		(reason) => {
			doubts.push(reason);
			wake();
		},
	);
	onTestFinished(() => watcher.close());
	await index.start();
	/** Resolves as soon as a report makes it true. */
	const until = (isTrue: () => boolean) =>
		new Promise<void>((resolve) => {
			const check = () => {
				if (!isTrue()) return;
				waiting.delete(check);
				resolve();
			};
			waiting.add(check);
			check();
		});
	return {
		hints,
		doubts,
		index,
		watcher,
		until,
		hinted: (path: string) => until(() => hints.includes(path)),
		/** Hints arrive in the order of the changes: this one arrives after all earlier ones. */
		async settle(name = `sentinel-${hints.length}`) {
			writeFileSync(`${root}/${name}`, "");
			await until(() => hints.includes(name));
		},
		/** The index becomes equal to a scan. Fails by the test's time-out, naming what is missing. */
		async agrees() {
			let found: string[] = [];
			await expect
				.poll(
					async () => {
						found = await index.differences();
						return found.slice(0, 5);
					},
					{ timeout: 20_000, interval: 10 },
				)
				.toEqual([]);
		},
	};
}

describe("a hint is given when", () => {
	test("a file is made, changed, appended to, touched, renamed or removed", async () => {
		const root = testDirectory();
		mkdirSync(`${root}/dir`);
		const { hinted, hints, agrees } = await watched(root);
		const file = `${root}/dir/file`;
		const steps: [() => void, string[]][] = [
			[() => writeFileSync(file, "1"), ["dir/file"]],
			[() => writeFileSync(file, "2"), ["dir/file"]],
			[() => appendFileSync(file, "3"), ["dir/file"]],
			[() => chmodSync(file, 0o600), ["dir/file"]],
			[() => renameSync(file, `${root}/moved`), ["dir/file", "moved"]],
			[() => symlinkSync("moved", `${root}/dir/link`), ["dir/link"]],
			[() => rmSync(`${root}/moved`), ["moved"]],
			[() => chmodSync(`${root}/dir`, 0o700), ["dir"]],
			[() => rmSync(`${root}/dir`, { recursive: true }), ["dir"]],
		];
		for (const [step, expected] of steps) {
			hints.length = 0;
			step();
			for (const path of expected) await hinted(path);
		}
		await agrees();
	});

	test("directories are made at once, with files in them", async () => {
		const root = testDirectory();
		const { hinted, agrees } = await watched(root);
		mkdirSync(`${root}/a/b/c/d`, { recursive: true });
		writeFileSync(`${root}/a/b/c/d/file`, "");
		await hinted("a/b/c/d/file");
		appendFileSync(`${root}/a/b/c/d/file`, "more");
		writeFileSync(`${root}/a/b/other`, "");
		await hinted("a/b/other");
		await agrees();
	});

	test("a directory is removed and made again, also inside itself", async () => {
		const root = testDirectory();
		mkdirSync(`${root}/d/d`, { recursive: true });
		writeFileSync(`${root}/d/file`, "");
		const { hinted, agrees } = await watched(root);
		for (let round = 0; round < 20; round++) {
			rmSync(`${root}/d`, { recursive: true });
			mkdirSync(`${root}/d/d`, { recursive: true });
			if (round % 3 === 0) await new Promise((resolve) => setImmediate(resolve));
		}
		writeFileSync(`${root}/d/early`, "");
		await agrees();
		writeFileSync(`${root}/d/late`, "");
		await hinted("d/late");
		writeFileSync(`${root}/d/d/late`, "");
		await hinted("d/d/late");
	});

	test("something happens in a directory that was renamed, or moved in from outside", async () => {
		const root = testDirectory();
		const outside = testDirectory();
		for (const dir of [`${root}/a/b`, `${outside}/x/y`]) mkdirSync(dir, { recursive: true });
		const { hinted, agrees } = await watched(root);
		renameSync(`${root}/a`, `${root}/c`);
		renameSync(`${outside}/x`, `${root}/c/x`);
		await agrees();
		writeFileSync(`${root}/c/b/file`, "");
		writeFileSync(`${root}/c/x/y/file`, "");
		await hinted("c/b/file");
		await hinted("c/x/y/file");
		renameSync(`${root}/c/x`, `${root}/x`);
		writeFileSync(`${root}/x/y/again`, "");
		await hinted("x/y/again");
		await agrees();
	});

	test("a directory takes a file's place, and the other way round", async () => {
		const root = testDirectory();
		mkdirSync(`${root}/x`);
		const { hinted, agrees } = await watched(root);
		rmSync(`${root}/x`, { recursive: true });
		writeFileSync(`${root}/x`, "");
		await agrees();
		rmSync(`${root}/x`);
		mkdirSync(`${root}/x`);
		writeFileSync(`${root}/x/file`, "");
		await hinted("x/file");
		await agrees();
	});

	test("the workspace itself disappears", async () => {
		const root = `${testDirectory()}/workspace`;
		mkdirSync(root);
		const { hinted } = await watched(root);
		rmSync(root, { recursive: true });
		await hinted("");
	});

	test("CHOKIDAR_USEPOLLING is set", async () => {
		const root = testDirectory();
		process.env.CHOKIDAR_USEPOLLING = "true";
		onTestFinished(() => {
			delete process.env.CHOKIDAR_USEPOLLING;
		});
		writeFileSync(`${root}/file`, "");
		const { hinted } = await watched(root);
		appendFileSync(`${root}/file`, "1");
		await hinted("file");
		expect(process.env.CHOKIDAR_USEPOLLING).toBe("true");
	});
});

describe("names", () => {
	test("that are not UTF-8 give a hint for their directory", async () => {
		const root = testDirectory();
		mkdirSync(`${root}/dir`);
		const { hinted, hints, agrees } = await watched(root);
		writeFileSync(fsPath(root, "dir/\udcff"), "");
		await hinted("dir");
		await agrees();
		mkdirSync(fsPath(root, "dir/\udcfe/below"), { recursive: true });
		await agrees();
		expect(hints.filter((path) => path.includes("\ufffd"))).toEqual([]);
	});

	test("with a backslash give an unchanged hint", async () => {
		const root = testDirectory();
		mkdirSync(`${root}/old\\dir`);
		const { hinted } = await watched(root);
		writeFileSync(`${root}/old\\dir/file`, "");
		await hinted("old\\dir/file");
		mkdirSync(`${root}/new\\dir`);
		writeFileSync(`${root}/new\\dir/a\\b`, "");
		await hinted("new\\dir/a\\b");
	});
});

describe("the filter", () => {
	/** Inotify watches of this process, according to the kernel. */
	const watches = () =>
		readdirSync("/proc/self/fd")
			.filter((fd) => {
				try {
					return readlinkSync(`/proc/self/fd/${fd}`) === "anon_inode:inotify";
				} catch {
					return false;
				}
			})
			.map(
				(fd) => readFileSync(`/proc/self/fdinfo/${fd}`, "utf8").match(/^inotify /gm)?.length ?? 0,
			)
			.reduce((sum, count) => sum + count, 0);

	test("keeps volatile directories unwatched and out of the hints, old and new ones", async () => {
		const root = testDirectory();
		for (let i = 0; i < 20; i++) mkdirSync(`${root}/tmp/${i}`, { recursive: true });
		mkdirSync(`${root}/workspace`);
		const before = watches();
		const { hints, settle } = await watched(root, makeFilter(openclaw));
		expect(watches() - before).toBe(2);
		for (let i = 0; i < 20; i++) mkdirSync(`${root}/cache/${i}`, { recursive: true });
		writeFileSync(`${root}/tmp/1/x`, "");
		writeFileSync(`${root}/openclaw.json.lock`, "");
		writeFileSync(`${root}/workspace/yarn.lock`, "");
		mkdirSync(`${root}/workspace/new`);
		await settle();
		expect(watches() - before).toBe(3);
		expect(hints.filter((path) => /^(tmp|cache)|^openclaw/.test(path))).toEqual([]);
		expect(hints).toContain("workspace/yarn.lock");
	});

	test("gives a hint for the database when anything happens to its WAL, and never for the WAL", async () => {
		const root = testDirectory();
		const db = new DatabaseSync(`${root}/x.db`);
		db.exec("PRAGMA journal_mode = wal; CREATE TABLE t(a)");
		writeFileSync(`${root}/notes-wal`, "");
		const { hints, hinted, settle } = await watched(root);
		for (let i = 0; i < 3; i++) {
			hints.length = 0;
			db.exec("INSERT INTO t VALUES (1)");
			await hinted("x.db");
		}
		appendFileSync(`${root}/notes-wal`, "mine");
		await hinted("notes-wal");
		db.close();
		await settle();
		expect(hints.filter((path) => /^x\.db-/.test(path))).toEqual([]);
	});
});

describe("doubt", () => {
	test("is raised each time the kernel's queue overflows", async () => {
		const root = testDirectory();
		const { doubts, until } = await watched(root);
		for (let round = 1; round <= 2; round++) {
			// Alternate two files, since the kernel joins equal events. The event loop is blocked
			// meanwhile.
			spawnSync(process.execPath, [
				"-e",
				`const fs = require("fs"); const fds = [0, 1].map((n) => fs.openSync(process.argv[1] + "/" + n, "a"));
				for (let i = 0; i < 20000; i++) fs.writeSync(fds[i % 2], "x");`,
				root,
			]);
			await until(() => doubts.length === round);
		}
		expect(doubts).toEqual(["overflow", "overflow"]);
	});

	test("is not raised by a burst that fits", async () => {
		const root = testDirectory();
		const { doubts, settle } = await watched(root);
		for (let i = 0; i < 500; i++) writeFileSync(`${root}/${i}`, "x");
		await settle();
		await new Promise((resolve) => setImmediate(resolve));
		expect(doubts).toEqual([]);
	});

	const canLimit =
		spawnSync("unshare", ["-Ur", "sh", "-c", "echo 12 > /proc/sys/user/max_inotify_watches"])
			.status === 0;
	test.runIf(canLimit)(
		"is raised once if no watches are left, and everything else continues",
		() => {
			const root = testDirectory();
			for (let i = 0; i < 40; i++) mkdirSync(`${root}/${i}`);
			const script = `
			const { watchWorkspace } = await import(process.argv[1]);
			const fs = await import("node:fs");
			const root = process.argv[2];
			const doubts = [];
			let hinted;
			const hint = new Promise((resolve) => { hinted = resolve; });
			const watcher = await watchWorkspace(root, () => "keep", (path) => { if (path === "file") hinted(); }, (reason) => doubts.push(reason));
			fs.mkdirSync(root + "/later/below", { recursive: true });
			fs.writeFileSync(root + "/file", "");
			await hint;
			await watcher.close();
			console.log(JSON.stringify(doubts));
		`;
			const limited = `echo 12 > /proc/sys/user/max_inotify_watches; exec "$0" "$@"`;
			const module = new URL("./watch.ts", import.meta.url).href;
			const out = execFileSync("unshare", [
				"-Ur",
				"sh",
				"-c",
				limited,
				process.execPath,
				"--input-type=module",
				"-e",
				script,
				module,
				root,
			]);
			expect(JSON.parse(out.toString())).toEqual(["ENOSPC"]);
		},
	);
});

test("returns handles as directories disappear, and all of them at the end", async () => {
	const handles = () =>
		process.getActiveResourcesInfo().filter((name) => name === "FSEventWrap").length;
	// Handles of earlier tests need a turn to be released.
	await expect.poll(handles).toBe(0);
	const root = testDirectory();
	mkdirSync(`${root}/old`);
	const { watcher, settle } = await watched(root);
	for (let round = 0; round < 30; round++) {
		mkdirSync(`${root}/new/below/${round}`, { recursive: true });
		if (round % 2 === 0) renameSync(`${root}/new/below`, `${root}/moved`);
		await settle(`made-${round}`);
		rmSync(`${root}/new`, { recursive: true });
		rmSync(`${root}/moved`, { recursive: true, force: true });
		await settle(`removed-${round}`);
	}
	await expect.poll(handles).toBe(2);
	await watcher.close();
	await expect.poll(handles).toBe(0);
});

test("reports nothing after close", async () => {
	const root = testDirectory();
	mkdirSync(`${root}/dir`);
	const first = await watched(root);
	await first.watcher.close();
	const said = first.hints.length;
	const second = await watched(root);
	mkdirSync(`${root}/dir/new`);
	writeFileSync(`${root}/dir/new/file`, "");
	await second.hinted("dir/new/file");
	expect(first.hints.length).toBe(said);
	expect(first.doubts).toEqual([]);
});

test("fails for a missing workspace", async () => {
	const root = testDirectory();
	const nothing = () => undefined;
	await expect(
		watchWorkspace(`${root}/absent`, everything, nothing, nothing),
	).rejects.toMatchObject({ code: "WORKSPACE_NOT_DIRECTORY" });
});

/**
 * Another process that makes, moves and removes at random among few names, so that operations often
 * collide.
 */
const OPERATIONS = `
	const [root, seed, count] = args;
	let state = (Number(seed) * 2654435761) >>> 0 || 1;
	const random = (n) => { state ^= state << 13; state >>>= 0; state ^= state >>> 17; state ^= state << 5; state >>>= 0; return state % n; };
	const path = () => root + "/" + Array.from({ length: 1 + random(4) }, () => "abcd"[random(4)]).join("/");
	const pause = new Int32Array(new SharedArrayBuffer(4));
	const make = [
		(p) => fs.mkdirSync(p, { recursive: true }),
		(p, i) => { fs.mkdirSync(p + "/x/y", { recursive: true }); fs.writeFileSync(p + "/x/y/file", "v" + i); },
		(p, i) => fs.writeFileSync(p + ".f", "v" + i),
		(p, i) => fs.appendFileSync(p + ".f", "more" + i),
		(p) => fs.renameSync(p, path()),
		(p) => fs.rmSync(p, { recursive: true, force: true }),
		(p, i) => { fs.rmSync(p, { recursive: true }); fs.mkdirSync(p); fs.writeFileSync(p + "/new", "n" + i); },
		(p, i) => fs.symlinkSync("t" + i, p + ".l"),
	];
	for (let i = 0; i < count; i++) {
		try { make[random(make.length)](path(), i); } catch {}
		if (seed % 2 === 0 && random(4) === 0) Atomics.wait(pause, 0, 0, random(3));
	}
`;

describe("random operations of another process", () => {
	const first = Number(process.env.FC_SEED ?? 1) % 1_000_000;
	test.each(Array.from({ length: 8 }, (_, n) => first + n))(
		"leave an index equal to a scan, and no directory blind (seed %d)",
		async (seed) => {
			const root = testDirectory();
			const { index, agrees, hinted } = await watched(root);
			await startNode(OPERATIONS, root, String(seed), "300").ended;
			await agrees();
			const directories = index.directories();
			for (const directory of directories) writeFileSync(`${root}/${directory}/probe`, "");
			await Promise.all(
				directories.map((directory) => hinted(directory === "" ? "probe" : `${directory}/probe`)),
			);
		},
	);
});
