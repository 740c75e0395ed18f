/**
 * Markdown as elements.
 *
 * The syntax tree is turned into elements one by one, and no HTML is ever parsed: HTML in the text
 * is shown as text. An image is not fetched, but named. A link opens in a tab of its own, without a
 * referrer, and only if it leads to the web.
 */
import type { Nodes, Parents } from "mdast";
import { fromMarkdown } from "mdast-util-from-markdown";
import { gfmFromMarkdown } from "mdast-util-gfm";
import { gfm } from "micromark-extension-gfm";
import { highlighted, isKnown } from "./highlight.ts";
import { element, type Rich } from "./rich.ts";

/** Front matter of skills and notes is no heading. */
const FRONT_MATTER = /^---\n([\s\S]*?)\n---(?:\n|$)/;

export function markdown(text: string): Rich {
	const front = FRONT_MATTER.exec(text);
	const body = front === null ? text : text.slice(front[0].length);
	const tree = fromMarkdown(body, { extensions: [gfm()], mdastExtensions: [gfmFromMarkdown()] });
	const matter =
		front === null ? [] : [element("pre", [front[1] ?? ""], { class: "front-matter" })];
	return element("div", [...matter, ...all(tree)], { class: "markdown" });
}

function all(parent: Parents): readonly Rich[] {
	return parent.children.flatMap((child) => shown(child));
}

function shown(node: Nodes): readonly Rich[] {
	const one = (...of: Parameters<typeof element>) => [element(...of)];
	switch (node.type) {
		case "text":
			return [node.value];
		case "html":
			return one("code", [node.value], { class: "raw-html" });
		case "paragraph":
			return one("p", all(node));
		case "heading":
			// The page has headings of its own above.
			return one(`h${Math.min(6, node.depth + 2)}` as "h3", all(node), {
				"data-depth": node.depth,
			});
		case "emphasis":
			return one("em", all(node));
		case "strong":
			return one("strong", all(node));
		case "delete":
			return one("del", all(node));
		case "inlineCode":
			return one("code", [node.value]);
		case "code": {
			const language = node.lang ?? "";
			const content = isKnown(language) ? highlighted(node.value, language) : [node.value];
			return one("pre", [element("code", content)], { tabIndex: 0 });
		}
		case "blockquote":
			return one("blockquote", all(node));
		case "list":
			return node.ordered === true
				? one("ol", all(node), { start: node.start ?? 1 })
				: one("ul", all(node));
		case "listItem": {
			if (typeof node.checked !== "boolean") return one("li", all(node));
			const label = { role: "img", "aria-label": node.checked ? "done" : "to do" };
			const box = element("span", [node.checked ? "☑" : "☐"], label);
			return one("li", [box, ...all(node)], { class: "task" });
		}
		case "break":
			return one("br", []);
		case "thematicBreak":
			return one("hr", []);
		case "link":
			return /^https?:\/\//i.test(node.url)
				? one("a", all(node), { href: node.url, target: "_blank", rel: "noopener noreferrer" })
				: one("span", all(node), { class: "link", title: node.url });
		case "image":
			return one("span", [`${node.alt ?? ""} ${node.url}`.trim().slice(0, 200)], {
				class: "badge",
			});
		case "table": {
			const [first, ...rows] = node.children;
			const heads = (first?.children ?? []).map((cell) =>
				element("th", all(cell), { scope: "col" }),
			);
			const head = element("thead", [element("tr", heads)]);
			const body = element("tbody", rows.flatMap(shown));
			return one("div", [element("table", [head, body])], { class: "scroll-x", tabIndex: 0 });
		}
		case "tableRow":
			return one("tr", all(node));
		case "tableCell":
			return one("td", all(node));
		case "footnoteReference":
			return one("sup", [`[${node.identifier}]`]);
		case "footnoteDefinition":
			return one("div", [`[${node.identifier}] `, ...all(node)], { class: "footnote" });
		case "linkReference":
			return one("span", all(node), { class: "link" });
		case "imageReference":
			return one("span", [node.alt ?? ""], { class: "badge" });
		default:
			return [];
	}
}
