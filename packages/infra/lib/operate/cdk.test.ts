import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { cdkCommand } from "./cdk.ts";

let directory: string;

beforeEach(() => {
	directory = mkdtempSync(join(tmpdir(), "openclaw-cdk-"));
});

afterEach(() => rmSync(directory, { recursive: true }));

test("CDK runs where the installation is, in its region, and its status is told", async () => {
	const script =
		"require('fs').writeFileSync('seen', process.env.AWS_REGION + ' ' + process.argv[1]); process.exit(3)";
	const cdk = cdkCommand(process.execPath);
	expect(await cdk(["-e", script, "deploy"], { directory, region: "eu-west-1" })).toBe(3);
	expect(readFileSync(join(directory, "seen"), "utf8")).toBe("eu-west-1 deploy");
});

test("a program that is missing is an error with its name", async () => {
	await expect(
		cdkCommand(join(directory, "cdk"))([], { directory, region: "eu-west-1" }),
	).rejects.toThrow(/ENOENT/);
});
