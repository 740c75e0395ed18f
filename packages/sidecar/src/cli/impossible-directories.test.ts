import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { CLI_BUNDLE } from "../../../testkit/cli.ts";

const DEADLINE_MS = 15_000;

// @id impossible-directories
test("a directory that cannot be made is an error at once, whichever verb needs it", () => {
	const place = mkdtempSync(join(tmpdir(), "sidecar-impossible-"));
	onTestFinished(() => rmSync(place, { recursive: true, force: true }));
	mkdirSync(join(place, "ws"));
	writeFileSync(join(place, "ws/a"), "a");
	const run = (verb: readonly string[], stateDir = join(place, "state")) => {
		const settings = ["--workspace", join(place, "ws"), "--profile", "plain"];
		const places = ["--store", `file://${place}/store`, "--state-dir", stateDir];
		return spawnSync(process.execPath, [CLI_BUNDLE, ...verb, ...settings, ...places], {
			...{ encoding: "utf8", timeout: DEADLINE_MS, killSignal: "SIGKILL", cwd: place },
			env: { HOME: place, PATH: process.env.PATH },
		});
	};
	expect(run(["flush"], "/proc/x/y")).toMatchObject({
		status: 2,
		stderr: expect.stringContaining("/proc/x/y"),
	});
	expect(run(["flush"])).toMatchObject({ status: 0 });
	expect(run(["restore", "a", "--to", "/proc/x/y"])).toMatchObject({
		status: 2,
		stderr: expect.stringContaining("/proc/x/y"),
	});
});
