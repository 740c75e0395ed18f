/**
 * `pnpm infra:up`: from nothing to a first answer. Checks this machine and the account, asks what
 * is not known, deploys, stores the channels' secrets, sets the webhook where an API can, allows
 * users, and ends with a smoke test.
 *
 * Each step can be repeated: a second run asks for nothing that is known, and changes nothing that
 * is there. Secrets come from a terminal or a file, never from an argument.
 */
import { resolve } from "node:path";
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import type { Check } from "../doctor/check.ts";
import type { Channel, Config } from "../lib/settings/config.ts";
import type { Users } from "../lib/settings/users.ts";
import {
	chooseSettings,
	chooseUsers,
	completeSecret,
	type Given,
	requireAnswers,
	type StoredSecrets,
	secretsFromFiles,
} from "./answers.ts";
import { type Cdk, cdkCommand } from "./cdk.ts";
import { ChannelSecretStore } from "./channel-secrets.ts";
import { SETUPS } from "./channel-setup.ts";
import { examine, refuse } from "./doctor-tool.ts";
import {
	type Context,
	configOf,
	environmentOf,
	findStack,
	type Outputs,
	parseSettings,
	readContext,
	readOutputs,
	regionOf,
	secretsIn,
	withAnswers,
} from "./installation.ts";
import { writeContext } from "./settings-file.ts";
import { smokeTest } from "./smoke-tool.ts";
import {
	addCommonOptions,
	Command,
	type CommonOptions,
	collect,
	counted,
	type Io,
	runTool,
} from "./tool.ts";
import { ToolError } from "./tool-error.ts";
import { UserTable } from "./user-table.ts";

export interface UpPorts {
	readonly cdk: Cdk;
	readonly doctor: (config: Config, context: Context) => Promise<readonly Check[]>;
	/** Between two looks at a rotation, or at the worker's log. */
	readonly pauseMs?: number;
}

interface UpOptions extends CommonOptions, Given {
	readonly yes?: boolean;
	readonly smoke: boolean;
}

export async function runUpTool(
	argv: readonly string[],
	io: Io,
	ports: UpPorts = { cdk: cdkCommand(), doctor: examine },
): Promise<number> {
	const program = addCommonOptions(
		new Command("infra:up").description(
			"Deploys an installation and takes it to a first answer. On a terminal it asks for what is missing. Without one it asks nothing, and says what is missing.",
		),
	)
		.option("--region <REGION>", "AWS region.")
		.option("--channel <CHANNEL>", "telegram, slack or feishu; repeatable.", collect, [])
		.option("--model <ID>", "Bedrock model or inference profile; repeatable.", collect, [])
		.option(
			"--user <SENDER>",
			"Allow telegram.4711, or telegram.4711=anna; repeatable.",
			collect,
			[],
		)
		.option("--users-file <FILE>", "Users, one per line, or JSON.")
		.option("--secret <CHANNEL=FILE>", "JSON of a channel's secret; - is stdin.", collect, [])
		.option("--yes", "Deploy without a question.")
		.option("--no-smoke", "End without the smoke test.")
		.action(async (options: UpOptions) => await up(options, io, ports));
	return await runTool(program, argv, io);
}

