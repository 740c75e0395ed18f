/** Incidents in which a limit was met in silence: each limit, lowered, as a user of the command meets it. Numbers: docs/reliability.md. */
import { randomBytes } from "node:crypto";
import { mkdirSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, it } from "vitest";
import { CLI_SOURCE, type Ended, Place } from "../cli.ts";
import { below } from "./files.ts";

const MiB = 1024 * 1024;
const PRELOAD = new URL("lower-limits.ts", import.meta.url).href;

/** The command with other limits. */
function lowered(place: Place, limits: Readonly<Record<string, number>>) {
	const env = { NODE_OPTIONS: `--import=${PRELOAD}`, LIMITS: JSON.stringify(limits) };
	return async (machine: string, ...args: string[]) => await place.cli(machine, [...args, "--json"], { entry: CLI_SOURCE, env });
}

const write = (place: Place, path: string, content: string | Buffer) => {
	const file = place.path("a", path);
	mkdirSync(dirname(file), { recursive: true });
	writeFileSync(file, content);
};

const reportOf = ({ stdout }: Ended): Record<string, unknown> => JSON.parse(stdout) as Record<string, unknown>;

/** What another machine restores is what this one has. */
async function expectRestored(place: Place, run: ReturnType<typeof lowered>): Promise<void> {
	expect(await run("b", "restore")).toMatchObject({ status: 0 });
	expect(below(place.path("b"))).toEqual(below(place.path("a")));
}

it("fastagent #489: beyond MAX_ENTRIES the rest is named each time, and taken once there is room", async () => {
	using place = new Place();
	const run = lowered(place, { MAX_ENTRIES: 40 });
	write(place, "SOUL.md", "soul");
	expect(await run("a", "flush")).toMatchObject({ status: 0 });
	write(place, "SOUL.md", "soul, edited");
	for (let index = 0; index < 45; index++) write(place, `many/${index}`, "x");
	for (let round = 0; round < 2; round++) {
		const flushed = await run("a", "flush");
		expect(flushed).toMatchObject({ status: 3 });
		expect(reportOf(flushed)).toMatchObject({ notTaken: [{ path: "many", reason: expect.stringContaining("40 files and directories") }] });
	}
	expect(await run("a", "status")).toMatchObject({ status: 3 });
	for (let index = 0; index < 20; index++) rmSync(place.path("a", `many/${index}`));
	// The room is that of the newest commit: the first flush makes it, the second one uses it.
	expect(await run("a", "flush")).toMatchObject({ status: 3 });
	expect(await run("a", "flush")).toMatchObject({ status: 0 });
	await expectRestored(place, run);
});

it("fastagent #489: beyond MAX_CHUNKS the file is named each time, and everything else is committed", async () => {
	using place = new Place();
	const run = lowered(place, { MAX_CHUNKS: 50 });
	write(place, "SOUL.md", "soul");
	expect(await run("a", "flush")).toMatchObject({ status: 0 });
	write(place, "SOUL.md", "soul, edited");
	write(place, "giant", "");
	truncateSync(place.path("a", "giant"), 51 * MiB);
	for (let round = 0; round < 2; round++) {
		const flushed = await run("a", "flush");
		expect(flushed).toMatchObject({ status: 3 });
		expect(reportOf(flushed)).toMatchObject({ notTaken: [{ path: "giant", reason: expect.stringMatching(/53477376 bytes.* 50 chunks/) }] });
	}
	rmSync(place.path("a", "giant"));
	await expectRestored(place, run);
});

it("fastagent #489: a manifest of more than MAX_MANIFEST_BYTES is refused each time, and taken once it is smaller", async () => {
	using place = new Place();
	const run = lowered(place, { MAX_MANIFEST_BYTES: 4000 });
	write(place, "SOUL.md", "soul");
	expect(await run("a", "flush")).toMatchObject({ status: 0 });
	const name = (index: number) => `${index}${"n".repeat(240)}`;
	for (let index = 0; index < 20; index++) write(place, name(index), "x");
	for (let round = 0; round < 2; round++) {
		const flushed = await run("a", "flush");
		expect(flushed.status).toBe(3);
		expect(flushed.stdout).toContain("WORKSPACE_TOO_LARGE");
		expect(flushed.stdout).toMatch(/the manifest has \d+ bytes, the limit is 4000/);
	}
	for (let index = 5; index < 20; index++) rmSync(place.path("a", name(index)));
	expect(await run("a", "flush")).toMatchObject({ status: 0 });
	await expectRestored(place, run);
});

it("fastagent #489: content beyond MAX_INLINE_BYTES and MAX_SEGMENT_INLINE_BYTES goes to packs, and is no limit", async () => {
	using place = new Place();
	const run = lowered(place, { MAX_INLINE_BYTES: 64 * 1024, MAX_SEGMENT_INLINE_BYTES: 96 * 1024 });
	for (let round = 0; round < 3; round++) {
		write(place, `inline-${round}`, randomBytes(60 * 1024));
		expect(await run("a", "flush")).toMatchObject({ status: 0 });
	}
	write(place, "beyond", randomBytes(200 * 1024));
	expect(await run("a", "flush")).toMatchObject({ status: 0 });
	await expectRestored(place, run);
});

it("fastagent #489: SEGMENT_COMMITS only says where a log is folded from: there may be any number of commits", async () => {
	using place = new Place();
	const run = lowered(place, { SEGMENT_COMMITS: 3 });
	for (let round = 0; round < 5; round++) {
		write(place, "note", `${round}`);
		expect(await run("a", "flush")).toMatchObject({ status: 0 });
	}
	await expectRestored(place, run);
});

it("fastagent #489: SQLITE_CHUNK_BITS is a size and no limit: a database of any number of pages is stored", async () => {
	using place = new Place();
	const run = lowered(place, { SQLITE_CHUNK_BITS: 12 });
	mkdirSync(place.path("a"));
	{
		using database = new DatabaseSync(join(place.path("a"), "x.db"));
		database.exec("CREATE TABLE t (v); INSERT INTO t VALUES (zeroblob(300000))");
	}
	expect(await run("a", "flush")).toMatchObject({ status: 0 });
	expect(await run("b", "restore")).toMatchObject({ status: 0 });
	using copy = new DatabaseSync(place.path("b", "x.db"), { readOnly: true });
	expect(copy.prepare("SELECT length(v) AS bytes FROM t").get()).toEqual({ bytes: 300_000 });
});
