/**
 * `pnpm test:mutations [WORD]`: switches each safety rule of `table.ts` off in a scratch copy of
 * the sources, and expects its test to fail. WORD selects the rules whose id or text contains it.
 * First, each mutant must compile and each test must pass unchanged.
 * Then the test must fail in an assertion: a mutant that cannot run proves nothing about its rule.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
	cpSync,
	mkdirSync,
	mkdtempSync,
	readFileSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { type NamedTest, testOf } from "../test-ids.ts";
import { MUTATIONS, type Mutation } from "./table.ts";

const REPOSITORY = fileURLToPath(new URL("../../../../", import.meta.url));
const require = createRequire(import.meta.url);
const VITEST = join(dirname(require.resolve("vitest/package.json")), "vitest.mjs");
const TSC = join(dirname(require.resolve("typescript/package.json")), "bin/tsc");
const SOURCE_DIRECTORIES = ["src", "test", "bin"];

const [, , WORD = ""] = process.argv;
const CHOSEN = MUTATIONS.filter(({ id, rule, test }) =>
	[id, rule, test].some((text) => text.includes(WORD)),
);
if (CHOSEN.length === 0) throw new Error(`no rule has "${WORD}" in its id, its text or its test`);

/** No S3 server: the tests of the table need none. */
const CONFIG = `export default {
	test: { globalSetup: ["packages/testkit/build-command.ts"], setupFiles: ["test/seed-fast-check.ts"], pool: "forks", testTimeout: 60_000, include: ["packages/**/*.test.ts"] },
};`;

interface Result {
	readonly title: string;
	readonly status: string;
	readonly failureMessages: readonly string[];
}

interface Ran {
	/** By the test's id: one result, or one for each row of its table. */
	readonly results: ReadonlyMap<string, readonly Result[]>;
	readonly said: string;
}

/**
 * First lines of failures that say nothing about the rule: a program error, also one that an
 * assertion did not expect, or a test that never got to its assertion.
 */
const BROKEN = /^.*\b(?:ReferenceError|TypeError|SyntaxError|TestTimeoutError)\b/;

async function execute(command: string, args: readonly string[], cwd: string): Promise<string> {
	const child = spawn(command, args, {
		cwd,
		stdio: ["ignore", "pipe", "pipe"],
		env: {
			...process.env,
			FC_SEED: process.env.FC_SEED ?? "20261125",
			NODE_DISABLE_COMPILE_CACHE: "1",
		},
	});
	const [out, errors] = await Promise.all([
		text(child.stdout),
		text(child.stderr),
		once(child, "exit"),
	]);
	return out + errors;
}

/** A copy of the sources to break. Each lane has its own. */
class Scratch {
	readonly #directory = mkdtempSync(join(tmpdir(), "sidecar-mutations-"));

