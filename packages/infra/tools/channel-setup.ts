/** What a person must know to connect a channel: fields of its secret, and where to click. */
import type { Channel } from "../lib/settings/config.ts";
import { ToolError } from "./tool-error.ts";

export interface Field {
	readonly name: string;
	readonly where: string;
	readonly pattern: RegExp;
	/** Typed without echo. */
	readonly isSecret: boolean;
}

export interface ChannelSetup {
	readonly title: string;
	readonly fields: readonly Field[];
	/** The field that the first rotation makes; it also sets the webhook. */
	readonly madeByRotation?: string;
	/** What to click, after the secret is stored. */
	readonly steps: (url: string) => readonly string[];
}

const field = (name: string, where: string, pattern: RegExp, isSecret = true): Field => ({
	name,
	where,
	pattern,
	isSecret,
});

export const SETUPS: Readonly<Record<Channel, ChannelSetup>> = {
	telegram: {
		title: "Telegram",
		fields: [field("bot_token", "from @BotFather, /newbot", /^\d+:[\w-]{30,}$/)],
		madeByRotation: "secret_token",
		steps: () => ["nothing: the webhook is set. Write to your bot"],
	},
	slack: {
		title: "Slack",
		fields: [
			field("signing_secret", "api.slack.com/apps, Basic Information", /^[0-9a-f]{32}$/),
			field("bot_token", "OAuth & Permissions, after the app is installed", /^xoxb-\S+$/),
		],
		steps: (url) => [
			"open https://api.slack.com/apps and choose the app",
			"OAuth & Permissions: bot scopes `chat:write` and `im:history`; install the app",
			`Event Subscriptions: Request URL ${url}`,
			"Event Subscriptions: bot event `message.im`; save, and install the app again if asked",
			"App Home: Messages Tab, allow users to send messages",
		],
	},
	feishu: {
		title: "Feishu or Lark",
		fields: [
			field("app_id", "Credentials & Basic Info", /^cli_\w+$/, false),
			field("app_secret", "Credentials & Basic Info", /^\w{16,}$/),
			field("encrypt_key", "Events & Callbacks, Encryption Strategy", /^\S+$/),
			field("verification_token", "Events & Callbacks, Encryption Strategy", /^\S+$/),
		],
		steps: (url) => [
			"open https://open.feishu.cn/app (Lark: https://open.larksuite.com/app) and choose the app",
			`Events & Callbacks: Request URL ${url}`,
			"Events & Callbacks: add the event `im.message.receive_v1`",
			"Permissions: send messages as the bot, and receive messages sent to it",
			"create a version, and have it approved",
		],
	},
};

export type SecretFields = Readonly<Record<string, string>>;

/** The fields that a stored secret lacks. */
export function missingFields(channel: Channel, stored: SecretFields): readonly Field[] {
	return SETUPS[channel].fields.filter(({ name }) => (stored[name] ?? "") === "");
}

/** What is wrong with a field's value; never the value, which may be a secret. */
export function problemOf({ name, where, pattern }: Field, value: string): string | undefined {
	return pattern.test(value) ? undefined : `this is no ${name} (${where})`;
}

/**
 * The JSON of a file with a channel's secret.
 * @throws ToolError SECRET_INCOMPLETE that names fields, never values
 */
export function readSecret(channel: Channel, text: string): SecretFields {
	const { fields } = SETUPS[channel];
	const remedy = `write {${fields.map(({ name }) => `"${name}": "…"`).join(", ")}}`;
	const fail = (message: string) =>
		new ToolError("SECRET_INCOMPLETE", `the secret of ${channel}: ${message}`, remedy);
	let value: unknown;
	try {
		value = JSON.parse(text);
	} catch {
		throw fail("the file is not JSON");
	}
	if (typeof value !== "object" || value === null || Array.isArray(value))
		throw fail("the file must hold a JSON object");
	const given = value as Record<string, unknown>;
	const known = new Set(fields.map(({ name }) => name));
	for (const name of Object.keys(given)) if (!known.has(name)) throw fail(`${name} is unknown`);
	for (const one of fields) {
		const text = given[one.name];
		if (text === undefined) continue;
		const problem = typeof text === "string" ? problemOf(one, text) : `${one.name} must be text`;
		if (problem !== undefined) throw fail(problem);
	}
	return given as SecretFields;
}
