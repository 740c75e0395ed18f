/**
 * Checks whether the channel has signed with a key. No channel's API reports this, but the
 * webhook handler records a request that only the staged key verifies.
 */
import { CHANNELS } from "../channels/by-name.ts";
import type { ChannelName } from "../channels/channel.ts";
import { openTable, provedId } from "../state/table.ts";
import { changedFields, type Replacement, RotationFailure } from "./strategy.ts";

/** @throws RotationFailure NOT_PROVED */
export async function requireProof(channel: ChannelName, replacement: Replacement): Promise<void> {
	const { provedWith } = CHANNELS[channel];
	if (!changedFields(replacement).some((name) => provedWith.includes(name))) return;
	const proof = await openTable().get(provedId(provedWith, replacement.next));
	if (proof === undefined) {
		throw new RotationFailure(
			"NOT_PROVED",
			`${channel} has sent nothing yet with the new ${provedWith.join(" and ")}: write to the bot, then rotate again`,
		);
	}
}
