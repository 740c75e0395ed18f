/**
 * Processes that an agent starts and leaves behind. None may write after the last capture has
 * begun, and none stays a zombie.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { text } from "node:stream/consumers";
import { describe, expect, test } from "vitest";
import { CLI_BUNDLE, Place } from "../../../testkit/cli.ts";
import { childOf, pidNamespace } from "../../../testkit/pid-namespace.ts";
import { readDisk } from "../../../testkit/workspace/disk.ts";
import { readProcesses } from "../daemon/process-table.ts";

const below = pidNamespace();

/**
 * Runs on in its own session, whatever happens to its starter. `$1`: the path to which it writes,
 * and that of its pid.
 */
const WRITER = `setsid sh -c 'echo $$ > "$0.pid"; while :; do echo line >> "$0"; done' "$1"`;
const agent = (script: string, ...args: readonly string[]) => [
	"--",
	"sh",
	"-c",
	script,
	"agent",
	...args,
];

function isAlive(pid: number): boolean {
	return readProcesses().some((process) => process.pid === pid && !process.isZombie);
}

const pidIn = (path: string) => (existsSync(path) ? Number(readFileSync(path, "utf8")) : 0);

describe("a child of the agent that keeps writing", () => {
	test.each([
		["after the agent has ended", `${WRITER} & trap "exit 0" TERM; while :; do sleep 0.05; done`],
		["after the agent was killed", `${WRITER} & trap "" TERM; while :; do sleep 0.05; done`],
		["as an orphan", `(${WRITER} &) ; exec sleep 600`],
	])("%s does not write past the last capture", async (_, script) => {
		using place = new Place();
		await using daemon = await place.run("a", [
			"--drain-timeout",
			"6s",
			...agent(script, place.path("a", "log")),
		]);
		const pidFile = place.path("a", "log.pid");
		await expect.poll(() => pidIn(pidFile)).toBeGreaterThan(0);
		const { status, stderr } = await daemon.stop();
		expect(status, stderr).toBe(0);
		expect(isAlive(pidIn(pidFile))).toBe(false);
		await place.cli("b", ["restore"]);
		expect(readDisk(place.path("b"))).toEqual(readDisk(place.path("a")));
	});
});

describe.skipIf(below === undefined)("as PID 1", () => {
	const asInit = { below: below ?? [] };
	const zombiesOf = (init: number) =>
		readProcesses().filter(({ parent, isZombie }) => parent === init && isZombie).length;

	test("reaps orphans, and the agent's own status is not lost among them", async () => {
		using place = new Place();
		mkdirSync(place.path("a"));
		// Orphans end all the time, also at the very moment at which the agent does.
		const script = `while [ ! -e "$1" ]; do (sleep 0.01 &); (true &); done; (true &); (true &); exit 7`;
		const go = place.path("a", "go");
		await using daemon = await place.run("a", agent(script, go), asInit);
		const [started] = daemon.events.filter(({ event }) => event === "run.started");
		expect(started?.pid).toBe(1);
		const init = childOf(daemon.pid);
		await expect.poll(() => zombiesOf(init)).toBeGreaterThan(5);
		const before = new Set(
			readProcesses()
				.filter(({ parent, isZombie }) => parent === init && isZombie)
				.map(({ pid }) => pid),
		);
		await expect
			.poll(() => readProcesses().some(({ pid, parent }) => parent === init && before.has(pid)))
			.toBe(false);
		writeFileSync(go, "");
		expect((await daemon.ended).status).toBe(7);
	});

	test("drains at SIGTERM, and passes on signals that are meant for the agent", async () => {
		using place = new Place();
		const script = `trap 'echo usr2 > "$1"' USR2; trap 'echo last > "$2"; exit 0' TERM; echo up > "$2"; while :; do sleep 0.05; done`;
		const [passed, last] = [place.path("a", "passed"), place.path("a", "last")];
		await using daemon = await place.run("a", agent(script, passed, last), asInit);
		await expect.poll(() => existsSync(last)).toBe(true);
		const init = childOf(daemon.pid);
		process.kill(init, "SIGUSR2");
		await expect.poll(() => existsSync(passed)).toBe(true);
		process.kill(init, "SIGTERM");
		const { status } = await daemon.ended;
		expect(status).toBe(0);
		expect((await place.cli("a", ["cat", "last"])).stdout).toBe("last\n");
	});
});

test("Ctrl-C reaches the agent once, through the terminal, and SIGTERM once, through the sidecar", async () => {
	for (const [signal, expected] of [
		["INT", "INT\n"],
		["TERM", "TERM\n"],
	] as const) {
		using place = new Place();
		const seen = place.path("a", "seen");
		const script = `trap 'echo INT >> "$1"; sleep 0.2; exit 0' INT; trap 'echo TERM >> "$1"; sleep 0.2; exit 0' TERM; : > "$1.up"; while :; do sleep 0.05; done`;
		const command = [
			process.execPath,
			CLI_BUNDLE,
			...place.args("a"),
			"run",
			...agent(script, seen),
		];
		const quoted = command.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(" ");
		// Its own terminal, in whose foreground the command runs.
		const terminal = spawn("script", ["-qec", `exec ${quoted}`, "/dev/null"], {
			env: { PATH: process.env.PATH, HOME: place.dir },
		});
		const output = text(terminal.stdout);
		const ended = once(terminal, "close");
		await expect.poll(() => existsSync(`${seen}.up`)).toBe(true);
		if (signal === "INT") terminal.stdin.write("\x03");
		else process.kill(childOf(terminal.pid as number), "SIGTERM");
		const [status] = await ended;
		expect([status, readFileSync(seen, "utf8"), await output]).toEqual([
			0,
			expected,
			expect.stringContaining("everything is durable"),
		]);
	}
});