async function up(options: UpOptions, io: Io, ports: UpPorts): Promise<void> {
	const { ask, err } = io;
	const directory = resolve(options.dir);
	const overrides = parseSettings(options.context);
	const saved = readContext(directory);
	const chosen = await chooseSettings(options, saved, overrides, ask);
	const environment = environmentOf({ ...saved, ...overrides });
	const config = configOf(withAnswers({ ...saved, ...overrides }, chosen, environment));
	const channels = config.issuer === undefined ? config.channels : [];
	const given = secretsFromFiles(options, channels);
	const stack = config.region === undefined ? undefined : await findStack(config);
	// A stack whose creation failed has no output, and one of an earlier release had no table.
	const isNew = config.issuer === undefined && stack?.outputs.has("UsersTable") !== true;
	const users = await chooseUsers(options, config, isNew, ask);
	const secrets = await chooseSecrets(
		config,
		channels,
		given,
		secretsIn(stack?.outputs),
		ports,
		io,
	);
	const region = regionOf(config);

	if (writeContext(directory, chosen, environment))
		err(`settings written to ${directory}/cdk.json`);
	await check(config, directory, region, options, io, ports);
	await confirmDeploy(config, options, io);
	await runCdk(ports.cdk, ["deploy", "--require-approval", "never", ...contextArgs(options)], {
		directory,
		region,
	});

	const outputs = await readOutputs(config);
	// First, because the users in the settings are added to a new stack only.
	if (outputs.usersTable !== undefined) {
		const table = new UserTable(new DynamoDBClient({ region }), outputs.usersTable);
		const { added } = await table.add(users);
		err(`${counted(added, "user")} added`);
		if (!isNew) tellSkipped(config.allowedUsers, await table.list(), io);
	}
	await storeSecrets(secrets, outputs, region, ports, io);
	tellSteps(outputs, io);
	await finish({ config, region, outputs }, isNew, options, io, ports);
}

/** Users who may have been removed or erased. */
function tellSkipped(settings: Users, allowed: Users, { err }: Io): void {
	const skipped = Object.entries(settings).filter(([sender]) => allowed[sender] === undefined);
	if (skipped.length > 0)
		err(
			`openclaw:allowedUsers is for a new stack, so these were not added: \`pnpm infra:users add ${skipped.map(([sender, user]) => (sender === user ? sender : `${sender}=${user}`)).join(" ")}\` adds them`,
		);
}

/** A missing bootstrap stack is made here; everything else has a remedy that a person must take. */
async function check(
	config: Config,
	directory: string,
	region: string,
	options: UpOptions,
	io: Io,
	{ doctor, cdk }: UpPorts,
): Promise<void> {
	const checks = await doctor(config, readContext(directory));
	for (const { name, outcome, found, remedy } of checks)
		if (outcome !== "ok") io.err(`${outcome} ${name}: ${found}${remedy ? ` -> ${remedy}` : ""}`);
	refuse(checks.filter(({ name }) => name !== "bootstrap"));
	if (checks.every(({ outcome }) => outcome !== "failed")) return;
	const may =
		options.yes === true ||
		(await io.ask?.confirm(`Prepare ${region} for CDK (cdk bootstrap)?`, true)) === true;
	if (!may)
		throw new ToolError(
			"DOCTOR_FAILED",
			`${region} is not prepared for CDK`,
			"add --yes, or run `pnpm --filter @openclaw-sidecar/infra exec cdk bootstrap`",
		);
	await runCdk(cdk, ["bootstrap", ...contextArgs(options)], { directory, region });
}

/** All secrets, before anything is deployed. @throws ToolError ANSWER_MISSING */
async function chooseSecrets(
	config: Config,
	channels: readonly Channel[],
	given: StoredSecrets,
	names: Outputs["secrets"],
	{ pauseMs }: UpPorts,
	{ ask }: Io,
): Promise<StoredSecrets> {
	const complete: Partial<Record<Channel, Readonly<Record<string, string>>>> = {};
	const missing: Partial<Record<Channel, readonly string[]>> = {};
	for (const channel of channels) {
		const name = names[channel];
		const stored = name && (await new ChannelSecretStore(regionOf(config), pauseMs).read(name));
		const known = { ...stored, ...given[channel] };
		const result = await completeSecret(channel, known, ask);
		complete[channel] = result.fields;
		missing[channel] = result.missing;
	}
	requireAnswers(config, missing);
	return complete;
}

async function confirmDeploy(config: Config, { yes }: UpOptions, { ask }: Io): Promise<void> {
	if (yes === true) return;
	const question = `Deploy ${config.stackName} to ${config.region}? It takes about 15 minutes. docs/deploy.md says what it costs.`;
	const may = await ask?.confirm(question, true);
	if (may === true) return;
	throw new ToolError(
		"NOT_CONFIRMED",
		"nothing was deployed",
		may === undefined ? "add --yes to deploy without a terminal" : "run it again when you want to",
	);
}

