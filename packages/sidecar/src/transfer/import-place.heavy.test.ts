import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import xxhash from "xxhash-wasm";
import { FaultyStore } from "../../../testkit/store/faulty-store.ts";
import { type PlainBucket, plainBucket } from "../../../testkit/store/plain-bucket.ts";
import { s3TestServer } from "../../../testkit/store/s3-server.ts";
import {
	openclawProfile,
	plainProfile,
	type Workbench,
	workbench,
} from "../../../testkit/workbench.ts";
import { readDisk } from "../../../testkit/workspace/disk.ts";
import { thisEnvironment } from "../commit/environment.ts";
import { readLog } from "../commit/read-log.ts";
import { SidecarError } from "../errors.ts";
import { namespaced } from "../store/namespaced.ts";
import type { PlainGetOptions, PlainObject, PlainObjects, PlainPlace } from "../store/plain.ts";
import type { ObjectStore } from "../store/port.ts";
import { noProgress } from "../telemetry/progress.ts";
import { loadFileTimes } from "../workspace/file-times.ts";
import type { Profile } from "../workspace/profile.ts";
import { type Imported, importPlace } from "./import-place.ts";
import { surveyPlace } from "./survey-place.ts";

async function importInto(
	bench: Workbench,
	place: PlainPlace,
	{ store = bench.store, profile = plainProfile }: { store?: ObjectStore; profile?: Profile } = {},
): Promise<Imported | undefined> {
	const survey = await surveyPlace({ store, place, besideLog: false, profile });
	if (survey === undefined) return undefined;
	const { h64Raw } = await xxhash();
	const times = await loadFileTimes();
	const quickHash = (bytes: Uint8Array) => h64Raw(bytes);
	const privateDir = bench.privateDir("import");
	const { logger } = bench;
	return await importPlace(
		{
			store,
			profile,
			privateDir,
			times,
			quickHash,
			environment: thisEnvironment,
			logger,
			progress: noProgress,
		},
		survey,
	);
}

function objectsAt(bucket: PlainBucket, prefix: string): PlainPlace & { kind: "objects" } {
	const place = bucket.store.plain?.(prefix);
	if (place?.kind !== "objects") throw new Error("objects were expected");
	return place;
}

/** The same objects, some of which cannot be read. */
function failing(
	objects: PlainObjects,
	failure: (object: PlainObject, options?: PlainGetOptions) => SidecarError | undefined,
): PlainPlace {
	return {
		kind: "objects",
		objects: {
			url: objects.url,
			list: (options) => objects.list(options),
			get: async (object, options) => {
				const error = failure(object, options);
				if (error !== undefined) throw error;
				return await objects.get(object, options);
			},
		},
	};
}

const noise = (size: number) =>
	Buffer.from(
		Uint32Array.from({ length: size / 4 }, (_, index) => Math.imul(index, 2654435761)).buffer,
	);
const headOf = async (store: ObjectStore) => (await readLog(store)).head;
/** What is left of a download. */
const leftovers = (bench: Workbench) => readdirSync(join(bench.privateDir("import"), "staging"));