	constructor() {
		mkdirSync(this.#sidecar(), { recursive: true });
		for (const directory of SOURCE_DIRECTORIES)
			cpSync(join(REPOSITORY, "packages/sidecar", directory), this.#sidecar(directory), {
				recursive: true,
			});
		for (const file of ["package.json", "tsconfig.json", "test", "packages/testkit"])
			cpSync(join(REPOSITORY, file), join(this.#directory, file), { recursive: true });
		for (const file of ["package.json", "build.ts"])
			cpSync(join(REPOSITORY, "packages/sidecar", file), this.#sidecar(file));
		for (const modules of ["node_modules", "packages/sidecar/node_modules"])
			symlinkSync(join(REPOSITORY, modules), join(this.#directory, modules));
		writeFileSync(join(this.#directory, "vitest.config.ts"), CONFIG);
	}

	[Symbol.dispose](): void {
		rmSync(this.#directory, { recursive: true, force: true });
	}

	async runTests(ids: readonly string[]): Promise<Ran> {
		const report = join(this.#directory, "report.json");
		rmSync(report, { force: true });
		const tests = new Map(ids.map((id) => [id, testOf(id)]));
		const files = [...new Set([...tests.values()].map(({ file }) => file))];
		const titles = [...tests.values()].map(({ pattern }) => pattern).join("|");
		const args = [
			VITEST,
			"run",
			...files,
			"-t",
			`(?:${titles})$`,
			"--reporter=json",
			`--outputFile=${report}`,
		];
		const said = await execute(process.execPath, args, this.#directory);
		const { testResults } = JSON.parse(readFileSync(report, "utf8")) as {
			readonly testResults: readonly {
				readonly name: string;
				readonly assertionResults: readonly Result[];
			}[];
		};
		const resultsOf = ({ file, pattern }: NamedTest) =>
			testResults
				.filter(({ name }) => name.endsWith(`/${file}`))
				.flatMap(({ assertionResults }) => assertionResults)
				.filter(
					({ title, status }) =>
						/^(?:passed|failed)$/.test(status) && new RegExp(`^(?:${pattern})$`).test(title),
				);
		return {
			results: new Map([...tests].map(([id, test]) => [id, resultsOf(test)])),
			said: said.slice(-2000),
		};
	}

	/** What is wrong with a mutation, undefined where its test noticed it. */
	async tryOut(mutation: Mutation): Promise<string | undefined> {
		const path = this.#sidecar(mutation.file);
		const source = this.#source(mutation.file);
		writeFileSync(path, this.#mutant(mutation));
		try {
			const { results, said } = await this.runTests([mutation.test]);
			const ran = results.get(mutation.test) ?? [];
			if (ran.length === 0) return `its test did not run: ${said}`;
			const failures = ran
				.filter(({ status }) => status === "failed")
				.map(({ failureMessages }) => failureMessages.join("\n"));
			if (failures.length === 0) return "its test still passes";
			return failures.some((message) => !BROKEN.test(message))
				? undefined
				: `its test fails in no assertion: ${failures[0]}`;
		} finally {
			writeFileSync(path, source);
		}
	}

	/**
	 * The patches that do not apply, else what the compiler says. One run checks a mutant of each
	 * file.
	 */
	async compile(mutations: readonly Mutation[]): Promise<readonly string[]> {
		const counts = mutations.map(({ id, file, find }) => ({
			id,
			file,
			found: this.#source(file).split(find).length - 1,
		}));
		const unapplied = counts.filter(({ found }) => found !== 1);
		if (unapplied.length > 0)
			return unapplied.map(
				({ id, file, found }) => `${id}: its text occurs ${found} times in ${file}, not once`,
			);
		const project = join(this.#directory, "tsconfig.mutants.json");
		const errors: string[] = [];
		for (let left = mutations; left.length > 0; ) {
			const batch = new Map(left.map((mutation) => [mutation.file, mutation]));
			left = left.filter((mutation) => batch.get(mutation.file) !== mutation);
			const sources = [...batch.keys()].map(
				(file) => [this.#sidecar(file), this.#source(file)] as const,
			);
			for (const mutation of batch.values())
				writeFileSync(this.#sidecar(mutation.file), this.#mutant(mutation));
			writeFileSync(
				project,
				JSON.stringify({
					extends: "./tsconfig.json",
					include: [],
					files: sources.map(([path]) => path),
				}),
			);
			const said = await execute(
				process.execPath,
				[TSC, "--project", project, "--pretty", "false"],
				this.#directory,
			);
			for (const [path, source] of sources) writeFileSync(path, source);
			for (const line of said.split("\n").filter((line) => line !== ""))
				errors.push(
					`${batch.get(line.replace(/^packages\/sidecar\/|\(.*/g, ""))?.id ?? "by a mutant of another file"}: ${line}`,
				);
		}
		return errors;
	}

	#mutant({ file, find, replace }: Mutation): string {
		return this.#source(file).replace(find, () => replace);
	}

	#source(file: string): string {
		return readFileSync(this.#sidecar(file), "utf8");
	}

	#sidecar(...names: readonly string[]): string {
		return join(this.#directory, "packages/sidecar", ...names);
	}
}

/** One a core. */
const LANES = 2;

let problems = 0;
const left = [...CHOSEN];

async function lane(): Promise<void> {
	using scratch = new Scratch();
	for (let mutation = left.shift(); mutation !== undefined; mutation = left.shift()) {
		const problem = await scratch.tryOut(mutation);
		if (problem !== undefined) problems++;
		console.log(
			`${problem === undefined ? "noticed" : "NOT NOTICED"}  ${mutation.id}${problem === undefined ? "" : `: ${problem}`}`,
		);
	}
}

async function requireAllWork(): Promise<void> {
	using scratch = new Scratch();
	const errors = await scratch.compile(CHOSEN);
	problems += errors.length;
	for (const error of errors) console.log(`NO MUTANT  ${error}`);
	if (errors.length > 0) return;
	const { results, said } = await scratch.runTests(CHOSEN.map(({ test }) => test));
	for (const [id, ran] of results) {
		if (ran.length > 0 && ran.every(({ status }) => status === "passed")) continue;
		problems++;
		console.log(
			`not even passing unchanged: ${id}${ran.length > 0 ? "" : ` (it did not run: ${said})`}`,
		);
	}
}

await requireAllWork();
if (problems === 0) await Promise.all(Array.from({ length: LANES }, lane));
console.log(problems === 0 ? `all ${CHOSEN.length} rules are guarded` : `${problems} problems`);
process.exitCode = problems === 0 ? 0 : 1;
