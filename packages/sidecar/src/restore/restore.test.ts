import {
	chmodSync,
	existsSync,
	mkdirSync,
	readdirSync,
	readFileSync,
	renameSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
	openclawProfile,
	plainProfile,
	type Workbench,
	workbench,
} from "../../../testkit/workbench.ts";
import { readDisk } from "../../../testkit/workspace/disk.ts";
import { readLog } from "../commit/read-log.ts";
import { readMarker, writeMarker } from "../disk/base-marker.ts";
import { SidecarError } from "../errors.ts";
import { logKey } from "../log/keys.ts";
import { SEGMENT_COMMITS } from "../log/limits.ts";
import { noProgress } from "../telemetry/progress.ts";
import { loadFileTimes } from "../workspace/file-times.ts";
import { type Restored, restore } from "./restore.ts";

/** Restores without fencing, like the command. */
async function restoreTo(
	bench: Workbench,
	machine: string,
	options: { at?: number; profile?: typeof plainProfile } = {},
): Promise<Restored> {
	const restored = await restore({
		store: bench.store,
		root: bench.workspace(machine),
		profile: options.profile ?? plainProfile,
		privateDir: bench.privateDir(machine),
		times: await loadFileTimes(),
		quickHash: () => 0n,
		label: "test",
		logger: bench.logger,
		progress: noProgress,
		...(options.at !== undefined && { at: options.at }),
	});
	await restored.finish(true);
	return restored;
}

/** Makes a log in which each commit rewrites `f`; returns the seq of each text. */
async function history(bench: Workbench, texts: readonly string[]): Promise<number[]> {
	const session = await bench.open("writer");
	const seqs: number[] = [];
	for (const text of texts) {
		writeFileSync(join(bench.workspace("writer"), "f"), text);
		session.hint("f");
		const result = await session.flush();
		if (result.kind !== "committed") throw new Error(`not committed: ${result.kind}`);
		seqs.push(result.seq);
	}
	return seqs;
}

