import { execFileSync } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { workbench } from "../../../testkit/workbench.ts";
import { history } from "../history/history.ts";
import type { Entry, FileEntry, Path } from "../log/types.ts";
import { massRewrite } from "./mass-rewrite.ts";

/** A file of whole chunks, compressed to `ratio`. */
function file(name: string, ratio: number, chunks = 1): FileEntry {
	const refs = Array.from({ length: chunks }, (_, index) => ({
		sha256: createHash("sha256").update(`${name} ${ratio} ${index}`).digest("hex"),
		block: {
			key: "log/x",
			offset: 0,
			storedBytes: Math.round(ratio * 1000),
			rawBytes: 1000,
			codec: 1 as const,
			crc32: 0,
		},
		offset: 0,
		length: 1000,
	}));
	return {
		type: "file",
		mode: 0o644,
		mtimeNs: 0n,
		size: chunks * 1000,
		chunkBits: 20,
		chunks: refs,
	};
}

const tree = (entries: Iterable<readonly [Path, Entry]>) => new Map(entries);
const files = (count: number, ratio: number, prefix = "f") =>
	tree(
		Array.from(
			{ length: count },
			(_, index) => [`${prefix}${index}`, file(`${prefix}${index}`, ratio)] as const,
		),
	);

describe("massRewrite", () => {
	it("is more than half of what was readable, by files and by bytes, and at least ten files", () => {
		const counts = fc.record({
			readable: fc.nat(40),
			noise: fc.nat(40),
			turned: fc.nat(40),
			fresh: fc.nat(40),
			rewritten: fc.nat(40),
		});
		fc.assert(
			fc.property(counts, ({ readable, noise, turned, fresh, rewritten }) => {
				const before = tree([...files(readable, 0.4), ...files(noise, 1, "photo")]);
				const changed = tree([
					...[...files(readable, 1)].slice(0, turned),
					// None of these is a readable file that became noise: noise for noise, new files, still
					// readable files.
					...files(noise, 0.99, "photo"),
					...files(fresh, 1, "new"),
					...[...files(readable, 0.41)].slice(turned, turned + rewritten),
				]);
				const count = Math.min(turned, readable);
				const isMass = count >= 10 && count * 2 > readable;
				expect(massRewrite(before, changed, new Set())).toEqual(
					isMass
						? {
								files: count,
								bytes: count * 1000,
								filesBefore: readable,
								bytesBefore: readable * 1000,
							}
						: undefined,
				);
			}),
		);
	});

	it("counts bytes too: twelve small files of thirteen are not most of a tree if one large file dominates it", () => {
		const before = tree([...files(12, 0.4), ["large", file("large", 0.3, 100)]]);
		expect(massRewrite(before, files(12, 1), new Set())).toBeUndefined();
	});

	it("recognises a large file that was partly encrypted, and ignores one that only grew", () => {
		const large = (ratio: number, from: number, chunks = 10) => {
			const [old, other] = [file("x", 0.3, chunks), file("x", ratio, chunks)];
			return {
				...old,
				chunks: old.chunks.map((chunk, index) =>
					index >= from ? (other.chunks[index] ?? chunk) : chunk,
				),
			};
		};
		const names = Array.from({ length: 10 }, (_, index) => `f${index}`);
		const all = (entry: Entry) => tree(names.map((name) => [name, entry] as const));
		expect(massRewrite(all(large(0.3, 0)), all(large(1, 8)), new Set())).toMatchObject({
			files: 10,
		});
		expect(massRewrite(all(large(0.3, 0, 8)), all(large(1, 8)), new Set())).toBeUndefined();
	});

	it("matches a name with an added suffix, if the original is gone", () => {
		const before = files(10, 0.4, "d.d/f");
		const changed = tree(
			[...before.keys()].map((path) => [`${path}.a.locked`, file(path, 1)] as const),
		);
		expect(massRewrite(before, changed, new Set(before.keys()))).toMatchObject({ files: 10 });
		expect(massRewrite(before, changed, new Set())).toBeUndefined();
	});
});

