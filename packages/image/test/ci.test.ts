/** Nobody runs the workflow of packages/image/ci here, so its parts are checked. */
import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { ROOT } from "../build/place.ts";

interface Step {
	readonly name?: string;
	readonly uses?: string;
	readonly run?: string;
	readonly env?: Readonly<Record<string, string>>;
}

interface Workflow {
	readonly env: Readonly<Record<string, string>>;
	readonly jobs: {
		readonly image: { readonly "runs-on": string; readonly steps: readonly Step[] };
	};
}

const workflow = parse(
	readFileSync(join(import.meta.dirname, "../ci/arm64.yml"), "utf8"),
) as Workflow;
const { steps, "runs-on": runner } = workflow.jobs.image;
const scripts = steps.flatMap(({ run = "", env = {} }) => (run === "" ? [] : [{ run, env }]));
/** Set by GitHub in every step. */
const GIVEN = ["GITHUB_SHA", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"];

test("runs on arm64, natively", () => {
	expect(runner).toMatch(/-arm$/);
	expect(workflow.env.IMAGE).toBe("localhost/openclaw-sidecar:arm64");
});

test("has turns taken before it scans, scans before it pushes, and signs what it pushed by digest", () => {
	const all = steps.map(({ run, uses }) => run ?? uses ?? "");
	const positions = [
		"image:base --check",
		"image:test",
		"--fail-on",
		"podman push",
		"cosign sign",
	].map((command) => all.findIndex((text) => text.includes(command)));
	expect(positions).not.toContain(-1);
	expect(positions).toEqual([...positions].sort((a, b) => a - b));
	expect(all.find((text) => text.includes("podman push"))).toContain("@$(cat digest)");
});

test.each(scripts)(
	"has a script that bash can parse, with variables that are set: $run",
	({ run, env }) => {
		expect(spawnSync("bash", ["-n"], { input: run, encoding: "utf8" })).toMatchObject({
			status: 0,
			stderr: "",
		});
		const assigned = [...run.matchAll(/\bfor (\w+) in/g)].map(([, name]) => name);
		const known = [...Object.keys({ ...workflow.env, ...env }), ...GIVEN, ...assigned];
		const used = [...run.matchAll(/\$\{?(\w+)/g)].map(([, name]) => name);
		expect(used.filter((name) => !known.includes(name ?? ""))).toEqual([]);
	},
);

test("calls scripts of package.json, and reads bills that the image has", () => {
	const { scripts: own } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
	const called = scripts.flatMap(({ run }) => [...run.matchAll(/pnpm ([\w:]+)/g)]);
	expect(called.length).toBeGreaterThan(1);
	for (const [, name = ""] of called) expect(own).toHaveProperty([name]);
	const containerfile = readFileSync(join(ROOT, "Containerfile"), "utf8");
	for (const name of ["openclaw", "openclaw-sidecar", "debian"])
		expect(containerfile).toContain(`/${name}.cdx.json`);
});
