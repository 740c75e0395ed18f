/** Calls to the API of Feishu and Lark: https://open.feishu.cn/document */
import { feishuPost } from "../format/feishu-post.ts";
import { plainText } from "../format/rich-text.ts";
import type { Attachment } from "../shared/message.ts";
import { type Answer, type CallOptions, ChannelFailure, call, download } from "./call.ts";
import type { Outbound, ProgressSign, ReplyPart, SecretFields } from "./channel.ts";
import { feishuUrl, tenantToken } from "./feishu-token.ts";

/** A post may have 30 KB, a text 150. */
const MAX_POST_BYTES = 28_000;
/** The content is invalid, is too long, or cannot be shown. */
const POST_REFUSED = new Set<unknown>([230001, 230025, 230099]);

/** A message that Feishu refuses as rich text is sent as plain text. */
async function send(part: ReplyPart, secret: SecretFields): Promise<void> {
	const content = JSON.stringify(feishuPost(part.spans));
	if (Buffer.byteLength(content) <= MAX_POST_BYTES) {
		const answer = await reply(part, { msg_type: "post", content }, secret);
		if (!POST_REFUSED.has(answer.code)) return void checked("reply", answer);
	}
	const text = JSON.stringify({ text: plainText(part.spans) });
	checked("reply", await reply(part, { msg_type: "text", content: text }, secret));
}

async function reply(
	{ replyTo, id }: ReplyPart,
	message: object,
	secret: SecretFields,
): Promise<Answer> {
	const body = {
		...message,
		...(replyTo.thread !== undefined && { reply_in_thread: true }),
		// Of two messages with the same `uuid` within an hour, Feishu sends one.
		uuid: id,
	};
	return await ask("reply", `messages/${replyTo.message}/reply`, body, secret);
}

/** Needs the scope `im:message.reactions:write_only`. */
const progress: ProgressSign = {
	async show({ message }, secret, signal) {
		const body = { reaction_type: { emoji_type: "Typing" } };
		const answer = await ask("react", `messages/${message}/reactions`, body, secret, { signal });
		const { reaction_id: id } = (answer.data ?? {}) as { readonly reaction_id?: unknown };
		return typeof id === "string" ? id : undefined;
	},

	async remove(id, { message }, secret, signal) {
		const options = { method: "DELETE", signal } as const;
		checked(
			"unreact",
			await ask("unreact", `messages/${message}/reactions/${id}`, {}, secret, options),
		);
	},
};

/** Needs the scope `im:resource`, or one to read messages. */
async function fetchFile(
	{ ref }: Attachment,
	maxBytes: number,
	secret: SecretFields,
	signal: AbortSignal,
): Promise<Buffer> {
	const { message = "", key = "", type = "file" } = ref;
	const url = `${feishuUrl()}/open-apis/im/v1/messages/${message}/resources/${encodeURIComponent(key)}?type=${type}`;
	const headers = await authorization(secret);
	return await download("feishu file", url, { maxBytes, signal, headers });
}

export const feishuOutbound: Outbound = {
	/** A post may have 30 KB of JSON, and 4,000 Chinese characters take 12 KB. */
	maxPartLength: 4_000,
	send,
	download: fetchFile,
	progress,
};

async function ask(
	what: string,
	path: string,
	body: object,
	secret: SecretFields,
	options: CallOptions = {},
): Promise<Answer> {
	const headers = await authorization(secret);
	const url = `${feishuUrl()}/open-apis/im/v1/${path}`;
	return await call(`feishu ${what}`, url, body, { ...options, headers });
}

function checked(what: string, { code, msg }: Answer): void {
	if (code !== 0) throw new ChannelFailure(`feishu ${what}`, `code ${code}: ${msg}`, "refused");
}

async function authorization(secret: SecretFields): Promise<{ readonly authorization: string }> {
	return { authorization: `Bearer ${await tenantToken(secret)}` };
}
