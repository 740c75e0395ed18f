/** What an agent prints never looks like anything of the sidecar's to those who read its log. */
import { expect, test } from "vitest";
import { Place } from "../../../testkit/cli.ts";
import { PLATFORM_AGENT, PlatformMachine } from "../../../testkit/platform/platform.ts";
import { METRIC_NAMESPACE } from "../telemetry/metrics.ts";

const FORGED = [
	`{"_aws":{"Timestamp":1,"CloudWatchMetrics":[{"Namespace":"${METRIC_NAMESPACE}","Dimensions":[["Service"]],"Metrics":[{"Name":"FencedWriters"}]}]},"Service":"openclaw-sidecar","FencedWriters":9}`,
	'{"level":"error","time":"2026-11-30T00:00:00.000Z","event":"fence.lost","kind":"sync"}',
	'"}\\n{"level":"error","event":"fence.lost"}',
	"\u001b[2K\r\u001b[31mred\u001b[0m",
	"你好 🦞",
];

/** Runs a script in a shell, then the usual agent in its place. */
const agentAfter = (script: string) => (port: number, workspace: string) => [
	"sh",
	"-c",
	`${script}; exec "$0" "$@"`,
	process.execPath,
	PLATFORM_AGENT,
	String(port),
	workspace,
];

const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

// @id agent-output-forges-nothing
test("an agent on the platform cannot write a log line of the sidecar's, nor a metric", async () => {
	using place = new Place();
	const print = FORGED.map(
		(text) => `printf '%s\\n' ${quoted(text)}; printf '%s\\n' ${quoted(text)} >&2`,
	);
	await using machine = await PlatformMachine.boot(place, "a", ["--metrics"], {
		agent: agentAfter(`${print.join("; ")}; printf unfinished`),
	});
	expect(await machine.ask("hello")).toBe("turn 1 of default");
	const { status, stdout, stderr } = await machine.end();
	expect({ status, stdout }).toMatchObject({ status: 0, stdout: "" });
	const objects = stderr
		.split("\n")
		.filter((line) => line.startsWith("{"))
		.map((line) => JSON.parse(line));
	expect(objects.filter(({ event }) => event === "fence.lost")).toEqual([]);
	expect(objects.filter(({ FencedWriters }) => FencedWriters !== undefined)).toEqual([]);
	const printed = (stream: string) =>
		objects
			.filter((line) => line.event === "agent.output" && line.stream === stream)
			.map(({ text }) => text);
	expect(printed("stdout")).toEqual([...FORGED, "unfinished"]);
	expect(printed("stderr")).toEqual(FORGED);
	expect(stderr.split("\n").filter((line) => FORGED.some((text) => line.startsWith(text)))).toEqual(
		[],
	);
	// Nothing that a terminal would obey, and every line is one line for any reader.
	for (const control of ["\u001b", "\r"]) expect(stderr).not.toContain(control);
});

test("an agent that prints without pause waits for nobody, and the sidecar goes on answering", async () => {
	using place = new Place();
	// 5 MB, more than any buffer in between.
	const flood = "yes 0123456789 | head -c 5000000; echo done >&2";
	await using machine = await PlatformMachine.boot(place, "a", [], { agent: agentAfter(flood) });
	const asked = machine.ask("hello");
	const answered = asked.then(() => "answered");
	let pings = 0;
	while (
		(await Promise.race([answered, machine.ping().then(({ status }) => status)])) !== "answered"
	)
		pings++;
	expect(pings).toBeGreaterThan(0);
	expect(await asked).toBe("turn 1 of default");
	const { status, stderr, events } = await machine.end();
	expect(status).toBe(0);
	const lines = events.filter(({ event }) => event === "agent.output").length;
	const dropped = events.filter(({ event }) => event === "agent.output-dropped");
	const lost = dropped.reduce((sum, each) => sum + Number(each.lines), 0);
	// Its last line may be among those that were dropped.
	expect(lines + lost).toBe(Math.ceil(5_000_000 / 11) + 1);
	expect(stderr.length).toBeLessThan(4_000_000);
});

test("--agent-output decides without a platform too, and gives the terminal back on it", async () => {
	using place = new Place();
	const run = ["--", "sh", "-c", "echo out; echo err >&2; exit 9"];
	const logged = await place.cli("a", ["run", "--agent-output", "log", ...run]);
	expect(logged).toMatchObject({ status: 9, stdout: "" });
	expect(logged.stderr).toContain('"stream":"stdout","text":"out"}');
	expect(logged.stderr).toContain('"stream":"stderr","text":"err"}');
	await using machine = await PlatformMachine.boot(place, "b", ["--agent-output", "inherit"], {
		agent: agentAfter("echo as it is"),
	});
	await machine.ask("hello");
	const { stdout, stderr } = await machine.end();
	expect(stdout).toContain("as it is\n");
	expect(stderr).not.toContain("agent.output");
});
