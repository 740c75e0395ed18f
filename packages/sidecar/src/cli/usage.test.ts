import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CLI_SOURCE, cli, type Ended, jsonObject, Place } from "../../../testkit/cli.ts";
import manifest from "../../package.json" with { type: "json" };

/** The message of a failing command to people. */
const saying = (code: string, text: string) =>
	expect.stringMatching(new RegExp(`^error \\[${code}\\] .*${text}.*\nwhat to do: .+\n$`));
const escaped = (text: string) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");

let place: Place;
beforeAll(() => {
	place = new Place();
});
afterAll(() => place[Symbol.dispose]());

describe("help", () => {
	test.concurrent.each(["--version", "-V"])("%s is the package's", async (flag) => {
		expect(await cli([flag])).toMatchObject({
			status: 0,
			stdout: `${manifest.version}\n`,
			stderr: "",
		});
	});

	test.concurrent("lists commands and options on stdout", async () => {
		const { status, stdout, stderr } = await cli(["--help"]);
		expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
		for (const word of [
			"run",
			"restore",
			"flush",
			"status",
			"history",
			"ls",
			"cat",
			"--workspace",
			"--store",
			"Exit status 0 means",
		]) {
			expect(stdout).toContain(word);
		}
	});

	test.concurrent("of a command explains its own options and names the common ones", async () => {
		const { status, stdout } = await cli(["cat", "--help"]);
		expect(status).toBe(0);
		expect(stdout).toMatch(
			/<PATH>[\s\S]*--at <WHEN>[\s\S]*Every command also takes [\s\S]*--namespace,/,
		);
		expect(stdout).not.toContain("--namespace <NAME>");
		expect(stdout).not.toContain("--listen");
		const run = await cli(["run", "--help"]);
		expect(run.stdout).toContain("--listen <HOST:PORT>");
	});

	test.concurrent("is printed before the error for a call without a command", async () => {
		const { status, stdout, stderr } = await cli([]);
		expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
		expect(stderr).toMatch(
			/Every day:\n {2}run [\s\S]*\nerror \[USAGE\] .*no command was given\nwhat to do: .*\n$/,
		);
	});
});

describe("an invalid command line is exit status 2, names the fault, and gives a remedy", () => {
	test.concurrent.each([
		[["frobnicate"], "frobnicate", "--help"],
		[[""], '"": unknown command', "--help"],
		[["gc", "--keep-all", "1h"], "1h: flag --keep-all must be at least 1d", "."],
		[["verify", "--keep-all", "1h"], "1h: flag --keep-all must be at least 1d", "."],
		[["statsu", "--help"], "statsu: unknown command", "did you mean status\\?"],
		[["help", "statsu"], "statsu: unknown command", "did you mean status\\?"],
		[["statsu"], "statsu", "did you mean status\\?"],
		[["history", "--deleted"], "--deleted: unknown option", "`find` has this option"],
		[["status", "--bogus"], "--bogus: unknown option", "status --help"],
		[["status", "--naemspace", "a"], "--naemspace", "did you mean --namespace\\?"],
		[["run", "openclaw", "--port"], "--port", "after --"],
		[["cat"], "PATH", "cat --help"],
		[["cat", "a", "b"], "too many arguments", "cat --help"],
		[["history", "--limit", "none"], "none: flag --limit accepts a number from 1, or all", "."],
		[["history", "--limit", "0"], "0: flag --limit", "."],
		[["ls", "--at", "1.5"], "1.5: it names neither a commit nor a time", "latest~3"],
		[["ls", "--at", ""], '"": it names neither a commit nor a time', "."],
		[["status", "--store"], "--store <URL>: this option needs a value", "."],
	])("%j", async (args, said, remedy) => {
		const ended = await cli(args, { cwd: place.dir });
		expect(ended).toMatchObject({ status: 2, stdout: "" });
		expect(ended.stderr).toMatch(
			new RegExp(`^error \\[USAGE\\] .*${escaped(said)}.*\nwhat to do: .*${remedy}.*\n$`),
		);
	});

	test.concurrent("with --json it is one object on stdout and nothing on stderr", async () => {
		for (const args of [
			["--json", "frobnicate"],
			["status", "--json", "--bogus"],
			["--json"],
			["status", "--json", "--namespace", "a/b"],
		]) {
			const { status, stdout, stderr } = await cli(args, { cwd: place.dir });
			expect({ status, stderr }).toEqual({ status: 2, stderr: "" });
			const { error } = jsonObject(stdout) as { error: Record<string, unknown> };
			expect(error).toEqual({
				code: expect.any(String),
				message: expect.any(String),
				value: args.length === 1 ? null : args.at(-1),
				remedy: expect.any(String),
				exitStatus: 2,
			});
		}
	});

	test.concurrent("arguments after -- belong to the agent: its --json is not the sidecar's", async () => {
		const { stdout, stderr } = await cli(["run", "--namespace", "..", "--", "agent", "--json"], {
			cwd: place.dir,
		});
		expect(stdout).toBe("");
		expect(stderr).toEqual(saying("NAMESPACE_INVALID", escaped("..")));
	});
});

