/**
 * Databases and the daemon as a process: what its watcher sees, what it leaves behind when it is
 * killed, and what it does without room.
 */
import { execFile, execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { CLI_BUNDLE, type CliProcess, jsonObject, Place } from "../../../testkit/cli.ts";
import { startNode } from "../../../testkit/workspace/start-node.ts";

function makeDatabase(file: string, journalMode: string, bytes = 0): void {
	mkdirSync(dirname(file), { recursive: true });
	using database = new DatabaseSync(file);
	database.exec(
		`PRAGMA journal_mode = ${journalMode}; CREATE TABLE t (v); INSERT INTO t VALUES ('base')`,
	);
	database.prepare("INSERT INTO t VALUES (randomblob(?))").run(bytes);
}

async function nextCommit(daemon: CliProcess, change: () => unknown): Promise<void> {
	const before = daemon.events.length;
	await change();
	await daemon.waitForEvent("flush.committed", (event) => daemon.events.indexOf(event) >= before);
}

/** The private directory for copies, once it exists. */
function copiesOf(stateDir: string): string {
	const [name] = readdirSync(stateDir).filter((each) => /^[0-9a-f]{16}$/.test(each));
	return join(stateDir, name as string, "tmp");
}

describe("a database of the daemon's workspace", () => {
	it("is dirty right after a restore if only its -wal was written, and no rescan is due", async () => {
		using place = new Place();
		makeDatabase(place.path("a", "x.db"), "WAL");
		expect((await place.cli("a", ["flush"])).status).toBe(0);
		await using daemon = await place.run("b", ["--sweep-interval", "10m"]);
		// The rescan that follows the restore is then over.
		await nextCommit(daemon, () => writeFileSync(place.path("b", "marker"), ""));
		await nextCommit(daemon, async () => {
			const child = startNode(
				`const database = new DatabaseSync(args[0]); database.exec("INSERT INTO t VALUES ('in the WAL')"); say("ok"); await line();`,
				place.path("b", "x.db"),
			);
			await child.line();
			await child.kill("SIGKILL");
		});
		await daemon.stop("SIGKILL");
		expect((await place.cli("c", ["restore"])).status).toBe(0);
		using database = new DatabaseSync(place.path("c", "x.db"));
		expect(database.prepare("SELECT v FROM t WHERE v = 'in the WAL'").all()).toHaveLength(1);
		expect(
			readdirSync(dirname(place.path("c", "x.db"))).filter((name) => name.startsWith("x.db-shm")),
		).toEqual(["x.db-shm"]);
	});

	it("leaves no copy behind if kill -9 interrupted its copying: the next start removes it", async () => {
		using place = new Place();
		const file = place.path("a", "x.db");
		makeDatabase(file, "DELETE");
		const child = startNode(
			`const database = new DatabaseSync(args[0]);
			database.exec("PRAGMA locking_mode = EXCLUSIVE; INSERT INTO t VALUES ('new')"); say("locked"); await line();`,
			file,
		);
		await child.line();
		// As if it were being written: otherwise it would be copied at once.
		utimesSync(file, Date.now() / 1000 + 3600, Date.now() / 1000 + 3600);
		const daemon = place.start("a", ["run"]);
		await daemon.waitForEvent("fence.won");
		const copies = copiesOf(join(place.dir, "a", "state"));
		const isCopying = () => readdirSync(copies).length > 0;
		while (!isCopying()) await nextTurn();
		await daemon.stop("SIGKILL");
		expect(isCopying()).toBe(true);
		await child.kill("SIGKILL");
		expect((await place.cli("a", ["flush"])).status).toBe(0);
		expect(readdirSync(copies)).toEqual([]);
	});

	it.skipIf(!canMount())(
		"waits and is named if there is no room to copy it; everything else is durable",
		async () => {
			using place = new Place();
			makeDatabase(place.path("a", "large.db"), "DELETE", 8_000_000);
			// This one is read in place.
			makeDatabase(place.path("a", "wal.db"), "WAL", 8_000_000);
			writeFileSync(place.path("a", "note.md"), "small");
			const state = join(place.dir, "a", "state");
			mkdirSync(state);
			const script = `mount -t tmpfs -o size=4m tmpfs "$1" && shift && exec "$@"`;
			const command = [process.execPath, CLI_BUNDLE, ...place.args("a"), "flush", "--json"];
			const { status, stdout } = await run([
				...UNSHARE,
				"sh",
				"-c",
				script,
				"sh",
				state,
				...command,
			]);
			expect(status).toBe(3);
			expect(jsonObject(stdout)).toMatchObject({
				notTaken: [{ path: "large.db", reason: expect.stringContaining("no room") }],
			});
			expect((await place.cli("a", ["cat", "note.md"])).stdout).toBe("small");
			expect((await place.cli("a", ["ls"])).stdout).toContain("wal.db");
		},
	);
});

const UNSHARE = [
	"unshare",
	...(process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"]),
	"--mount",
	"--propagation",
	"private",
];

function canMount(): boolean {
	try {
		execFileSync(
			UNSHARE[0] as string,
			[...UNSHARE.slice(1), "mount", "-t", "tmpfs", "tmpfs", "/mnt"],
			{ stdio: "ignore" },
		);
		return true;
	} catch {
		return false;
	}
}

async function run([file, ...args]: readonly string[]): Promise<{
	status: number;
	stdout: string;
}> {
	return await new Promise((resolve) => {
		execFile(file as string, args, { timeout: 20_000 }, (error, stdout) =>
			resolve({ status: error === null ? 0 : Number(error.code ?? -1), stdout }),
		);
	});
}
