import { randomInt } from "node:crypto";
import { existsSync } from "node:fs";
import { defineConfig } from "vitest/config";
import { BaseSequencer, type TestSpecification } from "vitest/node";

// One seed for every worker of a run. A change must not fail for what it did not touch, so runs
// repeat unless FC_SEED says otherwise: `random` draws and prints one, a number replays it.
const seed = process.env.FC_SEED ?? "20261125";
process.env.FC_SEED = seed === "random" ? String(randomInt(2 ** 31)) : seed;

const REAL_STORE = "packages/testkit/store/global-setup.ts";
const COMMAND = "packages/testkit/build-command.ts";
const report = process.env.TEST_REPORT;

/** By vitest's mode; any other is the default suite, everything that none of these takes. */
const SUITES: Readonly<Record<string, string>> = {
	heavy: "**/*.heavy.test.ts",
	image: "**/*.image.test.ts",
};

/**
 * Files that take one to six minutes, in the order in which they start. A long file that starts
 * last ends alone. Vitest itself knows only the sizes of files where nothing has run before.
 */
const LONGEST = [
	"demo/ends",
	"test/kill",
	"demo/openclaw",
	"demo/chat",
	"test/large-files",
	"simulator/simulator",
	"demo/platform",
	"simulator/half-restores",
	"simulator/inner-volumes",
	"openclaw/dialect",
	// Builds falcoctl, where nothing has built it before.
	"package/artifact",
].map((name) => `/${name}.heavy.test.ts`);

class LongestFirst extends BaseSequencer {
	override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
		const placeOf = ({ moduleId }: TestSpecification) => {
			const index = LONGEST.findIndex((name) => moduleId.endsWith(name));
			return index === -1 ? LONGEST.length : index;
		};
		return (await super.sort(files)).sort((a, b) => placeOf(a) - placeOf(b));
	}
}

/**
 * `vitest run` is the default suite, `vitest run --mode heavy` the heavy one; `--mode image` needs
 * what `pnpm image:test` makes.
 */
export default defineConfig(({ mode }) => {
	const heavy = mode === "heavy";
	const suite = SUITES[mode];
	return {
		test: {
			include: [suite ?? "**/*.test.ts"],
			exclude: [
				"**/node_modules/**",
				"**/dist/**",
				"**/.cache/**",
				...(suite === undefined ? Object.values(SUITES) : []),
			],
			globalSetup: [
				"test/print-seed.ts",
				...[COMMAND, REAL_STORE].filter((path) => existsSync(path)),
			],
			setupFiles: ["test/seed-fast-check.ts"],
			pool: "forks",
			// Two containers would want the same port. A quarter of the other suites' time is spent
			// waiting, so two cores carry three workers.
			maxWorkers: mode === "image" ? 1 : 3,
			sequence: { sequencer: LongestFirst },
			// A process for each of 130 files costs 50 s of processor time. Files share nothing that
			// outlives a test but what is undone here.
			isolate: suite !== undefined,
			unstubEnvs: true,
			restoreMocks: true,
			// What is waited for comes; on a busy machine it takes longer than the default second.
			expect: { poll: { timeout: 20_000, interval: 20 } },
			testTimeout: heavy ? 20 * 60_000 : mode === "image" ? 2 * 60_000 : 30_000,
			hookTimeout: heavy ? 5 * 60_000 : 60_000,
			reporters: report === undefined ? ["default"] : ["default", ["json", { outputFile: report }]],
		},
	};
});
