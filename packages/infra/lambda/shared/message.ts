/** The message that travels through the queue from the webhook handler to the worker. */
import { createHash } from "node:crypto";
import * as z from "zod/mini";

/** A file in the channel, which the worker fetches. */
export const Attachment = z.object({
	kind: z.enum(["image", "file"]),
	name: z.string(),
	/** As the channel tells it. */
	bytes: z.optional(z.number()),
	/** The data that the channel's `download` needs. */
	ref: z.record(z.string(), z.string()),
});

/** A part of a message that nobody reads, by its phrase in the catalog. */
export const Unread = z.enum(["audio", "video", "sticker", "forward", "external", "other"]);

export const Said = z.object({
	/** Missing if there are only attachments. */
	text: z.optional(z.string()),
	attachments: z.optional(z.array(Attachment)),
	unread: z.optional(z.array(Unread)),
});

export const QueuedMessage = z.extend(Said, {
	channel: z.enum(["feishu", "telegram", "slack"]),
	/** The same for a delivery and all its repetitions. */
	deliveryId: z.string().check(z.regex(/^[0-9a-f]{64}$/)),
	/** Who wrote it, as in the table of users. */
	sender: z.string().check(z.minLength(1)),
	userId: z.string().check(z.minLength(1)),
	language: z.optional(z.string()),
	/** When it was queued. `/stop` reaches only what was queued before. */
	queuedMs: z.optional(z.number()),
	/** The channel may have cut a longer message, whose next piece `state/pastes.ts` then has. */
	mayContinue: z.optional(z.boolean()),
	/** What the bot answers itself, without asking the agent. */
	notice: z.optional(
		z.object({
			phrase: z.enum(["stranger", "whoami", "help", "edited"]),
			values: z.record(z.string(), z.string()),
		}),
	),
	replyTo: z.record(z.string(), z.string()),
});

export type Attachment = z.infer<typeof Attachment>;
export type Unread = z.infer<typeof Unread>;
export type Said = z.infer<typeof Said>;
export type QueuedMessage = z.infer<typeof QueuedMessage>;

export function deliveryIdOf(channel: string, eventId: string): string {
	return createHash("sha256").update(`${channel}\n${eventId}`).digest("hex");
}
