import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type CliProcess, jsonLines, jsonObject, Place } from "../../../testkit/cli.ts";
import { readDisk } from "../../../testkit/workspace/disk.ts";

/** Waits until a recent write to `path` is committed. */
async function committed(daemon: CliProcess, path: string, text: string): Promise<void> {
	const before = daemon.events.filter(({ event }) => event === "flush.committed").length;
	writeFileSync(path, text);
	await daemon.waitForEvent(
		"flush.committed",
		(event) =>
			daemon.events.filter((one) => one.event === "flush.committed").indexOf(event) >= before,
	);
}

test("run exits with the agent's own status once everything is durable; stdout has only what the agent printed", async () => {
	using place = new Place();
	const agent = [
		"--",
		"sh",
		"-c",
		'echo out; echo "by $FROM" > "$0"; exit 9',
		place.path("a", "by-agent"),
	];
	const { status, stdout, stderr } = await place.cli("a", ["run", ...agent], {
		env: { FROM: "agent" },
	});
	expect({ status, stdout }).toEqual({ status: 9, stdout: "out\n" });
	expect(stderr).toContain("the agent ended with status 9\neverything is durable: commit ");
	expect((await place.cli("a", ["cat", "by-agent"])).stdout).toBe("by agent\n");
});

test("with --json stdout is one object, and the agent prints to stderr", async () => {
	using place = new Place();
	const { status, stdout, stderr } = await place.cli("a", [
		"run",
		"--json",
		"--",
		"sh",
		"-c",
		"echo from the agent; kill -TERM $$",
	]);
	expect(status).toBe(128 + 15);
	expect(jsonObject(stdout)).toMatchObject({
		kind: "ended",
		isDurable: true,
		superseded: false,
		lost: [],
		agentStatus: 143,
		exitStatus: 143,
	});
	expect(stderr).toContain("from the agent\n");
});

test("the agent sees neither the sidecar's settings nor its credentials", async () => {
	using place = new Place();
	const env = { AWS_SECRET_ACCESS_KEY: "s3cret", OPENCLAW_SIDECAR_LOG_LEVEL: "warn", KEPT: "kept" };
	const { stdout, stderr } = await place.cli("a", ["run", "--", "env"], { env });
	expect(stdout).toContain("KEPT=kept");
	expect(stdout).not.toMatch(/OPENCLAW_SIDECAR_|AWS_/);
	expect(stdout + stderr).not.toContain("s3cret");
});

// @id run-unreadable-log
test("starts no agent if the log cannot be read", async () => {
	using place = new Place();
	mkdirSync(place.path("a"));
	writeFileSync(place.path("a", "f"), "1");
	expect((await place.cli("a", ["flush"])).status).toBe(0);
	const [newest] = readdirSync(join(place.store, "users/default/log")).sort();
	writeFileSync(join(place.store, "users/default/log", newest as string), "not a commit");
	const { status } = await place.cli("a", [
		"run",
		"--",
		"touch",
		join(place.dir, "agent-was-here"),
	]);
	expect(status).toBe(5);
	expect(existsSync(join(place.dir, "agent-was-here"))).toBe(false);
});

test("exits with 2 if the agent cannot be started, before it writes anything", async () => {
	using place = new Place();
	const { status, stderr } = await place.cli("a", ["run", "--", join(place.dir, "no-such-agent")]);
	expect(status).toBe(2);
	expect(stderr).toMatch(
		/error \[AGENT_NOT_STARTED\] .*no-such-agent: ENOENT, no such file or directory\nwhat to do: /,
	);
	expect(stderr).not.toContain("fence.won");
	expect(existsSync(join(place.store, "users/default/log"))).toBe(false);
});

// @id run-drains
test.each(["SIGTERM", "SIGINT"] as const)(
	"%s drains: a change of the last moment is in the log, which is closed",
	async (signal) => {
		using place = new Place();
		mkdirSync(place.path("a"));
		await using daemon = await place.run("a", ["--quiet-period", "5s"]);
		writeFileSync(place.path("a", "last"), "moment");
		const { status, stdout } = await daemon.stop(signal);
		expect({ status, stdout }).toEqual({
			status: 0,
			stdout: expect.stringMatching(/^everything is durable: commit \d+\n$/),
		});
		expect((await place.cli("a", ["cat", "last"])).stdout).toBe("moment");
		expect(
			jsonLines((await place.cli("a", ["history", "--json", "--limit", "1"])).stdout)[0],
		).toMatchObject({ flags: { closed: true } });
	},
);

test("a second signal is logged and changes nothing; an agent that does not end in time is killed", async () => {
	using place = new Place();
	await using daemon = await place.run("a", [
		"--drain-timeout",
		"2s",
		"--",
		"sh",
		"-c",
		'trap "" TERM; while :; do sleep 1; done',
	]);
	daemon.signal("SIGTERM");
	await daemon.waitForEvent("run.signal", ({ signal }) => signal === "SIGTERM");
	daemon.signal("SIGINT");
	await daemon.waitForEvent("run.signal-ignored", ({ signal }) => signal === "SIGINT");
	const { status, events } = await daemon.ended;
	expect(status).toBe(0);
	expect(events.map(({ event }) => event)).toContain("agent.killed");
});

