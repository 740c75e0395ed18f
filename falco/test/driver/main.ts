/**
 * `falco/test/run` tests the rules with a real Falco. It validates each file and plays CloudTrail
 * records. Then it runs the bad and the innocent scripts of each case on this machine under a live
 * Falco, and compares the alerts with those that the cases expect.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { stringify } from "yaml";
import { type Case, casesOfAllRules, TEST } from "./cases.ts";
import { differences } from "./compare.ts";
import {
	type EngineOptions,
	findFalco,
	findPlugins,
	LiveFalco,
	replayRecords,
	validate,
	versionOf,
} from "./engine.ts";
import { FALCO, type Kind, RULES_FILES } from "./places.ts";
import { Report } from "./report.ts";
import { runSilentSession } from "./silent.ts";
import { foreignProcesses, missingCommands, runScript } from "./world.ts";

const USAGE = `usage: falco/test/run [--only TEXT] [--validate-only] [--no-session] [--engine modern_ebpf|kmod]

As root, on a Linux host where Falco 0.44 or newer can run. FALCO names the executable, FALCO_PLUGINS the directory with libcontainer.so,
libcloudtrail.so and libjson.so, where they are not at the usual places.
Exit status: 0 all as expected; 1 something is not; 2 it could not begin; 3 nothing failed, but something was skipped.`;

const { values: flags } = parseArgs({
	options: {
		only: { type: "string" },
		"validate-only": { type: "boolean", default: false },
		"no-session": { type: "boolean", default: false },
		engine: { type: "string", default: "modern_ebpf" },
		help: { type: "boolean", default: false },
	},
});
if (flags.help) {
	console.log(USAGE);
	process.exit(0);
}

const falco = findFalco();
if (falco === undefined) {
	console.error(
		"Falco is not installed: install it (falco.org/docs/setup) or name it, FALCO=/path/to/falco falco/test/run.",
	);
	process.exit(2);
}

const directory = mkdtempSync(join(tmpdir(), "openclaw-falco-"));
const stopping = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stopping.abort());

const report = new Report();
const plugins = findPlugins();
const base = { falco, plugins, directory, driver: flags.engine } satisfies Omit<
	EngineOptions,
	"rules"
>;
const cases = casesOfAllRules();
const wanted = (kind: Kind) =>
	(cases.get(kind) ?? []).filter(({ name, rule }) => `${name} ${rule}`.includes(flags.only ?? ""));
const hasRecordPlugins = plugins.cloudtrail !== undefined && plugins.json !== undefined;
/** The agent's user, in world.sh and session.sh as in the image. */
const AGENT_UID = 10_001;
const OPENCLAW = { id: "0c1a30000001", name: "openclaw", image: "registry.example/openclaw:1" };

try {
	console.log(
		`${versionOf(falco)}; plugins: ${Object.entries(plugins)
			.map(([name, path]) => (path === undefined ? `no ${name}` : name))
			.join(", ")}`,
	);
	validateAll();
	if (!flags["validate-only"]) {
		await playRecords();
		await runLive("system calls", "syscall", { ...base, rules: [RULES_FILES.syscall] });
		if (plugins.container === undefined) skipAll("container", "the container plugin is not here");
		else
			await runLive("system calls in a container", "container", {
				...base,
				rules: [RULES_FILES.container, onlyCases()],
				asContainer: OPENCLAW,
			});
	}
	process.exitCode = report.finish();
} catch (error) {
	console.error(`\n${(error as Error).message}`);
	process.exitCode = 2;
} finally {
	rmSync(directory, { recursive: true, force: true });
}

