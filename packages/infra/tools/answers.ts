/**
 * What `pnpm infra:up` must know: from options, from `cdk.json`, else from a person. Everything
 * that is missing without a terminal is named at once, before anything is deployed.
 */
import { readFileSync } from "node:fs";
import { CHANNELS, type Channel, type Config } from "../lib/settings/config.ts";
import { REGIONS } from "../lib/settings/regions.ts";
import { type Users, usersFrom } from "../lib/settings/users.ts";
import type { Ask } from "./ask.ts";
import {
	missingFields,
	problemOf,
	readSecret,
	SETUPS,
	type SecretFields,
} from "./channel-setup.ts";
import { type Context, configOf, environmentOf, settingsOf, withAnswers } from "./installation.ts";
import { ToolError } from "./tool-error.ts";

export interface Given {
	readonly region?: string;
	readonly channel: readonly string[];
	readonly model: readonly string[];
	readonly user: readonly string[];
	readonly usersFile?: string;
	/** `telegram=FILE`. */
	readonly secret: readonly string[];
}

/** Settings for `cdk.json`: given ones, and what a person chose. @throws ToolError */
export async function chooseSettings(
	given: Given,
	saved: Context,
	overrides: Context,
	ask: Ask | undefined,
): Promise<Context> {
	const merged = { ...saved, ...overrides };
	const known = settingsOf(merged);
	const has = (name: string) => known[name] !== undefined;
	const chosen: Record<string, unknown> = {};
	const soFar = () => configOf(withAnswers(merged, chosen, environmentOf(merged)));
	const { AWS_REGION, AWS_DEFAULT_REGION } = process.env;
	const current = given.region ?? AWS_REGION ?? AWS_DEFAULT_REGION;
	if (given.region !== undefined) chosen["openclaw:region"] = given.region;
	else if (!has("region")) {
		const region =
			(await ask?.one(
				"Region",
				Object.entries(REGIONS).map(([value, { hasV2 }]) => ({
					value,
					label: value,
					...(hasV2 && { hint: "V2: machines start in 2 s" }),
				})),
				current ?? "us-east-1",
			)) ?? current;
		if (region !== undefined) chosen["openclaw:region"] = region;
	}
	if (given.channel.length > 0) chosen["openclaw:channels"] = given.channel;
	else if (!has("channels") && !has("issuer")) {
		// Without a terminal, those whose secrets are given.
		const named = given.secret.map((option) => option.split("=")[0] ?? "");
		const channels =
			(await ask?.several(
				"Channels",
				CHANNELS.map((value) => ({ value, label: SETUPS[value].title })),
				named.length > 0 ? named : ["telegram"],
			)) ?? named;
		if (channels.length > 0) chosen["openclaw:channels"] = channels;
	}
	if (
		ask !== undefined &&
		!has("feishuHost") &&
		!has("issuer") &&
		soFar().channels.includes("feishu")
	)
		chosen["openclaw:feishuHost"] = await ask.one(
			"Feishu or Lark?",
			[
				{ value: "open.feishu.cn", label: "Feishu", hint: "in China" },
				{ value: "open.larksuite.com", label: "Lark", hint: "elsewhere" },
			],
			"open.feishu.cn",
		);
	if (given.model.length > 0) chosen["openclaw:models"] = given.model;
	else if (!has("models") && ask !== undefined) {
		const initial = soFar().models.join(",");
		const models = await ask.text("Bedrock model or inference profile", {
			initial,
			check: (value) =>
				value.trim() === "" ? "for example global.anthropic.claude-opus-5" : undefined,
		});
		if (models !== initial) chosen["openclaw:models"] = models.split(",").map((id) => id.trim());
	}
	return chosen;
}

/**
 * Users from options, and for a new stack from the settings, which would bring back users who
 * were removed from the table of an existing one. For a new stack, a person is asked if there are none.
 * @throws ToolError USAGE
 */
