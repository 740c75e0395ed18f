/**
 * Reads messages in the channels' own formats as strictly as the channels do, and shows what a
 * person would see. Each throws an Error for what its channel refuses.
 */

export interface Seen {
	readonly text: string;
	/** The styled pieces: `bold: text`, with links as `link https://…: text`. */
	readonly styles: readonly string[];
}

const TELEGRAM_TAG =
	/^<(?:(\/)?(b|i|s|u|pre|code|blockquote)|(\/)?(a)|(a) href="([^"<>]+)"|(code) class="language-([^"<>\s]+)")>/;
const TELEGRAM_ENTITY = /^&(amp|lt|gt|quot);/;
const CHARACTERS: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"' };
const TELEGRAM_NAMES: Readonly<Record<string, string>> = {
	b: "bold",
	i: "italic",
	s: "strike",
	u: "underline",
	blockquote: "quote",
};

/** https://core.telegram.org/bots/api#html-style */
export function readTelegramHtml(html: string): Seen {
	const open: { readonly tag: string; readonly name: string; readonly from: number }[] = [];
	const styles: string[] = [];
	let text = "";
	for (let rest = html; rest !== ""; ) {
		const tag = TELEGRAM_TAG.exec(rest);
		const entity = TELEGRAM_ENTITY.exec(rest);
		if (tag !== null) {
			const [whole, closes, simple, closesLink, plainLink, link, href, code, language] = tag;
			rest = rest.slice(whole.length);
			const name = simple ?? plainLink ?? link ?? code ?? "";
			if (closes !== undefined || closesLink !== undefined) {
				const last = open.pop();
				if (last?.tag !== name) throw new Error(`can't parse entities: unexpected end of ${name}`);
				styles.push(`${last.name}: ${text.slice(last.from)}`);
				continue;
			}
			if (plainLink !== undefined) throw new Error("can't parse entities: a without href");
			const outer = open.map((one) => one.tag);
			const isInCode = outer.includes("code") || (outer.includes("pre") && language === undefined);
			if (isInCode || ((name === "code" || name === "pre") && outer.length > (language ? 1 : 0)))
				throw new Error(`can't parse entities: ${name} inside ${outer.join(" ")}`);
			if (name === "blockquote" && outer.includes("blockquote"))
				throw new Error("can't parse entities: nested blockquote");
			const named =
				href === undefined ? (language ?? TELEGRAM_NAMES[name] ?? name) : `link ${decoded(href)}`;
			open.push({ tag: name, name: named, from: text.length });
		} else if (entity !== null) {
			text += CHARACTERS[entity[1]!];
			rest = rest.slice(entity[0].length);
		} else {
			if (/^[<>&]/.test(rest))
				throw new Error(`can't parse entities: unsupported ${JSON.stringify(rest.slice(0, 20))}`);
			const length = /^[^<>&]+/.exec(rest)![0].length;
			text += rest.slice(0, length);
			rest = rest.slice(length);
		}
	}
	if (open.length > 0) throw new Error(`can't parse entities: no end of ${open.at(-1)!.tag}`);
	return { text, styles };
}

function decoded(text: string): string {
	return text.replace(/&(\w+);/g, (_, name) => CHARACTERS[name] ?? "");
}

type Json = Readonly<Record<string, unknown>>;

/** https://docs.slack.dev/reference/block-kit/blocks/rich-text-block */
export function readSlackBlocks(blocks: unknown): Seen {
	const styles: string[] = [];
	const lines = listOf(blocks, "blocks", 50).flatMap((block) => {
		if (block.type !== "rich_text") throw new Error(`invalid_blocks: ${block.type}`);
		return listOf(block.elements, "elements").map((group) => {
			const name = /^rich_text_(section|quote|preformatted)$/.exec(String(group.type))?.[1];
			if (name === undefined) throw new Error(`invalid_blocks: ${group.type}`);
			const text = listOf(group.elements, "elements")
				.map((one) => slackElement(one, styles))
				.join("");
			if (name !== "section") styles.push(`${name === "quote" ? "quote" : "pre"}: ${text}`);
			return text;
		});
	});
	return { text: lines.join("\n"), styles };
}

function slackElement({ type, text, url, style = {}, ...rest }: Json, styles: string[]): string {
	if (Object.keys(rest).length > 0) throw new Error(`invalid_blocks: ${Object.keys(rest)}`);
	if (typeof text !== "string" || text === "") throw new Error("invalid_blocks: empty text");
	if (
		type === "link" ? !/^(https?|mailto):/.test(String(url)) : type !== "text" || url !== undefined
	)
		throw new Error(`invalid_blocks: ${type} ${url}`);
	for (const [name, value] of Object.entries(style as Json)) {
		if (!["bold", "italic", "strike", "code"].includes(name) || value !== true)
			throw new Error(`invalid_blocks: style ${name}`);
		styles.push(`${name}: ${text}`);
	}
	if (type === "link") styles.push(`link ${url}: ${text}`);
	return text;
}

const FEISHU_STYLES: Readonly<Record<string, string>> = {
	bold: "bold",
	italic: "italic",
	lineThrough: "strike",
};

/** https://open.feishu.cn/document/uAjLw4CM/ukTMukTMukTM/im-v1/message/create_json */
export function readFeishuPost(post: unknown): Seen {
	const styles: string[] = [];
	const { content } = ((post as Json).zh_cn ?? {}) as Json;
	if (!Array.isArray(content) || content.length === 0) throw new Error("no content");
	const lines = content.map((line: unknown) => {
		const elements = listOf(line, "line");
		const isAlone = elements.length === 1;
		return elements.map((one) => feishuElement(one, isAlone, styles)).join("");
	});
	return { text: lines.join("\n"), styles };
}

function feishuElement(
	{ tag, text, href, language, style = [], ...rest }: Json,
	isAlone: boolean,
	styles: string[],
): string {
	if (Object.keys(rest).length > 0) throw new Error(`unknown ${Object.keys(rest)}`);
	if (typeof text !== "string" || text === "") throw new Error(`empty ${tag}`);
	if (tag === "code_block") {
		if (!isAlone || (language !== undefined && !/^[A-Z]+$/.test(String(language))))
			throw new Error("invalid code_block");
		styles.push(`pre: ${text}`);
		return text;
	}
	if (text.includes("\n")) throw new Error("a line break inside a line");
	if (tag === "a" ? !/^(https?|mailto):/.test(String(href)) : tag !== "text" || href !== undefined)
		throw new Error(`invalid ${tag}`);
	for (const name of style as readonly string[]) {
		const known = FEISHU_STYLES[name];
		if (known === undefined) throw new Error(`unknown style ${name}`);
		styles.push(`${known}: ${text}`);
	}
	if (tag === "a") styles.push(`link ${href}: ${text}`);
	return text;
}

function listOf(value: unknown, what: string, max = 10_000): Json[] {
	if (!Array.isArray(value) || value.length === 0 || value.length > max)
		throw new Error(`invalid ${what}`);
	return value as Json[];
}
