/**
 * `pnpm test:mutations [WORD]`: switches each safety rule of `table.ts` off in a scratch copy of
 * the sources, and expects its test to fail. WORD selects the rules whose id or text contains it.
 * First, each mutant must compile, and each test must pass unchanged.
 * Then the test must fail in an assertion: a mutant that cannot run proves nothing about its rule.
 *
 * A mutant costs a second of processor time instead of five, because one vitest runs all mutants of
 * a lane: it transforms only the changed file again. Each run is a new process all the same.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
	cpSync,
	existsSync,
	mkdirSync,
	mkdtempSync,
	readFileSync,
	realpathSync,
	rmSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import {
	createVitest,
	type Reporter,
	type SerializedError,
	type TestCase,
	type TestModule,
	type Vitest,
} from "vitest/node";
import { testOf } from "../test-ids.ts";
import { MUTATIONS, type Mutation, mutantOf } from "./table.ts";

const REPOSITORY = fileURLToPath(new URL("../../../../", import.meta.url));
const require = createRequire(import.meta.url);
const TSC = join(dirname(require.resolve("typescript/package.json")), "bin/tsc");
const SOURCE_DIRECTORIES = ["src", "test", "bin"];
/** Every test that starts the bundled command imports it. */
const STARTS_COMMAND = "packages/testkit/cli.ts";
/** Tests of processes mostly wait, so two cores carry three. */
const LANES = 3;

const [, , WORD = ""] = process.argv;
const CHOSEN = MUTATIONS.filter(({ id, rule, test }) =>
	[id, rule, test].some((text) => text.includes(WORD)),
);
if (CHOSEN.length === 0) throw new Error(`no rule has "${WORD}" in its id, its text or its test`);

// Tests inherit both, and so do the processes that they start.
process.env.FC_SEED ??= "20261125";
process.env.NODE_DISABLE_COMPILE_CACHE = "1";

interface Result {
	readonly title: string;
	/** What its failed checks say; undefined if it passed. */
	readonly failure: string | undefined;
}

interface Ran {
	/** By the test's id: one result, or one for each row of its table. */
	readonly results: ReadonlyMap<string, readonly Result[]>;
	/** Errors outside of tests. */
	readonly said: string;
}

/**
 * First lines of failures that say nothing about the rule: a program error, also one that an
 * assertion did not expect, or a test that never got to its assertion.
 */
const BROKEN = /^.*\b(?:ReferenceError|TypeError|SyntaxError|TestTimeoutError)\b/;

async function execute(
	args: readonly string[],
	cwd: string,
): Promise<{ readonly status: number; readonly said: string }> {
	const child = spawn(process.execPath, args, { cwd, stdio: ["ignore", "pipe", "pipe"] });
	const [out, errors, [status]] = await Promise.all([
		text(child.stdout),
		text(child.stderr),
		once(child, "exit"),
	]);
	return { status, said: out + errors };
}

/** Whether a file of the repository imports another, directly or through others. */
function reaches(file: string, target: string, seen = new Set<string>()): boolean {
	if (file === target) return true;
	if (seen.has(file) || !existsSync(join(REPOSITORY, file))) return false;
	seen.add(file);
	const source = readFileSync(join(REPOSITORY, file), "utf8");
	return [...source.matchAll(/"(\.\.?\/[^"]+\.ts)"/g)].some(([, path = ""]) =>
		reaches(join(dirname(file), path), target, seen),
	);
}

const textOf = ({ stack, message }: { stack?: string | undefined; message: string }) =>
	stack ?? message;

/** Takes only what the current run says: what an earlier one said must not count for a mutant. */
class Report implements Reporter {
	results: Result[] = [];
	errors: string[] = [];

	onTestRunStart(): void {
		this.results = [];
		this.errors = [];
	}

	onTestCaseResult(test: TestCase): void {
		const { state, errors } = test.result();
		if (state === "passed") this.results.push({ title: test.name, failure: undefined });
		if (state === "failed")
			this.results.push({ title: test.name, failure: errors.map(textOf).join("\n") });
	}

	onTestRunEnd(modules: readonly TestModule[], unhandled: readonly SerializedError[]): void {
		this.errors = [...modules.flatMap((module) => module.errors()), ...unhandled].map(textOf);
	}
}

