/**
 * What a channel is: how its requests prove themselves, what they say, and how an answer is sent
 * back.
 *
 * Only what a person writes to the bot alone is taken: an agent knows its user's affairs, and in a
 * group others would read the answer.
 */
import type { Delivery } from "../door/delivery.ts";
import { Refusal } from "../door/refusal.ts";

export type ChannelName = "feishu" | "telegram" | "slack";

/** The JSON of a channel's secret. */
export type SecretFields = Readonly<Record<string, unknown>>;

export interface ChannelMessage {
	/** A delivery that is repeated has the same. */
	readonly eventId: string;
	/**
	 * `telegram.4711`, `slack.T0123.U0456`, `feishu.ou_…`: unlike any other person's of any channel.
	 */
	readonly sender: string;
	/** Undefined: of a kind that is not read, such as an image. */
	readonly text: string | undefined;
	/** What `send` needs to answer it. */
	readonly replyTo: Readonly<Record<string, string>>;
}

export type Content =
	| { readonly kind: "challenge"; readonly answer: Readonly<Record<string, unknown>> }
	| { readonly kind: "message"; readonly message: ChannelMessage }
	| { readonly kind: "ignored"; readonly reason: string };

export interface Opened {
	readonly content: Content;
	/**
	 * What is unlike in any two requests that the channel makes; undefined where it does not sign
	 * single requests.
	 */
	readonly proof: string | undefined;
}

export interface ReplyPart {
	readonly text: string;
	readonly replyTo: Readonly<Record<string, string>>;
	/** The same whenever this part is sent again; 40 hex digits. */
	readonly id: string;
}

export interface Channel {
	/** The fields of the secret that requests are proved with. */
	readonly provedWith: readonly string[];
	/** Checks a request and reads it. @throws Refusal */
	open(delivery: Delivery, secret: SecretFields): Opened;
	/** UTF-16 units that one message takes. */
	readonly maxPartLength: number;
	/** @throws ChannelFailure */
	send(part: ReplyPart, secret: SecretFields): Promise<void>;
}

/**
 * @throws Refusal CHANNEL_MISCONFIGURED: an empty secret proves nothing, so it is as good as none
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
