/** Nobody runs packages/sidecar/ci/release.yml here, so its parts are checked. */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";

const ROOT = join(import.meta.dirname, "../../..");
const read = (path: string) => parse(readFileSync(join(ROOT, path), "utf8"));

interface Step {
	readonly run?: string;
	readonly uses?: string;
}

const { jobs, permissions } = read("packages/sidecar/ci/release.yml");
const all = (jobs.npm.steps as readonly Step[]).map(({ run, uses }) => run ?? uses ?? "");

test("the recipe tests before it packs, attests before it publishes, and may do no more than that", () => {
	const order = [
		"changelog/v$version",
		".ci/run",
		"npm pack",
		"pnpm sbom",
		"attest-build-provenance",
		"npm publish ./*.tgz --provenance",
		"gh release create",
	].map((part) => all.findIndex((step) => step.includes(part)));
	expect(order).not.toContain(-1);
	expect(order).toEqual([...order].sort((a, b) => a - b));
	expect(permissions).toEqual({ contents: "write", "id-token": "write", attestations: "write" });
});

test("its scripts are bash", () => {
	for (const { run } of jobs.npm.steps as readonly Step[])
		if (run !== undefined)
			expect(spawnSync("bash", ["-n"], { input: run, encoding: "utf8" })).toMatchObject({
				status: 0,
				stderr: "",
			});
});

test("forms for issues ask for a version and for doctor, and have unique ids", () => {
	const folder = ".github/ISSUE_TEMPLATE";
	const forms = readdirSync(join(ROOT, folder)).filter((name) => name !== "config.yml");
	for (const form of forms) {
		const { name, description, body } = read(`${folder}/${form}`);
		expect([name, description]).not.toContain(undefined);
		const ids = body.flatMap(({ id }: { id?: string }) => (id === undefined ? [] : [id]));
		expect(new Set(ids).size).toBe(ids.length);
	}
	const bug = JSON.stringify(read(`${folder}/bug.yml`));
	for (const part of ["doctor", "--version", "SECURITY.md"]) expect(bug).toContain(part);
});
