/** The tools as processes, without a terminal or credentials. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";

const BIN = fileURLToPath(new URL("../bin/", import.meta.url));
let directory: string;

beforeAll(() => {
	directory = mkdtempSync(join(tmpdir(), "openclaw-tools-"));
	writeFileSync(join(directory, "cdk.json"), "{}");
});

afterAll(() => rmSync(directory, { recursive: true }));

function run(tool: string, ...args: string[]) {
	return spawnSync(process.execPath, [`${BIN}${tool}.ts`, ...args], {
		encoding: "utf8",
		input: "",
		env: { PATH: process.env.PATH, HOME: directory, AWS_EC2_METADATA_DISABLED: "true" },
	});
}

test.each(["up", "smoke", "down", "users", "repair", "doctor"])(
	"infra:%s explains itself",
	(tool) => {
		const { status, stdout } = run(tool, "--help");
		expect([status, stdout]).toEqual([0, expect.stringContaining(`Usage: infra:${tool}`)]);
	},
);

test("without a terminal, infra:up asks nothing and names what is missing", () => {
	const { status, stdout, stderr } = run("up", "--dir", directory);
	expect([status, stdout]).toEqual([2, ""]);
	expect(stderr).toMatch(
		/ANSWER_MISSING\] still missing: a region \(--region.*bot_token of telegram/,
	);
});

test("without credentials, a tool says how to get some", () => {
	const { status, stderr } = run(
		"users",
		"list",
		"--dir",
		directory,
		"-c",
		"openclaw:region=eu-west-1",
	);
	expect([status, stderr]).toEqual([
		1,
		expect.stringMatching(/CREDENTIALS_MISSING.*\nwhat to do: log in/),
	]);
});

test("a wrong command line is an error with a code, and says where help is", () => {
	const { status, stderr } = run("repair");
	expect([status, stderr]).toEqual([
		2,
		"error [USAGE] missing required argument 'NAME'\nwhat to do: `pnpm infra:repair --help` explains it\n",
	]);
});

test("the doctor takes a directory and settings as CDK does, and names what prevents a deployment", () => {
	const named = run("doctor", directory, "--json");
	expect([named.status, named.stderr]).toEqual([1, expect.stringMatching(/DOCTOR_FAILED.*region/)]);
	expect(JSON.parse(named.stdout)).toContainEqual(
		expect.objectContaining({ name: "region", outcome: "failed" }),
	);
	const set = run("doctor", "--dir", directory, "-c", "openclaw:region=mars-1", "--json");
	expect(set.stdout).toContain("mars-1");
	expect(run("doctor", join(directory, "none")).stderr).toMatch(/USAGE.*has no cdk\.json/);
});