async function runCdk(
	cdk: Cdk,
	args: readonly string[],
	at: { readonly directory: string; readonly region: string },
): Promise<void> {
	const status = await cdk(args, at);
	if (status !== 0)
		throw new ToolError(
			"DEPLOY_FAILED",
			`cdk ${args[0]} ended with ${status}`,
			"read its message above; after a correction, run this command again: it continues",
		);
}

function contextArgs({ context }: CommonOptions): readonly string[] {
	return context.flatMap((setting) => ["-c", setting]);
}

/** Only what changed is stored; a rotation that was never made is made. @throws ToolError */
async function storeSecrets(
	secrets: StoredSecrets,
	outputs: Outputs,
	region: string,
	{ pauseMs }: UpPorts,
	{ err }: Io,
): Promise<void> {
	const store = new ChannelSecretStore(region, pauseMs);
	for (const [channel, fields] of Object.entries(secrets)) {
		const name = outputs.secrets[channel as Channel];
		if (name === undefined) continue;
		const { madeByRotation } = SETUPS[channel as Channel];
		const before = await store.read(name);
		const isNew = Object.entries(fields).some(([key, value]) => before[key] !== value);
		if (isNew) {
			await store.write(name, { ...before, ...fields });
			err(`${channel}: secret stored`);
		}
		if (madeByRotation === undefined || (!isNew && before[madeByRotation] !== undefined)) continue;
		err(`${channel}: setting the webhook (first rotation)`);
		await store.rotate(name);
		err(`${channel}: webhook set`);
	}
}

function tellSteps({ webhooks }: Outputs, { err }: Io): void {
	for (const [channel, url] of Object.entries(webhooks)) {
		const { title, steps } = SETUPS[channel as Channel];
		err(
			`${title}:\n${steps(url)
				.map((step, index) => `  ${index + 1}. ${step}`)
				.join("\n")}`,
		);
	}
}

async function finish(
	opened: { readonly config: Config; readonly region: string; readonly outputs: Outputs },
	isNew: boolean,
	{ smoke, json, user }: UpOptions,
	io: Io,
	{ pauseMs }: UpPorts,
): Promise<void> {
	const { outputs, region } = opened;
	const report = (more: object) => {
		if (json === true)
			io.out(JSON.stringify({ region, webhooks: outputs.webhooks, ...more }, null, "\t"));
	};
	if (!smoke || outputs.usersTable === undefined) return report({});
	const { usersTable } = outputs;
	const users = await new UserTable(new DynamoDBClient({ region }), usersTable).list();
	if (Object.keys(users).length === 0) {
		io.err(
			"nobody is allowed yet: write to the bot, read your id in the log of the webhook handler, then `pnpm infra:users add …` and `pnpm infra:smoke`",
		);
		return report({});
	}
	const senders = [...user.map((one) => one.split(/[\s=]/)[0] ?? ""), ...Object.keys(users)];
	const manual = Object.keys(outputs.webhooks).filter((name) => isManual(name as Channel));
	const isDone =
		!isNew ||
		manual.length === 0 ||
		(await io.ask?.confirm("Done with the steps above? Then the smoke test begins.", true)) ===
			true;
	const sender = isDone
		? senders[0]
		: senders.find((id) => !manual.some((name) => id.startsWith(`${name}.`)));
	if (!isDone && sender === undefined) {
		io.err(`no smoke test yet: after the steps above, \`pnpm infra:smoke --user ${senders[0]}\``);
		return report({});
	}
	report({ smoke: await smokeTest(opened, { user: sender, ...(pauseMs && { pauseMs }) }, io) });
}

/** Its webhook works only after a person has entered it in the channel's console. */
function isManual(channel: Channel): boolean {
	return SETUPS[channel].madeByRotation === undefined;
}
