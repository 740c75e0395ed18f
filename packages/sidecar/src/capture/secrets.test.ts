import { randomBytes } from "node:crypto";
import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it } from "vitest";
import { openclawProfile, type Workbench, workbench } from "../../../testkit/workbench.ts";
import { readLog } from "../commit/read-log.ts";
import { PACK_PREFIX } from "../log/keys.ts";
import { inspectDisk } from "../session/not-durable.ts";

/** In halves, so that this file holds none. */
const KEY = ["AKIA", "QWERTYUIOPASDFGH"].join("");
const OTHER_KEY = ["AKIA", "HGFDSAPOIUYTREWQ"].join("");
const TOKEN = ["ghp_", "abcdefghijklmnopqrstuvwxyz0123456789"].join("");
const MiB = 1024 * 1024;

const told = (bench: Workbench) =>
	bench.logger.events
		.filter(({ event }) => event === "security.secret-found")
		.map(({ fields }) => [fields.path, fields.secretKind]);
const stored = async (bench: Workbench) =>
	[...(await readLog(bench.store)).head.tree.keys()].filter((path) => path !== "").sort();

/** Every byte of the store, uncompressed. */
async function allObjects(bench: Workbench): Promise<string[]> {
	const keys: string[] = [];
	for await (const { objects } of bench.store.list("")) keys.push(...objects.map(({ key }) => key));
	return keys;
}

describe("warn", () => {
	it("stores the file, and reports each kind once per content, not at every flush", async () => {
		await using bench = await workbench();
		const session = await bench.open("a");
		const file = join(bench.workspace("a"), "notes.md");
		writeFileSync(file, `key ${KEY}\nand ${TOKEN}\n`);
		expect(await session.flush({ sweep: true })).toMatchObject({ kind: "committed" });
		expect(await stored(bench)).toEqual(["notes.md"]);
		expect(told(bench)).toEqual([
			["notes.md", "aws-access-key-id"],
			["notes.md", "github-token"],
		]);
		expect(
			bench.logger.events.filter(({ event }) => event === "security.secret-found")[0],
		).toMatchObject({ level: "warn", kind: "security" });

		appendFileSync(file, "a line more\n");
		await session.flush({ sweep: true });
		expect(told(bench)).toHaveLength(2);

		appendFileSync(file, `and ${OTHER_KEY}\n`);
		await session.flush({ sweep: true });
		expect(told(bench).slice(2)).toEqual([["notes.md", "aws-access-key-id"]]);
		expect(
			JSON.stringify(bench.logger.events, (_, value) =>
				typeof value === "bigint" ? String(value) : value,
			),
		).not.toMatch(/AKIA|ghp_/);
	});

	it("reports nothing for paths that the profile knows to hold secrets, for databases and for binary files", async () => {
		await using bench = await workbench();
		const session = await bench.open("a", { profile: openclawProfile });
		const root = bench.workspace("a");
		mkdirSync(join(root, "credentials"));
		mkdirSync(join(root, "workspace"));
		for (const path of ["openclaw.json", ".env", "credentials/x.json"])
			writeFileSync(join(root, path), KEY);
		writeFileSync(join(root, "workspace/image"), `\0${KEY}`);
		using database = new DatabaseSync(join(root, "workspace/a.db"));
		database.exec(`CREATE TABLE t (v); INSERT INTO t VALUES ('${KEY}')`);
		writeFileSync(join(root, "workspace/.env"), KEY);
		await session.flush({ sweep: true });
		expect(told(bench)).toEqual([["workspace/.env", "aws-access-key-id"]]);
	});

	it("finds a secret that crosses from one chunk into the next, and one in a new chunk", async () => {
		await using bench = await workbench();
		const session = await bench.open("a");
		const file = join(bench.workspace("a"), "log.txt");
		const filler = "word ".repeat(MiB / 5 + 1);
		writeFileSync(file, `${filler.slice(0, MiB - 11)}\n${KEY} ${filler}`);
		await session.flush({ sweep: true });
		expect(told(bench)).toEqual([["log.txt", "aws-access-key-id"]]);

		appendFileSync(file, ` ${TOKEN}`);
		await session.flush({ sweep: true });
		expect(told(bench).slice(1)).toEqual([["log.txt", "github-token"]]);
	});

	it("reports that only the first 64 MiB of a file were scanned", async () => {
		await using bench = await workbench();
		const session = await bench.open("a");
		writeFileSync(
			join(bench.workspace("a"), "huge.txt"),
			`${"word ".repeat(13 * MiB)}${"word ".repeat(MiB)}${KEY}`,
		);
		await session.flush({ sweep: true });
		expect(told(bench)).toEqual([]);
		expect(bench.logger.events).toContainEqual(
			expect.objectContaining({
				event: "security.secret-scan-cut",
				fields: { path: "huge.txt", scannedBytes: 64 * MiB },
			}),
		);
	});
});

