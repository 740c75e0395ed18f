import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
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

test("CDK builds with the tool that the doctor found, if it is not Docker", async () => {
	const podman = join(directory, "podman");
	writeFileSync(podman, "#!/bin/sh\necho podman version 5\n", { mode: 0o755 });
	vi.stubEnv("PATH", directory);
	vi.stubEnv("CDK_DOCKER", undefined);
	const script = "require('fs').writeFileSync('seen', process.env.CDK_DOCKER ?? 'none')";
	await cdkCommand(process.execPath)(["-e", script], { directory, region: "eu-west-1" });
	expect(readFileSync(join(directory, "seen"), "utf8")).toBe("podman");
	rmSync(podman);
	await cdkCommand(process.execPath)(["-e", script], { directory, region: "eu-west-1" });
	expect(readFileSync(join(directory, "seen"), "utf8")).toBe("none");
});

test("a program that is missing is an error with its name", async () => {
	await expect(
		cdkCommand(join(directory, "cdk"))([], { directory, region: "eu-west-1" }),
	).rejects.toThrow(/ENOENT/);
});
