/**
 * The parts of a Markdown page that tests check: links, headings and code. It supports only the
 * syntax of this repository's pages.
 */

export interface CodeBlock {
	/** The language after the fence: `sh`, `json`, or empty. */
	readonly language: string;
	readonly text: string;
	/** The number of its first line. */
	readonly line: number;
	/** `<!-- run -->` precedes it, so the block is run as a script. */
	readonly isRun: boolean;
}

export interface MarkdownPage {
	/** Anchors that a link may name after `#`, as GitHub derives them from headings. */
	readonly anchors: ReadonlySet<string>;
	/** Targets of links and images. */
	readonly links: readonly string[];
	readonly blocks: readonly CodeBlock[];
	/** Code in running text. */
	readonly inlineCode: readonly string[];
}

const FENCE = /^\s*```(\w*)\s*$/;

export function parseMarkdown(text: string): MarkdownPage {
	const prose: string[] = [];
	const blocks: CodeBlock[] = [];
	let open: { language: string; lines: string[]; line: number; isRun: boolean } | undefined;
	for (const [index, line] of text.split("\n").entries()) {
		const fence = FENCE.exec(line);
		if (fence === null) (open?.lines ?? prose).push(line);
		else if (open === undefined)
			open = {
				language: fence[1] ?? "",
				lines: [],
				line: index + 2,
				isRun: prose.at(-1) === "<!-- run -->",
			};
		else {
			blocks.push({
				language: open.language,
				text: open.lines.join("\n"),
				line: open.line,
				isRun: open.isRun,
			});
			open = undefined;
		}
	}
	if (open !== undefined) throw new Error(`the code block of line ${open.line} is not closed`);
	const rest = prose.join("\n");
	const inlineCode = [...rest.matchAll(/`([^`\n]+)`/g)].map(([, code]) => code as string);
	const links = [...rest.replaceAll(/`[^`\n]+`/g, "").matchAll(/\]\(([^)\s]+)\)/g)].map(
		([, target]) => target as string,
	);
	return { anchors: anchorsOf(prose), links, blocks, inlineCode };
}

/**
 * https://docs.github.com/en/get-started/writing-on-github/getting-started-with-writing-and-formatting-on-github/basic-writing-and-formatting-syntax#section-links
 */
function anchorsOf(prose: readonly string[]): Set<string> {
	const anchors = new Set<string>();
	for (const line of prose) {
		const heading = /^#{1,6} (.+)$/.exec(line)?.[1];
		if (heading === undefined) continue;
		const plain = heading.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
		const anchor = plain.replaceAll(/[^\p{L}\p{N}_ -]/gu, "").replaceAll(" ", "-");
		let name = anchor;
		for (let number = 1; anchors.has(name); number++) name = `${anchor}-${number}`;
		anchors.add(name);
	}
	return anchors;
}
