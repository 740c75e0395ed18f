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
import {
	type Case,
	casesOfAllRules,
	expectedOf,
	scriptOf,
	TEST,
	type Way,
	waysOf,
} from "./cases.ts";
import { type Alert, differences } from "./compare.ts";
import {
	type EngineOptions,
	findFalco,
	findFalcoRules,
	findPlugins,
	LiveFalco,
	replayRecords,
	validate,
	versionOf,
} from "./engine.ts";
import { FALCO, type Kind, RULES_FILES, rulesOf } from "./places.ts";
import { Report } from "./report.ts";
import { recordRun } from "./results.ts";
import { runSilentSession } from "./silent.ts";
import { foreignProcesses, missingCommands, runScript } from "./world.ts";

const USAGE = `usage: falco/test/run [--only TEXT] [--validate-only] [--no-session] [--engine modern_ebpf|kmod] [--record TEXT]

As root, on a Linux host where Falco 0.44 or newer can run. FALCO names the executable, FALCO_PLUGINS the directory with libcontainer.so,
libcloudtrail.so and libjson.so, FALCO_RULES Falco's own falco_rules.yaml, where they are not at the usual places.
--record writes the results to falco/test/results.json; TEXT says how the engine was obtained and where it ran.
Exit status: 0 all as expected; 1 something is not; 2 it could not begin; 3 nothing failed, but something was skipped.`;

