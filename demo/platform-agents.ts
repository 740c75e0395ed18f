/**
 * The agents of the platform's story: OpenClaw with a model that only counts, or a small agent with
 * a memory.
 */
import { type FakeModel, startFakeModel } from "../packages/testkit/openclaw/fake-model.ts";
import {
	type Installed,
	OPENCLAW_ENV,
	OPENCLAW_SCRATCH,
} from "../packages/testkit/openclaw/openclaw.ts";
import { PLATFORM_AGENT } from "../packages/testkit/platform/platform.ts";

export interface StoryAgent {
	readonly name: string;
	readonly scratch: readonly string[];
	readonly env: Readonly<Record<string, string>>;
	/** True if it has tools and an API for responses. */
	readonly isOpenClaw: boolean;
	command(port: number, stateDirectory: string): readonly string[];
	/** For each user, how many of their messages the agent had before this answer. */
	remembered(
		answer: string,
		said: Readonly<Record<string, readonly string[]>>,
	): Readonly<Record<string, number>>;
	close(): Promise<void>;
}

export async function openClaw(
	{ bin, version }: Installed,
	model?: FakeModel,
): Promise<StoryAgent> {
	model ??= await startFakeModel();
	return {
		name: `${version} with a fake model on the loopback interface`,
		scratch: OPENCLAW_SCRATCH,
		env: { ...OPENCLAW_ENV, ...modelVariables(model) },
		isOpenClaw: true,
		command: (port) => [
			process.execPath,
			bin,
			"gateway",
			"run",
			"--port",
			String(port),
			"--bind",
			"loopback",
		],
		remembered: (_, said) => countedIn((model as FakeModel).lastAsked, said),
		close: () => model.close(),
	};
}

/** Counts the entries of its memory, for all users together. */
export function smallAgent(): StoryAgent {
	return {
		name: "a small agent with a memory",
		scratch: [],
		env: { OPENCLAW_MODEL_BASE_URL: "http://127.0.0.1:9/v1", OPENCLAW_MODEL_ID: "none" },
		isOpenClaw: false,
		command: (port, stateDirectory) => [
			process.execPath,
			PLATFORM_AGENT,
			String(port),
			stateDirectory,
		],
		remembered: (answer, said) => {
			const [, turns = "0", user = ""] = /turn (\d+) of (\w+)/.exec(answer) ?? [];
			return Object.fromEntries(
				Object.keys(said).map((name) => [name, name === user ? Number(turns) : 0]),
			);
		},
		close: async () => {},
	};
}

const modelVariables = ({ url, id }: FakeModel) => ({
	OPENCLAW_MODEL_BASE_URL: url,
	OPENCLAW_MODEL_ID: id,
	OPENCLAW_MODEL_API_KEY: "none",
});

function countedIn(
	text: string,
	said: Readonly<Record<string, readonly string[]>>,
): Record<string, number> {
	return Object.fromEntries(
		Object.entries(said).map(([user, texts]) => [
			user,
			texts.filter((each) => text.includes(each)).length,
		]),
	);
}
