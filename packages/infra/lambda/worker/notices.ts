/** The bot's own messages. Each names what happened and what to do. */
export const NOTICES = {
	unreadable: "I read text only. Please write what you need.",
	empty: "Your agent gave no answer.",
	unknown:
		"The connection to your agent was lost. It may or may not have done what you asked for. Please check, and ask again if it has not.",
	failed:
		"Your agent could not be reached, so it did not read your last message. Please send it again later.",
} as const;
