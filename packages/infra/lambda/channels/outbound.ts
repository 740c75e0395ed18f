import type { ChannelName, Outbound } from "./channel.ts";
import { feishuOutbound } from "./feishu-api.ts";
import { slackOutbound } from "./slack-api.ts";
import { telegramOutbound } from "./telegram-api.ts";

export const OUTBOUND: Readonly<Record<ChannelName, Outbound>> = {
	feishu: feishuOutbound,
	telegram: telegramOutbound,
	slack: slackOutbound,
};
