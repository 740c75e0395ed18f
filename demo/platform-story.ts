/**
 * The platform's story. A machine is booted and pinged every two seconds, and a user's signed token
 * starts it. Turns pass as JSON and as events, forgeries are refused, and the idle machine is
 * ended. The next machine, with its own directory and host name, continues from a configuration
 * that now has its own gateway token. Another user's machine is empty.
 *
 * Real parts: the command, an S3 server with an STS, an OpenID issuer, and the agent if it is
 * OpenClaw.
 */
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { OidcS3Server } from "../packages/testkit/store/oidc-s3-server.ts";
import { type Isolation, Machine } from "./machine.ts";
import type { StoryAgent } from "./platform-agents.ts";
import { Vm } from "./platform-vm.ts";
import type { Timeline } from "./timeline.ts";

export interface Stage {
	/** The story's temporary directory. */
	readonly root: string;
	readonly isolation: Isolation;
	readonly cloud: OidcS3Server;
	readonly agent: StoryAgent;
	readonly timeline: Timeline;
}

export async function tellPlatformStory(stage: Stage): Promise<void> {
	await using story = new PlatformStory(stage);
	await story.firstMachine();
	await story.nextMachine();
	await story.anotherUser();
}

const PLAN_BYTES = 5_000;

class PlatformStory implements AsyncDisposable {
	readonly #stage: Stage;
	readonly #machines: Machine[] = [];
	readonly #said: Readonly<Record<"anna" | "bob", string[]>> = { anna: [], bob: [] };

	constructor(stage: Stage) {
		this.#stage = stage;
	}

	async firstMachine(): Promise<void> {
		const { timeline, cloud, agent } = this.#stage;
		await using vm = await this.#boot("vm-1");
		const token = await this.#token("anna");
		const expired = await cloud.issuer.token({ sub: "anna" }, { expiresInS: -60 });
		await timeline.step(
			"vm-1",
			"a token that has expired",
			async () => await refused(vm, expired),
			"401 IDENTITY_REFUSED",
		);
		await timeline.step(
			"vm-1",
			"anna's first turn",
			async () => await this.#turn(vm, "anna", "Hello, who are you?"),
			REMEMBERS_ALL,
		);
		timeline.say("vm-1", vm.startedIn());
		const plan = agent.isOpenClaw ? ` [[write:notes/plan.md:${PLAN_BYTES}]]` : "";
		await timeline.step(
			"vm-1",
			"turn 2",
			async () => await this.#turn(vm, "anna", `Remember the plan.${plan}`),
			REMEMBERS_ALL,
		);
		await timeline.step(
			"vm-1",
			"turn 3, as events",
			async () => await this.#streamedTurn(vm, "anna", "And then?"),
			REMEMBERS_ALL,
		);
		if (agent.isOpenClaw) {
			await timeline.step(
				"vm-1",
				"a turn of the responses API",
				async () => await response(vm, token),
				/^200 response completed /,
			);
		}
		await timeline.step(
			"vm-1",
			"bob's token in anna's machine",
			async () => await refused(vm, await this.#token("bob")),
			"403 NAMESPACE_FOREIGN",
		);
		await timeline.step("vm-1", "idle", async () => await vm.idle(3), /^Healthy/);
		this.#onboard(vm);
		await timeline.step("vm-1", "SIGTERM", async () => await vm.end(), /^exit 0, durable true/);
	}

	async nextMachine(): Promise<void> {
		const { timeline, agent } = this.#stage;
		await using vm = await this.#boot("vm-2");
		await timeline.step(
			"vm-2",
			"anna continues",
			async () => await this.#turn(vm, "anna", "Do you remember?"),
			REMEMBERS_ALL,
		);
		timeline.say("vm-2", vm.startedIn());
		await timeline.step("vm-2", "her configuration", async () => ownToken(vm), OWN_TOKEN);
		if (agent.isOpenClaw) {
			const path = join(vm.workspace, "workspace/notes/plan.md");
			await timeline.step(
				"vm-2",
				"the plan",
				async () => `${existsSync(path) ? statSync(path).size : 0} bytes`,
				`${PLAN_BYTES} bytes`,
			);
		}
		await timeline.step(
			"vm-2",
			"SIGTERM right after a turn",
			async () => await vm.end(),
			/^exit 0, durable true/,
		);
	}

	async anotherUser(): Promise<void> {
		const { timeline } = this.#stage;
		await using vm = await this.#boot("vm-3");
		await timeline.step(
			"vm-3",
			"bob sees nothing of it",
			async () => await this.#turn(vm, "bob", "Hello, am I new here?"),
			REMEMBERS_ALL,
		);
		timeline.say("vm-3", vm.startedIn());
		await timeline.step("vm-3", "SIGTERM", async () => await vm.end(), /^exit 0, durable true/);
	}

	async [Symbol.asyncDispose](): Promise<void> {
		for (const machine of this.#machines) machine.leave();
	}

	async #boot(name: string): Promise<Vm> {
		const { root, isolation, agent, cloud, timeline } = this.#stage;
		const machine = new Machine(root, this.#machines.length + 1, isolation, agent.scratch);
		this.#machines.push(machine);
		return await Vm.boot(name, machine, cloud, agent, timeline);
	}

	async #token(user: string): Promise<string> {
		return await this.#stage.cloud.issuer.token({ sub: user });
	}

	async #turn(vm: Vm, user: "anna" | "bob", text: string): Promise<string> {
		this.#said[user].push(text);
		const answered = await vm.invoke(
			{ prompt: text, user: "somebody else" },
			await this.#token(user),
		);
		const { response: answer, code, message } = (await answered.json()) as Record<string, string>;
		return answer === undefined
			? `${answered.status} ${code}: ${message}`
			: this.#memory(user, answer);
	}

