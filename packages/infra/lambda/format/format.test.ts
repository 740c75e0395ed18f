import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
	readFeishuPost,
	readSlackBlocks,
	readTelegramHtml,
	type Seen,
} from "../../../testkit/functions/channel-formats.ts";
import { feishuPost } from "./feishu-post.ts";
import { plainText, richText, type Span } from "./rich-text.ts";
import { slackBlocks } from "./slack-blocks.ts";
import { split } from "./split.ts";
import { telegramHtml } from "./telegram-html.ts";

const FORMATS: Readonly<Record<string, (spans: readonly Span[]) => Seen>> = {
	telegram: (spans) => readTelegramHtml(telegramHtml(spans)),
	slack: (spans) => readSlackBlocks(slackBlocks(spans)),
	feishu: (spans) => readFeishuPost(feishuPost(spans)),
};

const letters = (text: string) => text.replace(/[^a-z你好😀]/gu, "");

/** Whether all of `wanted` is in `text`, in order. */
function isWithin(wanted: string, text: string): boolean {
	let at = 0;
	for (const one of wanted) {
		at = text.indexOf(one, at);
		if (at === -1) return false;
		at += one.length;
	}
	return true;
}

const words = fc.constantFrom("ab", "cd", "ef", "你好", "😀", "x", "g h");
const marks = fc.constantFrom(
	..."*_~`>#-[]()|!<\\".split(""),
	"\n",
	"\n\n",
	"  ",
	"**",
	"~~",
	"\n```\n",
	"\n- ",
	"\n1. ",
	"\n> ",
	"](http://e.x/",
	"[",
	"| a | b |\n|---|---|\n",
	"<b>",
	"\n    ",
);
const wrapped = fc.letrec<{ inner: string }>((tie) => ({
	inner: fc.oneof(
		{ maxDepth: 3 },
		words,
		fc
			.tuple(fc.constantFrom("**", "*", "~~", "`", "["), tie("inner"), tie("inner"))
			.map(([mark, a, b]) =>
				mark === "[" ? `[${a}${b}](http://e.x/)` : `${mark}${a} ${b}${mark}`,
			),
	),
})).inner;
const markdown = fc
	.array(
		fc.oneof(
			{ weight: 3, arbitrary: words },
			{ weight: 2, arbitrary: marks },
			{ weight: 1, arbitrary: wrapped },
		),
		{
			maxLength: 40,
		},
	)
	.map((pieces) => pieces.join(""));

describe.each(Object.entries(FORMATS))("any Markdown, as %s gets it,", (_channel, read) => {
	test("is well-formed in every part, loses no text, and never exceeds a part", () => {
		fc.assert(
			fc.property(markdown, fc.integer({ min: 20, max: 200 }), (source, maxLength) => {
				const parts = split(richText(source), maxLength);
				const seen = parts.map((part) => read(part));
				const isGood = (text: string) => text.length <= maxLength && text.isWellFormed();
				expect(parts.map(plainText).filter((text) => !isGood(text))).toEqual([]);
				const links = seen.flatMap(({ styles }) => styles.map((one) => one.split(": ")[0]!));
				const shown = seen.map(({ text }) => text).join("");
				const wanted = letters(source.replaceAll("http://e.x/", ""));
				// The address of a link is no text, so it is searched for apart.
				if (!links.some((one) => one.startsWith("link")))
					expect([wanted, isWithin(wanted, letters(shown))]).toEqual([wanted, true]);
				expect(letters(shown)).toBe(letters(parts.map(plainText).join("")));
			}),
		);
	});

	test("keeps the visible text of links", () => {
		const source =
			"see [the ab page](https://e.x/q?a=1&b=2) and <https://e.x> and [x](javascript:y)";
		const { text, styles } = read(richText(source));
		expect(text).toBe("see the ab page and https://e.x and x (javascript:y)");
		expect(styles).toEqual([
			"link https://e.x/q?a=1&b=2: the ab page",
			"link https://e.x: https://e.x",
		]);
	});
});