test("a signal before the gate opened ends it at once, with nothing committed", async () => {
	using place = new Place();
	await using first = await place.run("a");
	await using second = place.start("b", ["run", "--handover-wait", "60s"]);
	await second.waitForEvent("handover.waiting");
	const { status, stdout, events } = await second.stop();
	expect(status).toBe(0);
	expect(stdout).toContain("nothing was committed");
	expect(events.map(({ event }) => event)).toContain("run.stopped-before-start");
	expect(existsSync(place.path("b"))).toBe(false);
	await first.stop();
	const writers = jsonLines((await place.cli("a", ["history", "--json"])).stdout).map(
		({ writer }) => writer,
	);
	expect(new Set(writers).size).toBe(1);
});

// @id run-sigkill
test("SIGKILL: acknowledged changes are restored elsewhere, and the same machine continues", async () => {
	using place = new Place();
	await using daemon = await place.run("a");
	await committed(daemon, place.path("a", "kept"), "acknowledged");
	await daemon.stop("SIGKILL");
	expect((await place.cli("b", ["restore"])).status).toBe(0);
	expect(readDisk(place.path("b"))).toEqual(readDisk(place.path("a")));

	// Another machine does not know that the writer is dead, and waits for it; the machine on which
	// it died does not.
	await using other = place.start("b", ["run", "--handover-wait", "60s"]);
	await other.waitForEvent("handover.waiting");
	await other.stop();
	writeFileSync(place.path("a", "meanwhile"), "unwatched");
	await using again = await place.run("a", ["--handover-wait", "60s"]);
	const { status } = await again.stop();
	expect(status).toBe(0);
	expect((await place.cli("b", ["cat", "meanwhile"])).stdout).toBe("unwatched");
});

test("two writers: the first is superseded, its later bytes are quarantined, exit status 4; both report it, and the owner's daemon drops it", async () => {
	using place = new Place();
	await using first = await place.run("a");
	await committed(first, place.path("a", "shared"), "from a");
	await using second = await place.run("b");
	const { writer } = await first.waitForEvent(
		"fence.won",
		({ kind, over }) => kind === "security" && over === null,
	);
	const { over, ...won } = await second.waitForEvent(
		"fence.won",
		({ kind }) => kind === "security",
	);
	expect(over).toEqual({ writer, fence: 1, closed: false });
	// Before the first daemon writes again, only the log knows.
	const early = await place.cli("a", ["status"]);
	expect(early.status).toBe(4);
	expect(early.stdout).toMatch(/^NOT SAFE: another writer owns this workspace\n/);
	expect(early.stdout).toContain("SUPERSEDED by another writer");
	expect((await place.cli("a", ["doctor"])).stdout).toMatch(/SUPERSEDED/);
	writeFileSync(place.path("a", "shared"), "too late");
	const security = { kind: "security", writer, owner: won.writer };
	expect(await first.waitForEvent("writer.superseded")).toMatchObject({
		...security,
		fence: won.seq,
		because: "fence",
	});
	const told = await place.cli("a", ["status", "--json"]);
	expect(told.status).toBe(4);
	expect(jsonObject(told.stdout)).toMatchObject({
		reasons: expect.arrayContaining(["superseded"]),
		daemon: { superseded: true },
	});
	expect(await first.waitForEvent("writer.quarantined")).toMatchObject({
		...security,
		files: 1,
		bytes: 8,
		paths: ["shared"],
	});
	const { status, stdout, stderr } = await first.stop();
	expect({ status, stdout }).toEqual({ status: 4, stdout: "" });
	expect(stderr).toMatch(/\nerror \[SUPERSEDED\] .*\.recovered\/.*\nwhat to do: .*\n$/);

	const found = jsonObject((await place.cli("b", ["status", "--json"])).stdout);
	expect(found).toMatchObject({ durable: true, quarantined: [{ writer, files: 1, bytes: 8 }] });
	// The owner has written nothing since: it first lists the quarantined data.
	const dropped = await place.cli("b", ["recover", "--drop", "shared"]);
	expect(dropped).toMatchObject({
		status: 0,
		stdout: expect.stringMatching(/^dropped 1 file: commit \d+, by the daemon\n$/),
	});
	expect((await second.stop()).status).toBe(0);
	expect(readFileSync(place.path("b", "shared"), "utf8")).toBe("from a");
});