describe("a wrong value is reported with its source", () => {
	test.concurrent.each([
		["NAMESPACE_INVALID", ["--namespace", "a/b"], "a/b: flag --namespace"],
		["NAMESPACE_INVALID", ["--namespace", ".."], "..: flag --namespace"],
		["NAMESPACE_INVALID", ["--namespace", ""], '"": flag --namespace'],
		["STORE_URL_INVALID", ["--store", "ftp://x"], "ftp://x: flag --store"],
		["STORE_URL_INVALID", ["--store", "s3://user:secret@bucket"], "s3://***@bucket: flag --store"],
		[
			"USAGE",
			["--profile", "opnclaw"],
			"opnclaw: flag --profile accepts openclaw or plain; did you mean openclaw?",
		],
		["USAGE", ["--drain-timeout", "8"], "8: flag --drain-timeout"],
		["USAGE", ["--workspace", "/tmp/a", "--store", "file:///tmp/a/b"], "is inside the workspace"],
		["USAGE", ["--config", "/nonexistent.json"], "/nonexistent.json"],
	])("%s %j", async (code, args, said) => {
		const { status, stderr } = await cli(["status", ...args], { cwd: place.dir });
		expect(status).toBe(2);
		expect(stderr).toEqual(saying(code, escaped(said)));
	});

	test.concurrent("in the environment and in the config file, a NUL among them", async () => {
		const env = { OPENCLAW_SIDECAR_NAMESPACE: "a/../b" };
		expect((await cli(["status"], { cwd: place.dir, env })).stderr).toEqual(
			saying("NAMESPACE_INVALID", escaped("a/../b: env OPENCLAW_SIDECAR_NAMESPACE")),
		);
		const config = join(place.dir, "nul.json");
		writeFileSync(config, '{ "namespace": "a\\u0000b" }');
		const { status, stderr } = await cli(["status", "--config", config], { cwd: place.dir });
		expect(status).toBe(2);
		expect(stderr).toEqual(saying("NAMESPACE_INVALID", escaped("a\\u0000b: file")));
	});
});

test.concurrent("flags win over the environment, that over the config file, and that over the default", async () => {
	mkdirSync(join(place.dir, ".config/openclaw-sidecar"), { recursive: true });
	writeFileSync(
		join(place.dir, ".config/openclaw-sidecar/config.json"),
		'{ "namespace": "file", "json": true }',
	);
	mkdirSync(place.path("m"), { recursive: true });
	const base = place.args("m").filter((_, index, all) => all[index] !== "--namespace");
	const url = async (args: readonly string[], env: NodeJS.ProcessEnv = {}) =>
		(
			jsonObject((await cli([...base, "status", ...args], { cwd: place.dir, env })).stdout).log as {
				url: string;
			}
		).url;
	const env = { OPENCLAW_SIDECAR_NAMESPACE: "env" };
	expect(await Promise.all([url(["--namespace", "flag"], env), url([], env), url([])])).toEqual([
		expect.stringMatching(/users\/flag$/),
		expect.stringMatching(/users\/env$/),
		expect.stringMatching(/users\/file$/),
	]);
	const human: Ended = await cli([...base, "status", "--no-json", "--config", "/dev/null"], {
		cwd: place.dir,
	});
	expect(human.stderr).toEqual(saying("USAGE", "/dev/null"));
});

test.concurrent("accepts options before the command, and warns of a variable that is not an option", async () => {
	const env = { OPENCLAW_SIDECAR_NAMSPACE: "x" };
	mkdirSync(place.path("m"), { recursive: true });
	const { status, events } = await cli([...place.args("m"), "--json", "status"], {
		cwd: place.dir,
		env,
	});
	expect(status).toBe(0);
	expect(events).toEqual([expect.objectContaining({ event: "config.ignored", level: "warn" })]);
});

test("an old Node gets one line and exit status 2", () => {
	const older =
		'Object.defineProperty(process, "versions", { value: { ...process.versions, node: "20.20.2" } });';
	const argv = [
		"--import",
		`data:text/javascript,${encodeURIComponent(older)}`,
		CLI_SOURCE,
		"status",
	];
	const { status, stdout, stderr } = spawnSync(process.execPath, argv, { encoding: "utf8" });
	expect({ status, stdout }).toEqual({ status: 2, stdout: "" });
	expect(stderr).toBe("openclaw-sidecar: needs Node 24 or newer, this is 20.20.2\n");
});

describe("a file:// store", () => {
	const flush = (home: Place, ...args: readonly string[]) =>
		home.cli("a", ["flush", ...args], { cwd: home.dir });

	// @id mistyped-store
	test("whose directory and parent are missing is refused, and created with --create", async () => {
		using home = new Place();
		writeFileSync(home.path("a", "f"), "x");
		const store = pathToFileURL(join(home.dir, "typo", "store")).href;
		for (const command of ["flush", "history", "status", "run"]) {
			const refused = await home.cli("a", [command, "--store", store]);
			expect({ command, status: refused.status }).toEqual({ command, status: 2 });
			expect(refused.stderr).toMatch(
				/error \[STORE_BUCKET_MISSING\] .*typo is missing too\nwhat to do: .*--create\n$/,
			);
		}
		expect(existsSync(join(home.dir, "typo"))).toBe(false);
		expect(await flush(home, "--store", store, "--create")).toMatchObject({ status: 0 });
		expect(await home.cli("a", ["cat", "f", "--store", store])).toMatchObject({ stdout: "x" });
	});

	test("is created if its parent exists, and always at the default place", async () => {
		using home = new Place();
		writeFileSync(home.path("a", "f"), "x");
		expect(await flush(home)).toMatchObject({ status: 0 });
		const own = home.args("a");
		own.splice(own.indexOf("--store"), 2);
		const [first, second] = [
			await cli([...own, "--namespace", "b", "flush"], { cwd: home.dir }),
			await cli([...own, "--namespace", "b", "ls"], { cwd: home.dir }),
		];
		expect(first).toMatchObject({ status: 0, stderr: "" });
		expect(second).toMatchObject({ status: 0 });
		expect(existsSync(join(home.dir, ".local/share/openclaw-sidecar/store"))).toBe(true);
	});
});
