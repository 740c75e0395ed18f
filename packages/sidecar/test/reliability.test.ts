/** docs/reliability.md against the tests: a row for everything, and every test it names is there. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { FAULT_NAMES } from "../../testkit/store/fault-proxy.ts";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const INCIDENTS = "test/incidents";
const TESTS_COLUMN = -2;

const text = (path: string) => readFileSync(join(ROOT, path.startsWith("demo/") ? path : `packages/sidecar/${path}`), "utf8");

/** Cells by the first one. */
const rows = new Map(
	readFileSync(join(ROOT, "docs/reliability.md"), "utf8")
		.split("\n")
		.filter((line) => line.startsWith("| "))
		.map((line) => line.slice(2, -2).split(" | "))
		.map((cells) => [cells[0] as string, cells] as const)
		.filter(([first]) => first !== "no." && first !== "fault"),
);

interface Reference {
	readonly file: string;
	readonly title: string;
}

/** `file` "title"; "another title of it"; `next file` "title" */
function referencesIn(cell: string): Reference[] {
	let file = "";
	return [...cell.matchAll(/(?:`([^`]+)` )?"([^"]+)"/g)].map(([, named = file, title = ""]) => {
		file = named;
		return { file, title };
	});
}

/** A test that is named after a row: the title and the row. A table of limits has one row, and one test that counts its tests. */
const NAMED_TITLE = /^\s*it(?:\.skipIf\([^\n]*?\))?\(["`]((\d+|W\d+|[A-Za-z]+ #\d+): (?!a reader refuses )[^"`]+)["`]/gm;

/** What a file's tests, and the tables they are made from, are called; what is filled in is left out. */
function titlesOf(file: string): string[] {
	const literals = text(file).matchAll(/(["'`])((?:\\.|(?!\1)[^\\\n])*)\1/g);
	return [...literals].map(([, , literal = ""]) => literal.replaceAll(/^.*\$\{[^}]*\}:? |\$\{[^}]*\}$/g, ""));
}

describe("every row", () => {
	test("is there: every incident, each latent defect, each kind of real workspace, each fault that the proxy makes", () => {
		const wanted = Array.from({ length: 36 }, (_, index) => String(index + 1));
		const named = ["restic #22180", "restic #22181", "restic #22085", "ANOLISA #2812", "openclaw #95495", "fastagent #489"];
		const real = Array.from({ length: 18 }, (_, index) => `W${index + 1}`);
		const latent = Array.from({ length: 11 }, (_, index) => `L${index + 1}`);
		const machines = ["late PUT", "frozen machine", "cloned memory", "clock skew", "crash at every step"];
		expect([...wanted, ...named, ...latent, ...real, ...FAULT_NAMES, ...machines].filter((name) => !rows.has(name))).toEqual([]);
	});

	test.each([...rows])("%s names tests that are there, and what came of them", (_, cells) => {
		const references = referencesIn(cells.at(TESTS_COLUMN) as string);
		expect(references).not.toEqual([]);
		expect(references.filter(({ file, title }) => !titlesOf(file).includes(title))).toEqual([]);
		expect(cells.at(-1)).toMatch(/^kept/);
		expect(cells.every((cell) => cell.trim() !== "")).toBe(true);
	});
});

test("every test that is named after an incident stands in its row", () => {
	const found = readdirSync(join(ROOT, "packages/sidecar", INCIDENTS))
		.filter((name) => name.endsWith(".test.ts"))
		.flatMap((name) => {
			const titles = text(`${INCIDENTS}/${name}`).matchAll(NAMED_TITLE);
			return [...titles].map(([, title = "", number]) => ({
				file: `${INCIDENTS}/${name}`,
				title: title.replace(/\$\{\w+\}$/, ""),
				number,
			}));
		});
	expect(found.length).toBeGreaterThan(45);
	const missing = found.filter(
		({ file, title, number }) =>
			!referencesIn(rows.get(number as string)?.at(TESTS_COLUMN) ?? "").some((one) => one.file === file && one.title === title),
	);
	expect(missing).toEqual([]);
});
