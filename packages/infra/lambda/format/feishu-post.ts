/**
 * Feishu's rich text (`post`), a list of lines:
 * https://open.feishu.cn/document/uAjLw4CM/ukTMukTMukTM/im-v1/message/create_json. Styles are data,
 * so nothing must be escaped. It has none for inline code and quotations, which keep their marks.
 */
import type { Span, Style } from "./rich-text.ts";

/** Other languages are left out, because Feishu may refuse them. */
const LANGUAGES = new Set(
	"PYTHON C CPP GO JAVA KOTLIN SWIFT PHP RUBY RUST JAVASCRIPT TYPESCRIPT BASH SHELL SQL JSON XML YAML HTML THRIFT".split(
		" ",
	),
);
const ALIASES: Readonly<Record<string, string>> = {
	JS: "JAVASCRIPT",
	TS: "TYPESCRIPT",
	PY: "PYTHON",
	SH: "SHELL",
	YML: "YAML",
	"C++": "CPP",
};

export function feishuPost(spans: readonly Span[]): object {
	const lines: object[][] = [[]];
	for (const { text, style } of spans) {
		if (style.block !== undefined) {
			if (lines.at(-1)?.length === 0) lines.pop();
			lines.push([codeBlock(text, style.block)], []);
			continue;
		}
		for (const [index, line] of text.split("\n").entries()) {
			if (index > 0) lines.push([]);
			const current = lines.at(-1)!;
			if (style.quote && current.length === 0) current.push({ tag: "text", text: "> " });
			if (line !== "") current.push(element(line, style));
		}
	}
	// An empty line needs an element, and code blocks keep their distance anyway.
	const content = lines.flatMap((line, index) => {
		if (line.length > 0) return [line];
		const isBesideCode = [lines[index - 1], lines[index + 1]].some(isCode);
		return isBesideCode || index === lines.length - 1 ? [] : [[{ tag: "text", text: " " }]];
	});
	return { zh_cn: { content } };
}

function isCode(line: readonly object[] | undefined): boolean {
	return line?.[0] !== undefined && "tag" in line[0] && line[0].tag === "code_block";
}

function codeBlock(text: string, named: string): object {
	const upper = named.toUpperCase();
	const language = ALIASES[upper] ?? upper;
	return { tag: "code_block", ...(LANGUAGES.has(language) && { language }), text };
}

function element(text: string, { bold, italic, strike, code, link }: Style): object {
	const style = [bold && "bold", italic && "italic", strike && "lineThrough"].filter(Boolean);
	return {
		...(link === undefined
			? { tag: "text", text: code ? `\`${text}\`` : text }
			: { tag: "a", href: link, text }),
		...(style.length > 0 && { style }),
	};
}
