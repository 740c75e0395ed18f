/**
 * What the tools know of an installation: its settings, from `cdk.json` of a directory and `-c`
 * like CDK, and what the deployed stack tells in its outputs.
 */
import { existsSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { CloudFormationClient, DescribeStacksCommand } from "@aws-sdk/client-cloudformation";
import {
	CHANNELS,
	type Channel,
	type Config,
	readConfig,
	settingsIn,
} from "../lib/settings/config.ts";
import { chooseEnvironment } from "../lib/settings/environments.ts";
import { ToolError } from "./tool-error.ts";

/** Where `cdk.json` is, by default. */
export const HOME = fileURLToPath(new URL("..", import.meta.url));

export type Context = Readonly<Record<string, unknown>>;

/** The context of `DIRECTORY/cdk.json`; empty if there is no such file. @throws ToolError USAGE */
export function readContext(directory: string): Context {
	const path = resolve(directory, "cdk.json");
	if (!existsSync(path)) return {};
	try {
		const { context = {} } = JSON.parse(readFileSync(path, "utf8")) as {
			readonly context?: Context;
		};
		return context;
	} catch (error) {
		throw new ToolError("USAGE", `${path}: ${(error as Error).message}`, "make it valid JSON");
	}
}

/** The environment that the context or OPENCLAW_ENV chooses. */
export function environmentOf(context: Context): string | undefined {
	const { env = process.env.OPENCLAW_ENV } = settingsIn(context);
	return env as string | undefined;
}

/** The settings that are there, by name, with those of the chosen environment. @throws ToolError USAGE */
export function settingsOf(context: Context): Context {
	return usage(() => chooseEnvironment(settingsIn(context), process.env));
}

/** What a person answers for an environment goes into its block, where it wins. */
export function withAnswers(
	context: Context,
	answers: Context,
	environment: string | undefined,
): Context {
	if (environment === undefined || Object.keys(answers).length === 0)
		return { ...context, ...answers };
	const key = "openclaw:environments";
	const blocks = context[key] as Readonly<Record<string, object>>;
	const block = { ...blocks[environment], ...settingsIn(answers) };
	return { ...context, [key]: { ...blocks, [environment]: block } };
}

/** @param settings `openclaw:key=value`, as for CDK's `-c`. @throws ToolError USAGE */
export function parseSettings(settings: readonly string[]): Readonly<Record<string, string>> {
	return Object.fromEntries(
		settings.map((setting) => {
			const [, key, value] = /^(openclaw:\w+)=(.*)$/s.exec(setting) ?? [];
			if (key === undefined || value === undefined)
				throw new ToolError(
					"USAGE",
					`-c ${JSON.stringify(setting)} is no setting`,
					"write -c openclaw:NAME=VALUE; docs/deploy.md lists the names",
				);
			return [key, value];
		}),
	);
}

/** @throws ToolError USAGE */
export function configOf(context: Context, env: NodeJS.ProcessEnv = process.env): Config {
	const { AWS_REGION, AWS_DEFAULT_REGION, OPENCLAW_ENV } = env;
	const region = AWS_REGION ?? AWS_DEFAULT_REGION;
	return usage(() =>
		readConfig(context, {
			OPENCLAW_ENV,
			...(region !== undefined && { CDK_DEFAULT_REGION: region }),
		}),
	);
}

function usage<T>(read: () => T): T {
	try {
		return read();
	} catch (error) {
		throw new ToolError("USAGE", (error as Error).message, "change the setting");
	}
}

/** @throws ToolError REGION_MISSING */
export function regionOf({ region }: Config): string {
	if (region !== undefined) return region;
	throw new ToolError(
		"REGION_MISSING",
		"no region is set",
		"set openclaw:region in cdk.json, or AWS_REGION",
	);
}

export interface Outputs {
	/** The random part of the stack's id: with it in a header, WAF lets the smoke test in. */
	readonly probeKey: string;
	readonly bucket: string;
	readonly runtimeArn: string;
	readonly operatorRole: string;
	readonly repairerRole: string;
	/** Undefined with an issuer of your own: there are no webhooks then. */
	readonly usersTable: string | undefined;
	readonly workerLogs: string | undefined;
	/** URL by channel. */
	readonly webhooks: Readonly<Partial<Record<Channel, string>>>;
	/** Name by channel. */
	readonly secrets: Readonly<Partial<Record<Channel, string>>>;
}

type OutputValues = ReadonlyMap<string, string>;

/** What CloudFormation knows of the stack; undefined if it does not exist. */
export async function findStack(
	config: Config,
): Promise<{ readonly id: string; readonly outputs: OutputValues } | undefined> {
	const client = new CloudFormationClient({ region: regionOf(config) });
	const { Stacks = [] } = await client
		.send(new DescribeStacksCommand({ StackName: config.stackName }))
		.catch((error: Error) => {
			if (error.name === "ValidationError") return { Stacks: [] };
			throw error;
		});
	const [stack] = Stacks;
	if (stack === undefined) return undefined;
	const pairs = stack.Outputs?.map(({ OutputKey = "", OutputValue = "" }) => [
		OutputKey,
		OutputValue,
	]) as [string, string][] | undefined;
	return { id: stack.StackId ?? "", outputs: new Map(pairs) };
}

/** Names of the channels' secrets. */
export function secretsIn(outputs: OutputValues | undefined): Outputs["secrets"] {
	return byChannel(outputs, "Secret");
}

function byChannel(outputs: OutputValues | undefined, prefix: string) {
	return Object.fromEntries(
		CHANNELS.flatMap((channel) => {
			const value = outputs?.get(`${prefix}${channel}`);
			return value === undefined ? [] : [[channel, value]];
		}),
	);
}

/** @throws ToolError STACK_NOT_FOUND */
export async function readOutputs(config: Config): Promise<Outputs> {
	const { id = "", outputs } = (await findStack(config)) ?? {};
	const need = (name: string) => {
		const value = outputs?.get(name);
		if (value !== undefined) return value;
		throw new ToolError(
			"STACK_NOT_FOUND",
			`${config.region} has no stack ${config.stackName} that this version deployed`,
			"deploy it with `pnpm infra:up`, or set openclaw:region and openclaw:stackName",
		);
	};
	return {
		probeKey: id.split("/")[2] ?? "",
		bucket: need("StoreUrl").replace("s3://", ""),
		runtimeArn: need("RuntimeArn"),
		operatorRole: need("OperatorRole"),
		repairerRole: need("RepairerRole"),
		usersTable: outputs?.get("UsersTable"),
		workerLogs: outputs?.get("WorkerLogs"),
		webhooks: byChannel(outputs, "Webhook"),
		secrets: secretsIn(outputs),
	};
}
