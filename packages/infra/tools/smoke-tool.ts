/** `pnpm infra:smoke`: a message through the real door, to a real answer. */
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { CHANNELS, type Channel } from "../lib/settings/config.ts";
import { ChannelSecretStore } from "./channel-secrets.ts";
import { missingFields, SETUPS } from "./channel-setup.ts";
import { smoke } from "./smoke.ts";
import {
	addCommonOptions,
	Command,
	type CommonOptions,
	type Io,
	type Opened,
	open,
	runTool,
} from "./tool.ts";
import { ToolError } from "./tool-error.ts";
import { UserTable } from "./user-table.ts";

const DEFAULT_SECONDS = 300;

export interface SmokeChoice {
	readonly user?: string | undefined;
	readonly seconds?: number | undefined;
	/** For tests. */
	readonly pauseMs?: number;
}

export async function runSmokeTool(
	argv: readonly string[],
	io: Io,
	forTests: { readonly pauseMs?: number } = {},
): Promise<number> {
	const program = addCommonOptions(
		new Command("infra:smoke").description(
			"Sends a message as an allowed user, through the webhook, and waits for the agent's answer, which appears in that user's chat. Uses the current credentials.",
		),
	)
		.option(
			"--user <SENDER>",
			"Whose chat is used: telegram.4711. Default: the first allowed user.",
		)
		.option("--timeout <SECONDS>", "How long to wait.", String(DEFAULT_SECONDS))
		.action(
			async (options: CommonOptions & { readonly user?: string; readonly timeout: string }) => {
				const seconds = Number(options.timeout);
				if (!(seconds > 0))
					throw new ToolError("USAGE", `--timeout ${options.timeout} is no time`, "give seconds");
				const result = await smokeTest(
					await open(options),
					{ user: options.user, seconds, ...forTests },
					io,
				);
				if (options.json === true) io.out(JSON.stringify(result));
			},
		);
	return await runTool(program, argv, io);
}

/** @throws ToolError */
export async function smokeTest(
	{ config, region, outputs }: Opened,
	{ user, seconds = DEFAULT_SECONDS, pauseMs }: SmokeChoice,
	io: Io,
) {
	const { usersTable, workerLogs, webhooks, secrets, probeKey } = outputs;
	if (usersTable === undefined || workerLogs === undefined)
		throw new ToolError(
			"OWN_ISSUER",
			"the installation has an issuer of its own, and no webhook",
			"call the runtime with a token of your issuer",
		);
	const sender = user ?? (await firstUser(region, usersTable, Object.keys(webhooks)));
	const channel = CHANNELS.find((name) => sender.startsWith(`${name}.`)) as Channel | undefined;
	const [url, name] = channel === undefined ? [] : [webhooks[channel], secrets[channel]];
	if (channel === undefined || url === undefined || name === undefined)
		throw new ToolError(
			"USAGE",
			`${JSON.stringify(sender)} is no user of a channel of this installation`,
			`give a user of ${Object.keys(webhooks).join(", ")}: --user telegram.4711`,
		);
	const secret = await new ChannelSecretStore(region).read(name);
	const { madeByRotation } = SETUPS[channel];
	const missing = [
		...missingFields(channel, secret).map((field) => field.name),
		...(madeByRotation === undefined || secret[madeByRotation] !== undefined
			? []
			: [madeByRotation]),
	];
	if (missing.length > 0)
		throw new ToolError(
			"SECRET_INCOMPLETE",
			`the secret of ${channel} has no ${missing.join(", ")}`,
			"store it with `pnpm infra:up`",
		);
	// As the functions have it.
	process.env.FEISHU_API_URL ??= `https://${config.feishuHost}`;
	io.err(`smoke test as ${sender}`);
	const result = await smoke({
		region,
		channel,
		sender,
		url,
		secret,
		probeKey,
		workerLogs,
		timeoutMs: seconds * 1_000,
		say: io.err,
		...(pauseMs !== undefined && { pauseMs }),
	});
	io.err(
		`answered after ${(result.answeredMs / 1_000).toFixed(1)} s: look at the chat of ${sender}`,
	);
	return result;
}

async function firstUser(
	region: string,
	table: string,
	channels: readonly string[],
): Promise<string> {
	const users = await new UserTable(new DynamoDBClient({ region }), table).list();
	const sender = Object.keys(users).find((id) => channels.includes(id.split(".")[0] ?? ""));
	if (sender !== undefined) return sender;
	throw new ToolError(
		"ANSWER_MISSING",
		"nobody is allowed yet, so nobody can send a message",
		"`pnpm infra:users add telegram.4711`, with your own id",
	);
}
