import { spawn } from "node:child_process";
import {
	mkdirSync,
	mkdtempSync,
	readFileSync,
	realpathSync,
	rmSync,
	statSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CLI_BUNDLE, cli, jsonObject } from "../../../testkit/cli.ts";

let home: string;
beforeEach(() => {
	home = realpathSync(mkdtempSync(join(tmpdir(), "sidecar-init-")));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const write = (path: string, text: string | Buffer) => {
	mkdirSync(dirname(join(home, path)), { recursive: true });
	writeFileSync(join(home, path), text);
};
const read = (path: string) => readFileSync(join(home, path), "utf8");
const CONFIG = ".config/openclaw-sidecar/config.json";
const config = () => JSON.parse(read(CONFIG));
const init = async (args: readonly string[], env = {}) =>
	await cli(["init", ...args], { cwd: home, env });

describe("without a terminal", () => {
	test("an unanswered question is an error that lists its flag, and nothing is written", async () => {
		const { status, stderr } = await init(["--store", "file:///tmp/x", "--no-exclude"]);
		expect(status).toBe(2);
		expect(stderr).toContain("there is no terminal");
		expect(stderr).toContain(
			"what to do: add --yes to accept what is proposed, or answer with --workspace DIR (and --profile openclaw|plain)\n",
		);
		expect(() => read(CONFIG)).toThrow("ENOENT");
	});

	// @id init-yes
	test("--yes takes OpenClaw's directory, the default store and the caches, and tries them", async () => {
		write(".openclaw/openclaw.json", "{}");
		write(".openclaw/workspace/.cache/big", Buffer.alloc(2_000_000));
		write(".openclaw/workspace/notes.md", "x");
		const { status, stdout } = await init(["--yes"]);
		expect(status).toBe(0);
		expect(config()).toEqual({
			workspace: join(home, ".openclaw"),
			store: `file://${home}/.local/share/openclaw-sidecar/store`,
			profile: "openclaw",
		});
		expect(statSync(join(home, CONFIG)).mode & 0o777).toBe(0o600);
		expect(read(".openclaw/.openclaw-sidecar-ignore")).toBe(".cache/\n");
		expect(stdout).toContain("all is well");
		expect(stdout).toMatch(/^ {2}# start .*\n {2}openclaw-sidecar run -- openclaw gateway run$/m);
		// The file is where the other commands look, and the next command works.
		expect((await cli(["flush"], { cwd: home })).status).toBe(0);
		const listed = await cli(["ls", "--json"], { cwd: home });
		expect(listed.stdout).toContain("notes.md");
		expect(listed.stdout).not.toContain("big");
	});

	test("flags answer every question, and further options are written as the file spells them", async () => {
		const flags = [
			"--workspace",
			"ws dir",
			"--store",
			`file://${home}/s`,
			"--exclude",
			"/a/",
			"*.b",
		];
		const more = ["--drain-timeout", "20s", "--quiet-period", "1500ms", "--root", "notes=/data"];
		const { status, stdout } = await init([...flags, ...more, "--json"]);
		expect(status).toBe(0);
		expect(jsonObject(stdout)).toMatchObject({ excluded: ["/a/", "*.b"] });
		expect(config()).toEqual({
			workspace: join(home, "ws dir"),
			store: `file://${home}/s`,
			profile: "plain",
			drainTimeout: "20s",
			quietPeriod: "1500ms",
			root: { notes: "/data" },
		});
		expect(read("ws dir/.openclaw-sidecar-ignore")).toBe("/a/\n*.b\n");
	});

	// @id init-replaces-nothing
	test("an existing file keeps its comments and other keys; other values need --overwrite", async () => {
		const before = `// mine\n{\n  "store": "file://${home}/s", /* "here" */\n  "namespace": "anna" // who\n}\n`;
		write(CONFIG, before);
		const args = ["--yes", "--workspace", "ws"];
		const refused = await init([...args, "--namespace", "bob"]);
		expect(refused.status).toBe(2);
		expect(refused.stderr).toContain("the file has other values for namespace");
		expect(read(CONFIG)).toBe(before);
		expect((await init(args)).status).toBe(0);
		expect(read(CONFIG)).toBe(
			before.replace('"anna"', `"anna",\n  "workspace": "${home}/ws",\n  "profile": "plain"`),
		);
		expect((await init([...args, "--namespace", "bob", "--overwrite"])).status).toBe(0);
		expect(read(CONFIG)).toContain('"namespace": "bob"');
		expect(read(CONFIG)).toContain("// mine");
	});

	test("--config names a new file, which the next command names too", async () => {
		const args = ["--config", "new dir/c.json", "--workspace", "ws", "--store", `file://${home}/s`];
		const { status, stdout } = await init([...args, "--no-exclude"]);
		expect(status).toBe(0);
		expect(JSON.parse(read("new dir/c.json"))).toMatchObject({ profile: "plain" });
		expect(stdout).toContain(
			`openclaw-sidecar --config '${home}/new dir/c.json' run -- YOUR-AGENT`,
		);
	});

	test("a store that does not work is reported as doctor does, with its exit status", async () => {
		const s3 = ["--store", "s3://bucket", "--region", "eu-central-1"];
		const args = ["--yes", "--workspace", "ws", ...s3, "--endpoint", "http://127.0.0.1:9"];
		const { status, stdout } = await init(args, {
			AWS_ACCESS_KEY_ID: "a",
			AWS_SECRET_ACCESS_KEY: "b",
			AWS_MAX_ATTEMPTS: "1",
		});
		expect(status).toBe(7);
		expect(stdout).toContain("PROBLEM");
		expect(stdout).toContain("when the problems above are solved:");
	});

	test("a value that cannot work writes nothing", async () => {
		const inside = ["--workspace", "ws", "--store", `file://${home}/ws/store`];
		expect((await init(["--yes", ...inside])).status).toBe(2);
		expect(() => read(CONFIG)).toThrow("ENOENT");
	});
});

test("a person at a terminal answers three questions", async () => {
	write("agent/notes/big", Buffer.alloc(2_000_000));
	write("agent/node_modules/big", Buffer.alloc(3_000_000));
	write("agent/.cache/big", Buffer.alloc(1_000_000));
	const output = await atTerminal(
		["init"],
		[
			["Which agent's directory", "\u001b[B\r"],
			["Its directory", "agent\r"],
			["Is it OpenClaw's?", "\r"],
			["Where do you want to keep its history?", "\r"],
			["Directory", "\u0015~/kept history\r"],
			["What do you want to leave out?", " \r"],
		],
	);
	expect(output).toContain("all is well");
	expect(config()).toEqual({
		workspace: join(home, "agent"),
		store: `file://${home}/kept%20history`,
		profile: "plain",
	});
	expect(read("agent/.openclaw-sidecar-ignore").split("\n").sort()).toEqual([
		"",
		".cache/",
		"node_modules/",
	]);
});

test("Ctrl-C at a question writes nothing", async () => {
	const output = await atTerminal(["init"], [["Which agent's directory", "\u0003"]]);
	expect(output).toContain("stopped before anything was written");
	expect(() => read(CONFIG)).toThrow("ENOENT");
});

/** Types each answer when its question is on the screen. @returns everything that was shown */
async function atTerminal(
	args: readonly string[],
	answers: readonly (readonly [question: string, keys: string])[],
): Promise<string> {
	const command = [process.execPath, CLI_BUNDLE, ...args].map((word) => `'${word}'`).join(" ");
	const child = spawn("script", ["-qec", `stty cols 100 rows 40; exec ${command}`, "/dev/null"], {
		cwd: home,
		env: { PATH: process.env.PATH, HOME: home, TERM: "xterm-256color" },
		stdio: ["pipe", "pipe", "inherit"],
	});
	const left = [...answers];
	let shown = "";
	let seen = 0;
	child.stdout.on("data", (chunk: Buffer) => {
		shown += chunk.toString();
		const next = left[0];
		const at = next === undefined ? -1 : shown.indexOf(next[0], seen);
		if (next === undefined || at < 0) return;
		seen = at + next[0].length;
		left.shift();
		child.stdin.write(next[1]);
	});
	const timer = setTimeout(() => child.kill("SIGKILL"), 20_000);
	await new Promise((resolve) => child.once("close", resolve));
	clearTimeout(timer);
	expect(left, shown).toEqual([]);
	return shown;
}