	async #streamedTurn(vm: Vm, user: "anna" | "bob", text: string): Promise<string> {
		this.#said[user].push(text);
		const answered = await vm.invoke({ prompt: text, stream: true }, await this.#token(user));
		const events = (await answered.text())
			.split("\n")
			.flatMap((line) => (line.startsWith("data: ") ? [line.slice(6)] : []));
		const words: unknown[] = events.map((event) => JSON.parse(event));
		const odd = words.find((word) => typeof word !== "string");
		if (odd !== undefined || words.length === 0)
			return `${answered.status}, broken off: ${JSON.stringify(odd)}`;
		return this.#memory(user, words.join(""));
	}

	/** How many of the earlier messages the agent had before this answer. */
	#memory(user: "anna" | "bob", answer: string): string {
		const { [user]: own = 0, ...others } = this.#stage.agent.remembered(answer, this.#said);
		const foreign = Object.values(others).reduce((sum, count) => sum + count, 0);
		return `it had ${own === this.#said[user].length ? "all" : own} of ${this.#said[user].length} messages before it, ${foreign} of others`;
	}

	/** As onboarding leaves it: with its own token, which overrides that of the environment. */
	#onboard(vm: Vm): void {
		const path = join(vm.workspace, "openclaw.json");
		const config = JSON.parse(readFileSync(path, "utf8"));
		config.gateway.auth.token = OWN_TOKEN;
		writeFileSync(path, JSON.stringify(config));
	}
}

const REMEMBERS_ALL = /^it had all of \d+ messages before it, 0 of others$/;
const OWN_TOKEN = "a-token-of-anna's-own";

function ownToken(vm: Vm): string {
	return JSON.parse(readFileSync(join(vm.workspace, "openclaw.json"), "utf8")).gateway.auth.token;
}

async function refused(vm: Vm, token: string): Promise<string> {
	const answered = await vm.invoke({ prompt: "hello" }, token);
	return `${answered.status} ${((await answered.json()) as { readonly code?: string }).code}`;
}

async function response(vm: Vm, token: string): Promise<string> {
	const answered = await vm.invoke({ input: "Answer as a response." }, token);
	const { object, status, output } = (await answered.json()) as Record<string, unknown>;
	return `${answered.status} ${object} ${status} ${JSON.stringify(output)?.slice(0, 60)}`;
}
