/** Runs the files of examples/ that need neither containers nor npm. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { loadConfig } from "../packages/sidecar/src/config/load.ts";
import { CLI_BUNDLE, Place } from "../packages/testkit/cli.ts";
import { PlatformMachine } from "../packages/testkit/platform/platform.ts";

const EXAMPLES = join(import.meta.dirname, "../examples");
const read = (path: string) => readFileSync(join(EXAMPLES, path), "utf8");
/** What another test runs, as examples/README.md says. */
const ELSEWHERE = [
	"compose/compose.yaml",
	"compose/example.env",
	"falco/ecs-task-definition.json",
	"falco/helm-cloudtrail-values.yaml",
	"falco/helm-values.yaml",
	"falco/openclaw-falco.service",
	"library/look-back.ts",
];
const HERE = [
	"agentcore/ask.ts",
	"config/local.jsonc",
	"config/other-server.jsonc",
	"config/s3.jsonc",
	"timer/crontab",
	"timer/openclaw-sidecar-gc.service",
	"timer/openclaw-sidecar-gc.timer",
];

test("every file is run by a test, and in the list of examples", () => {
	const files = readdirSync(EXAMPLES, { recursive: true, withFileTypes: true })
		.filter((entry) => entry.isFile() && entry.name !== "README.md")
		.map((entry) => join(entry.parentPath, entry.name).slice(EXAMPLES.length + 1));
	expect(files.sort()).toEqual([...ELSEWHERE, ...HERE].sort());
	const list = read("README.md");
	for (const file of files) expect(list).toContain(`](${file.split("/")[0]}`);
	for (const path of ["compose.image.test.ts", "package/examples.test.ts", "package.heavy.test.ts"])
		expect(list).toContain(path);
});

describe.each(["local", "s3", "other-server"])("config/%s.jsonc", (name) => {
	test("is a config file whose values are all accepted", () => {
		const text = read(`config/${name}.jsonc`);
		const { sources } = loadConfig({
			flags: { config: "/c.json" },
			env: {},
			homeDir: "/home/anna",
			workingDir: "/",
			readFile: () => text,
		});
		expect(sources.store).toBe("file /c.json key store");
	});
});

test("the lines of timer/crontab and of the timer's service are commands that work", () => {
	using place = new Place();
	const home = place.dir;
	mkdirSync(join(home, ".config/openclaw-sidecar"), { recursive: true });
	mkdirSync(join(home, ".openclaw"));
	writeFileSync(join(home, ".openclaw/notes.md"), "x");
	const config = { profile: "plain", store: `file://${place.store}` };
	writeFileSync(join(home, ".config/openclaw-sidecar/config.json"), JSON.stringify(config));
	const command = `#!/bin/sh\nexec "${process.execPath}" "${CLI_BUNDLE}" "$@"\n`;
	mkdirSync(join(home, "bin"));
	writeFileSync(join(home, "bin/openclaw-sidecar"), command, { mode: 0o755 });
	const jobs = read("timer/crontab")
		.split("\n")
		.filter((line) => line !== "" && !line.startsWith("#"))
		.map((line) => line.split(" ").slice(5).join(" "));
	const service = /^ExecStart=\/usr\/local\/bin\/(.*)$/m.exec(
		read("timer/openclaw-sidecar-gc.service"),
	);
	for (const job of [...jobs, service?.[1]?.replace("%h", home) as string]) {
		const { status, stderr } = spawnSync("sh", ["-c", job], {
			env: { HOME: home, PATH: `${home}/bin:${process.env.PATH}` },
			encoding: "utf8",
		});
		expect([job, status, stderr]).toEqual([job, 0, expect.any(String)]);
		if (jobs.includes(job)) expect(stderr).toBe("");
	}
	expect(jobs).toHaveLength(2);
});

const hasSystemd = spawnSync("systemd-analyze", ["--version"]).status === 0;

test.skipIf(!hasSystemd)("systemd accepts the timer and its service", () => {
	const place = mkdtempSync(join(tmpdir(), "examples-"));
	try {
		for (const kind of ["service", "timer"]) {
			const name = `openclaw-sidecar-gc.${kind}`;
			const text = read(`timer/${name}`).replace("/usr/local/bin/openclaw-sidecar", "/bin/true");
			writeFileSync(join(place, name), text);
		}
		const unit = join(place, "openclaw-sidecar-gc.timer");
		const { stderr } = spawnSync("systemd-analyze", ["verify", unit], { encoding: "utf8" });
		expect(stderr).toBe("");
		execFileSync("systemd-analyze", ["calendar", "daily"], { stdio: "ignore" });
	} finally {
		rmSync(place, { recursive: true });
	}
});

test("agentcore/ask.ts prints the answer of a machine as it comes, and a failure with its remedy", async () => {
	using place = new Place();
	await using machine = await PlatformMachine.boot(place, "a");
	const ask = (url: string) =>
		new Promise<{ readonly status: number | null; readonly text: string }>((resolve) => {
			const child = spawn(process.execPath, [join(EXAMPLES, "agentcore/ask.ts"), url, "hello"]);
			let text = "";
			child.stdout.on("data", (part) => {
				text += part;
			});
			child.stderr.on("data", (part) => {
				text += part;
			});
			child.once("close", (status) => resolve({ status, text }));
		});
	expect(await ask(machine.url)).toEqual({ status: 0, text: "turn 1 of default \n" });
	expect((await ask(`${machine.url}/nowhere`)).status).toBe(1);
	expect((await machine.end()).status).toBe(0);
});
