/**
 * An agent whose sidecar was killed ends with it, or at the latest before the next start restores
 * anything.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, chownSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { type CliProcess, Place } from "../../../testkit/cli.ts";
import { recordAgent, recordPath } from "../daemon/agent-record.ts";
import { readProcesses, startOf } from "../daemon/process-table.ts";

const isRoot = process.getuid?.() === 0;
const OTHER_USER = 65_534;

const agent = (script: string, ...args: readonly string[]) => [
	"--",
	"sh",
	"-c",
	script,
	"agent",
	...args,
];
/** Runs until it is told to end. `$1`: the path of its pid. */
const PATIENT = 'echo $$ > "$1"; exec sleep 600';
const DEAF = 'trap "" TERM; echo $$ > "$1"; while :; do sleep 0.1; done';

const isAlive = (pid: number) => startOf(pid) !== undefined;

async function pidIn(path: string): Promise<number> {
	await expect
		.poll(() => existsSync(path) && Number(readFileSync(path, "utf8")), { timeout: 10_000 })
		.toBeGreaterThan(0);
	return Number(readFileSync(path, "utf8"));
}

/** The shell that would end the agent. */
async function endDeathWatch(daemon: CliProcess): Promise<void> {
	const watch = readProcesses().find(
		({ pid, parent }) =>
			parent === daemon.pid && readFileSync(`/proc/${pid}/cmdline`, "latin1").includes("end-agent"),
	);
	process.kill(watch?.pid as number, "SIGKILL");
	await daemon.waitForEvent("agent.not-guarded");
}

/** An agent that survives although its sidecar was killed; the file has its pid. */
async function survivor(
	place: Place,
	script: string,
	options: readonly string[] = [],
): Promise<{ pid: number; daemon: CliProcess }> {
	const file = join(place.dir, `survivor-${Math.random()}`);
	writeFileSync(file, "");
	chmodSync(file, 0o666);
	const daemon = await place.run("a", [...options, ...agent(script, file)]);
	const pid = await pidIn(file);
	onTestFinished(() => endHard(pid));
	await endDeathWatch(daemon);
	daemon.signal("SIGKILL");
	await expect.poll(() => isAlive(daemon.pid)).toBe(false);
	expect(isAlive(pid)).toBe(true);
	return { pid, daemon };
}

/** The process may end by itself just before the signal. */
function endHard(pid: number): void {
	try {
		process.kill(pid, "SIGKILL");
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
	}
}

describe("the agent ends when its sidecar dies", () => {
	// @id agent-ends-with-sidecar
	test.each([
		// @id agent-ends-with-sidecar-when-told
		["that ends when it is told to", PATIENT],
		["that does not hear SIGTERM", DEAF],
	])("%s, and all it started", async (_, script) => {
		using place = new Place();
		const [own, child, orphan] = ["own", "child", "orphan"].map((name) =>
			join(place.dir, name),
		) as [string, string, string];
		const family = `(setsid sh -c '${DEAF}' orphan "$3" &); sh -c '${PATIENT}' child "$2" & ${script}`;
		const daemon = await place.run("a", agent(family, own, child, orphan));
		const pids = [await pidIn(own), await pidIn(child), await pidIn(orphan)];
		onTestFinished(() => pids.forEach(endHard));
		daemon.signal("SIGKILL");
		await expect.poll(() => pids.filter(isAlive), { timeout: 20_000 }).toEqual([]);
		const { events } = await daemon.ended;
		expect(events.filter(({ event }) => event === "agent.survivor-ended")).toMatchObject([
			{ level: "warn" },
		]);
	});

	test("also if the whole process group of the sidecar is killed", async () => {
		using place = new Place();
		const own = join(place.dir, "own");
		const below = ["setsid"];
		const daemon = await place.run("a", agent(`exec setsid sh -c '${PATIENT}' agent "$1"`, own), {
			below,
		});
		const pid = await pidIn(own);
		process.kill(-daemon.pid, "SIGKILL");
		await daemon.ended;
		expect(isAlive(pid)).toBe(false);
	});

	test("and an orderly end leaves no shell behind", async () => {
		using place = new Place();
		const daemon = await place.run("a", agent("exec sleep 600"));
		const before = readProcesses().filter(({ parent }) => parent === daemon.pid);
		expect(before).toHaveLength(2);
		const { status } = await daemon.stop();
		expect(status).toBe(0);
		await expect.poll(() => before.filter(({ pid }) => isAlive(pid))).toEqual([]);
	});
});

