/** Slack creates signing secrets and bot tokens in its console, so an operator stages them. */
import { ChannelFailure } from "../channels/call.ts";
import type { SecretFields } from "../channels/channel.ts";
import { callSlack } from "../channels/slack-api.ts";
import { requireProof } from "./proof.ts";
import { has, merged, RotationFailure, type Strategy } from "./strategy.ts";

export const slack: Strategy = {
	fields: ["signing_secret", "bot_token"],

	propose: (current, staged) => merged(current, staged),

	async test(replacement) {
		const { current, next } = replacement;
		const answer = await callSlack("auth.test", {}, next);
		if (next.bot_token !== current.bot_token) await requireSameTeam(answer.team_id, current);
		await requireProof("slack", replacement);
	},
};

/**
 * The names of users contain their team, so a token of another team would reach nobody. The team
 * of a first token, and of one that was revoked meanwhile, is unknown.
 */
async function requireSameTeam(teamId: unknown, current: SecretFields): Promise<void> {
	if (!has(current, "bot_token")) return;
	const before = await callSlack("auth.test", {}, current).catch((error: unknown) => {
		if (error instanceof ChannelFailure) return undefined;
		throw error;
	});
	if (before !== undefined && before.team_id !== teamId)
		throw new RotationFailure("STAGED_REFUSED", "the bot token belongs to another team");
}
