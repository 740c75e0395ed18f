/**
 * What the bot itself says, in the languages that it speaks. Each text names what happened and what
 * to do. `{name}` stands for a value.
 */
const EN = {
	empty: "Your agent gave no answer.",
	unknown:
		"The connection to your agent was lost. It may or may not have done what you asked for. Please check, and ask again if it has not.",
	delayed:
		"Your agent cannot be reached at the moment. I keep trying for 5 minutes, so you need not write again.",
	failed:
		"Your agent could not be reached for 5 minutes, so it did not read your last message. Please send it again later.",
	refused:
		"Your agent could not take this message, so it did not read it. Please send it in another form, such as shorter or without attachments.",
	stopped: "Stopped.",
	edited: "I do not read edits. If your agent should know, please send it as a new message.",
	stranger:
		"I work only for people who were allowed to use me. Your id is {sender}. Please give it to the person who runs this bot.",
	whoami: "Your id is {sender}. You are the user {user}.",
	help: "Write to your agent, and send images or text files with it. Commands:\n/new begins a new conversation\n/stop ends what your agent is doing\n/undo takes back the files that your last message changed\n/history shows what changed\n/restore FILE brings a file back\n/status shows the model and the conversation\n/whoami shows your id\n/commands lists all commands of your agent",
	cut: "The rest of this answer is left out, because it is too long for the chat: {left} of {total} characters. Please ask for it in parts.",
	attached: "I attached {name}.",
	unread: "Not read: {name} ({reason}).",
	audio: "I cannot hear. Please write it.",
	video: "I cannot watch videos. Please send a picture of what matters, or describe it.",
	sticker: "I cannot see stickers.",
	forward: "I cannot open forwarded conversations. Please copy their text.",
	external: "I cannot open files that are stored outside Slack. Please send the file itself.",
	other: "I do not know this kind of message. Please write what you need.",
	pdf: "I cannot read PDF here. Please send its text, or its pages as pictures",
	type: "I read pictures (JPEG, PNG, GIF, WebP, HEIC) and text files (TXT, MD, CSV, JSON, HTML)",
	large: "it is larger than {limit} MB",
	many: "I take {limit} pictures in one message",
	long: "its text is longer than {limit} characters",
	binary: "its text is not UTF-8",
	download: "it could not be fetched. Please send it again",
} as const;

export type Phrase = keyof typeof EN;

const ZH: Readonly<Record<Phrase, string>> = {
	empty: "您的助手没有给出回答。",
	unknown:
		"与您的助手的连接中断了。它可能已经完成了您的请求，也可能没有。请先确认，如果没有完成，请再说一次。",
	delayed: "暂时无法连接到您的助手。我会继续尝试 5 分钟，您不必重新发送。",
	failed: "5 分钟内无法连接到您的助手，它没有读到您的上一条消息。请稍后重新发送。",
	refused: "您的助手无法接收这条消息，所以没有读到它。请换一种方式发送，例如缩短内容或去掉附件。",
	stopped: "已停止。",
	edited: "我不会读取对消息的修改。如果需要让助手知道，请作为新消息发送。",
	stranger: "只有获得许可的人才能使用我。您的 ID 是 {sender}。请把它告诉管理这个机器人的人。",
	whoami: "您的 ID 是 {sender}，您是用户 {user}。",
	help: "直接给您的助手写消息，也可以附上图片或文本文件。命令：\n/new 开始新的对话\n/stop 停止助手正在做的事\n/undo 撤销您上一条消息改动的文件\n/history 显示改动记录\n/restore 文件名 找回一个文件\n/status 显示模型和对话\n/whoami 显示您的 ID\n/commands 列出助手的所有命令",
	cut: "这个回答太长，其余部分没有发送：共 {total} 个字符，省略了 {left} 个。请分几次询问。",
	attached: "我附上了 {name}。",
	unread: "未读取：{name}（{reason}）。",
	audio: "我听不了语音，请用文字发送。",
	video: "我看不了视频，请发送关键画面的图片，或用文字描述。",
	sticker: "我看不到表情贴纸。",
	forward: "我打不开转发的聊天记录，请复制其中的文字。",
	external: "我打不开存储在 Slack 之外的文件，请直接发送文件本身。",
	other: "我不认识这种消息，请用文字说明您的需要。",
	pdf: "我在这里读不了 PDF，请发送其中的文字，或把页面作为图片发送",
	type: "我能读取图片（JPEG、PNG、GIF、WebP、HEIC）和文本文件（TXT、MD、CSV、JSON、HTML）",
	large: "超过 {limit} MB",
	many: "一条消息最多 {limit} 张图片",
	long: "文字超过 {limit} 个字符",
	binary: "文字不是 UTF-8 编码",
	download: "无法下载，请重新发送",
};

/**
 * @param language as the channel gives it, such as `zh-hans`, `zh_CN` or `de`. Default: English,
 * also for languages that the bot does not speak
 */
export function say(
	language: string | undefined,
	phrase: Phrase,
	values: Readonly<Record<string, string>> = {},
): string {
	const texts: Readonly<Record<Phrase, string>> = /^zh\b|^zh_/i.test(language ?? "") ? ZH : EN;
	return texts[phrase].replace(/\{(\w+)\}/g, (whole, name: string) => values[name] ?? whole);
}

/** For tests: the catalog itself. */
export const CATALOG = { en: EN, zh: ZH };
