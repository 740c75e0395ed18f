/**
 * An agent's answer, which is Markdown, as text with styles, from which each channel's own format is
 * made. `marked` reads the Markdown. Nothing is lost: what has no style of its own stays as text, and
 * so does all of an answer that is too long, too deep or too dense for `marked`.
 *
 * A document is a list of spans. Lines end with "\n" in their text; blocks are separated by an empty
 * line. A code block is one span.
 */
import { lexer, type Token, type Tokens } from "marked";

export interface Style {
	readonly bold?: true;
	readonly italic?: true;
	readonly strike?: true;
	/** Inline code. It has no other style. */
	readonly code?: true;
	/** An absolute URL of http, https or mailto. */
	readonly link?: string;
	/** A code block, with its language or "". It has no other style. */
	readonly block?: string;
	readonly quote?: true;
}

export interface Span {
	readonly text: string;
	readonly style: Style;
}

const ENTITIES: Readonly<Record<string, string>> = {
	amp: "&",
	lt: "<",
	gt: ">",
	quot: '"',
	apos: "'",
	"#39": "'",
	nbsp: "\u00a0",
};
const MAX_LENGTH = 50_000;
const MAX_MARKS = 5_000;
const MAX_CELLS = 50_000;
/** A row with a wider cell is not aligned: spaces would make most of the table. */
const MAX_CELL_WIDTH = 40;
const SAFE_LINK = /^(?:https?:\/\/|mailto:)\S+$/i;
const WIDE =
	/[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Extended_Pictographic}/u;

export function richText(markdown: string): Span[] {
	const plain = [{ text: markdown, style: {} }];
	if (!isReadable(markdown)) return plain;
	try {
		return joined(lexer(markdown).map((token) => block(token, {})));
	} catch {
		// Nested too deeply.
		return plain;
	}
}

/** `marked` takes time with the square of the marks, and memory with the cells of a table. */
function isReadable(markdown: string): boolean {
	if (markdown.length > MAX_LENGTH || countOf(/[*_~]+/g, markdown) > MAX_MARKS) return false;
	const lines = markdown.split("\n");
	const columns = lines.reduce((most, line) => Math.max(most, countOf(/\|/g, line)), 0);
	return columns * lines.length <= MAX_CELLS;
}

function countOf(what: RegExp, text: string): number {
	return text.match(what)?.length ?? 0;
}

export function plainText(spans: readonly Span[]): string {
	return spans.map(({ text }) => text).join("");
}

/** @param parts those without text are left out */
function joined(parts: readonly (readonly Span[])[], separator = "\n\n"): Span[] {
	return parts
		.filter((part) => part.some(({ text }) => text.trim() !== ""))
		.flatMap((part, index) => (index === 0 ? part : [{ text: separator, style: {} }, ...part]));
}

function block(token: Token, style: Style): Span[] {
	switch (token.type) {
		case "space":
			return [];
		case "heading":
			return inline((token as Tokens.Heading).tokens, { ...style, bold: true });
		case "code": {
			const { text, lang = "" } = token as Tokens.Code;
			return [{ text, style: { block: lang.split(/\s/)[0] ?? "" } }];
		}
		case "blockquote":
			return quoted(joined((token as Tokens.Blockquote).tokens.map((one) => block(one, style))));
		case "list":
			return list(token as Tokens.List, style);
		case "table":
			return [{ text: table(token as Tokens.Table), style: { block: "" } }];
		case "hr":
			return [{ text: "———", style }];
		case "paragraph":
		case "text":
			return inline((token as Tokens.Text).tokens ?? [token], style);
		default:
			return [{ text: token.raw.trim(), style }];
	}
}

function quoted(spans: readonly Span[]): Span[] {
	return spans.map(({ text, style }) => ({
		text,
		style: style.block === undefined ? { ...style, quote: true } : style,
	}));
}

