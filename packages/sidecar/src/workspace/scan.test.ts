import { execFileSync } from "node:child_process";
import { once } from "node:events";
import {
	chmodSync,
	mkdirSync,
	readdirSync,
	renameSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { DatabaseSync } from "node:sqlite";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { asOrdinaryUser } from "../../../testkit/workspace/as-ordinary-user.ts";
import { startNode } from "../../../testkit/workspace/start-node.ts";
import { testDirectory } from "../../../testkit/workspace/test-directory.ts";
import { encodePath } from "../path.ts";
import { makeFilter } from "./filter.ts";
import { openclaw } from "./profiles/openclaw.ts";
import { plain } from "./profiles/plain.ts";
import { hiddenBy, scan } from "./scan.ts";

const everything = makeFilter(plain);

/** The paths that `find` lists below a directory, as hex of the bytes. */
function findBelow(root: string): string[] {
	const out = execFileSync("find", [root, "-mindepth", "1", "-printf", "%P\\0"]);
	const found: string[] = [];
	for (let from = 0; from < out.length; ) {
		const end = out.indexOf(0, from);
		found.push(out.subarray(from, end).toString("hex"));
		from = end + 1;
	}
	return found.sort();
}

const hexOf = (paths: Iterable<string>) =>
	[...paths]
		.filter((path) => path !== "")
		.map((path) => encodePath(path).toString("hex"))
		.sort();

describe("scan finds", () => {
	test("the same entries as find, in any tree with any names", async () => {
		const name = fc.oneof(
			fc.constantFrom("a", "b", "é", "\u{1f480}", "a\nb", "a\\b", "\ufffd"),
			fc
				.uint8Array({ minLength: 1, maxLength: 3 })
				.filter(
					(raw) =>
						raw.every((byte) => byte !== 0 && byte !== 0x2f) &&
						!/^\.\.?$/.test(Buffer.from(raw).toString()),
				),
		);
		const entry = fc.record({
			path: fc.array(name, { minLength: 1, maxLength: 4 }),
			kind: fc.constantFrom("dir", "file", "link"),
		});
		await fc.assert(
			fc.asyncProperty(fc.array(entry, { maxLength: 25 }), async (entries) => {
				const root = testDirectory();
				for (const { path, kind } of entries) {
					const parts = path.map((part) =>
						Buffer.concat([Buffer.from("/"), Buffer.from(part as string)]),
					);
					const at = (depth: number) =>
						Buffer.concat([Buffer.from(root), ...parts.slice(0, depth)]);
					try {
						mkdirSync(at(parts.length - 1), { recursive: true });
						if (kind === "dir") mkdirSync(at(parts.length));
						else if (kind === "file") writeFileSync(at(parts.length), "x");
						else symlinkSync("..", at(parts.length));
					} catch (error) {
						expect((error as NodeJS.ErrnoException).code).toMatch(/EEXIST|ENOTDIR|EISDIR|ELOOP/);
					}
				}
				const { stats, problems } = await scan(root, everything);
				expect(hexOf(stats.keys())).toEqual(findBelow(root));
				expect(problems).toEqual([]);
				const order = [...stats.keys()];
				for (const path of order)
					if (path.includes("/"))
						expect(order.indexOf(path.slice(0, path.lastIndexOf("/")))).toBeLessThan(
							order.indexOf(path),
						);
			}),
			{ numRuns: 25 },
		);
	});

	test("links, without following them", async () => {
		const root = testDirectory();
		mkdirSync(`${root}/dir`);
		writeFileSync(`${root}/dir/file`, "");
		symlinkSync("dir", `${root}/to-dir`);
		symlinkSync("..", `${root}/dir/up`);
		symlinkSync("nowhere", `${root}/dangling`);
		const { stats } = await scan(root, everything);
		expect([...stats].map(([path, { type }]) => `${type} ${path}`).sort()).toEqual([
			"dir ",
			"dir dir",
			"file dir/file",
			"link dangling",
			"link dir/up",
			"link to-dir",
		]);
	});

	test("only one directory and everything below it, if asked to", async () => {
		const root = testDirectory();
		mkdirSync(`${root}/a/b`, { recursive: true });
		writeFileSync(`${root}/a/b/c`, "");
		writeFileSync(`${root}/x`, "");
		expect([...(await scan(root, everything, { below: "a" })).stats.keys()].sort()).toEqual([
			"a",
			"a/b",
			"a/b/c",
		]);
		expect([...(await scan(root, everything, { below: "x" })).stats.keys()]).toEqual(["x"]);
		expect((await scan(root, everything, { below: "absent" })).stats.size).toBe(0);
		mkdirSync(`${root}/tmp/a`, { recursive: true });
		expect((await scan(root, makeFilter(openclaw), { below: "tmp/a" })).stats.size).toBe(0);
	});
});

describe("scan leaves out", () => {
	test("what the filter skips, and everything below it", async () => {
		const root = testDirectory();
		for (const dir of ["tmp/x", "workspace/tmp", ".openclaw-sidecar/staging"])
			mkdirSync(`${root}/${dir}`, { recursive: true });
		for (const file of [
			"tmp/x/y",
			"workspace/tmp/z",
			".openclaw-sidecar/staging/1",
			"openclaw.json.lock",
		])
			writeFileSync(`${root}/${file}`, "");
		const { stats, problems } = await scan(root, makeFilter(openclaw));
		expect([...stats.keys()].sort()).toEqual(["", "workspace", "workspace/tmp", "workspace/tmp/z"]);
		expect(problems).toEqual([]);
	});

	test("the companions of a database, and no other file with a similar name", async () => {
		const root = testDirectory();
		new DatabaseSync(`${root}/x.db`).exec("CREATE TABLE t(a)");
		for (const name of ["x.db-wal", "x.db-shm", "x.db-journal", "notes-journal", "-wal", "notes"])
			writeFileSync(`${root}/${name}`, "1");
		mkdirSync(`${root}/x.db-wal.d`);
		const { stats } = await scan(root, everything);
		expect([...stats.keys()].sort()).toEqual([
			"",
			"-wal",
			"notes",
			"notes-journal",
			"x.db",
			"x.db-wal.d",
		]);
	});

	test("sockets and FIFOs, and reports them unless the filter skips them", async () => {
		const root = testDirectory();
		mkdirSync(`${root}/tmp`);
		execFileSync("mkfifo", [`${root}/fifo`, `${root}/tmp/fifo`, `${root}/gateway.pid`]);
		const server = createServer().listen(`${root}/socket`);
		await once(server, "listening");
		const { stats, problems } = await scan(root, makeFilter(openclaw));
		expect([...stats.keys()]).toEqual([""]);
		expect(problems.sort((a, b) => (a.path < b.path ? -1 : 1))).toEqual([
			{ path: "fifo", reason: "other-type" },
			{ path: "socket", reason: "other-type" },
		]);
		server.close();
		await once(server, "close");
	});
});

describe("scan", () => {
	test("reports an unreadable directory, which hides everything below it", async () => {
		const root = testDirectory();
		for (const dir of ["shut/inside", "listed", "open"])
			mkdirSync(`${root}/${dir}`, { recursive: true });
		writeFileSync(`${root}/listed/file`, "");
		chmodSync(`${root}/shut`, 0o111);
		chmodSync(`${root}/listed`, 0o644);
		const { stats, problems } = await asOrdinaryUser(() => scan(root, everything));
		expect([...stats.keys()].sort()).toEqual(["", "listed", "open", "shut"]);
		expect(problems).toEqual(
			expect.arrayContaining([
				{ path: "shut", reason: "unreadable", code: "EACCES" },
				{ path: "listed/file", reason: "unreadable", code: "EACCES" },
			]),
		);
		const isHidden = hiddenBy(problems);
		expect(["shut/inside", "shut/inside/x", "shut", "listed/file"].every(isHidden)).toBe(true);
		expect(["open", "open/x", "listed/other", "shutter", ""].some(isHidden)).toBe(false);
	});

	test("reports a path that is too long for the kernel", async () => {
		const root = testDirectory();
		const name = "d".repeat(250);
		mkdirSync(`${root}/${name}`);
		// Longer than any path the kernel accepts: each level is moved below another one.
		for (let depth = 0; depth < 17; depth++) {
			mkdirSync(`${root}/next`);
			renameSync(`${root}/${name}`, `${root}/next/${name}`);
			renameSync(`${root}/next`, `${root}/${name}`);
		}
		const { stats, problems } = await scan(root, everything);
		expect(problems).toEqual([
			expect.objectContaining({ reason: "unreadable", code: "ENAMETOOLONG" }),
		]);
		expect(stats.size).toBeGreaterThan(10);
	});

	test("tolerates entries that appear and disappear meanwhile", async () => {
		const root = testDirectory();
		for (let i = 0; i < 100; i++) {
			mkdirSync(`${root}/stays/${i}`, { recursive: true });
			writeFileSync(`${root}/stays/${i}/file`, "");
		}
		const child = startNode(
			`say("started");
			for (;;) for (let i = 0; i < 50; i++) {
				fs.mkdirSync(args[0] + "/goes/" + i + "/deep", { recursive: true });
				fs.writeFileSync(args[0] + "/goes/" + i + "/deep/file", "");
				if (i % 5 === 4) fs.rmSync(args[0] + "/goes", { recursive: true });
			}`,
			root,
		);
		await child.line();
		const seen = new Set<number>();
		for (let round = 0; round < 20; round++) {
			const { stats, problems } = await scan(root, everything, { sliceMs: 1 });
			expect(problems).toEqual([]);
			const staying = [...stats.keys()].filter((path) => path.startsWith("stays/"));
			expect(staying.length).toBe(200);
			seen.add(stats.size);
		}
		expect(seen.size).toBeGreaterThan(1);
	});

	test("lets the event loop run", async () => {
		const root = testDirectory();
		for (let i = 0; i < 1_000; i++) writeFileSync(`${root}/${i}`, "");
		let turns = 0;
		let isDone = false;
		const count = () => {
			turns += 1;
			if (!isDone) setImmediate(count);
		};
		setImmediate(count);
		await scan(root, everything, { sliceMs: 0.1 });
		isDone = true;
		expect(turns).toBeGreaterThan(5);
	});

	test("ends at a signal", async () => {
		const root = testDirectory();
		await expect(
			scan(root, everything, { signal: AbortSignal.abort(new Error("enough")) }),
		).rejects.toThrow("enough");
		for (let i = 0; i < 200; i++) writeFileSync(`${root}/${i}`, "");
		const abort = new AbortController();
		setImmediate(() => abort.abort(new Error("enough now")));
		await expect(scan(root, everything, { signal: abort.signal, sliceMs: 0 })).rejects.toThrow(
			"enough now",
		);
	});

	test("fails for a workspace that is missing, a file, or unreadable", async () => {
		const root = testDirectory();
		writeFileSync(`${root}/file`, "");
		mkdirSync(`${root}/shut`);
		chmodSync(`${root}/shut`, 0);
		await expect(scan(`${root}/absent`, everything)).rejects.toMatchObject({
			code: "WORKSPACE_NOT_DIRECTORY",
		});
		await expect(scan(`${root}/file`, everything)).rejects.toMatchObject({
			code: "WORKSPACE_NOT_DIRECTORY",
		});
		await asOrdinaryUser(async () => {
			await expect(scan(`${root}/shut`, everything)).rejects.toMatchObject({
				code: "WORKSPACE_UNREADABLE",
			});
			await expect(scan(`${root}/shut/below`, everything)).rejects.toMatchObject({
				code: "WORKSPACE_UNREADABLE",
			});
		});
		rmSync(`${root}/file`);
		expect(readdirSync(root)).toEqual(["shut"]);
	});
});