const ANSWER = `# Plan

Run **this** and *that*, ~~not~~ \`a < b\`:

\`\`\`ts
if (a < b && c) {
    run("x");
}
\`\`\`

> quoted **words**
> go on

1. first
2. second
   - nested

- [x] done

| Name | 数量 |
|---|--:|
| 苹果 | 1 |
| pear | 22 |

---
5 &lt; 6 &amp; \\*stars\\*`;

test.each<[string, readonly string[]]>([
	["telegram", ["code: a < b", "ts: if (a < b", "quote: quoted words\ngo on", "pre: Name"]],
	["slack", ["code: a < b", "pre: if (a < b", "quote: quoted words\ngo on", "pre: Name"]],
	["feishu", ["pre: if (a < b", "pre: Name"]],
])("an answer of each kind of block, as %s shows it", (channel, expected) => {
	const { text, styles } = FORMATS[channel]!(richText(ANSWER));
	for (const style of ["bold: Plan", "bold: this", "italic: that", "strike: not", ...expected])
		expect(styles.some((one) => one.startsWith(style))).toBe(true);
	expect(text).toContain('if (a < b && c) {\n    run("x");\n}');
	expect(text).toContain("1. first\n2. second\n   • nested");
	expect(text).toContain("☑ done");
	expect(text).toContain("Name | 数量\n-----+-----\n苹果 | 1\npear | 22");
	expect(text).toContain("5 < 6 & *stars*");
});

describe("an answer that is hard to read", () => {
	const row = (cell: string) => `| a | ${cell} |\n`;
	const timed = (source: string) => {
		const startMs = performance.now();
		return { spans: richText(source), ms: performance.now() - startMs };
	};

	test.each([
		["nested too deeply", ">".repeat(2_000)],
		["over 50,000 characters", `**bold** ${"x ".repeat(25_000)}`],
		["dense with marks", "a_b".repeat(16_000)],
		[
			"a table with millions of cells",
			`${"|a".repeat(9_000)}|\n${"|-".repeat(9_000)}|\n${"|\n".repeat(6_000)}`,
		],
	])("stays as it is: %s", (_what, source) => {
		const { spans, ms } = timed(source);
		expect(plainText(spans)).toBe(source);
		expect(ms).toBeLessThan(1_000);
	});

	test("is no longer for a table with one wide cell, whose row is not aligned", () => {
		const source = `${row("b")}|---|---|\n${row("c").repeat(150)}${row("w".repeat(1_500))}`;
		const text = plainText(richText(source));
		expect(text.length).toBeLessThan(2 * source.length);
		expect(text).toContain("a | b\n--+--\na | c\n");
		expect(text).toContain(`a | ${"w".repeat(1_500)}`);
	});

	test("keeps words that look like an entity", () => {
		expect(plainText(richText("&constructor; &toString; &lt;"))).toBe("&constructor; &toString; <");
	});
});

test("a link whose text is code keeps its address in Telegram", () => {
	expect(telegramHtml(richText("[`run()`](https://e.x/run)"))).toBe(
		'<a href="https://e.x/run">run()</a>',
	);
});

test("a style that is cut ends in one part and begins again in the next", () => {
	const parts = split(richText(`**${"bold words ".repeat(5)}end**`), 30);
	expect(parts.length).toBeGreaterThan(1);
	for (const [index, part] of parts.entries()) {
		const html = telegramHtml(part);
		expect(readTelegramHtml(html).styles.length).toBeGreaterThan(0);
		if (index < parts.length - 1) expect(html).toMatch(/^<b>.*<\/b>$/);
	}
});

test.each([
	"<b>open",
	"<b><i>x</b></i>",
	"a < b",
	"&nbsp;",
	"<code><b>x</b></code>",
	'<a href="x"><code>y</code></a>',
	"<h1>x</h1>",
])("the reader of Telegram's HTML refuses %j, as Telegram does", (html) => {
	expect(() => readTelegramHtml(html)).toThrow("can't parse entities");
});
