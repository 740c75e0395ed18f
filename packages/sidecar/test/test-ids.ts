/**
 * Stable names for tests. `// @id NAME` is on the line above a call of `it`, `test` or `describe`,
 * or above a row of such a call's table. Mutations and the rows of docs/reliability.md name tests
 * by id, so that titles can be reworded.
 */
import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const REPOSITORY = fileURLToPath(new URL("../../../", import.meta.url));
const TEST_FILES = {
	cwd: REPOSITORY,
	exclude: ["**/node_modules/**", "**/dist/**", "**/.cache/**"],
};

export interface NamedTest {
	/** The path in the repository. */
	readonly file: string;
	/** Readable: the row's name, or the title without the placeholders at its ends. */
	readonly title: string;
	/** Matches the whole title in a report, with any values for the placeholders. */
	readonly pattern: string;
}

const MARKER = /^[ \t]*\/\/ @id (.*)\n/gm;
const LITERAL = /(["'`])((?:\\.|(?!\1).)*)\1/.source;
const CALL = /^\s*(?:it|test|describe)\b/;
/** The first literal of `it(`, or of the second call of `it.each(…)(`. */
const TITLE = new RegExp(String.raw`(?:\b(?:it|test|describe)(?:\.\w+)*|\))\(\s*${LITERAL}`);
const ROW = new RegExp(String.raw`^\s*(?:\[\s*)?${LITERAL}`);
const FILLED_IN = /%[sdifjo]|\$\{[^}]*\}|\$\w+/;

const escaped = (text: string) => text.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&");
const literalIn = (source: string, expression: RegExp) =>
	expression.exec(source)?.[2]?.replaceAll(/\\(.)/g, "$1");

/** The first test in the source after a marker. */
function parseTest(file: string, source: string): NamedTest | undefined {
	const title = literalIn(source, TITLE);
	if (title === undefined) return undefined;
	const [first = "", ...rest] = title.split(new RegExp(FILLED_IN, "g")).map(escaped);
	if (CALL.test(source)) {
		const shown = title.replaceAll(/^.*\$\{[^}]*\}:? |\$\{[^}]*\}$/g, "");
		return { file, title: shown, pattern: [first, ...rest].join(".*") };
	}
	const row = literalIn(source, ROW);
	// The title's first placeholder takes the row's name.
	if (row === undefined || rest.length === 0) return undefined;
	return { file, title: row, pattern: first + escaped(row) + rest.join(".*") };
}

export function idsIn(file: string, text: string): readonly (readonly [string, NamedTest])[] {
	return [...text.matchAll(MARKER)].map((marker) => {
		const [line, id = ""] = marker;
		const parsed = parseTest(file, text.slice(marker.index + line.length));
		if (!/^[a-z0-9]+(-[a-z0-9]+)*$/.test(id))
			throw new Error(`${file}: "${id}" is not an id: use lower-case words and hyphens`);
		if (parsed === undefined) throw new Error(`${file}: no test follows the id ${id}`);
		return [id, parsed] as const;
	});
}

/** @throws if two tests have the same id */
export function byId(
	ids: readonly (readonly [string, NamedTest])[],
): ReadonlyMap<string, NamedTest> {
	const found = new Map<string, NamedTest>();
	for (const [id, test] of ids) {
		const other = found.get(id);
		if (other !== undefined)
			throw new Error(`the id ${id} stands in ${other.file} and in ${test.file}`);
		found.set(id, test);
	}
	return found;
}

/** Every test with an id in the repository. */
export const TESTS = byId(
	globSync("**/*.test.ts", TEST_FILES)
		.sort()
		.flatMap((file) => idsIn(file, readFileSync(join(REPOSITORY, file), "utf8"))),
);

export function testOf(id: string): NamedTest {
	const test = TESTS.get(id);
	if (test === undefined)
		throw new Error(`no test has the id ${id}: put "// @id ${id}" on the line above it`);
	return test;
}
