/** Messages other than plain text, as each channel describes them: what `change` makes of one. */
import type { Said } from "./channel-requests.ts";

type Change = NonNullable<Said["change"]>;

const telegramFile = { file_id: "F1", file_size: 3 };
const feishu = (type: string, content: object): Change => ({
	message_type: type,
	content: JSON.stringify(content),
});
const slackFile = (mimetype: string, name: string, url: string): Change => ({
	text: "",
	subtype: "file_share",
	files: [{ id: "F1", name, mimetype, size: 3, url_private_download: url }],
});

export const KINDS = {
	telegram: {
		photo: {
			text: undefined,
			caption: "look",
			photo: [{ file_id: "small" }, telegramFile],
		},
		file: {
			text: undefined,
			document: { ...telegramFile, file_name: "notes.md", mime_type: "text/markdown" },
		},
		voice: { text: undefined, voice: telegramFile },
		sticker: { text: undefined, sticker: { emoji: "👍" } },
		location: { text: undefined, location: { latitude: 1.5, longitude: 2.5 } },
		contact: { text: undefined, contact: { first_name: "Bo", phone_number: "+1" } },
		poll: { text: undefined, poll: { question: "When?", options: [{ text: "now" }] } },
		video: { text: undefined, video: telegramFile, caption: "see" },
		forward: {
			forward_origin: { type: "user", sender_user: { first_name: "Bo", last_name: "Li" } },
		},
		unknown: { text: undefined, giveaway: {} },
	},
	feishu: {
		photo: feishu("image", { image_key: "F1" }),
		file: feishu("file", { file_key: "F1", file_name: "notes.md" }),
		voice: feishu("audio", { file_key: "F1", duration: 2 }),
		sticker: feishu("sticker", { file_key: "F1" }),
		location: feishu("location", { name: "Pier", longitude: "2.5", latitude: "1.5" }),
		video: feishu("media", { file_key: "F1", image_key: "i" }),
		forward: feishu("merge_forward", { content: "Merged and Forwarded Message" }),
		post: feishu("post", {
			title: "Plan",
			content: [
				[
					{ tag: "text", text: "a " },
					{ tag: "at", user_name: "Bo" },
				],
				[{ tag: "img", image_key: "F1" }],
				[{ tag: "code_block", language: "GO", text: "x()" }],
				[{ tag: "emotion", emoji_type: "SMILE" }],
			],
		}),
		unknown: feishu("todo", { task_id: "t" }),
	},
	slack: {
		photo: slackFile("image/png", "p.png", "https://files.slack.com/F1"),
		file: slackFile("text/markdown", "notes.md", "https://files.slack.com/F1"),
		voice: slackFile("audio/webm", "a.webm", "https://files.slack.com/F1"),
		video: slackFile("video/mp4", "a.mp4", "https://files.slack.com/F1"),
		forward: {
			text: "see this",
			attachments: [{ is_share: true, author_name: "Bo", text: "1 &lt; 2" }, { title: "a link" }],
		},
		gone: { text: "", subtype: "file_share", files: [{ id: "F1", mode: "tombstone" }] },
		unknown: { text: "" },
	},
} as const satisfies Record<string, Record<string, Change>>;