describe.skipIf(s3TestServer() === undefined)("importing objects", () => {
	it("takes keys of any language over several pages, and objects of several ranges, unchanged", async () => {
		await using bucket = await plainBucket();
		await using bench = await workbench(namespaced(bucket.store, "alice"));
		const large = noise(9 * 1024 * 1024 + 8);
		const small = Array.from(
			{ length: 1_010 },
			(_, index) => [`from/many/${index % 7}/${index}.md`, `note ${index}`] as const,
		);
		await bucket.putAll([
			...small,
			["from/日本語/ñandú 😀.md", "unicode"],
			["from/e\u0301", "decomposed"],
			["from/é", "composed"],
			["from/new\nline +%2B&<x>\u0001", "odd"],
			["from/empty", ""],
			["from/large.bin", large],
			["from/folder/", ""],
			["from/", ""],
			["fromelse", "another prefix"],
		]);
		const imported = await importInto(bench, objectsAt(bucket, "from/"));
		expect(imported).toMatchObject({
			seq: 2,
			files: 1_016,
			directories: 10,
			links: 0,
			leftOut: [],
		});

		await bench.open("b");
		const root = bench.workspace("b");
		const text = (path: string) => readFileSync(join(root, path), "utf8");
		for (const [key, body] of small) expect(text(key.slice("from/".length))).toBe(body);
		expect(text("日本語/ñandú 😀.md") + text("e\u0301") + text("é")).toBe(
			"unicodedecomposedcomposed",
		);
		expect(text("new\nline +%2B&<x>\u0001") + text("empty")).toBe("odd");
		expect(readFileSync(join(root, "large.bin")).equals(large)).toBe(true);
		const disk = readDisk(root);
		expect(disk.size).toBe(1 + 1_016 + 10);
		// Modes are unknown, and the content may hold credentials.
		expect(new Set([...disk.values()].map(({ type, mode }) => `${type} ${mode}`))).toEqual(
			new Set(["dir 700", "file 600"]),
		);
		expect(leftovers(bench)).toEqual([]);
		// The source is unchanged.
		expect(await bucket.count("from/")).toBe(1_010 + 8);
		// A thousand objects are put one by one, and the server syncs each.
	}, 90_000);

	it("takes types, modes and times from the metadata", async () => {
		await using bucket = await plainBucket();
		await using bench = await workbench(namespaced(bucket.store, "alice"));
		await bucket.put("p/run.sh", "#!/bin/sh", { mode: "100750", mtime: "1700000000.123456789" });
		await bucket.put("p/link", "../else\u00ff", { mode: "120777", mtime: "-5" });
		await bucket.put("p/dir/", "", { mode: "40555", mtime: "1600000000" });
		await bucket.put("p/dir/in", "1", { mode: "33152", mtime: "soon" });
		await bucket.put("p/", "", { mode: "41770", mtime: "1.000000001" });
		expect(await importInto(bench, objectsAt(bucket, "p/"))).toMatchObject({
			files: 2,
			links: 1,
			directories: 1,
		});
		const { tree } = await headOf(bench.store);
		expect(tree.get("run.sh")).toMatchObject({
			type: "file",
			mode: 0o750,
			mtimeNs: 1_700_000_000_123_456_789n,
		});
		expect(tree.get("link")).toMatchObject({
			type: "link",
			target: "../else\u00ff",
			mtimeNs: -5_000_000_000n,
		});
		expect(tree.get("dir")).toMatchObject({
			type: "dir",
			mode: 0o555,
			mtimeNs: 1_600_000_000_000_000_000n,
		});
		expect(tree.get("dir/in")).toMatchObject({ type: "file", mode: 0o600 });
		expect(tree.get("")).toMatchObject({ type: "dir", mode: 0o1770, mtimeNs: 1_000_000_001n });
		expect(leftovers(bench)).toEqual([]);
	});

	it.each([
		["a link without a target", "p/l", "", { mode: "120777" }],
		["a link whose target holds a NUL", "p/l", "a\0b", { mode: "120777" }],
	])("refuses %s", async (_, key, body, metadata) => {
		await using bucket = await plainBucket();
		await using bench = await workbench(namespaced(bucket.store, "alice"));
		await bucket.put(key, body, metadata);
		await expect(importInto(bench, objectsAt(bucket, "p/"))).rejects.toMatchObject({
			code: "SOURCE_UNSAFE",
			value: "l",
		});
		expect((await headOf(bench.store)).seq).toBe(0);
		expect(leftovers(bench)).toEqual([]);
	});

	it("names every hostile key and imports nothing", async () => {
		await using bucket = await plainBucket();
		await using bench = await workbench(namespaced(bucket.store, "alice"));
		await bucket.put("p/good", "1");
		const { objects } = objectsAt(bucket, "p/");
		// A server that keeps files on a disk refuses such keys; S3 accepts them.
		const hostile = ["../../etc/cron.d/evil", "/absolute", "a//b", "nul\0", "good/below"];
		const place: PlainPlace = {
			kind: "objects",
			objects: {
				url: objects.url,
				list: async function* () {
					yield* objects.list();
					yield hostile.map((key) => ({ key, sizeBytes: 1, lastModifiedMs: 0, etag: undefined }));
				},
				get: (object, options) => objects.get(object, options),
			},
		};
		const error = await importInto(bench, place).catch((thrown: unknown) => thrown);
		expect(error).toBeInstanceOf(SidecarError);
		expect(error).toMatchObject({ code: "SOURCE_UNSAFE" });
		for (const name of [
			"cron.d/evil",
			"absolute",
			"a//b",
			"nul\\u0000",
			"good: there are keys below it",
		]) {
			expect((error as Error).message).toContain(name);
		}
		expect((await headOf(bench.store)).seq).toBe(0);
	});

	const denied = new SidecarError("STORE_ACCESS_DENIED", { reason: "403" });
	const gone = new SidecarError("SOURCE_CHANGED", { reason: "404" });
	const down = new SidecarError("STORE_UNREACHABLE", { reason: "500" });
	it.each([
		["403", denied, "40"],
		["404", gone, "49"],
		["5xx in a later range of a large object", down, "large"],
	])(
		"commits nothing after a %s half-way, and everything when it is run again",
		async (_, failure, key) => {
			await using bucket = await plainBucket();
			await using bench = await workbench(namespaced(bucket.store, "alice"));
			await bucket.putAll(
				Array.from({ length: 50 }, (_, index) => [`p/${index}`, `note ${index}`] as const),
			);
			await bucket.put("p/large", noise(9 * 1024 * 1024));
			const place = objectsAt(bucket, "p/");
			const broken = failing(place.objects, (object, options) =>
				object.key === key && (key !== "large" || (options?.range?.offset ?? 0) > 0)
					? failure
					: undefined,
			);
			await expect(importInto(bench, broken)).rejects.toBe(failure);
			expect((await headOf(bench.store)).seq).toBe(0);
			expect(leftovers(bench)).toEqual([]);
			expect(await importInto(bench, place)).toMatchObject({ seq: 2, files: 51 });
		},
	);

	it("is not misled by an object that changes during the read", async () => {
		await using bucket = await plainBucket();
		await using bench = await workbench(namespaced(bucket.store, "alice"));
		await bucket.put("p/large", noise(9 * 1024 * 1024));
		const { objects } = objectsAt(bucket, "p/");
		let changed: Promise<void> | undefined;
		const place: PlainPlace = {
			kind: "objects",
			objects: {
				url: objects.url,
				list: (options) => objects.list(options),
				get: async (object, options) => {
					if ((options?.range?.offset ?? 0) > 0) {
						changed ??= bucket.put("p/large", noise(9 * 1024 * 1024).fill(7));
						await changed;
					}
					return await objects.get(object, options);
				},
			},
		};
		await expect(importInto(bench, place)).rejects.toMatchObject({ code: "SOURCE_CHANGED" });
		expect((await headOf(bench.store)).seq).toBe(0);
	});

	it("merges a database with its write-ahead log, and names what the profile leaves out", async () => {
		await using bucket = await plainBucket();
		await using bench = await workbench(namespaced(bucket.store, "alice"));
		const file = join(bench.dir, "x.db");
		const database = new DatabaseSync(file);
		database.exec(
			"PRAGMA journal_mode=WAL; PRAGMA wal_autocheckpoint=0; CREATE TABLE t (n); INSERT INTO t VALUES (1), (2), (3)",
		);
		// Copied as a plain sync does: both files, while the database is open. The rows are only in the
		// WAL.
		for (const suffix of ["", "-wal", "-shm"])
			await bucket.put(`p/state/x.db${suffix}`, readFileSync(file + suffix));
		database.close();
		await bucket.put("p/openclaw.json", "{}");
		await bucket.put("p/gateway.pid", "1");
		await bucket.put("p/npm/node_modules/x/index.js", "1");
		const imported = await importInto(bench, objectsAt(bucket, "p/"), { profile: openclawProfile });
		const together = "it belongs to the database beside it, which was taken together with it";
		expect(imported?.leftOut).toEqual(
			expect.arrayContaining([
				{ path: "state/x.db-wal", reason: together },
				{ path: "state/x.db-shm", reason: together },
			]),
		);
		const { tree } = await headOf(bench.store);
		const named = new Set(imported?.leftOut.map(({ path }) => path));
		for (const path of ["openclaw.json", "gateway.pid", "npm/node_modules/x/index.js"])
			expect(tree.has(path) || named.has(path)).toBe(true);
		await bench.open("b", { profile: openclawProfile });
		const restored = new DatabaseSync(join(bench.workspace("b"), "state/x.db"));
		expect(restored.prepare("SELECT count(*) AS rows FROM t").get()).toEqual({ rows: 3 });
		restored.close();
	});

	it("keeps a damaged database unchanged, quarantines what belongs to it, and names the place", async () => {
		await using bucket = await plainBucket();
		await using bench = await workbench(namespaced(bucket.store, "alice"));
		const damaged = Buffer.concat([Buffer.from("SQLite format 3\0"), Buffer.alloc(5_000, 7)]);
		await bucket.put("p/x.db", damaged);
		await bucket.put("p/x.db-wal", "its newest rows, perhaps");
		const imported = await importInto(bench, objectsAt(bucket, "p/"));
		expect(imported?.leftOut).toMatchObject([
			{
				path: "x.db-wal",
				reason: expect.stringMatching(/quarantined as \.recovered\/[0-9a-f]{32}\/x\.db-wal$/),
			},
		]);
		await bench.open("b");
		expect(readFileSync(join(bench.workspace("b"), "x.db")).equals(damaged)).toBe(true);
		expect(
			(await headOf(bench.store)).tree.has(
				imported?.leftOut[0]?.reason.split(" ").at(-1) as string,
			),
		).toBe(true);
	});

	it("finds nothing to import in an empty prefix or a bare folder", async () => {
		await using bucket = await plainBucket();
		await using bench = await workbench(namespaced(bucket.store, "alice"));
		await bucket.put("folder/");
		expect(await importInto(bench, objectsAt(bucket, "folder/"))).toBe(undefined);
		expect(await importInto(bench, objectsAt(bucket, "nothing/"))).toBe(undefined);
		expect((await headOf(bench.store)).seq).toBe(0);
	});
});

