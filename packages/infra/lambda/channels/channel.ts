/**
 * The two sides of a channel. `Channel`, for the webhook handler: how its requests are verified and
 * what they contain. `Outbound`, for the worker: how an answer is sent. They are apart so that the
 * webhook handler, which must start fast, carries no code that formats answers.
 *
 * Only direct messages to the bot are accepted. An agent knows its user's affairs, and in a group
 * others would read the answer.
 */
import type { Span } from "../format/rich-text.ts";
import type { Attachment, Said } from "../shared/message.ts";
import { Refusal } from "../shared/refusal.ts";
import type { Delivery } from "./delivery.ts";

export type ChannelName = "feishu" | "telegram" | "slack";

/** The JSON of a channel's secret. */
export type SecretFields = Readonly<Record<string, unknown>>;

export type ReplyTo = Readonly<Record<string, string>>;

export interface ChannelMessage extends Said {
	/**
	 * The same for every repetition of a delivery, and different for any other message: what the
	 * channel's documentation names for it.
	 */
	readonly eventId: string;
	/**
	 * `telegram.4711`, `slack.T0123.U0456`, `feishu.ou_…`: unique among all people on all channels.
	 */
	readonly sender: string;
	/** Of the sender, if the channel tells it with the message. */
	readonly language?: string | undefined;
	/** An edit of an earlier message. Its text is not taken as a new one. */
	readonly isEdit?: true;
	/** For a channel that makes several messages of a long one. */
	readonly piece?: {
		readonly order: number;
		readonly writtenMs: number;
		/** The next message may belong to it. */
		readonly mayContinue: boolean;
	};
	/** The data that the worker needs to answer it. */
	readonly replyTo: ReplyTo;
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
	readonly spans: readonly Span[];
	readonly replyTo: ReplyTo;
	/** The same each time this part is sent; 40 hex digits. */
	readonly id: string;
}

export interface Channel {
	/** The fields of the secret that verify requests. */
	readonly provedWith: readonly string[];
	/** Verifies a request and reads it. @throws Refusal */
	open(delivery: Delivery, secret: SecretFields): Opened;
}

export interface Outbound {
	/** The maximum length of one message in UTF-16 units. */
	readonly maxPartLength: number;
	/** Falls back to plain text if the channel refuses the format. @throws ChannelFailure */
	send(part: ReplyPart, secret: SecretFields): Promise<void>;
	/** @throws ChannelFailure, of the kind `large` beyond `maxBytes` */
	download(
		attachment: Attachment,
		maxBytes: number,
		secret: SecretFields,
		signal: AbortSignal,
	): Promise<Buffer>;
	/** What the user sees until the answer comes. */
	readonly progress: ProgressSign;
	/** For a channel that does not tell the language with a message. @throws ChannelFailure */
	languageOf?(
		replyTo: ReplyTo,
		secret: SecretFields,
		signal: AbortSignal,
	): Promise<string | undefined>;
}

/** Calls end with `signal`. */
export interface ProgressSign {
	/** A sign fades, so it is shown again this often. Undefined: it stays until it is removed. */
	readonly everyMs?: number;
	/** @returns what `remove` needs. @throws ChannelFailure */
	show(replyTo: ReplyTo, secret: SecretFields, signal: AbortSignal): Promise<string | undefined>;
	/** Undefined: the answer itself ends the sign. @throws ChannelFailure */
	remove?(
		shown: string,
		replyTo: ReplyTo,
		secret: SecretFields,
		signal: AbortSignal,
	): Promise<void>;
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
