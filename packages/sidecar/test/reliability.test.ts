/**
 * Checks docs/reliability.md against its rows and the tests: everything has a row, and every test
 * that it names exists.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { FAULT_NAMES } from "../../testkit/store/fault-proxy.ts";
import { ROWS, reliabilityPage } from "./reliability/rows.ts";
import { testOf } from "./test-ids.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const INCIDENTS = "packages/sidecar/test/incidents";

const rows = new Map(ROWS.map((row) => [row.id, row]));

/**
 * A test named after a row: its title and the row. A table of limits has one row, and one test that
 * counts its tests.
 */
const NAMED_TITLE =
	/^\s*it(?:\.skipIf\([^\n]*?\))?\(\s*["`]((\d+|W\d+|[A-Za-z]+ #\d+): (?!a reader refuses )[^"`]+)["`]/gm;

describe("every row", () => {
	test("exists for every incident, each latent defect, each kind of real workspace, and each fault of the proxy", () => {
		const wanted = Array.from({ length: 36 }, (_, index) => String(index + 1));
		const named = [
			"restic #22180",
			"restic #22181",
			"restic #22085",
			"ANOLISA #2812",
			"openclaw #95495",
			"fastagent #489",
		];
		const real = Array.from({ length: 18 }, (_, index) => `W${index + 1}`);
		const latent = Array.from({ length: 11 }, (_, index) => `L${index + 1}`);
		const machines = [
			"late PUT",
			"frozen machine",
			"cloned memory",
			"clock skew",
			"crash at every step",
		];
		expect(
			[...wanted, ...named, ...latent, ...real, ...FAULT_NAMES, ...machines].filter(
				(name) => !rows.has(name),
			),
		).toEqual([]);
	});

	test("has a unique id", () => {
		expect(rows.size).toBe(ROWS.length);
	});

	test.each(ROWS)(
		"$id names existing tests, and has all fields that the page shows",
		({ where = "-", happened, rule, tests, limit }) => {
			expect(tests).not.toEqual([]);
			expect(() => tests.map(testOf)).not.toThrow();
			expect([where, happened, rule].filter((cell) => cell.trim() === "")).toEqual([]);
			expect(limit ?? "for a reason").toMatch(/^(?:for|without) ./);
		},
	);
});

test("docs/reliability.md is up to date; `pnpm docs:write` writes it", () => {
	const written = readFileSync(join(ROOT, "docs/reliability.md"), "utf8");
	expect(written).toBe(reliabilityPage(written));
});

test("every test named after an incident is in its row", () => {
	const found = readdirSync(join(ROOT, INCIDENTS))
		.filter((name) => name.endsWith(".test.ts"))
		.flatMap((name) => {
			const titles = readFileSync(join(ROOT, INCIDENTS, name), "utf8").matchAll(NAMED_TITLE);
			return [...titles].map(([, title = "", number]) => ({
				file: `${INCIDENTS}/${name}`,
				title: title.replace(/\$\{\w+\}$/, ""),
				number,
			}));
		});
	expect(found.length).toBeGreaterThan(45);
	const missing = found.filter(
		({ file, title, number }) =>
			!rows
				.get(number as string)
				?.tests.map(testOf)
				.some((one) => one.file === file && one.title === title),
	);
	expect(missing).toEqual([]);
});