describe("importing a directory", () => {
	const source = (bench: Workbench): PlainPlace & { path: string } => {
		const path = join(bench.dir, "source");
		mkdirSync(join(path, "d"), { recursive: true });
		writeFileSync(join(path, "d/f"), "1", { mode: 0o640 });
		symlinkSync("nowhere", join(path, "l"));
		return { kind: "directory", path };
	};

	it("takes it unchanged, and changes nothing in it", async () => {
		await using bench = await workbench();
		const place = source(bench);
		const before = readDisk(place.path);
		expect(await importInto(bench, place)).toMatchObject({
			seq: 2,
			files: 1,
			directories: 1,
			links: 1,
			leftOut: [],
		});
		expect(readDisk(place.path)).toEqual(before);
		await bench.open("b");
		expect(readDisk(bench.workspace("b"))).toEqual(before);
	});

	it("finds nothing to import in a missing or an empty directory", async () => {
		await using bench = await workbench();
		mkdirSync(join(bench.dir, "empty"));
		expect(await importInto(bench, { kind: "directory", path: join(bench.dir, "empty") })).toBe(
			undefined,
		);
		expect(await importInto(bench, { kind: "directory", path: join(bench.dir, "missing") })).toBe(
			undefined,
		);
	});

	it("is refused if the log holds something, even just an empty workspace", async () => {
		await using bench = await workbench();
		const session = await bench.open("a");
		await session.flush({ sweep: true, closed: true });
		await expect(importInto(bench, source(bench))).rejects.toMatchObject({ code: "LOG_NOT_EMPTY" });
		expect((await headOf(bench.store)).seq).toBe(session.head.seq);
	});

	it("continues if an earlier try left only a fence", async () => {
		await using bench = await workbench();
		const place = source(bench);
		const store = new FaultyStore(bench.store, ["ok", "refused"]);
		await expect(importInto(bench, place, { store })).rejects.toMatchObject({
			code: "STORE_ACCESS_DENIED",
		});
		const { seq, tree } = await headOf(bench.store);
		expect({ seq, size: tree.size }).toEqual({ seq: 1, size: 0 });
		expect(await importInto(bench, place)).toMatchObject({ seq: 3, files: 1 });
	});

	it("settles a commit that the store did not answer", async () => {
		await using bench = await workbench();
		const store = new FaultyStore(bench.store, ["lost-answer", "lost-answer"]);
		expect(await importInto(bench, source(bench), { store })).toMatchObject({ seq: 2, files: 1 });
		expect((await headOf(bench.store)).tree.has("d/f")).toBe(true);
	});

	it("commits nothing, not even to quarantine, if another writer takes over the log meanwhile", async () => {
		await using bench = await workbench();
		const store = new FaultyStore(bench.store);
		let other: Awaited<ReturnType<Workbench["open"]>> | undefined;
		store.beforePut = async (key) => {
			if (key.endsWith("d") && other === undefined) other = await bench.open("other");
		};
		await expect(importInto(bench, source(bench), { store })).rejects.toMatchObject({
			code: "SUPERSEDED",
		});
		expect(other).toBeDefined();
		expect((await headOf(bench.store)).tree.size).toBe(0);
	});
});