const { values: flags } = parseArgs({
	options: {
		only: { type: "string" },
		"validate-only": { type: "boolean", default: false },
		"no-session": { type: "boolean", default: false },
		engine: { type: "string", default: "modern_ebpf" },
		record: { type: "string" },
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
let sessionResult: string | undefined;
const results: { one: Case; way: Way; ok: boolean }[] = [];
const plugins = findPlugins();
const falcoRules = findFalcoRules();
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
/** What the runtime knows of an image of the CDK package if it does not report labels. */
const ASSET = {
	id: "0c1a30000002",
	name: "agent",
	image: "123456789012.dkr.ecr.eu-central-1.amazonaws.com/cdk-hnb659fds-container-assets:0a1b2c",
};
const { syscall, container, cloudtrail } = RULES_FILES;

try {
	const version = versionOf(falco);
	const found = { ...plugins, "Falco's own rules": falcoRules };
	console.log(
		`${version}; ${Object.entries(found)
			.map(([name, path]) => (path === undefined ? `no ${name}` : name))
			.join(", ")}`,
	);
	validateAll();
	if (!flags["validate-only"]) {
		await playRecords();
		if (process.getuid?.() !== 0)
			skipAll(["syscall", "container"], "only root can watch system calls");
		else {
			await runAlone();
			if (plugins.container === undefined)
				skipAll(["container"], "the container plugin is not here");
			else {
				await runInContainer();
				if (falcoRules === undefined) report.add("skipped", "Falco's own rules", "not here");
				else await runBesideFalcosRules(falcoRules);
			}
		}
	}
	process.exitCode = report.finish();
	if (flags.record !== undefined) recordRun(version, flags.record, sessionResult, results);
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
	const needsContainers = falcoRules === undefined ? [container] : [container, falcoRules];
	const lacking = (files: readonly string[]) => [
		...(files.some((file) => needsContainers.includes(file)) && plugins.container === undefined
			? ["container"]
			: []),
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
		...(falcoRules === undefined ? [] : [[falcoRules, syscall, container, local]]),
	]) {
		const what = rules.map((file) => relative(FALCO, file)).join(" + ");
		const missing = lacking(rules);
		// Without plugins that they do not need, so that an undeclared use is noticed.
		const asContainer = rules.some((file) => needsContainers.includes(file))
			? { asContainer: OPENCLAW }
			: {};
		const records = rules.includes(cloudtrail) ? { records: join(TEST, "cloudtrail") } : {};
		if (missing.length > 0)
			report.add("skipped", what, `plugins that are not here: ${missing.join(", ")}`);
		else report.judge(what, validate({ ...base, ...asContainer, ...records, rules }));
	}
}

async function playRecords(): Promise<void> {
	report.heading("CloudTrail records");
	if (!hasRecordPlugins)
		return skipAll(["cloudtrail"], "the plugins cloudtrail and json are not here");
	for (const one of wanted("cloudtrail")) {
		for (const way of waysOf(one)) {
			const records = join(TEST, "cloudtrail", one.name, scriptOf("cloudtrail", way));
			const alerts = await replayRecords({ ...base, rules: [cloudtrail], records });
			judge(one, way, differences(one, expectedOf(one, way), alerts), alerts);
		}
	}
}

/** Only this project's rules, without a plugin. */
async function runAlone(): Promise<void> {
	report.heading("system calls");
	const foreign = foreignProcesses(AGENT_UID);
	if (foreign.length > 0)
		throw new Error(
			`User ${AGENT_UID} has processes here already (${foreign.join(", ")}): end them, or take another host.`,
		);
	await using live = await LiveFalco.start({ ...base, rules: [syscall] });
	for (const one of wanted("syscall"))
		await runCase(live, one, (way, alerts) => differences(one, expectedOf(one, way), alerts));
	// The run beside Falco's own rules has them all, and so includes this one.
	if (plugins.container === undefined || falcoRules === undefined) await runSession(live);
}

async function runInContainer(): Promise<void> {
	const options = { ...base, rules: [container, onlyCases()] };
	report.heading("system calls in a container");
	{
		await using live = await LiveFalco.start({ ...options, asContainer: OPENCLAW });
		for (const one of wanted("container"))
			await runCase(live, one, (way, alerts) => differences(one, expectedOf(one, way), alerts));
	}
	report.heading("a container that is known by its user only");
	await using live = await LiveFalco.start({ ...options, asContainer: ASSET });
	for (const one of wanted("container").filter(({ as }) => as === "agent"))
		await runCase(
			live,
			one,
			(way, alerts) => differences(one, expectedOf(one, way), alerts),
			false,
		);
}

/**
 * Falco's own rules are loaded before ours, as its packages do it. Ours must alert all the same, and
 * nothing may alert on what is innocent.
 */
async function runBesideFalcosRules(file: string): Promise<void> {
	report.heading("beside Falco's own rules, loaded first");
	const rules = [file, syscall, container, onlyCases(["container"])];
	const options = { ...base, rules, asContainer: OPENCLAW };
	const ours = new Set(rulesOf("syscall").map(({ rule }) => rule));
	{
		await using live = await LiveFalco.start(options);
		for (const one of wanted("syscall"))
			await runCase(
				live,
				one,
				(way, alerts) =>
					differences(
						one,
						expectedOf(one, way),
						alerts.filter(({ rule }) =>
							way === "innocent" ? !one.beside.includes(rule) : ours.has(rule),
						),
					),
				false,
			);
		await runSession(live);
	}
	const hidden = (cases.get("syscall") ?? []).find(({ name }) => name === "attach");
	if (hidden === undefined || flags.only !== undefined) return;
	report.heading("the same with `rule_matching: first`: Falco's rule hides ours");
	await using live = await LiveFalco.start({ ...options, matching: "first" });
	await runCase(
		live,
		{ ...hidden, evasion: [] },
		(way, alerts) =>
			way === "trigger" && alerts.some(({ rule }) => rule === "PTRACE attached to process")
				? alerts
						.filter(
							({ rule, output_fields: fields }) =>
								rule === hidden.rule && fields["evt.type"] === "ptrace",
						)
						.map(({ output }) => `not hidden: ${output}`)
				: way === "innocent"
					? []
					: ["Falco's own rule did not alert"],
		false,
	);
}

async function runSession(live: LiveFalco): Promise<void> {
	if (flags["no-session"] || flags.only !== undefined) return;
	report.heading("a normal session: no alert is expected");
	const session = await runSilentSession(stopping.signal, (line) =>
		console.log(`         ${line}`),
	);
	const alerts = (await live.takeAlerts()).filter(isOfWorld);
	const problems = [...session.problems, ...alerts.map(({ output }) => `not expected: ${output}`)];
	report.judge(session.title, problems, many(alerts.length));
	sessionResult = `${session.name}: ${session.problems.length > 0 ? "failed, " : ""}${many(alerts.length)}`;
}

/** Each script of a case. @param counts as the result of its rule */
async function runCase(
	live: LiveFalco,
	one: Case,
	problemsOf: (way: Way, alerts: readonly Alert[]) => readonly string[],
	counts = true,
): Promise<void> {
	if (stopping.signal.aborted) throw new Error("ended by a signal");
	const missing = missingCommands(one);
	for (const way of waysOf(one)) {
		if (missing.length > 0) {
			const reason = `commands that are not here: ${missing.join(", ")}`;
			report.add("skipped", `${one.name} ${way}`, reason);
			continue;
		}
		await live.takeAlerts();
		const problem = runScript(one, way);
		const alerts = (await live.takeAlerts()).filter(isOfWorld);
		const lines = problemsOf(way, alerts);
		judge(one, way, problem === undefined ? lines : [problem, ...lines], alerts, counts);
	}
}

function judge(
	one: Case,
	way: Way,
	problems: readonly string[],
	alerts: readonly Alert[],
	counts = true,
): void {
	report.judge(`${one.name} ${way}`, problems, many(alerts.length));
	if (counts) results.push({ one, way, ok: problems.length === 0 });
}

/**
 * Falco's own rules also alert on other processes of this machine. Those of the cases and of the
 * session are the agent's, another unusual user's, or have a path that only world.sh and session.sh
 * make.
 */
function isOfWorld({ rule, output_fields: fields }: Alert): boolean {
	const isOurs = [...cases.values()].flat().some((one) => one.rule === rule);
	return (
		isOurs ||
		fields["user.uid"] === AGENT_UID ||
		String(fields["proc.cmdline"]).includes("/opt/openclaw-sidecar/")
	);
}

function skipAll(kinds: readonly Kind[], reason: string): void {
	for (const { name } of kinds.flatMap(wanted)) report.add("skipped", name, reason);
}

/**
 * With the static engine, every process of this machine is in the container. Of those, only the
 * agent's and the processes of the cases count.
 */
function onlyCases(more: readonly string[] = []): string {
	const path = join(directory, "only_cases.yaml");
	const condition = `and (user.uid = ${AGENT_UID} or proc.env contains OPENCLAW_FALCO_CASE)`;
	const override = { condition: "append" };
	writeFileSync(
		path,
		stringify(["openclaw_container", ...more].map((macro) => ({ macro, condition, override }))),
	);
	return path;
}

function many(alerts: number): string {
	return alerts === 1 ? "1 alert" : `${alerts} alerts`;
}
