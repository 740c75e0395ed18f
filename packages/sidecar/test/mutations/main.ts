/**
 * `pnpm test:mutations [WORD]`: switches each safety rule of `table.ts` off in a scratch copy of the sources, and expects its test to fail.
 * Each of those tests must pass unchanged first. WORD: only the rules in whose text it stands. A patch that no longer applies, or a test that is not found, is an error too.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { MUTATIONS, type Mutation } from "./table.ts";

const REPOSITORY = fileURLToPath(new URL("../../../../", import.meta.url));
const VITEST = join(dirname(createRequire(import.meta.url).resolve("vitest/package.json")), "vitest.mjs");
const SOURCE_DIRECTORIES = ["src", "test", "bin"];

const [, , WORD = ""] = process.argv;
const CHOSEN = MUTATIONS.filter(({ rule }) => rule.includes(WORD));
if (CHOSEN.length === 0) throw new Error(`no rule has "${WORD}" in its text`);

/** No S3 server: the tests of the table need none. */
const CONFIG = `export default {
	test: { globalSetup: ["packages/testkit/build-command.ts"], setupFiles: ["test/seed-fast-check.ts"], pool: "forks", testTimeout: 60_000, include: ["packages/**/*.test.ts"] },
};`;

interface Ran {
	readonly passed: readonly string[];
	readonly failed: readonly string[];
	readonly said: string;
}

/** A copy of the sources to break. Each lane has its own. */
class Scratch {
	readonly #directory = mkdtempSync(join(tmpdir(), "sidecar-mutations-"));

	constructor() {
		mkdirSync(this.#sidecar(), { recursive: true });
		for (const directory of SOURCE_DIRECTORIES)
			cpSync(join(REPOSITORY, "packages/sidecar", directory), this.#sidecar(directory), { recursive: true });
		for (const file of ["package.json", "tsconfig.json", "test", "packages/testkit"])
			cpSync(join(REPOSITORY, file), join(this.#directory, file), { recursive: true });
		for (const file of ["package.json", "build.ts"]) cpSync(join(REPOSITORY, "packages/sidecar", file), this.#sidecar(file));
		for (const modules of ["node_modules", "packages/sidecar/node_modules"])
			symlinkSync(join(REPOSITORY, modules), join(this.#directory, modules));
		writeFileSync(join(this.#directory, "vitest.config.ts"), CONFIG);
	}

	[Symbol.dispose](): void {
		rmSync(this.#directory, { recursive: true, force: true });
	}

	async runTests(tests: readonly Mutation["test"][]): Promise<Ran> {
		const report = join(this.#directory, "report.json");
		rmSync(report, { force: true });
		const names = tests.map(({ name }) => name.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("|");
		const files = [...new Set(tests.map(({ file }) => `packages/sidecar/${file}`))];
		const args = [VITEST, "run", ...files, "-t", `(${names})$`, "--reporter=json", `--outputFile=${report}`];
		const child = spawn(process.execPath, args, {
			cwd: this.#directory,
			stdio: ["ignore", "pipe", "pipe"],
			env: { ...process.env, FC_SEED: process.env.FC_SEED ?? "20261125", NODE_DISABLE_COMPILE_CACHE: "1" },
		});
		const [out, errors] = await Promise.all([text(child.stdout), text(child.stderr), once(child, "exit")]);
		const results = JSON.parse(readFileSync(report, "utf8")) as {
			readonly testResults: readonly { readonly assertionResults: readonly { readonly status: string; readonly title: string }[] }[];
		};
		const titles = (status: string) =>
			results.testResults.flatMap(({ assertionResults }) =>
				assertionResults.filter((one) => one.status === status).map(({ title }) => title),
			);
		return { passed: titles("passed"), failed: titles("failed"), said: (out + errors).slice(-2000) };
	}

	/** What is wrong with a mutation, undefined where its test noticed it. */
	async tryOut({ file, find, replace, test }: Mutation): Promise<string | undefined> {
		const path = this.#sidecar(file);
		const source = readFileSync(path, "utf8");
		const found = source.split(find).length - 1;
		if (found !== 1) return `the patch does not apply: its text occurs ${found} times in ${file}`;
		writeFileSync(
			path,
			source.replace(find, () => replace),
		);
		try {
			const { failed, passed, said } = await this.runTests([test]);
			if (failed.includes(test.name)) return undefined;
			return passed.includes(test.name) ? "its test passes all the same" : `its test did not run: ${said}`;
		} finally {
			writeFileSync(path, source);
		}
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
		console.log(`${problem === undefined ? "noticed" : "NOT NOTICED"}  ${mutation.rule}${problem === undefined ? "" : `: ${problem}`}`);
	}
}

async function requireAllPass(): Promise<void> {
	using scratch = new Scratch();
	const wanted = CHOSEN.map(({ test }) => test);
	const { passed, failed, said } = await scratch.runTests(wanted);
	for (const { name } of wanted.filter((test) => !passed.includes(test.name))) {
		problems++;
		console.log(`not even passing unchanged: ${name}${failed.includes(name) ? "" : ` (it did not run: ${said})`}`);
	}
}

await requireAllPass();
if (problems === 0) await Promise.all(Array.from({ length: LANES }, lane));
console.log(problems === 0 ? `all ${CHOSEN.length} rules are guarded` : `${problems} problems`);
process.exitCode = problems === 0 ? 0 : 1;
