/**
 * Slack's rich text: https://docs.slack.dev/reference/block-kit/blocks/rich-text-block. Styles are
 * data there. In `mrkdwn` and `markdown_text` they are marks, which Slack does not recognise beside
 * Chinese characters, and a part that ends inside a style would have to escape them.
 */
import type { Span, Style } from "./rich-text.ts";

type Kind = "rich_text_section" | "rich_text_quote" | "rich_text_preformatted";

export function slackBlocks(spans: readonly Span[]): readonly object[] {
	const groups: { readonly kind: Kind; readonly spans: Span[] }[] = [];
	for (const span of spans) {
		const kind = kindOf(span.style);
		const last = groups.at(-1);
		if (last?.kind === kind && kind !== "rich_text_preformatted") last.spans.push(span);
		else groups.push({ kind, spans: [span] });
	}
	const elements = groups.flatMap(({ kind, spans: own }, index) => {
		// Each element begins a line of its own.
		const [isFirst, isLast] = [index === 0, index === groups.length - 1];
		const inside = trimmed(own, !isFirst, !isLast).map((span) => element(span, kind));
		return inside.length === 0 ? [] : [{ type: kind, elements: inside }];
	});
	return [{ type: "rich_text", elements }];
}

function kindOf({ block, quote }: Style): Kind {
	if (block !== undefined) return "rich_text_preformatted";
	return quote ? "rich_text_quote" : "rich_text_section";
}

function trimmed(spans: readonly Span[], atStart: boolean, atEnd: boolean): Span[] {
	return spans
		.map((span, index) => {
			const head = atStart && index === 0 ? span.text.replace(/^\n+/, "") : span.text;
			const text = atEnd && index === spans.length - 1 ? head.replace(/\n+$/, "") : head;
			return { ...span, text };
		})
		.filter(({ text }) => text !== "");
}

function element({ text, style }: Span, kind: Kind): object {
	if (kind === "rich_text_preformatted") return { type: "text", text };
	const { bold, italic, strike, code, link } = style;
	const own = { ...(bold && { bold }), ...(italic && { italic }), ...(strike && { strike }) };
	const styles = code ? { code } : own;
	return {
		...(link === undefined ? { type: "text", text } : { type: "link", url: link, text }),
		...(Object.keys(styles).length > 0 && { style: styles }),
	};
}
