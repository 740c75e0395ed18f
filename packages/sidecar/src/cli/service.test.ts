/** Real systemd runs the unit in packages/image/test/service.image.test.ts. */
import {
	chmodSync,
	existsSync,
	mkdirSync,
	mkdtempSync,
	readFileSync,
	realpathSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { CLI_BUNDLE, cli, jsonObject } from "../../../testkit/cli.ts";

let home: string;
beforeEach(() => {
	home = realpathSync(mkdtempSync(join(tmpdir(), 'sidecar 50% $x "q" ')));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const UNIT = ".config/systemd/user/openclaw-sidecar.service";
const at = (path: string) => join(home, path);
const read = (path: string) => readFileSync(at(path), "utf8");
const write = (path: string, text: string, mode = 0o644) => {
	mkdirSync(dirname(at(path)), { recursive: true });
	writeFileSync(at(path), text);
	chmodSync(at(path), mode);
};
const service = async (args: readonly string[], env = {}) =>
	await cli(["service", ...args], { cwd: home, env });

/** Settings, an agent's program, and a `systemctl` that writes down what it is told. */
function prepare(settings: object = {}): { readonly PATH: string } {
	write(".config/openclaw-sidecar/config.json", JSON.stringify({ profile: "plain", ...settings }));
	write("bin/agent", "#!/bin/sh\n", 0o755);
	const answer =
		"ActiveState=active\\nSubState=running\\nUnitFileState=enabled\\nResult=success\\n";
	write(
		"bin/systemctl",
		`#!/bin/sh\necho "$*" >> "$HOME/calls"\ncase "$*" in *" show "*) printf '${answer}ExecMainStatus=0\\n';; esac\n`,
		0o755,
	);
	return { PATH: `${at("bin")}:${process.env.PATH}` };
}

/** The same text in a setting with several words. */
const quoted = (path: string) => `"${at(path).replaceAll("%", "%%").replaceAll('"', '\\"')}"`;

describe("install --print", () => {
	// @id unit-quotes
	test("names every path exactly, whatever is in it", async () => {
		const env = prepare({ drainTimeout: "20s", root: { notes: "/srv/notes" } });
		const args = ["install", "--print", "--", "agent", "$HOME 100%", 'a"b\\'];
		const { status, stdout } = await service(args, env);
		expect(status).toBe(0);
		const program = quoted("bin/agent").replaceAll("$", "$$$$");
		const config = quoted(".config/openclaw-sidecar/config.json").replaceAll("$", "$$$$");
		expect(stdout).toContain(
			`ExecStart=${process.execPath} ${CLI_BUNDLE} run --config ${config} -- ${program} "$$HOME 100%%" "a\\"b\\\\"\n`,
		);
		expect(stdout).toContain(
			`EnvironmentFile=-${at(".config/openclaw-sidecar/openclaw-sidecar.env").replaceAll("%", "%%")}\n`,
		);
		for (const path of [".openclaw", ".local/state/openclaw-sidecar"])
			expect(stdout).toContain(`ReadWritePaths=${quoted(path)}\n`);
		expect(stdout).toContain("ReadWritePaths=/srv/notes\n");
		expect(stdout).toContain("TimeoutStopSec=35\n");
		// This home is below /tmp.
		expect(stdout).toContain("PrivateTmp=no\n");
		expect(existsSync(at("calls"))).toBe(false);
		expect(existsSync(at(UNIT))).toBe(false);
	});

	// @id service-settings
	test("holds no setting of this shell: a flag or a variable is an error", async () => {
		const env = { ...prepare(), OPENCLAW_SIDECAR_NAMESPACE: "anna" };
		const { status, stderr } = await service(["install", "--print", "--region", "x"], env);
		expect(status).toBe(2);
		expect(stderr).toContain("--namespace, --region: the service reads its settings from");
	});

	// @id unit-lines
	test.each([
		["a workspace that ends in a backslash", { workspace: "/srv/a\\" }, "c.json"],
		["an environment file that is a pattern", {}, "[ab]/c.json"],
	])("%s is an error, and no line of the unit changes another", async (_, settings, file) => {
		const env = prepare();
		write(file, JSON.stringify(settings));
		const { status, stderr } = await service(["install", "--print", "--config", at(file)], env);
		expect(status).toBe(2);
		expect(stderr).toMatch(/backslash|pattern/);
	});

	test.each([
		["without a config file", ["install"], "there is no config file"],
		["for the system without a user", ["install", "--system", "--print"], "--run-as USER"],
		[
			"with a program that is not in PATH",
			["install", "--print", "--", "nothing-here"],
			"no such program",
		],
		[
			"with a line break in the command",
			["install", "--print", "--", "agent", "a\nb"],
			"line break",
		],
		["with a name that is no name", ["install", "--print", "--name", "a/b"], "--name accepts"],
		["with an unknown action", ["start"], "use one of install, status, remove"],
	])("%s is an error that says what to do", async (_, args, message) => {
		const env = prepare();
		if (message.includes("config file")) rmSync(at(".config"), { recursive: true });
		const { status, stderr } = await service(args, env);
		expect(status).toBe(2);
		expect(stderr).toContain(message);
		expect(existsSync(at(UNIT))).toBe(false);
	});
});

test("install writes the unit, creates its directories and starts it; remove keeps all but the unit", async () => {
	const env = prepare();
	const installed = await service(["install", "--", "agent"], env);
	expect(installed.status).toBe(0);
	expect(installed.stdout).toContain("active (running), enabled");
	expect(existsSync(at(".openclaw"))).toBe(true);
	const printed = await service(["install", "--print", "--", "agent"], env);
	expect(read(UNIT)).toBe(printed.stdout);
	const calls = read("calls").split("\n");
	expect(calls.slice(1, 4)).toEqual([
		"--user --no-pager daemon-reload",
		"--user --no-pager enable openclaw-sidecar.service",
		"--user --no-pager restart openclaw-sidecar.service",
	]);
	const shown = await service(["status", "--json"], env);
	expect(shown.status).toBe(0);
	expect(jsonObject(shown.stdout)).toMatchObject({ isInstalled: true, result: "success" });
	const removed = await service(["remove", "--json"], env);
	expect(removed.status).toBe(0);
	expect(jsonObject(removed.stdout)).toEqual({
		removed: true,
		kept: {
			workspace: at(".openclaw"),
			store: expect.stringMatching(/^file:\/\/\/.*\/store$/),
			state: at(".local/state/openclaw-sidecar"),
			config: at(".config/openclaw-sidecar/config.json"),
			environment: at(".config/openclaw-sidecar/openclaw-sidecar.env"),
		},
	});
	expect(existsSync(at(UNIT))).toBe(false);
	expect(existsSync(at(".openclaw"))).toBe(true);
	expect((await service(["status"], env)).status).toBe(3);
	expect((await service(["remove"], env)).stdout).toBe("there was no service\n");
});

// @id service-system-root-only
test("a system service with a config file that another user can change is refused, and nothing is made", async () => {
	// This home is below /tmp, which is everyone's.
	const env = prepare({ workspace: at("ws"), stateDir: at("state") });
	const args = ["install", "--system", "--run-as", "nobody", "--", "agent"];
	const { status, stderr } = await service(args, env);
	expect(status).toBe(2);
	expect(stderr).toContain("/tmp: a user other than root can change it");
	expect(stderr).toContain("install -D -m 0640");
	for (const path of ["ws", "state", "calls"]) expect(existsSync(at(path))).toBe(false);
});

// @id service-replaces-no-other
test("a unit that someone else wrote is neither replaced nor removed", async () => {
	const env = prepare();
	write(UNIT, "[Service]\nExecStart=/bin/true\n");
	for (const args of [["install", "--", "agent"], ["remove"]]) {
		const { status, stderr } = await service(args, env);
		expect(status).toBe(2);
		expect(stderr).toContain("was not written by openclaw-sidecar");
	}
	expect(read(UNIT)).toBe("[Service]\nExecStart=/bin/true\n");
	expect(read("calls")).not.toMatch(/enable|disable|restart/);
});

test("a systemd that does not answer is an error, and no unit is written", async () => {
	const env = prepare();
	write("bin/systemctl", "#!/bin/sh\necho 'Failed to connect to bus' >&2\nexit 1\n", 0o755);
	const { status, stderr } = await service(["install", "--", "agent"], env);
	expect(status).toBe(2);
	expect(stderr).toContain("Failed to connect to bus");
	expect(stderr).toContain("what to do: check that systemd runs for this user");
	expect(existsSync(at(UNIT))).toBe(false);
});