export async function chooseUsers(
	{ user, usersFile }: Given,
	{ allowedUsers }: Config,
	isNew: boolean,
	ask: Ask | undefined,
): Promise<Users> {
	const given = {
		...(isNew && allowedUsers),
		...(usersFile === undefined ? {} : usage(usersFile, () => readFileSync(usersFile, "utf8"))),
		...usage("--user", () => user.join("\n")),
	};
	if (Object.keys(given).length > 0 || ask === undefined || !isNew) return given;
	const typed = await ask.text(
		"Who may write? telegram.4711, slack.TEAM.MEMBER, feishu.OPEN_ID; empty: nobody yet",
		{ check: (value) => problemOfUsers(value) },
	);
	return usersFrom(typed);
}

function problemOfUsers(text: string): string | undefined {
	try {
		usersFrom(text);
		return undefined;
	} catch (error) {
		return (error as Error).message;
	}
}

function usage(from: string, read: () => string): Users {
	try {
		return usersFrom(read());
	} catch (error) {
		throw new ToolError(
			"USAGE",
			`${from}: ${(error as Error).message}`,
			"write telegram.4711, slack.TEAM.MEMBER or feishu.OPEN_ID, with =NAME for a person with several",
		);
	}
}

/** The secrets of `--secret CHANNEL=FILE`; `-` is stdin. @throws ToolError */
export function secretsFromFiles(
	{ secret }: Given,
	channels: readonly Channel[],
): Readonly<Partial<Record<Channel, SecretFields>>> {
	return Object.fromEntries(
		secret.map((option) => {
			const [, name = "", file = ""] = /^(\w+)=(.+)$/s.exec(option) ?? [];
			const channel = channels.find((one) => one === name);
			if (channel === undefined)
				throw new ToolError(
					"USAGE",
					`--secret ${name === "" ? "needs CHANNEL=FILE" : `${name}=… names no open channel`}`,
					`write --secret ${channels[0] ?? "telegram"}=FILE; a secret itself is never an option`,
				);
			try {
				return [channel, readSecret(channel, readFileSync(file === "-" ? 0 : file, "utf8"))];
			} catch (error) {
				if (error instanceof ToolError) throw error;
				throw new ToolError(
					"USAGE",
					`--secret: ${(error as Error).message}`,
					"name a file with JSON",
				);
			}
		}),
	);
}

/** Asks for the fields that are neither stored nor given. @returns what is still missing */
export async function completeSecret(
	channel: Channel,
	known: SecretFields,
	ask: Ask | undefined,
): Promise<{ readonly fields: SecretFields; readonly missing: readonly string[] }> {
	const fields: Record<string, string> = { ...known };
	const missing: string[] = [];
	for (const field of missingFields(channel, known)) {
		const question = `${SETUPS[channel].title}: ${field.name} (${field.where})`;
		const check = (value: string) => problemOf(field, value);
		if (ask === undefined) missing.push(field.name);
		else
			fields[field.name] = field.isSecret
				? await ask.secret(question, check)
				: await ask.text(question, { check });
	}
	return { fields, missing };
}

/** Without a terminal. @throws ToolError ANSWER_MISSING that names all of it */
export function requireAnswers(
	config: Config,
	secrets: Readonly<Partial<Record<Channel, readonly string[]>>>,
): void {
	const missing = [
		...(config.region === undefined ? ["a region (--region eu-central-1)"] : []),
		...(config.issuer === undefined && config.models.length === 0
			? ["a model (--model global.anthropic.claude-opus-5)"]
			: []),
		...Object.entries(secrets).flatMap(([channel, fields]) =>
			fields.length === 0 ? [] : [`${fields.join(", ")} of ${channel} (--secret ${channel}=FILE)`],
		),
	];
	if (missing.length > 0)
		throw new ToolError(
			"ANSWER_MISSING",
			`still missing: ${missing.join("; ")}`,
			"add the options, with --channel only for channels that you want, or run it on a terminal; nothing was deployed",
		);
}

export type StoredSecrets = Readonly<Partial<Record<Channel, SecretFields>>>;
