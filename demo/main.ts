/**
 * `pnpm demo` shows and proves, in about a minute, that a workspace outlives its machine.
 *
 * Uses OpenClaw itself if available, otherwise a generator. Everything happens below one temporary
 * directory and on the loopback interface, and nothing is left at the end.
 */
import { mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import buildSidecar from "../packages/testkit/build-command.ts";
import type { Agent } from "../packages/testkit/openclaw/agent.ts";
import { generatedAgent } from "../packages/testkit/openclaw/generated.ts";
import {
	findOpenClaw,
	installOpenClaw,
	openClawAgent,
	removePartialInstall,
} from "../packages/testkit/openclaw/openclaw.ts";
import { allGone, killEverything } from "../packages/testkit/processes.ts";
import { findIsolation, Machine } from "./machine.ts";
import { Report, StoryFailed } from "./report.ts";
import { tell } from "./story.ts";

const USAGE = `pnpm demo [--openclaw | --generated] [--seed N] [--keep]

  (default)     OpenClaw 2026.9.x if it is installed or can be: the first time 650 MB into .cache/openclaw, about 40 s;
                where that fails, a generator with the same tree, sizes, databases and write pattern
  --openclaw    OpenClaw or nothing                                    (OPENCLAW_DEMO=1)
  --generated   the generator; under a minute, installs nothing        (OPENCLAW_DEMO=0)
  --seed N      what the generator starts from (default 1)
  --keep        keep the temporary directory, and say where it is
`;

const HOW_TO_GET_OPENCLAW = "`pnpm demo --openclaw` shows the same with OpenClaw itself";

type Choice = "openclaw" | "generated" | "either";

interface Options {
	readonly choice: Choice;
	readonly seed: number;
	readonly keep: boolean;
}

/** The requested demo cannot run here. */
class Refused extends Error {}

const report = new Report();
const options = readOptions();
const root = realpathSync(mkdtempSync(join(tmpdir(), "openclaw-demo-")));
const machines: Machine[] = [];

// Running work is aborted; the processes are killed by id when this one ends.
for (const [signal, status] of [
	["SIGINT", 130],
	["SIGTERM", 143],
	["SIGHUP", 129],
] as const) {
	process.once(signal, () => {
		console.log(`\n${signal}: stopping`);
		process.exit(status);
	});
}
process.once("exit", cleanUp);

process.exitCode = await main();

async function main(): Promise<number> {
	let agent: Agent | undefined;
	try {
		console.log("openclaw-sidecar: a workspace that outlives its machine\n");
		buildSidecar();
		agent = await chooseAgent();
		const isolation = findIsolation();
		const first = new Machine(root, 1, isolation, agent.scratch);
		const second = new Machine(root, 2, isolation, agent.scratch);
		machines.push(first, second);
		const isIsolated = isolation.unshare !== undefined;
		const separation = isIsolated
			? `${first.hostname} and ${second.hostname}: one path, two directories and host names`
			: `two directories, one host name: ${isolation.reason}`;
		report.fact("agent", agent.name);
		report.fact("machines", separation);
		const store = join(root, "store");
		mkdirSync(store);
		report.fact("store", pathToFileURL(store).href);
		await tell({
			report,
			agent,
			first,
			second,
			root,
			store: pathToFileURL(store).href,
			isIsolated,
		});
	} catch (error) {
		if (!(error instanceof StoryFailed)) {
			console.error(error instanceof Refused ? `demo: ${error.message}` : error);
			return 1;
		}
	} finally {
		await agent?.close();
		killEverything();
		await allGone(5_000).catch((error: unknown) => console.error(String(error)));
	}
	report.summary();
	if (report.failures > 0) return 1;
	report.title("Where to go next");
	report.note(
		"docs/format.md     the log, byte by byte\ndocs/standalone.md the tour, with your own directory and S3",
	);
	return 0;
}

async function chooseAgent(): Promise<Agent> {
	const { choice, seed } = options;
	if (choice === "generated") {
		report.note(`OpenClaw is not asked for; ${HOW_TO_GET_OPENCLAW}`);
		return await generatedAgent(seed);
	}
	const here = await findOpenClaw();
	const found =
		here.kind === "installed" ? here : await installOpenClaw((text) => report.note(text));
	if (found.kind === "installed") return await openClawAgent(found);
	if (choice === "openclaw") throw new Refused(`OpenClaw is not available: ${found.reason}`);
	report.note(`without OpenClaw: ${found.reason}`);
	return await generatedAgent(seed);
}

function readOptions(): Options {
	const flags = {
		openclaw: { type: "boolean" },
		generated: { type: "boolean" },
		keep: { type: "boolean" },
		seed: { type: "string" },
		help: { type: "boolean" },
	} as const;
	try {
		const { values } = parseArgs({
			options: flags,
			args: process.argv.slice(2).filter((argument) => argument !== "--"),
		});
		if (values.help === true) {
			console.log(USAGE);
			process.exit(0);
		}
		const seed = Number(values.seed ?? "1");
		if (!Number.isSafeInteger(seed) || seed < 0)
			throw new Error(`--seed ${values.seed}: accepts a whole number`);
		if (values.openclaw === true && values.generated === true)
			throw new Error("--openclaw and --generated exclude each other");
		const asked = process.env.OPENCLAW_DEMO;
		const isFlag = values.openclaw === true || values.generated === true;
		const choice =
			values.openclaw === true || (!isFlag && asked === "1")
				? "openclaw"
				: values.generated === true || asked === "0"
					? "generated"
					: "either";
		return { choice, seed, keep: values.keep === true };
	} catch (error) {
		console.error(`${(error as Error).message}\n\n${USAGE}`);
		process.exit(2);
	}
}

function cleanUp(): void {
	killEverything();
	removePartialInstall();
	for (const machine of machines) machine.leave();
	if (options.keep) console.log(`\nkept: ${root}`);
	else rmSync(root, { recursive: true, force: true, maxRetries: 10 });
}
