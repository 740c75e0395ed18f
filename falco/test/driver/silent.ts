import {
	chmodSync,
	chownSync,
	existsSync,
	mkdirSync,
	mkdtempSync,
	readFileSync,
	realpathSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import buildSidecar from "../../../packages/testkit/build-command.ts";
import type { Agent } from "../../../packages/testkit/openclaw/agent.ts";
import { generatedAgent } from "../../../packages/testkit/openclaw/generated.ts";
import { findOpenClaw, openClawAgent } from "../../../packages/testkit/openclaw/openclaw.ts";
import { Running, run } from "../../../packages/testkit/processes.ts";
import { TEST } from "./cases.ts";
import { FakeTelegram } from "./fake-telegram.ts";

const REPOSITORY = join(TEST, "../..");
const AGENT = 10_001;
/** Kept between sessions; otherwise each start of OpenClaw compiles 330 packages again. */
const COMPILE_CACHE = join(REPOSITORY, ".cache/openclaw-session");
const STATE = "/home/openclaw/.openclaw";
/** As the image's own command starts it. */
const OPENCLAW = "/opt/openclaw/node_modules/openclaw/openclaw.mjs";
const START_MS = 60_000;
const DRAIN_MS = 120_000;

export interface Session {
	/** OpenClaw's version, or the fake. */
	readonly name: string;
	readonly title: string;
	/** The reasons why it was not a normal session. */
	readonly problems: readonly string[];
}

interface Stage {
	readonly agent: Agent;
	/** OpenClaw's version; `-` for the fake. */
	readonly installation: string;
	/** The directory of npm's package; `-` without one. */
	readonly npm: string;
	readonly telegram: FakeTelegram;
	readonly root: string;
	readonly stop: AbortSignal;
	say(line: string): void;
}

/** Ends everything that it started, for any reason. */
export async function runSilentSession(
	stop: AbortSignal,
	say: (line: string) => void,
): Promise<Session> {
	buildSidecar();
	const found = await findOpenClaw();
	const isReal = found.kind === "installed";
	const agent = isReal ? await openClawAgent(found) : await generatedAgent(20261125);
	const installation = isReal ? realpathSync(join(dirname(found.bin), "../..")) : "-";
	await using telegram = await FakeTelegram.start();
	const root = mkdtempSync(join(tmpdir(), "openclaw-session-"));
	const name = isReal ? found.version : "the fake for OpenClaw";
	const title = `${isReal ? agent.name : name}: start, turns, tools, plugin, drain, restore`;
	try {
		chmodSync(root, 0o755);
		mkdirSync(join(root, "store"));
		const stage = { agent, installation, npm: findNpm(), telegram, root, stop, say };
		await live(stage, "first", async (disk) => {
			say(`a state directory: ${await agent.prepare(disk)}`);
			if (isReal) addChannel(join(disk, "openclaw.json"), telegram);
		});
		await live(stage, "second");
		return { name, title, problems: [] };
	} catch (error) {
		return { name, title, problems: [(error as Error).message] };
	} finally {
		await agent.close();
		rmSync(root, { recursive: true, force: true, maxRetries: 3 });
	}
}

/** The life of one machine. */
async function live(
	{ agent, installation, npm, telegram, root, stop, say }: Stage,
	name: string,
	prepare?: (disk: string) => Promise<void>,
): Promise<void> {
	const home = join(root, name);
	for (const directory of [home, join(home, ".cache"), join(home, ".cache/node"), COMPILE_CACHE]) {
		mkdirSync(directory, { recursive: true });
		chownSync(directory, AGENT, AGENT);
	}
	await prepare?.(join(home, ".openclaw"));

	// For the agent only: it could not read files that root writes there.
	const cached = ["env", "NODE_COMPILE_CACHE=/home/openclaw/.cache/node"];
	const command = [...cached, ...agent.command(STATE).map((part) => inMachine(part, installation))];
	const options = [
		"--workspace",
		STATE,
		"--store",
		"file:///srv/store",
		"--namespace",
		"anna",
		"--agent-user",
		`${AGENT}:${AGENT}`,
	];
	const sidecar = [
		// By which `falco/test/run` knows the sidecar among root's processes.
		"/usr/bin/env",
		"OPENCLAW_FALCO_CASE=1",
		"/usr/local/bin/node",
		"/opt/openclaw-sidecar/openclaw-sidecar.js",
		"run",
		...options,
	];
	const machine = [
		"sh",
		join(TEST, "session.sh"),
		process.execPath,
		REPOSITORY,
		installation,
		npm,
		COMPILE_CACHE,
		home,
		join(root, "store"),
	];
	const { NODE_COMPILE_CACHE: _, OPENCLAW_SKIP_CHANNELS: __, ...agentEnv } = agent.env;
	const env = {
		PATH: "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin",
		LANG: "C.UTF-8",
		...agentEnv,
		HOME: "/home/openclaw",
		OPENCLAW_SIDECAR_STATE_DIR: "/var/lib/openclaw-sidecar",
	};
	const daemon = new Running(
		"openclaw-sidecar run",
		[
			"unshare",
			"--mount",
			"--propagation",
			"private",
			"--",
			...machine,
			...sidecar,
			"--",
			...command,
		],
		env,
	);
	const end = () => daemon.signal("SIGTERM");
	stop.addEventListener("abort", end);
	try {
		await daemon.event("agent.started", 0, START_MS);
		await agent.ready(daemon);
		say(`${name} machine: OpenClaw is ready`);
		for (const text of [
			"Hello, who are you?",
			"Remember the plan. [[write:notes/plan.md:5000]]",
			"How far are we?",
		])
			await agent.turn(text);
		if (installation !== "-") {
			await telegram.say("Hello from a chat");
			await telegram.say("Note it. [[write:notes/chat.md:2000]]");
			say("two messages through the channel Telegram");
			say(await callTools(agent, join(home, ".openclaw/workspace")));
		}
		await useTools(daemon, env);
		if (name === "first") say(await installPlugins(daemon, env, installation, npm));
		await agent.turn("And now?");
		say(`${name} machine: turns, tools`);
		end();
		const exit = await Promise.race([daemon.exited, limit(DRAIN_MS)]);
		if (exit?.code !== 0)
			throw new Error(
				`the ${name} machine's drain ended with ${JSON.stringify(exit ?? "nothing")}\n${daemon.tail}`,
			);
		say(`${name} machine: drained, exit 0`);
	} finally {
		stop.removeEventListener("abort", end);
		if (daemon.exit === undefined) {
			end();
			if ((await Promise.race([daemon.exited, limit(DRAIN_MS)])) === undefined) daemon.killGroup();
		}
	}
}

/** The commands that the agent's exec tool runs in a normal session. */
async function useTools(daemon: Running, env: Readonly<Record<string, string>>): Promise<void> {
	const script = `
		set -e
		cd ${STATE}/workspace
		ls -la >/dev/null; cat AGENTS.md >/dev/null; grep -rn plan . >/dev/null || true; date >>MEMORY.md
		mkdir -p project; echo 'console.log(require("node:os").cpus().length)' >project/main.js; node project/main.js >/dev/null
		cp -r project project-2; mv project-2 project-3; rm -rf project-3
		if command -v git >/dev/null; then
			cd project; git init -q .; git add .; git -c user.name=a -c user.email=a@example.org commit -qm first; git status >/dev/null; cd ..; rm -rf project/.git
		fi
		if command -v python3 >/dev/null; then python3 -c 'import json, os; json.dumps(os.listdir("."))' || true; fi
		tar -cf /tmp/openclaw-session-$$.tar project; rm /tmp/openclaw-session-$$.tar
		(sleep 30 & kill $!)
		ps >/dev/null 2>&1 || true; df . >/dev/null; uname -a >/dev/null; id >/dev/null
	`;
	await inside(daemon, env, ["sh", "-c", script]);
}

function addChannel(path: string, telegram: FakeTelegram): void {
	const config = JSON.parse(readFileSync(path, "utf8")) as object;
	writeFileSync(path, JSON.stringify({ ...config, channels: { telegram: telegram.channel } }));
}

/** OpenClaw itself runs its tools, as the model asks. */
async function callTools(agent: Agent, workspace: string): Promise<string> {
	const proof = "by-exec.txt";
	const calls = [
		["write", { path: "notes/tools.md", content: "first\n" }],
		["read", { path: "notes/tools.md" }],
		["edit", { path: "notes/tools.md", edits: [{ oldText: "first", newText: "second" }] }],
		["exec", { command: `ls -la && cat AGENTS.md && git status; echo done >${proof}` }],
		["exec", { command: "sleep 1; echo later", background: true }],
		["process", { action: "list" }],
	] as const;
	for (const [tool, values] of calls)
		await agent.turn(`Please. [[tool:${tool}:${JSON.stringify(values)}]]`);
	if (!existsSync(join(workspace, proof)))
		throw new Error(`OpenClaw's exec did not write ${proof}`);
	return `OpenClaw's own tools: ${[...new Set(calls.map(([tool]) => tool))].join(", ")}`;
}

/** npm's package, of the npm in PATH. */
function findNpm(): string {
	for (const directory of (process.env.PATH ?? "").split(delimiter)) {
		const command = join(directory, "npm");
		if (existsSync(command)) return dirname(dirname(realpathSync(command)));
	}
	return "-";
}

/** A package of 600 files by npm, whose program runs, and a plugin by OpenClaw's own command. */
async function installPlugins(
	daemon: Running,
	env: Readonly<Record<string, string>>,
	installation: string,
	npm: string,
): Promise<string> {
	const done: string[] = [];
	const plugin = `${STATE}/workspace/plugin`;
	// In /tmp, because OpenClaw installs by copies that it removes again.
	const large = "/tmp/large";
	const files = `
		set -e
		mkdir -p ${plugin} ${large}/data && cd ${plugin}
		echo '{"name":"quiet","version":"1.0.0","type":"module","main":"index.js","openclaw":{"extensions":["./index.js"]}}' >package.json
		echo '{"id":"quiet","name":"quiet","configSchema":{"type":"object","properties":{}}}' >openclaw.plugin.json
		echo 'export default { id: "quiet", name: "quiet", register() {} };' >index.js
		cd ${large}
		echo '{"name":"large","version":"1.0.0","bin":"native"}' >package.json
		cp /bin/true native
		i=0; while [ $i -lt 600 ]; do echo x >data/$i.txt; i=$((i + 1)); done
	`;
	await inside(daemon, env, ["sh", "-c", files]);
	if (npm !== "-") {
		const project = `${STATE}/npm/projects/large`;
		const cli = "/usr/local/lib/node_modules/npm/bin/npm-cli.js";
		await inside(daemon, env, [
			"node",
			cli,
			"install",
			"--offline",
			"--install-links",
			"--no-audit",
			"--no-fund",
			`--prefix=${project}`,
			large,
		]);
		await inside(daemon, env, [`${project}/node_modules/.bin/large`]);
		done.push("npm installs a package of 600 files, whose program runs");
	}
	if (installation !== "-") {
		const cache = "NODE_COMPILE_CACHE=/home/openclaw/.cache/node";
		await inside(daemon, env, [
			"env",
			cache,
			"node",
			OPENCLAW,
			"plugins",
			"install",
			"--force",
			plugin,
		]);
		done.push("`openclaw plugins install`");
	}
	return done.length === 0 ? "no plugin: neither npm nor OpenClaw is here" : done.join("; ");
}

/** Runs a program as the agent's user in the daemon's machine. */
async function inside(
	daemon: Running,
	env: Readonly<Record<string, string>>,
	command: readonly string[],
): Promise<void> {
	const enter = ["nsenter", "--mount", `--target=${daemon.pid}`, "--"];
	const asAgent = ["setpriv", "--reuid", String(AGENT), "--regid", String(AGENT), "--clear-groups"];
	const { status, stdout, stderr } = await run(
		[...enter, ...asAgent, ...command],
		env,
		180_000,
		"/",
	);
	if (status !== 0)
		throw new Error(
			`\`${command[0]} …\` ended with status ${status}\n${(stderr + stdout).trim().slice(-800)}`,
		);
}

/** The path of a repository file inside the machine. */
function inMachine(part: string, installation: string): string {
	if (part === process.execPath) return "/usr/local/bin/node";
	const testkit = join(REPOSITORY, "packages/testkit");
	if (part.startsWith(`${testkit}/`)) return dirname(OPENCLAW) + part.slice(testkit.length);
	if (installation === "-" || !part.endsWith("/node_modules/.bin/openclaw")) return part;
	return OPENCLAW;
}

async function limit(ms: number): Promise<undefined> {
	return await new Promise((resolve) => setTimeout(resolve, ms, undefined).unref());
}
