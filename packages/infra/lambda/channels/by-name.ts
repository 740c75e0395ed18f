import type { Channel, ChannelName } from "./channel.ts";
import { feishu } from "./feishu.ts";
import { slack } from "./slack.ts";
import { telegram } from "./telegram.ts";

export const CHANNELS: Readonly<Record<ChannelName, Channel>> = { feishu, telegram, slack };

export function isChannelName(name: string): name is ChannelName {
	return Object.hasOwn(CHANNELS, name);
}