function validateAll(): void {
	report.heading("validation (falco -V)");
	const local = join(FALCO, "config/openclaw_local.yaml");
	const standalone = join(FALCO, "config/openclaw_standalone.yaml");
	const { syscall, container, cloudtrail } = RULES_FILES;
	const lacking = (files: readonly string[]) => [
		...(files.includes(container) && plugins.container === undefined ? ["container"] : []),
		...(files.includes(cloudtrail) && !hasRecordPlugins ? ["cloudtrail and json"] : []),
	];
	const trail = join(FALCO, "config/openclaw_cloudtrail_local.yaml");
	for (const rules of [
		[syscall],
		[container],
		[cloudtrail],
		[syscall, local],
		[syscall, standalone],
		[cloudtrail, trail],
		[syscall, container, cloudtrail],
	]) {
		const what = rules.map((file) => relative(FALCO, file)).join(" + ");
		const missing = lacking(rules);
		// Without plugins that they do not need, so that an undeclared use is noticed.
		const asContainer = rules.includes(container) ? { asContainer: OPENCLAW } : {};
		const records = rules.includes(cloudtrail) ? { records: join(TEST, "cloudtrail") } : {};
		if (missing.length > 0)
			report.add("skipped", what, `plugins that are not here: ${missing.join(", ")}`);
		else report.judge(what, validate({ ...base, ...asContainer, ...records, rules }));
	}
}

async function playRecords(): Promise<void> {
	report.heading("CloudTrail records");
	if (!hasRecordPlugins)
		return skipAll("cloudtrail", "the plugins cloudtrail and json are not here");
	for (const one of wanted("cloudtrail")) {
		for (const way of ["trigger", "innocent"] as const) {
			const records = join(TEST, "cloudtrail", one.name, `${way}.json`);
			const alerts = await replayRecords({ ...base, rules: [RULES_FILES.cloudtrail], records });
			report.judge(
				`${one.name} ${way}`,
				differences(one, way === "trigger" ? one.trigger : [], alerts),
				many(alerts.length),
			);
		}
	}
}

async function runLive(title: string, kind: Kind, options: EngineOptions): Promise<void> {
	report.heading(title);
	if (process.getuid?.() !== 0) return skipAll(kind, "only root can watch system calls");
	// In a container, only the processes of the cases count.
	const foreign = kind === "syscall" ? foreignProcesses(AGENT_UID) : [];
	if (foreign.length > 0)
		throw new Error(
			`User ${AGENT_UID} has processes here already (${foreign.join(", ")}): end them, or take another host.`,
		);
	await using live = await LiveFalco.start(options);
	for (const one of wanted(kind)) {
		if (stopping.signal.aborted) throw new Error("ended by a signal");
		await classifyCase(live, one);
	}
	if (kind !== "syscall" || flags["no-session"] || flags.only !== undefined) return;
	report.heading("a normal session: no alert is expected");
	const session = await runSilentSession(stopping.signal, (line) =>
		console.log(`         ${line}`),
	);
	const alerts = await live.takeAlerts();
	const problems = [...session.problems, ...alerts.map(({ output }) => `not expected: ${output}`)];
	report.judge(session.title, problems, many(alerts.length));
}

async function classifyCase(live: LiveFalco, one: Case): Promise<void> {
	const missing = missingCommands(one);
	for (const way of ["innocent", "trigger"] as const) {
		if (missing.length > 0) {
			report.add(
				"skipped",
				`${one.name} ${way}`,
				`commands that are not here: ${missing.join(", ")}`,
			);
			continue;
		}
		await live.takeAlerts();
		const problem = runScript(one, way);
		const alerts = await live.takeAlerts();
		const lines = differences(one, way === "trigger" ? one.trigger : [], alerts);
		report.judge(
			`${one.name} ${way}`,
			problem === undefined ? lines : [problem, ...lines],
			many(alerts.length),
		);
	}
}

function skipAll(kind: Kind, reason: string): void {
	for (const { name } of wanted(kind)) report.add("skipped", name, reason);
}

/**
 * With the static engine, every process of this machine is in the container. Of those, only the
 * processes of the cases count.
 */
function onlyCases(): string {
	const path = join(directory, "only_cases.yaml");
	const override = { condition: "append" };
	writeFileSync(
		path,
		stringify([
			{
				macro: "openclaw_container",
				condition: "and proc.env contains OPENCLAW_FALCO_CASE",
				override,
			},
		]),
	);
	return path;
}

function many(alerts: number): string {
	return alerts === 1 ? "1 alert" : `${alerts} alerts`;
}
