/** The message that travels through the queue from the webhook handler to the worker. */
import { createHash } from "node:crypto";
import * as z from "zod/mini";

export const QueuedMessage = z.object({
	channel: z.enum(["feishu", "telegram", "slack"]),
	/** The same for a delivery and all its repetitions. */
	deliveryId: z.string().check(z.regex(/^[0-9a-f]{64}$/)),
	/** Who wrote it, as in the table of users. */
	sender: z.string().check(z.minLength(1)),
	userId: z.string().check(z.minLength(1)),
	/** Missing for a message type that is not read. */
	text: z.optional(z.string()),
	replyTo: z.record(z.string(), z.string()),
});

export type QueuedMessage = z.infer<typeof QueuedMessage>;

export function deliveryIdOf(channel: string, eventId: string): string {
	return createHash("sha256").update(`${channel}\n${eventId}`).digest("hex");
}
