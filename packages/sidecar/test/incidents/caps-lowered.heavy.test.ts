/**
 * Incidents in which a limit was exceeded silently: a writer meets each limit, lowered. Numbers:
 * docs/reliability.md.
 */
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { DatabaseSync } from "node:sqlite";
import { fileURLToPath, pathToFileURL } from "node:url";
import { expect, it } from "vitest";
import { below } from "./files.ts";

const MiB = 1024 * 1024;
const PRELOAD = new URL("lower-limits.ts", import.meta.url).href;
const LIBRARY = fileURLToPath(new URL("lowered-library.ts", import.meta.url));

type Result = Readonly<Record<string, unknown>>;

/** The library with other limits, and machines that share a store. */
class Lowered implements AsyncDisposable {
	readonly #dir = mkdtempSync(join(tmpdir(), "lowered-"));
	readonly #child;
	readonly #lines;

	constructor(limits: Readonly<Record<string, number>>) {
		const env = { ...process.env, LIMITS: JSON.stringify(limits) };
		this.#child = spawn(process.execPath, ["--import", PRELOAD, LIBRARY], {
			env,
			stdio: ["pipe", "pipe", "inherit"],
		});
		this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
	}

	path(machine: string, ...names: string[]): string {
		return join(this.#dir, machine, "ws", ...names);
	}

	write(path: string, content: string | Buffer): void {
		const file = this.path("a", path);
		mkdirSync(dirname(file), { recursive: true });
		writeFileSync(file, content);
	}

	async run(machine: string, verb: "flush" | "restore" | "status"): Promise<Result> {
		const place = {
			workspace: this.path(machine),
			stateDir: join(this.#dir, machine, "state"),
			store: pathToFileURL(join(this.#dir, "store")).href,
		};
		mkdirSync(join(this.#dir, machine), { recursive: true });
		this.#child.stdin.write(
			`${JSON.stringify([verb, { ...place, profile: "plain", handoverWaitMs: 0 }])}\n`,
		);
		return JSON.parse((await this.#lines.next()).value as string) as Result;
	}

	/** Another machine restores exactly what this one has. */
	async expectRestored(): Promise<void> {
		await this.run("b", "restore");
		expect(below(this.path("b"))).toEqual(below(this.path("a")));
	}

	async [Symbol.asyncDispose](): Promise<void> {
		this.#child.stdin.end();
		await once(this.#child, "exit");
		rmSync(this.#dir, { recursive: true, force: true });
	}
}

// @id max-entries
it("fastagent #489: paths beyond MAX_ENTRIES are named each time, and stored once there is room", async () => {
	await using place = new Lowered({ MAX_ENTRIES: 40 });
	place.write("SOUL.md", "soul");
	expect(await place.run("a", "flush")).toMatchObject({ exitStatus: 0 });
	place.write("SOUL.md", "soul, edited");
	for (let index = 0; index < 45; index++) place.write(`many/${index}`, "x");
	for (let round = 0; round < 2; round++) {
		const flushed = await place.run("a", "flush");
		expect(flushed).toMatchObject({
			exitStatus: 3,
			notTaken: [{ path: "many", reason: expect.stringContaining("40 files and directories") }],
		});
	}
	expect((await place.run("a", "status")).notDurable).toHaveLength(8);
	for (let index = 0; index < 20; index++) rmSync(place.path("a", `many/${index}`));
	// The room is computed from the newest commit: the first flush makes it, and the second one uses
	// it.
	expect(await place.run("a", "flush")).toMatchObject({ exitStatus: 3 });
	expect(await place.run("a", "flush")).toMatchObject({ exitStatus: 0 });
	await place.expectRestored();
});

// @id left-out-stays
it("fastagent #489: beyond MAX_ENTRIES the same paths stay left out, nothing stored is dropped, and a restore keeps them", async () => {
	await using place = new Lowered({ MAX_ENTRIES: 30 });
	for (let index = 10; index < 50; index++) place.write(`many/${index}`, "x");
	await place.run("a", "flush");
	const notStored = async () => {
		const { notDurable } = (await place.run("a", "status")) as { notDurable: readonly string[] };
		return [...notDurable].sort();
	};
	const first = await notStored();
	expect(first).toHaveLength(12);
	place.write("many/00", "newer, and first by name");
	for (const index of [0, 20, 28]) place.write(`before/${index}`, "x");
	expect(await place.run("a", "flush")).toMatchObject({ exitStatus: 3 });
	const second = await notStored();
	expect(second).toEqual(expect.arrayContaining(first));
	const there = below(place.path("a"));
	expect(await place.run("a", "restore")).not.toHaveProperty("code");
	expect(below(place.path("a"))).toEqual(there);
	expect(await notStored()).toEqual(second);
});

// @id max-chunks
it("fastagent #489: a file beyond MAX_CHUNKS is named each time, and everything else is committed", async () => {
	await using place = new Lowered({ MAX_CHUNKS: 50 });
	place.write("SOUL.md", "soul");
	expect(await place.run("a", "flush")).toMatchObject({ exitStatus: 0 });
	place.write("SOUL.md", "soul, edited");
	place.write("giant", "");
	truncateSync(place.path("a", "giant"), 51 * MiB);
	for (let round = 0; round < 2; round++) {
		const flushed = await place.run("a", "flush");
		expect(flushed).toMatchObject({
			exitStatus: 3,
			notTaken: [{ path: "giant", reason: expect.stringMatching(/53477376 bytes.* 50 chunks/) }],
		});
	}
	rmSync(place.path("a", "giant"));
	await place.expectRestored();
});

// @id max-manifest-bytes
it("fastagent #489: paths for which MAX_MANIFEST_BYTES leaves no room are named each time, and stored once there is room", async () => {
	await using place = new Lowered({ MAX_MANIFEST_BYTES: 4000 });
	place.write("SOUL.md", "soul");
	expect(await place.run("a", "flush")).toMatchObject({ exitStatus: 0 });
	place.write("SOUL.md", "soul, edited");
	const name = (index: number) => `${index}${"n".repeat(240)}`;
	for (let index = 0; index < 20; index++) place.write(name(index), "x");
	for (let round = 0; round < 2; round++) {
		const flushed = await place.run("a", "flush");
		const reason = expect.stringContaining("the names and places of all files may need 4000 bytes");
		expect(flushed).toMatchObject({ exitStatus: 3, notTaken: [{ path: "", reason }] });
	}
	const stored = (await place.run("a", "status")) as { notDurable: readonly string[] };
	expect(stored.notDurable).not.toContain("SOUL.md");
	expect(stored.notDurable.length).toBeLessThan(20);
	for (let index = 5; index < 20; index++) rmSync(place.path("a", name(index)));
	await place.run("a", "flush");
	expect(await place.run("a", "flush")).toMatchObject({ exitStatus: 0 });
	await place.expectRestored();
});

// @id max-inline-bytes
it("fastagent #489: content beyond MAX_INLINE_BYTES and MAX_SEGMENT_INLINE_BYTES goes to packs and is not limited", async () => {
	await using place = new Lowered({
		MAX_INLINE_BYTES: 64 * 1024,
		MAX_SEGMENT_INLINE_BYTES: 96 * 1024,
	});
	for (let round = 0; round < 3; round++) {
		place.write(`inline-${round}`, randomBytes(60 * 1024));
		expect(await place.run("a", "flush")).toMatchObject({ exitStatus: 0 });
	}
	place.write("beyond", randomBytes(200 * 1024));
	expect(await place.run("a", "flush")).toMatchObject({ exitStatus: 0 });
	await place.expectRestored();
});

// @id segment-commits
it("fastagent #489: SEGMENT_COMMITS only sets where a fold starts, and does not limit the number of commits", async () => {
	await using place = new Lowered({ SEGMENT_COMMITS: 3 });
	for (let round = 0; round < 5; round++) {
		place.write("note", `${round}`);
		expect(await place.run("a", "flush")).toMatchObject({ exitStatus: 0 });
	}
	await place.expectRestored();
});

// @id sqlite-chunk-bits
it("fastagent #489: SQLITE_CHUNK_BITS is a size and not a limit: a database of any number of pages is stored", async () => {
	await using place = new Lowered({ SQLITE_CHUNK_BITS: 12 });
	mkdirSync(place.path("a"), { recursive: true });
	{
		using database = new DatabaseSync(join(place.path("a"), "x.db"));
		database.exec("CREATE TABLE t (v); INSERT INTO t VALUES (zeroblob(300000))");
	}
	expect(await place.run("a", "flush")).toMatchObject({ exitStatus: 0 });
	await place.run("b", "restore");
	using copy = new DatabaseSync(place.path("b", "x.db"), { readOnly: true });
	expect(copy.prepare("SELECT length(v) AS bytes FROM t").get()).toEqual({ bytes: 300_000 });
});