describe("restore", () => {
	it("restores every commit of a long log, through FULL commits and past one that a writer in a hurry omitted", async () => {
		await using bench = await workbench();
		const session = await bench.open("writer");
		const file = join(bench.workspace("writer"), "f");
		const texts = new Map<number, string>();
		for (let count = 0; count < SEGMENT_COMMITS * 3; count++) {
			writeFileSync(file, `state ${count}`);
			session.hint("f");
			// The FULL due at 128 is omitted.
			const result = await session.flush({ inHurry: session.head.seq + 1 === SEGMENT_COMMITS * 2 });
			if (result.kind === "committed") texts.set(result.seq, `state ${count}`);
		}
		const { head } = await readLog(bench.store, { at: SEGMENT_COMMITS * 2 + 5 });
		expect(head.fullSeq).toBe(SEGMENT_COMMITS);
		expect((await readLog(bench.store)).head.fullSeq).toBe(SEGMENT_COMMITS * 3);
		for (const at of [2, 63, 64, 65, 127, 128, 129, 191, 192, 193]) {
			await restoreTo(bench, "reader", { at });
			expect(readFileSync(join(bench.workspace("reader"), "f"), "utf8")).toBe(texts.get(at));
		}
	});

	// @id unwatched-edits-kept
	it("keeps changes made here while no watcher ran, and commits them later", async () => {
		await using bench = await workbench();
		const root = bench.workspace("a");
		mkdirSync(join(root, "dir"), { recursive: true });
		for (const name of ["same", "edited", "deleted", "dir/inner"])
			writeFileSync(join(root, name), name);
		const first = await bench.open("a");
		await first.flush({ sweep: true, closed: true });

		writeFileSync(join(root, "edited"), "edited offline");
		writeFileSync(join(root, "new"), "made offline");
		rmSync(join(root, "deleted"));
		const again = await bench.open("a");
		expect(again.restored).toMatchObject({ written: 0, keptLocal: 3, moved: [] });
		await again.flush({ sweep: true, closed: true });
		await bench.open("b");
		expect(readDisk(bench.workspace("b"))).toEqual(readDisk(root));
		expect(readFileSync(join(bench.workspace("b"), "edited"), "utf8")).toBe("edited offline");
		expect(existsSync(join(bench.workspace("b"), "deleted"))).toBe(false);
	});

	it("lets the log win if both sides changed, and keeps this disk's bytes", async () => {
		await using bench = await workbench();
		const a = await bench.open("a");
		writeFileSync(join(bench.workspace("a"), "f"), "base");
		writeFileSync(join(bench.workspace("a"), "gone"), "base");
		await a.flush({ sweep: true, closed: true });
		const b = await bench.open("b");
		writeFileSync(join(bench.workspace("b"), "f"), "from the log");
		rmSync(join(bench.workspace("b"), "gone"));
		await b.flush({ sweep: true, closed: true });

		writeFileSync(join(bench.workspace("a"), "f"), "from this disk");
		writeFileSync(join(bench.workspace("a"), "gone"), "changed here, deleted there");
		const again = await bench.open("a");
		expect(readFileSync(join(bench.workspace("a"), "f"), "utf8")).toBe("from the log");
		expect(existsSync(join(bench.workspace("a"), "gone"))).toBe(false);
		expect(
			again.restored.moved.map(({ path, to }) => [path, readFileSync(to, "utf8")]).sort(),
		).toEqual([
			["f", "from this disk"],
			["gone", "changed here, deleted there"],
		]);
	});

	// @id image-defaults-give-way
	it("treats nothing on a never-restored disk as a change, so memory replaces image defaults", async () => {
		await using bench = await workbench();
		const [seq] = await history(bench, ["the agent's memory"]);
		mkdirSync(bench.workspace("image"), { recursive: true });
		writeFileSync(join(bench.workspace("image"), "f"), "template");
		writeFileSync(join(bench.workspace("image"), "extra"), "only here");
		const session = await bench.open("image");
		expect(session.head.seq).toBeGreaterThan(seq as number);
		expect(readFileSync(join(bench.workspace("image"), "f"), "utf8")).toBe("the agent's memory");
		expect(readFileSync(join(bench.workspace("image"), "extra"), "utf8")).toBe("only here");
		expect(session.restored.moved.map(({ to }) => readFileSync(to, "utf8"))).toEqual(["template"]);
	});

	// @id half-restored-disk-deletes-nothing
	it("trusts no deletion on a half-restored disk or in a different directory", async () => {
		for (const spoil of ["incomplete", "another directory"] as const) {
			await using bench = await workbench();
			const a = await bench.open("a");
			for (const name of ["f", "g"]) writeFileSync(join(bench.workspace("a"), name), name);
			await a.flush({ sweep: true, closed: true });
			rmSync(join(bench.workspace("a"), "g"));
			const marker = readMarker(bench.privateDir("a"));
			if (marker === undefined) throw new Error("no marker");
			if (spoil === "incomplete")
				writeMarker(bench.privateDir("a"), { ...marker, complete: false });
			else {
				renameSync(bench.workspace("a"), `${bench.workspace("a")}.old`);
				mkdirSync(bench.workspace("a"));
			}
			await bench.open("a");
			expect(readFileSync(join(bench.workspace("a"), "g"), "utf8"), spoil).toBe("g");
		}
	});

	it("makes the disk exactly the commit of --at, whatever was there", async () => {
		await using bench = await workbench();
		const [one] = await history(bench, ["one", "two"]);
		const writer = bench.workspace("writer");
		const expected = readDisk(writer);
		mkdirSync(join(bench.workspace("reader"), "surplus"), { recursive: true });
		writeFileSync(join(bench.workspace("reader"), "surplus/file"), "not in that commit");
		symlinkSync("/etc/passwd", join(bench.workspace("reader"), "f"));
		await restoreTo(bench, "reader", { at: one as number });
		expect([...readDisk(bench.workspace("reader")).keys()]).toEqual(["", "f"]);
		expect(readFileSync(join(bench.workspace("reader"), "f"), "utf8")).toBe("one");
		await restoreTo(bench, "reader");
		await restoreTo(bench, "reader", { at: (await readLog(bench.store)).head.seq });
		expect(readDisk(bench.workspace("reader"))).toEqual(expected);
	});

	it("never writes through a link in place of a target directory", async () => {
		await using bench = await workbench();
		const session = await bench.open("writer");
		mkdirSync(join(bench.workspace("writer"), "etc"));
		writeFileSync(join(bench.workspace("writer"), "etc/victim"), "written");
		await session.flush({ sweep: true });
		const outside = join(bench.dir, "outside");
		mkdirSync(outside);
		mkdirSync(bench.workspace("reader"), { recursive: true });
		symlinkSync(outside, join(bench.workspace("reader"), "etc"));
		await restoreTo(bench, "reader");
		expect(readFileSync(join(bench.workspace("reader"), "etc/victim"), "utf8")).toBe("written");
		expect(existsSync(join(outside, "victim"))).toBe(false);
	});

	it("restores openclaw.json last and secrets without rights for others", async () => {
		await using bench = await workbench();
		const session = await bench.open("writer", { profile: openclawProfile });
		const root = bench.workspace("writer");
		for (const [name, mode] of [
			["openclaw.json", 0o644],
			["aaa", 0o644],
			[".env", 0o644],
		] as const) {
			writeFileSync(join(root, name), name);
			chmodSync(join(root, name), mode);
		}
		await session.flush({ sweep: true });
		await restoreTo(bench, "reader", { profile: openclawProfile });
		const disk = readDisk(bench.workspace("reader"));
		expect(disk.get("aaa")?.mode).toBe("644");
		expect(disk.get("openclaw.json")?.mode).toBe("600");
		expect(disk.get(".env")?.mode).toBe("600");
	});
});

