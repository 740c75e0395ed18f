/**
 * Nothing that ships may demand the GPL, the LGPL or the AGPL: the bundle and the library, the Lambda
 * functions, and the packages of the image. Tests may use such a package: CONTRIBUTING.md names it.
 */
import { readFileSync, realpathSync } from "node:fs";
import { findPackageJSON } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, test } from "vitest";
import lock from "../packages/image/openclaw/package-lock.json" with { type: "json" };

const ROOT = join(import.meta.dirname, "..");

interface Manifest {
	readonly name: string;
	readonly version: string;
	readonly license?: string;
	readonly dependencies?: Readonly<Record<string, string>>;
	readonly optionalDependencies?: Readonly<Record<string, string>>;
	readonly devDependencies?: Readonly<Record<string, string>>;
}

const manifestAt = (path: string): Manifest => JSON.parse(readFileSync(path, "utf8"));

/** Every package that these need at run time, by `name@version`, with its licence. */
function closureOf(names: readonly string[], from: string, found = new Map<string, string>()) {
	for (const name of names) {
		// Missing: an optional one for another machine. The lockfile of the image has all of them.
		const path = packageOf(name, from);
		if (path === undefined) continue;
		const { version, license = "none", dependencies, optionalDependencies } = manifestAt(path);
		if (found.has(`${name}@${version}`)) continue;
		found.set(`${name}@${version}`, license);
		closureOf(Object.keys({ ...dependencies, ...optionalDependencies }), path, found);
	}
	return found;
}

function packageOf(name: string, from: string): string | undefined {
	try {
		const path = findPackageJSON(name, pathToFileURL(from));
		// What it needs itself is beside the real directory, to which a link leads.
		return path && realpathSync(path);
	} catch {
		return undefined;
	}
}

/** Whether one alternative of an SPDX expression is enough to be free of these licences. */
const demandsCopyleft = (license: string) =>
	license
		.replace(/^\((.*)\)$/, "$1")
		.split(" OR ")
		.every((part) => /GPL|^none$|^UNLICENSED$/i.test(part));

const offending = (licences: Iterable<readonly [string, string]>) =>
	[...licences].filter(([, license]) => demandsCopyleft(license));

test.each(["sidecar", "infra", "ui"])("what packages/%s ships has no such licence", (name) => {
	const path = join(ROOT, "packages", name, "package.json");
	const { dependencies, optionalDependencies } = manifestAt(path);
	const licences = closureOf(Object.keys({ ...dependencies, ...optionalDependencies }), path);
	expect(licences.size).toBeGreaterThan(10);
	expect(offending(licences)).toEqual([]);
});

test("the packages of the image have no such licence", () => {
	const packages = Object.entries(lock.packages as Record<string, Partial<Manifest>>).filter(
		([path]) => path !== "",
	);
	expect(packages.length).toBeGreaterThan(300);
	expect(offending(packages.map(([path, { license = "none" }]) => [path, license]))).toEqual([]);
});

test("the policy evaluator of the tests has one, so it is a development dependency, and this test would notice", () => {
	const evaluator = "@cloud-copilot/iam-simulate";
	for (const name of ["sidecar", "infra"]) {
		const path = join(ROOT, "packages", name, "package.json");
		const { devDependencies } = manifestAt(path);
		expect(devDependencies).toHaveProperty([evaluator]);
		expect(offending(closureOf([evaluator], path)).map(([each]) => each)).toContainEqual(
			expect.stringContaining(evaluator),
		);
	}
});

test.each([
	["MIT", false],
	["(MIT OR GPL-3.0-or-later)", false],
	["MIT AND LGPL-3.0-or-later", true],
	["AGPL-3.0-only", true],
	["GPL-2.0 OR AGPL-3.0", true],
])("%s: %s", (license, verdict) => {
	expect(demandsCopyleft(license)).toBe(verdict);
});
