/**
 * The interface of a channel: how its requests are verified, what they contain, and how an answer
 * is sent.
 *
 * Only direct messages to the bot are accepted. An agent knows its user's affairs, and in a group
 * others would read the answer.
 */
import type { Delivery } from "../webhook/delivery.ts";
import { Refusal } from "../webhook/refusal.ts";

export type ChannelName = "feishu" | "telegram" | "slack";

/** The JSON of a channel's secret. */
export type SecretFields = Readonly<Record<string, unknown>>;

export interface ChannelMessage {
	/** The same for every repetition of a delivery. */
	readonly eventId: string;
	/**
	 * `telegram.4711`, `slack.T0123.U0456`, `feishu.ou_…`: unique among all people on all channels.
	 */
	readonly sender: string;
	/** Undefined for a message type that is not read, such as an image. */
	readonly text: string | undefined;
	/** The data that `send` needs to answer it. */
	readonly replyTo: Readonly<Record<string, string>>;
}

export type Content =
	| { readonly kind: "challenge"; readonly answer: Readonly<Record<string, unknown>> }
	| { readonly kind: "message"; readonly message: ChannelMessage }
	| { readonly kind: "ignored"; readonly reason: string };

export interface Opened {
	readonly content: Content;
	/**
	 * A value that differs between any two requests of the channel. Undefined if the channel does not
	 * sign individual requests.
	 */
	readonly proof: string | undefined;
}

export interface ReplyPart {
	readonly text: string;
	readonly replyTo: Readonly<Record<string, string>>;
	/** The same each time this part is sent; 40 hex digits. */
	readonly id: string;
}

export interface Channel {
	/** The fields of the secret that verify requests. */
	readonly provedWith: readonly string[];
	/** Verifies a request and reads it. @throws Refusal */
	open(delivery: Delivery, secret: SecretFields): Opened;
	/** The maximum length of one message in UTF-16 units. */
	readonly maxPartLength: number;
	/** @throws ChannelFailure */
	send(part: ReplyPart, secret: SecretFields): Promise<void>;
}

/**
 * @throws Refusal CHANNEL_MISCONFIGURED: an empty secret verifies nothing, so it counts as missing
 */
export function field(secret: SecretFields, name: string): string {
	const value = secret[name];
	if (typeof value !== "string" || value === "")
		throw new Refusal("CHANNEL_MISCONFIGURED", `the secret has no ${name}`);
	return value;
}

export function ignored(reason: string): Content {
	return { kind: "ignored", reason };
}