function list({ items, ordered, start }: Tokens.List, style: Style): Span[] {
	const lines = items.map((item, index) => {
		const number = ordered ? `${Number(start || 1) + index}. ` : "• ";
		const box = item.task ? (item.checked === true ? "☑ " : "☐ ") : "";
		const content = item.tokens.filter(({ type }) => type !== "checkbox");
		const inner = joined(
			content.map((one) => block(one, style)),
			"\n",
		);
		return [{ text: number + box, style }, ...indented(inner, style)];
	});
	return lines.flatMap((line, index) => (index === 0 ? line : [{ text: "\n", style }, ...line]));
}

/** Moves nested lines to the right, but not those of code, which begin a block of their own. */
function indented(spans: readonly Span[], style: Style): Span[] {
	return spans.flatMap((span, index) => {
		if (span.style.block !== undefined)
			return [...(index === 0 ? [{ text: "\n", style }] : []), span];
		const isBeforeCode = spans[index + 1]?.style.block !== undefined;
		const text = span.text.replaceAll("\n", "\n   ");
		return [{ ...span, text: isBeforeCode ? text.replace(/\n {3}$/, "\n") : text }];
	});
}

function table({ header, rows }: Tokens.Table): string {
	const lines = [header, ...rows].map((row) =>
		row.map(({ tokens }) => plainText(inline(tokens, {}))),
	);
	const aligned = new Set(
		lines.filter((line) => line.every((cell) => widthOf(cell) <= MAX_CELL_WIDTH)),
	);
	const widths = header.map((_, column) =>
		[...aligned].reduce((most, line) => Math.max(most, widthOf(line[column] ?? "")), 0),
	);
	const shown = lines.map((line) =>
		line
			.map((cell, column) =>
				aligned.has(line) ? cell + " ".repeat((widths[column] ?? 0) - widthOf(cell)) : cell,
			)
			.join(" | ")
			.trimEnd(),
	);
	const rule = widths.map((width) => "-".repeat(width)).join("-+-");
	return [shown[0], rule, ...shown.slice(1)].join("\n");
}

/** In columns of a fixed-width font, where a Chinese character takes two. */
function widthOf(text: string): number {
	return [...text].reduce((sum, one) => sum + (WIDE.test(one) ? 2 : 1), 0);
}

function inline(tokens: readonly Token[], style: Style): Span[] {
	return tokens.flatMap((token) => inlineOf(token, style));
}

function inlineOf(token: Token, style: Style): Span[] {
	switch (token.type) {
		case "strong":
			return inline((token as Tokens.Strong).tokens, { ...style, bold: true });
		case "em":
			return inline((token as Tokens.Em).tokens, { ...style, italic: true });
		case "del":
			return inline((token as Tokens.Del).tokens, { ...style, strike: true });
		case "codespan": {
			const { quote } = style;
			return [
				{ text: (token as Tokens.Codespan).text, style: { code: true, ...(quote && { quote }) } },
			];
		}
		case "br":
			return [{ text: "\n", style }];
		case "link":
		case "image":
			return link(token as Tokens.Link | Tokens.Image, style);
		case "text":
		case "escape": {
			const { text, tokens } = token as Tokens.Text;
			return tokens === undefined ? [{ text: decoded(text), style }] : inline(tokens, style);
		}
		default:
			return [{ text: token.raw, style }];
	}
}

function link(token: Tokens.Link | Tokens.Image, style: Style): Span[] {
	const { href, text } = token;
	const shown =
		token.type === "image" ? [{ text: decoded(text), style }] : inline(token.tokens ?? [], style);
	if (plainText(shown).trim() === "") shown.splice(0, shown.length, { text: href, style });
	if (!SAFE_LINK.test(href))
		return href === plainText(shown) || href === ""
			? shown
			: [...shown, { text: ` (${href})`, style }];
	return shown.map((span) => ({ ...span, style: { ...span.style, link: href } }));
}

function decoded(text: string): string {
	return text.replace(/&([a-z]+|#39);/g, (whole, name: string) =>
		Object.hasOwn(ENTITIES, name) ? ENTITIES[name]! : whole,
	);
}
