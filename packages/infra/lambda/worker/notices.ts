/** The bot's own messages. Each names what happened and what to do. */
export const NOTICES = {
	unreadable: "I read text only. Please write what you need.",
	empty: "Your agent has nothing to say to that.",
	unknown:
		"The connection to your agent broke off. It may or may not have done what you asked for: please look, and ask again if it has not.",
	failed:
		"Your agent could not be reached, and your last message was not worked on. Please send it again later.",
} as const;