// @id run-declared-dead
test("a machine that was frozen, declared dead and woken up: its bytes are quarantined, exit status 4", async () => {
	using place = new Place();
	await using frozen = await place.run("a");
	await committed(frozen, place.path("a", "shared"), "before");
	frozen.signal("SIGSTOP");
	writeFileSync(place.path("a", "shared"), "while nobody looked");
	await using second = await place.run("b");
	await committed(second, place.path("b", "shared"), "by the next one");
	frozen.signal("SIGCONT");
	expect(await frozen.waitForEvent("writer.quarantined")).toMatchObject({ paths: ["shared"] });
	expect((await frozen.stop()).status).toBe(4);
	expect((await second.stop()).status).toBe(0);
	expect((await place.cli("c", ["cat", "shared"])).stdout).toBe("by the next one");
});

test("overlapping deployments: the new one waits for the old one's `closed`, and nothing is quarantined", async () => {
	using place = new Place();
	await using first = await place.run("a", [
		"--",
		"sh",
		"-c",
		'trap "echo last > $0; exit 0" TERM; while :; do sleep 0.05; done',
		place.path("a", "f"),
	]);
	await committed(first, place.path("a", "young"), "so that the head is young");
	await using second = place.start("b", [
		"run",
		"--quiet-period",
		"20ms",
		"--handover-wait",
		"60s",
	]);
	await second.waitForEvent("handover.waiting");
	expect((await first.stop()).status).toBe(0);
	const { over } = await second.waitForEvent("fence.won");
	expect(over).toMatchObject({ closed: true });
	expect(readFileSync(place.path("b", "f"), "utf8")).toBe("last\n");
	expect((await second.stop()).status).toBe(0);
});

// @id restore-beside-daemon
test("beside a daemon, restore is refused, status shows the daemon, and flush asks it", async () => {
	using place = new Place();
	await using daemon = await place.run("a", ["--quiet-period", "1m", "--max-delay", "1m"]);
	writeFileSync(place.path("a", "file"), "x");

	const busy = await place.cli("a", ["restore", "--json"]);
	expect(busy.status).toBe(2);
	expect(jsonObject(busy.stdout).error).toMatchObject({
		code: "WORKSPACE_BUSY",
		value: place.path("a"),
	});
	const second = await place.cli("a", ["run"]);
	expect(second.stderr).toMatch(
		new RegExp(
			`error \\[WORKSPACE_BUSY\\] .*: process ${daemon.pid} \\(openclaw-sidecar, serving\\) has owned it for .*\nwhat to do: stop it \\(\`kill ${daemon.pid}\`\\), or use `,
		),
	);

	const before = await place.cli("a", ["status", "--json"]);
	expect(before.status).toBe(3);
	expect(jsonObject(before.stdout)).toMatchObject({
		durable: false,
		daemon: { phase: "serving", pid: daemon.pid, superseded: false },
	});
	const flushed = await place.cli("a", ["flush", "--json"]);
	expect(flushed.status).toBe(0);
	expect(jsonObject(flushed.stdout)).toMatchObject({ by: "daemon", kind: "committed", seq: 2 });
	const after = await place.cli("a", ["status"]);
	expect(after.status).toBe(0);
	expect(after.stdout).toMatch(new RegExp(`daemon +serving, process ${daemon.pid}\n`));
	expect((await place.cli("a", ["flush"])).stdout).toBe(
		"nothing to flush: everything is durable, by the daemon\n",
	);
	await daemon.stop();
});

test("a deletion that is deferred at the end is exit status 3, also of flush and status, and nothing is lost", async () => {
	using place = new Place();
	for (let i = 0; i < 12; i++) writeFileSync(place.path("a", `d/${i}`), "x");
	await place.cli("a", ["flush"]);
	const { status, stdout } = await place.cli("a", [
		"run",
		"--json",
		"--",
		"rm",
		"-r",
		place.path("a", "d"),
	]);
	expect(status).toBe(3);
	expect(jsonObject(stdout)).toMatchObject({
		isDurable: false,
		exitStatus: 3,
		lost: [],
		deferredDeletions: 13,
		agentStatus: 0,
	});
	for (const verb of ["flush", "status"]) {
		const told = await place.cli("a", [verb]);
		expect(told.status).toBe(3);
		expect(told.stdout).toMatch(/deferred +12 deletions: /);
	}
	expect((await place.cli("a", ["restore"])).status).toBe(0);
	expect(readdirSync(place.path("a", "d"))).toHaveLength(12);
	expect((await place.cli("a", ["status"])).status).toBe(0);
});

// @id run-not-durable-status
test("whatever is not durable at the end is named, with exit status 3, whatever the agent's status", async () => {
	using place = new Place();
	const { status, stdout } = await place.cli("a", [
		"run",
		"--json",
		"--",
		"sh",
		"-c",
		'echo x > "$0"; exit 9',
		place.path("a", ".recovered"),
	]);
	expect(status).toBe(3);
	expect(jsonObject(stdout)).toMatchObject({
		isDurable: false,
		agentStatus: 9,
		exitStatus: 3,
		error: { code: "NOT_DURABLE", exitStatus: 3 },
		lost: [{ path: ".recovered", reason: expect.stringContaining("reserved") }],
	});
});
