/** Slack creates signing secrets and bot tokens in its console, so an operator stages them. */
import { ChannelFailure } from "../channels/call.ts";
import { field, type SecretFields } from "../channels/channel.ts";
import { callSlack } from "../channels/slack.ts";
import { requireProof } from "./proof.ts";
import { merged, RotationFailure, type Strategy } from "./strategy.ts";

export const slack: Strategy = {
	propose: (current, staged) => merged(current, staged),

	async test(replacement) {
		const { current, next } = replacement;
		const answer = await callSlack("auth.test", {}, next);
		if (next.bot_token !== current.bot_token) await requireSameTeam(answer.team_id, current);
		field(next, "signing_secret");
		await requireProof("slack", replacement);
	},
};

/**
 * The names of users contain their team, so a token of another team would reach nobody. The team
 * of a token that was revoked meanwhile is unknown.
 */
async function requireSameTeam(teamId: unknown, current: SecretFields): Promise<void> {
	const before = await callSlack("auth.test", {}, current).catch((error: unknown) => {
		if (error instanceof ChannelFailure) return undefined;
		throw error;
	});
	if (before !== undefined && before.team_id !== teamId)
		throw new RotationFailure("STAGED_REFUSED", "the bot token belongs to another team");
}