describe("a survivor", () => {
	// @id survivor-ends-before-restore
	test.each([
		// @id survivor-ends-when-told
		["that ends when it is told to", PATIENT, false],
		// @id survivor-deaf
		["that does not hear SIGTERM", DEAF, true],
		["without its environment", `exec env -i PATH="$PATH" sh -c '${PATIENT}' agent "$1"`, false],
		[
			"that left its session and its parent",
			`(setsid sh -c '${PATIENT}' daemon "$1" &); exec sleep 600`,
			false,
		],
	])("%s is ended before the next start restores anything", async (_, script, killed) => {
		using place = new Place();
		const { pid } = await survivor(place, script);
		await using next = await place.run("a", agent("exec sleep 600"));
		expect(isAlive(pid)).toBe(false);
		const names = next.events.map(({ event }) => event);
		expect(names.indexOf("agent.survivor-ended")).toBeLessThan(names.indexOf("restore.finished"));
		expect(next.events.find(({ event }) => event === "agent.survivor-ended")).toMatchObject({
			level: "warn",
			killed,
		});
		await next.stop();
	});

	test.each([
		["restore", ["restore"]],
		["rollback", ["rollback", "--to", "2"]],
	])("is ended before a %s", async (_, args) => {
		using place = new Place();
		mkdirSync(place.path("a"));
		writeFileSync(place.path("a", "file"), "text");
		await place.cli("a", ["flush"]);
		const { pid } = await survivor(place, PATIENT);
		const { status, stderr } = await place.cli("a", args);
		expect({ status, stderr }).toEqual({
			status: 0,
			stderr: expect.stringContaining("agent.survivor-ended"),
		});
		expect(isAlive(pid)).toBe(false);
	});

	test("is left alone by a flush", async () => {
		using place = new Place();
		const { pid } = await survivor(place, PATIENT);
		writeFileSync(place.path("a", "file"), "text");
		expect((await place.cli("a", ["flush"])).status).toBe(0);
		expect(isAlive(pid)).toBe(true);
	});

	test.skipIf(!isRoot)("of another user is ended by root", async () => {
		using place = new Place();
		const { pid } = await survivor(place, PATIENT, ["--agent-user", `${OTHER_USER}:${OTHER_USER}`]);
		expect((await place.cli("a", ["restore"])).status).toBe(0);
		expect(isAlive(pid)).toBe(false);
	});

	// @id survivor-of-other-user
	test.skipIf(!isRoot)(
		"that this user may not end is named and stops the start, and nothing is touched",
		async () => {
			using place = new Place();
			mkdirSync(place.store);
			for (const path of [place.dir, place.store, join(place.path("a"), "..")])
				chownSync(path, OTHER_USER, OTHER_USER);
			const { status } = await place.cli("a", ["restore"], { uid: OTHER_USER });
			expect(status).toBe(0);
			const foreign = spawn("sleep", ["600"], { stdio: "ignore" });
			const record = recordPath(join(place.dir, "a", "state"), place.path("a"));
			recordAgent(record, foreign.pid as number, "1-2-3-4:5");
			chownSync(record, OTHER_USER, OTHER_USER);
			const refused = await place.cli("a", ["run", ...agent("exec true")], { uid: OTHER_USER });
			expect(refused.status).toBe(2);
			expect(refused.stderr).toContain(`error [AGENT_SURVIVES]`);
			expect(refused.stderr).toContain(`process ${foreign.pid}: it belongs to another user`);
			expect(isAlive(foreign.pid as number)).toBe(true);
			await endChild(foreign);
		},
	);

	// @id stopped-sidecar-no-survivor
	test("whose sidecar is stopped is not a survivor: a start with another state directory is refused", async () => {
		using place = new Place();
		const own = join(place.dir, "own");
		await using daemon = await place.run("a", agent(PATIENT, own));
		const pid = await pidIn(own);
		daemon.signal("SIGSTOP");
		const state = join(place.dir, "other-state");
		const { status, stderr } = await place.cli("a", [
			"run",
			"--state-dir",
			state,
			...agent("exec true"),
		]);
		daemon.signal("SIGCONT");
		expect(status).toBe(2);
		expect(stderr).toContain(`process ${daemon.pid} runs on it with another state directory`);
		expect(isAlive(pid)).toBe(true);
	});

	test("in which the next command runs is not ended: the command reports it", async () => {
		using place = new Place();
		const [go, said, own] = ["go", "said", "own"].map((name) => join(place.dir, name)) as [
			string,
			string,
			string,
		];
		const command = [
			process.execPath,
			join(import.meta.dirname, "../../dist/openclaw-sidecar.js"),
			...place.args("a"),
			"restore",
		];
		const script = `echo $$ > "$3"; until [ -e "$1" ]; do sleep 0.1; done; ${command.join(" ")} > "$2" 2>&1; sleep 600`;
		const daemon = await place.run("a", agent(script, go, said, own));
		const pid = await pidIn(own);
		await endDeathWatch(daemon);
		daemon.signal("SIGKILL");
		await expect.poll(() => isAlive(daemon.pid)).toBe(false);
		writeFileSync(go, "");
		await expect
			.poll(() => existsSync(said) && readFileSync(said, "utf8"), { timeout: 10_000 })
			.toContain("what to do");
		expect(readFileSync(said, "utf8")).toMatch(/\[AGENT_SURVIVES\].*this command runs inside it/);
		expect(isAlive(pid)).toBe(true);
		for (const each of readProcesses()) if (each.parent === pid) endHard(each.pid);
		endHard(pid);
	});
});

// @id recycled-pid
test("never ends a process that has the pid of an earlier agent", async () => {
	using place = new Place();
	const innocent = spawn("sleep", ["600"], { stdio: "ignore" });
	const pid = innocent.pid as number;
	await using first = await place.run("a", agent("exec sleep 600"));
	await first.stop();
	const record = recordPath(join(place.dir, "a", "state"), place.path("a"));
	const before = JSON.parse(readFileSync(record, "utf8"));
	writeFileSync(record, JSON.stringify({ ...before, pid }));
	await using next = await place.run("a", agent("exec sleep 600"));
	expect(next.events.map(({ event }) => event)).not.toContain("agent.survivor-ended");
	expect(isAlive(pid)).toBe(true);
	await next.stop();
	await endChild(innocent);
});

async function endChild(child: ChildProcess): Promise<void> {
	const ended = once(child, "exit");
	child.kill("SIGKILL");
	await ended;
}
