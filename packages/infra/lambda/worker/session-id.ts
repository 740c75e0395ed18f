/** The id of a user's machine at AgentCore. */
import { createHash } from "node:crypto";

/**
 * One machine per user: the id is always the same, has 73 characters (33 to 100 are accepted), and
 * reveals nothing about the user.
 */
export function sessionIdOf(userId: string): string {
	return `openclaw-${createHash("sha256").update(userId).digest("hex")}`;
}
