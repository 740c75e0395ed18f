/** What travels through the queue from the door to the worker. */
import { createHash } from "node:crypto";
import { z } from "zod";

export const QueuedMessage = z.object({
	channel: z.enum(["feishu", "telegram", "slack"]),
	/** Of a delivery and all its repetitions. */
	deliveryId: z.string().regex(/^[0-9a-f]{64}$/),
	userId: z.string().min(1),
	/** Missing: of a kind that is not read. */
	text: z.string().optional(),
	replyTo: z.record(z.string(), z.string()),
});

export type QueuedMessage = z.infer<typeof QueuedMessage>;

export function deliveryIdOf(channel: string, eventId: string): string {
	return createHash("sha256").update(`${channel}\n${eventId}`).digest("hex");
}