describe("exclude", () => {
	it("leaves the file out and stores the rest; no byte of it reaches the store; it is named until it is clean or gone", async () => {
		await using bench = await workbench();
		const session = await bench.open("a", { onSecret: "exclude" });
		const root = bench.workspace("a");
		writeFileSync(join(root, "secret.txt"), `key ${KEY}`);
		// Too large to fit in a commit, with the secret at its end: nothing may be sent before the
		// secret is found.
		writeFileSync(join(root, "large.txt"), `${randomBytes(9 * MiB).toString("base64")}\n${KEY}\n`);
		writeFileSync(join(root, "good.txt"), "good");
		expect(await session.flush({ sweep: true })).toMatchObject({ kind: "committed", deferred: [] });
		expect(await stored(bench)).toEqual(["good.txt"]);
		expect((await allObjects(bench)).filter((key) => key.startsWith(PACK_PREFIX))).toEqual([]);
		expect(session.waiting).toBe(0);
		expect([...session.excluded].sort((a, b) => (a.path < b.path ? -1 : 1))).toEqual([
			{ path: "large.txt", reason: "left out by --on-secret exclude: it holds aws-access-key-id" },
			{ path: "secret.txt", reason: "left out by --on-secret exclude: it holds aws-access-key-id" },
		]);

		expect(await session.flush({ sweep: true })).toMatchObject({ kind: "nothing" });
		expect(told(bench)).toHaveLength(2);

		rmSync(join(root, "large.txt"));
		writeFileSync(join(root, "secret.txt"), "clean");
		await session.flush({ sweep: true });
		expect(await stored(bench)).toEqual(["good.txt", "secret.txt"]);
		expect(session.excluded).toEqual([]);
	});

	it("keeps an older version in the log and reports that, and a restore on this disk keeps the newer one", async () => {
		await using bench = await workbench();
		const session = await bench.open("a", { onSecret: "exclude" });
		const file = join(bench.workspace("a"), "notes.md");
		writeFileSync(file, "clean");
		await session.flush({ sweep: true });
		writeFileSync(file, KEY);
		expect(await session.flush({ sweep: true })).toMatchObject({ kind: "nothing" });
		expect(await stored(bench)).toEqual(["notes.md"]);
		expect(session.excluded).toMatchObject([
			{
				path: "notes.md",
				reason: expect.stringContaining("an older version is in the log and stays there"),
			},
		]);

		await bench.open("a", { onSecret: "exclude" });
		expect(readFileSync(file, "utf8")).toBe(KEY);
		await bench.open("b");
		expect(readFileSync(join(bench.workspace("b"), "notes.md"), "utf8")).toBe("clean");
	});

	it("deletes the directory in the log even if the file that replaced it is excluded", async () => {
		await using bench = await workbench();
		const session = await bench.open("a", { onSecret: "exclude" });
		const place = join(bench.workspace("a"), "notes");
		mkdirSync(place);
		writeFileSync(join(place, "f"), "clean");
		await session.flush({ sweep: true });
		rmSync(place, { recursive: true });
		writeFileSync(place, KEY);
		await session.flush({ sweep: true });
		expect(await stored(bench)).toEqual([]);
		expect(session.excluded).toMatchObject([{ path: "notes" }]);
	});

	it("counts it in status as left out, not as not durable, even without a session", async () => {
		await using bench = await workbench();
		const session = await bench.open("a", { onSecret: "exclude" });
		writeFileSync(join(bench.workspace("a"), "secret.txt"), KEY);
		await session.flush({ sweep: true });
		const { head } = await readLog(bench.store);
		const disk = {
			store: bench.store,
			root: bench.workspace("a"),
			profile: openclawProfile,
			privateDir: bench.privateDir("a"),
		};
		expect(await inspectDisk({ ...disk, onSecret: "exclude" }, head)).toMatchObject({
			notDurable: [],
			excluded: [{ path: "secret.txt" }],
		});
		expect(await inspectDisk(disk, head)).toMatchObject({
			notDurable: [{ path: "secret.txt" }],
			excluded: [],
		});
	});
});

describe("fail", () => {
	it("refuses the flush with a typed error, stores nothing, and continues when the secret is gone", async () => {
		await using bench = await workbench();
		const session = await bench.open("a", { onSecret: "fail" });
		const root = bench.workspace("a");
		writeFileSync(join(root, "good.txt"), "good");
		writeFileSync(join(root, "secret.txt"), KEY);
		const before = await allObjects(bench);
		for (let attempt = 0; attempt < 2; attempt++) {
			await expect(session.flush({ sweep: true })).rejects.toMatchObject({
				code: "SECRET_FOUND",
				exitStatus: 3,
				value: "secret.txt",
				message: expect.stringContaining("it holds aws-access-key-id"),
			});
		}
		expect(await allObjects(bench)).toEqual(before);
		expect(session.waiting).toBeGreaterThan(0);
		expect(told(bench)).toHaveLength(1);

		rmSync(join(root, "secret.txt"));
		await session.flush();
		expect(await stored(bench)).toEqual(["good.txt"]);
	});
});
