import { execFileSync } from "node:child_process";
import {
	existsSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { zstdCompressSync } from "node:zlib";
import { describe, expect, type TestContext, test } from "vitest";
import { infoOf } from "../../../testkit/arbitrary-log.ts";
import { type Workbench, workbench } from "../../../testkit/workbench.ts";
import { readDisk } from "../../../testkit/workspace/disk.ts";
import { SidecarError } from "../errors.ts";
import { ByteWriter } from "../log/byte-writer.ts";
import { COMMIT_HEADER_BYTES, encodeHeader } from "../log/commit-header.ts";
import { logKey } from "../log/keys.ts";
import { encodeManifest } from "../log/manifest-encode.ts";
import type { Entry } from "../log/types.ts";

const dir: Entry = { type: "dir", mode: 0o700, mtimeNs: 0n };
const file: Entry = { type: "file", mode: 0o600, mtimeNs: 0n, size: 0, chunkBits: 20, chunks: [] };

/**
 * Makes a log of one commit, as an attacker with write access to the store would. Every checksum is
 * right.
 */
async function hostileLog(bench: Workbench, manifest: Buffer): Promise<void> {
	const stored = zstdCompressSync(manifest);
	const { header } = encodeHeader(COMMIT_HEADER_BYTES + stored.length, stored, manifest.length, 1);
	const place = join(bench.dir, "store/users/alice", logKey(1));
	mkdirSync(dirname(place), { recursive: true });
	writeFileSync(place, Buffer.concat([header, stored]));
}

const manifestOf = (entries: readonly (readonly [string, Entry])[]): Buffer =>
	encodeManifest(
		infoOf(1, { flags: { fence: true } }),
		logKey(1),
		entries.map(([path, entry]) => ({ path, entry, base: undefined })),
		[],
	);

/** One block that claims to hold 10 GB. */
function hugeBlock(): Buffer {
	const out = new ByteWriter();
	out.bytes(manifestOf([]).subarray(0, -5));
	for (const value of [1, 0, 1, 0, 0, 10_000_000_000, 10_000_000_000]) out.varint(value);
	out.u8(0);
	out.u32(0);
	for (const value of [0, 0, 0]) out.varint(value);
	return Buffer.from(out.view());
}

describe("a hostile log writes nothing anywhere", () => {
	const link: Entry = { type: "link", mtimeNs: 0n, target: ".." };
	const logs: readonly (readonly [string, Buffer, string])[] = [
		[
			"a path that climbs out",
			manifestOf([
				["", dir],
				["../escaped", file],
			]),
			"TREE_UNSAFE",
		],
		[
			"an absolute path",
			manifestOf([
				["", dir],
				["/tmp/escaped", file],
			]),
			"TREE_UNSAFE",
		],
		[
			"a path through a link",
			manifestOf([
				["", dir],
				["up", link],
				["up/escaped", file],
			]),
			"TREE_UNSAFE",
		],
		[
			"a path that comes twice",
			manifestOf([
				["", dir],
				["twice", file],
				["twice", link],
			]),
			"TREE_UNSAFE",
		],
		[
			"our own directory",
			manifestOf([
				["", dir],
				[".openclaw-sidecar", dir],
				[".openclaw-sidecar/x", file],
			]),
			"TREE_UNSAFE",
		],
		["a chunk of 10 GB", hugeBlock(), "LIMIT_EXCEEDED"],
	];
	test.each(logs)("%s", async (_, manifest, code) => {
		await using bench = await workbench();
		await hostileLog(bench, manifest);
		const root = bench.workspace("a");
		mkdirSync(root);
		writeFileSync(join(root, "mine"), "untouched");
		symlinkSync(bench.dir, join(root, "up"));
		const before = readDisk(bench.dir);
		const error = await bench.open("a").catch((caught: unknown) => caught);
		expect(error).toBeInstanceOf(SidecarError);
		expect(error).toMatchObject({ code, exitStatus: 5 });
		const after = readDisk(bench.dir, (path) => path === "state" || path.startsWith("state/"));
		for (const [path, entry] of after)
			if (entry.type === "file") expect(before.get(path)?.content, path).toBe(entry.content);
		expect(existsSync("/tmp/escaped")).toBe(false);
		expect(bench.store.requests.put).toBe(0);
	});
});

describe("a hostile log does not escape from an additional root", () => {
	const notes = ".roots/notes";
	const link: Entry = { type: "link", mtimeNs: 0n, target: "/tmp" };
	const below = (...entries: readonly (readonly [string, Entry])[]) =>
		manifestOf([["", dir], [".roots", dir], ...entries]);
	const logs: readonly (readonly [string, Buffer])[] = [
		["a path that climbs out", below([notes, dir], [`${notes}/../../x`, file])],
		["a name of two dots", below([".roots/..", dir], [".roots/../x", file])],
		// @id root-is-a-link
		["a root that is a link", below([notes, link])],
		["a root that is a file", below([notes, file])],
		[
			"the directory of roots is a link",
			manifestOf([
				["", dir],
				[".roots", link],
			]),
		],
		["a place where files are staged", below([notes, dir], [`${notes}/.openclaw-sidecar`, link])],
	];
	test.each(logs)("%s", async (_, manifest) => {
		await using bench = await workbench();
		await hostileLog(bench, manifest);
		const root = join(bench.dir, "notes");
		mkdirSync(root);
		writeFileSync(join(root, "mine"), "untouched");
		const error = await bench
			.open("a", { roots: { notes: root } })
			.catch((caught: unknown) => caught);
		expect(error).toMatchObject({ code: "TREE_UNSAFE", exitStatus: 5 });
		expect(readdirSync(root)).toEqual(["mine"]);
		expect(bench.store.requests.put).toBe(0);
	});

	const aside: readonly (readonly [string, readonly (readonly [string, Entry])[]])[] = [
		["the directory of roots is a file", [[".roots", file]]],
		["a root that is a link", [[notes, link]]],
		[
			"a place where files are staged",
			[
				[".roots", dir],
				[notes, dir],
				[`${notes}/.openclaw-sidecar`, dir],
			],
		],
		[
			"a path that climbs out",
			[
				[".roots", dir],
				[`${notes}/../x`, file],
			],
		],
	];
	test.each(aside)("quarantined entries do not escape from it either: %s", async (_, entries) => {
		for (const roots of [{}, { notes: "notes" }]) {
			await using bench = await workbench();
			const given = Object.fromEntries(
				Object.entries(roots).map(([name, directory]) => [name, join(bench.dir, directory)]),
			);
			const session = await bench.open("a", { roots: given });
			const picked = {
				writer: "0".repeat(32),
				path: "",
				entries: new Map<string, Entry>([["", dir], ...entries]),
			};
			await expect(session.applyRecovered(picked)).rejects.toMatchObject({
				code: expect.stringMatching(/^(TREE_UNSAFE|USAGE)$/),
			});
		}
	});

	test("nothing of it is written if no root is configured", async () => {
		await using bench = await workbench();
		await hostileLog(bench, below([notes, link], [".roots/x", file]));
		await bench.open("a");
		expect(readdirSync(bench.workspace("a"))).toEqual([]);
	});
});

describe("a full disk", () => {
	/** Mounts a separate file system if permitted; otherwise the test says why it was skipped. */
	function mountSmall(context: TestContext, path: string): () => void {
		mkdirSync(path);
		try {
			execFileSync("mount", ["-t", "tmpfs", "-o", "size=32m", "tmpfs", path], { stdio: "pipe" });
		} catch (error) {
			context.skip(`needs the right to mount a tmpfs: ${(error as Error).message.split("\n")[1]}`);
		}
		return () => execFileSync("umount", [path]);
	}

	const cases = [
		["found out before anything is written", (index: number) => index],
		// One chunk that repeats looks like a hole, which needs no space.
		["found out in the middle", () => 7],
	] as const;
	for (const [when, seedOf] of cases) {
		// @id restore-without-room
		test(`is ${when}: the gate stays shut, nothing is left behind, the log is untouched`, async (context) => {
			await using bench = await workbench();
			const source = await bench.open("a");
			const part = (seed: number) =>
				Buffer.from(
					Uint32Array.from(
						{ length: 262_144 },
						(_, at) => Math.imul(at + seed * 999_983, 2654435761) ^ (at << 7),
					).buffer,
				);
			writeFileSync(
				join(bench.workspace("a"), "large"),
				Buffer.concat(Array.from({ length: 40 }, (_, index) => part(seedOf(index)))),
			);
			await source.flush({ sweep: true, closed: true });
			const unmount = mountSmall(context, bench.workspace("b"));
			try {
				const puts = bench.store.requests.put;
				const error = await bench.open("b").catch((caught: unknown) => caught);
				expect(error).toMatchObject({ code: "WORKSPACE_DISK_FULL", exitStatus: 2 });
				expect((error as SidecarError).remedy).toContain("free space");
				expect(readdirSync(bench.workspace("b"))).toEqual([]);
				expect(bench.store.requests.put).toBe(puts);
			} finally {
				unmount();
			}
			// With room, the restore continues as if nothing had happened.
			await bench.open("b");
			expect(
				readFileSync(join(bench.workspace("b"), "large")).equals(
					readFileSync(join(bench.workspace("a"), "large")),
				),
			).toBe(true);
		});
	}
});
