/**
 * Telegram's HTML: https://core.telegram.org/bots/api#html-style. It refuses a message whose tags it
 * does not know or that are not nested.
 */
import type { Span, Style } from "./rich-text.ts";

interface Tag {
	readonly open: string;
	readonly close: string;
}

export function telegramHtml(spans: readonly Span[]): string {
	let html = "";
	let open: readonly Tag[] = [];
	for (const { text, style } of [...spans, { text: "", style: {} }]) {
		const wanted = tagsOf(style);
		const kept = wanted.findIndex((tag, index) => tag.open !== open[index]?.open);
		// Two code blocks in succession are not one.
		const same = style.block !== undefined ? 0 : kept === -1 ? wanted.length : kept;
		html += open
			.slice(same)
			.toReversed()
			.map(({ close }) => close)
			.join("");
		html += wanted
			.slice(same)
			.map((tag) => tag.open)
			.join("");
		html += escaped(text);
		open = wanted;
	}
	return html;
}

function tagsOf({ bold, italic, strike, code, link, block, quote }: Style): readonly Tag[] {
	// Code can have no other style inside, and none around it. The address of a link matters more.
	if (block !== undefined) return blockTags(block);
	if (code && link === undefined) return [simple("code")];
	return [
		...(quote ? [simple("blockquote")] : []),
		...(link === undefined ? [] : [{ open: `<a href="${escaped(link)}">`, close: "</a>" }]),
		...(bold ? [simple("b")] : []),
		...(italic ? [simple("i")] : []),
		...(strike ? [simple("s")] : []),
	];
}

function blockTags(language: string): readonly Tag[] {
	if (!/^[\w+#.-]{1,32}$/.test(language)) return [simple("pre")];
	return [simple("pre"), { open: `<code class="language-${language}">`, close: "</code>" }];
}

const simple = (name: string): Tag => ({ open: `<${name}>`, close: `</${name}>` });

function escaped(text: string): string {
	return text
		.replaceAll("&", "&amp;")
		.replaceAll("<", "&lt;")
		.replaceAll(">", "&gt;")
		.replaceAll('"', "&quot;");
}