/** A copy of the sources to break, and the vitest that runs its tests. Each lane has its own. */
class Scratch {
	// As vitest names its files.
	readonly #directory = realpathSync(mkdtempSync(join(tmpdir(), "sidecar-mutations-")));
	readonly #report = new Report();
	#vitest: Vitest | undefined;

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
	}

	async [Symbol.asyncDispose](): Promise<void> {
		await this.#vitest?.close();
		rmSync(this.#directory, { recursive: true, force: true });
	}

	/** Runs tests of one file. */
	async runTests(file: string, ids: readonly string[]): Promise<Ran> {
		this.#vitest ??= await this.#startVitest();
		await this.#buildCommand(file);
		const patterns = new Map(ids.map((id) => [id, testOf(id).pattern]));
		const specification = this.#vitest
			.getRootProject()
			.createSpecification(join(this.#directory, file), {
				testNamePattern: new RegExp(`(?:${[...patterns.values()].join("|")})$`),
			});
		await this.#vitest.runTestSpecifications([specification]);
		const { results, errors } = this.#report;
		const resultsOf = (pattern: string) =>
			results.filter(({ title }) => new RegExp(`^(?:${pattern})$`).test(title));
		return {
			results: new Map([...patterns].map(([id, pattern]) => [id, resultsOf(pattern)])),
			said: errors.join("\n").slice(-2000),
		};
	}

	/** No S3 server: the tests of the table need none. */
	#startVitest(): Promise<Vitest> {
		return createVitest("test", {
			root: this.#directory,
			config: false,
			watch: false,
			include: ["packages/**/*.test.ts"],
			setupFiles: ["test/seed-fast-check.ts"],
			pool: "forks",
			maxWorkers: 1,
			testTimeout: 60_000,
			hookTimeout: 60_000,
			// As in the default suite: what is waited for takes longer beside other tests.
			expect: { poll: { timeout: 20_000, interval: 20 } },
			reporters: [this.#report],
		});
	}

	/**
	 * Builds the command for a test that starts it. For all others it is missing, so that no test runs
	 * the command of an earlier mutant.
	 */
	async #buildCommand(file: string): Promise<void> {
		rmSync(this.#sidecar("dist"), { recursive: true, force: true });
		if (!reaches(file, STARTS_COMMAND)) return;
		const { status, said } = await execute(
			[this.#sidecar("build.ts"), "--bundles-only"],
			this.#directory,
		);
		if (status !== 0) throw new Error(`the command could not be built: ${said}`);
	}

	/** What is wrong with a mutation, undefined where its test noticed it. */
	async tryOut(mutation: Mutation): Promise<string | undefined> {
		const source = this.#source(mutation.file);
		this.#write(mutation.file, mutantOf(mutation, source));
		try {
			const { results, said } = await this.runTests(testOf(mutation.test).file, [mutation.test]);
			const ran = results.get(mutation.test) ?? [];
			if (ran.length === 0) return `its test did not run: ${said}`;
			const failures = ran.flatMap(({ failure }) => failure ?? []);
			if (failures.length === 0) return "its test still passes";
			return failures.some((message) => !BROKEN.test(message))
				? undefined
				: `its test fails in no assertion: ${failures[0]}`;
		} finally {
			this.#write(mutation.file, source);
		}
	}

	/** What the compiler says. One run checks a mutant of each file. */
	async compile(mutations: readonly Mutation[]): Promise<readonly string[]> {
		const project = join(this.#directory, "tsconfig.mutants.json");
		const errors: string[] = [];
		for (let left = mutations; left.length > 0; ) {
			const batch = new Map(left.map((mutation) => [mutation.file, mutation]));
			left = left.filter((mutation) => batch.get(mutation.file) !== mutation);
			const sources = [...batch.keys()].map((file) => [file, this.#source(file)] as const);
			for (const mutation of batch.values())
				this.#write(mutation.file, mutantOf(mutation, this.#source(mutation.file)));
			writeFileSync(
				project,
				JSON.stringify({
					extends: "./tsconfig.json",
					include: [],
					files: sources.map(([file]) => this.#sidecar(file)),
				}),
			);
			const { said } = await execute(
				[TSC, "--project", project, "--pretty", "false"],
				this.#directory,
			);
			for (const [file, source] of sources) this.#write(file, source);
			for (const line of said.split("\n").filter((line) => line !== ""))
				errors.push(
					`${batch.get(line.replace(/^packages\/sidecar\/|\(.*/g, ""))?.id ?? "by a mutant of another file"}: ${line}`,
				);
		}
		return errors;
	}

	#source(file: string): string {
		return readFileSync(this.#sidecar(file), "utf8");
	}

	#write(file: string, source: string): void {
		writeFileSync(this.#sidecar(file), source);
		this.#vitest?.invalidateFile(this.#sidecar(file));
	}

	#sidecar(...names: readonly string[]): string {
		return join(this.#directory, "packages/sidecar", ...names);
	}
}

let problems = 0;

function complain(line: string): void {
	problems++;
	console.log(line);
}

/**
 * The rules that one test file guards: its unchanged tests run in the lane of its mutants. Slow
 * files first, so that the lanes end at about the same time.
 */
const isHeavy = ([file]: readonly [string, unknown]) => Number(file.endsWith(".heavy.test.ts"));
const groups = [...Map.groupBy(CHOSEN, ({ test }) => testOf(test).file)].sort(
	(a, b) => isHeavy(b) - isHeavy(a),
);

async function lane(): Promise<void> {
	await using scratch = new Scratch();
	for (let group = groups.shift(); group !== undefined; group = groups.shift()) {
		const [file, mutations] = group;
		const ids = new Set(mutations.map(({ test }) => test));
		const { results, said } = await scratch.runTests(file, [...ids]);
		for (const [id, ran] of results) {
			if (ran.length > 0 && ran.every(({ failure }) => failure === undefined)) continue;
			ids.delete(id);
			complain(
				`not even passing unchanged: ${id}: ${ran.flatMap(({ failure }) => failure ?? [])[0] ?? `it did not run: ${said}`}`,
			);
		}
		for (const mutation of mutations.filter(({ test }) => ids.has(test))) {
			const problem = await scratch.tryOut(mutation);
			if (problem === undefined) console.log(`noticed  ${mutation.id}`);
			else complain(`NOT NOTICED  ${mutation.id}: ${problem}`);
		}
	}
}

async function requireAllCompile(): Promise<void> {
	await using scratch = new Scratch();
	for (const error of await scratch.compile(CHOSEN)) complain(`NO MUTANT  ${error}`);
}

await requireAllCompile();
if (problems === 0) await Promise.all(Array.from({ length: LANES }, lane));
console.log(problems === 0 ? `all ${CHOSEN.length} rules are guarded` : `${problems} problems`);
process.exitCode = problems === 0 ? 0 : 1;