describe("a flush", () => {
	const text = (index: number) =>
		`# Note ${index}\n${"The quick brown fox jumps over the lazy dog. ".repeat(index + 3)}`;

	/**
	 * @param act changes the disk between two flushes @returns the flags of the second commit, and
	 * the events it raised
	 */
	async function flushAfter(prepare: (root: string) => void, act: (root: string) => void) {
		await using bench = await workbench();
		const root = bench.workspace("a");
		mkdirSync(join(root, "notes"), { recursive: true });
		for (let index = 0; index < 30; index++)
			writeFileSync(join(root, `notes/${index}.md`), text(index));
		prepare(root);
		const session = await bench.open("a");
		await session.flush({ sweep: true });
		act(root);
		const result = await session.flush({ sweep: true });
		const isAlarm: boolean[] = [];
		for await (const entry of history(bench.store, { limit: 1 }))
			isAlarm.push(!("error" in entry) && entry.flags.alarm === true);
		const events = bench.logger.events.filter(({ event }) => event === "security.mass-rewrite");
		return { result, isAlarm: isAlarm[0], events };
	}

	const notes = (root: string) =>
		readdirSync(join(root, "notes")).map((name) => join(root, "notes", name));
	const encrypt = (path: string) => writeFileSync(path, randomBytes(readFileSync(path).length));

	// @id mass-rewrite
	it("is committed, flagged and reported if it finds the tree encrypted", async () => {
		const { result, isAlarm, events } = await flushAfter(
			() => {},
			(root) => notes(root).slice(0, 20).forEach(encrypt),
		);
		expect(result).toMatchObject({ kind: "committed" });
		expect(isAlarm).toBe(true);
		expect(events).toMatchObject([
			{ level: "error", kind: "security", fields: { files: 20, filesBefore: 30 } },
		]);
	});

	it("is flagged if it finds the tree encrypted under other names, although the deletions are deferred", async () => {
		const { result, isAlarm } = await flushAfter(
			() => {},
			(root) => {
				for (const path of notes(root)) {
					encrypt(path);
					renameSync(path, `${path}.locked`);
				}
			},
		);
		expect(result).toMatchObject({ kind: "committed", removed: 0, deferredDeletions: 30 });
		expect(isAlarm).toBe(true);
	});

	const photos = (root: string) => {
		for (let index = 0; index < 30; index++)
			writeFileSync(join(root, `${index}.jpg`), randomBytes(3000));
	};
	const harmless: [string, (root: string) => void, (root: string) => void][] = [
		["photos are added", () => {}, photos],
		["photos are edited", photos, photos],
		[
			"every note is replaced by another, as from an archive",
			() => {},
			(root) => {
				for (const [index, path] of notes(root).entries()) writeFileSync(path, text(90 - index));
			},
		],
		[
			"ten notes of thirty are encrypted",
			() => {},
			(root) => notes(root).slice(0, 10).forEach(encrypt),
		],
		[
			"the notes are packed into one archive and removed",
			() => {},
			(root) => {
				writeFileSync(join(root, "notes.tar.gz"), randomBytes(20_000));
				for (const path of notes(root)) rmSync(path);
			},
		],
		[
			"packages are installed",
			() => {},
			(root) => {
				for (let index = 0; index < 60; index++) {
					mkdirSync(join(root, "node_modules", `p${index}`), { recursive: true });
					writeFileSync(join(root, "node_modules", `p${index}`, "index.js"), text(index));
					writeFileSync(join(root, "node_modules", `p${index}`, "binding.node"), randomBytes(2000));
				}
			},
		],
	];
	it.each(harmless)("raises nothing if %s", async (_, prepare, act) => {
		const { isAlarm, events } = await flushAfter(prepare, act);
		expect({ isAlarm, events }).toEqual({ isAlarm: false, events: [] });
	});

	it("raises nothing if git collects its garbage", async (context) => {
		const git = (root: string, ...args: string[]) =>
			execFileSync(
				"git",
				["-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "gc.auto=0", ...args],
				{
					cwd: root,
					stdio: "pipe",
				},
			);
		try {
			execFileSync("git", ["--version"], { stdio: "pipe" });
		} catch {
			context.skip("needs git");
		}
		const { isAlarm } = await flushAfter(
			(root) => {
				git(root, "init", "-q");
				git(root, "add", ".");
				git(root, "commit", "-qm", "one");
				for (const path of notes(root)) rmSync(path);
				git(root, "commit", "-qam", "two");
			},
			(root) => git(root, "gc", "-q"),
		);
		expect(isAlarm).toBe(false);
	});
});