describe("the gate", () => {
	/**
	 * Every way in which a log can be unreadable: nothing on the disk may change, and nothing may be
	 * committed.
	 */
	const damages: [string, (bench: Workbench) => void, string][] = [
		["a flipped byte in the newest commit", (bench) => flip(bench, 3), "OBJECT_CORRUPT"],
		["a flipped byte in an older commit", (bench) => flip(bench, 2), "OBJECT_CORRUPT"],
		[
			"a commit missing below the newest",
			(bench) => rmSync(objectFile(bench, 2)),
			"OBJECT_NOT_FOUND",
		],
		[
			"something else in a newer commit's slot",
			(bench) => writeFileSync(objectFile(bench, 4), "?"),
			"OBJECT_CORRUPT",
		],
	];
	for (const [name, damage, code] of damages) {
		it(`stays shut for ${name}`, async () => {
			await using bench = await workbench();
			await history(bench, ["one", "two"]);
			damage(bench);
			mkdirSync(bench.workspace("reader"), { recursive: true });
			writeFileSync(join(bench.workspace("reader"), "mine"), "untouched");
			const before = readDisk(bench.workspace("reader"));
			const error = await bench.open("reader").catch((caught: unknown) => caught);
			expect(error).toBeInstanceOf(SidecarError);
			expect((error as SidecarError).code).toBe(code);
			expect(readDisk(bench.workspace("reader"))).toEqual(before);
			expect(bench.store.requests.put).toBe(3);
		});
	}
});

describe("damage", () => {
	// @id any-damage-is-an-error
	it("anywhere in any object is a typed error or harmless, and never puts a wrong byte on the disk", async () => {
		await using bench = await workbench();
		const root = bench.workspace("writer");
		mkdirSync(join(root, "dir"), { recursive: true });
		const noise = (size: number, seed: number) =>
			Buffer.from(
				Uint32Array.from(
					{ length: size / 4 },
					(_, index) => Math.imul(index + seed, 2654435761) ^ (index << 9),
				).buffer,
			);
		writeFileSync(join(root, "large"), noise(6_000_000, 1));
		for (let index = 0; index < 20; index++)
			writeFileSync(join(root, `dir/small${index}`), `small ${index} `.repeat(index * 20));
		const session = await bench.open("writer");
		await session.flush({ sweep: true });
		writeFileSync(join(root, "dir/small3"), "changed");
		await session.flush({ sweep: true });
		const expected = readDisk(root);
		const store = join(bench.dir, "store/users/alice");
		const objects = ["log", "packs"].flatMap((kind) =>
			readdirSync(join(store, kind)).map((name) => join(store, kind, name)),
		);
		expect(objects.some((object) => object.includes("/packs/"))).toBe(true);
		let errors = 0;
		await fc.assert(
			fc.asyncProperty(
				fc.constantFrom(...objects),
				fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
				fc.nat(7),
				fc.boolean(),
				async (object, at, bit, cut) => {
					const whole = readFileSync(object);
					const position = Math.floor(at * whole.length);
					const damaged = cut ? whole.subarray(0, position) : Buffer.from(whole);
					if (!cut) damaged[position] = (damaged[position] as number) ^ (1 << bit);
					chmodSync(object, 0o600);
					writeFileSync(object, damaged);
					try {
						const error = await restoreTo(bench, "reader").then(
							() => undefined,
							(caught: unknown) => caught,
						);
						if (error !== undefined) {
							errors++;
							expect(error).toBeInstanceOf(SidecarError);
							expect((error as SidecarError).message).toContain(object.slice(store.length + 1));
							expect((error as SidecarError).exitStatus).toBe(5);
							expect(readMarker(bench.privateDir("reader"))?.complete).not.toBe(true);
						}
						for (const [path, entry] of existsSync(bench.workspace("reader"))
							? readDisk(bench.workspace("reader"))
							: []) {
							if (entry.type === "file") expect(entry.content).toBe(expected.get(path)?.content);
						}
					} finally {
						writeFileSync(object, whole);
						rmSync(bench.workspace("reader"), { recursive: true, force: true });
						rmSync(bench.privateDir("reader"), { recursive: true, force: true });
					}
				},
			),
			{ numRuns: 80 },
		);
		// Damage can go unseen only in bytes of content that a later commit replaced.
		expect(errors).toBeGreaterThan(70);
	});
});

function objectFile(bench: Workbench, seq: number): string {
	return join(bench.dir, "store/users/alice", logKey(seq));
}

function flip(bench: Workbench, seq: number): void {
	const file = objectFile(bench, seq);
	const bytes = readFileSync(file);
	bytes[90] = (bytes[90] as number) ^ 4;
	chmodSync(file, 0o600);
	writeFileSync(file, bytes);
}
