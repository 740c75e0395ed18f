/**
 * The ends of a machine while the real OpenClaw works on a turn, and what the user sees: the answer,
 * or one clear notice. The next machine takes the interrupted turn up.
 *
 * Needs OpenClaw (installed into `.cache/openclaw` once: 650 MB), `unshare` and the S3 test server.
 * With CI=true their absence is an error.
 */
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import buildSidecar from "../packages/testkit/build-command.ts";
import { type FakeModel, startFakeModel } from "../packages/testkit/openclaw/fake-model.ts";
import { removePartialInstall } from "../packages/testkit/openclaw/openclaw.ts";
import { killEverything } from "../packages/testkit/processes.ts";
import { type OidcS3Server, startOidcS3Server } from "../packages/testkit/store/oidc-s3-server.ts";
import { Machine } from "./machine.ts";
import { openClaw } from "./platform-agents.ts";
import { Vm } from "./platform-vm.ts";
import { findPrerequisites, type Prerequisites } from "./prerequisites.ts";
import { Timeline } from "./timeline.ts";

const found = await findPrerequisites("the end of a machine");

const root = realpathSync(mkdtempSync(join(tmpdir(), "openclaw-ends-")));
const lines: string[] = [];
const timeline = new Timeline((line) => lines.push(line));
let cloud: OidcS3Server;
let model: FakeModel;
let count = 0;

beforeAll(async () => {
	if (found === undefined) return;
	buildSidecar();
	cloud = await startOidcS3Server();
	model = await startFakeModel();
}, 300_000);
beforeEach(() => {
	if (found !== undefined) model.isSlow = true;
});
afterAll(async () => {
	console.log(lines.join("\n"));
	killEverything();
	await model?.close();
	await cloud?.[Symbol.asyncDispose]();
	removePartialInstall();
	rmSync(root, { recursive: true, force: true, maxRetries: 10 });
});

async function boot(options: readonly string[] = []): Promise<Vm> {
	const { openclaw, isolation } = found as Prerequisites;
	const agent = await openClaw(openclaw, model);
	const machine = new Machine(root, ++count, isolation, agent.scratch);
	return await Vm.boot(`vm-${count}`, machine, cloud, agent, timeline, options);
}

/** What the caller of one request sees. */
async function ask(vm: Vm, user: string, prompt: string): Promise<string> {
	const started = performance.now();
	const seen = await vm
		.invoke({ prompt }, await cloud.issuer.token({ sub: user }))
		.then(async (answered) => {
			const { response, code } = (await answered.json()) as Record<string, string>;
			return `${answered.status} ${response === undefined ? code : "answer"}`;
		})
		.catch((error: Error) => `connection cut (${(error.cause as Error)?.message})`);
	timeline.say(
		vm.name,
		`${user} asked ${prompt.slice(0, 40)}: ${seen} after ${Math.round((performance.now() - started) / 100) / 10} s`,
	);
	return seen;
}

const SLOW = "Think for long. [[slow:60]]";

test.skipIf(found === undefined)(
	"a turn that ends within the budget of a SIGTERM is answered, and is not run again",
	async () => {
		await using vm = await boot();
		expect(await ask(vm, "anna", "Hello")).toBe("200 answer");
		const asked = model.asked();
		const answer = ask(vm, "anna", "Think a little. [[slow:1]]");
		await asked;
		const end = await vm.end();
		expect([await answer, end]).toEqual([
			"200 answer",
			expect.stringMatching(/^exit 0, durable true/),
		]);

		await using next = await boot();
		const before = model.messageCounts.length;
		expect(await ask(next, "anna", "Next")).toBe("200 answer");
		expect(model.messageCounts.length - before).toBe(1);
		expect(await next.end()).toMatch(/^exit 0, durable true/);
	},
);

test.skipIf(found === undefined)(
	"a turn that SIGTERM interrupts ends with one notice, and the next request carries it on",
	async () => {
		await using vm = await boot();
		expect(await ask(vm, "bob", "Hello")).toBe("200 answer");
		const asked = model.asked();
		const answer = ask(vm, "bob", SLOW);
		await asked;
		const end = await vm.end();
		expect([await answer, end]).toEqual([
			"502 TURN_INTERRUPTED",
			expect.stringMatching(/^exit 0, durable true/),
		]);
		expect(vm.events("agent.asked-to-stop")).toHaveLength(1);
		// A slow machine may need to kill it: the limit is time.
		timeline.say(vm.name, vm.events("agent.killed").length === 0 ? "it ended itself" : "killed");

		model.isSlow = false;
		await using next = await boot();
		expect(await ask(next, "bob", "Are you done?")).toBe("200 answer");
		expect(model.lastAsked).toContain("Think for long.");
		expect(await next.end()).toMatch(/^exit 0, durable true/);
	},
);

test.skipIf(found === undefined)(
	"a turn that ends with the policy `end` is aborted, and nobody takes it up",
	async () => {
		await using vm = await boot(["--interrupted-turns", "end"]);
		expect(await ask(vm, "carl", "Hello")).toBe("200 answer");
		const asked = model.asked();
		const answer = ask(vm, "carl", SLOW);
		await asked;
		const end = await vm.end();
		expect([await answer, end]).toEqual([
			"502 TURN_INTERRUPTED",
			expect.stringMatching(/^exit 0, durable true/),
		]);
	},
);

test.skipIf(found === undefined)(
	"a turn that kill -9 of the whole machine interrupts is in the log as running, and the next request carries it on",
	async () => {
		await using vm = await boot();
		expect(await ask(vm, "dora", "Hello")).toBe("200 answer");
		const asked = model.asked();
		const answer = ask(vm, "dora", SLOW);
		await asked;
		await vm.committedTurn();
		await vm.kill();
		expect(await answer).toMatch(/^connection cut/);

		model.isSlow = false;
		await using next = await boot();
		expect(await ask(next, "dora", "Are you done?")).toBe("200 answer");
		expect(model.lastAsked).toContain("Think for long.");
		expect(await next.end()).toMatch(/^exit 0, durable true/);
	},
);
