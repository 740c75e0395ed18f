/** Highlighted text as elements: no HTML is ever parsed. */
import type { Element, RootContent } from "hast";
import { common, createLowlight } from "lowlight";
import { element, type Rich } from "./rich.ts";

const lowlight = createLowlight(common);

const BY_EXTENSION: Readonly<Record<string, string>> = {
	...{ cjs: "javascript", js: "javascript", jsx: "javascript", mjs: "javascript" },
	...{ cts: "typescript", mts: "typescript", ts: "typescript", tsx: "typescript" },
	...{ json: "json", json5: "json", jsonl: "json", map: "json" },
	...{ bash: "bash", sh: "bash", zsh: "bash", env: "ini", ini: "ini", toml: "ini" },
	...{ yaml: "yaml", yml: "yaml", md: "markdown", markdown: "markdown" },
	...{ htm: "xml", html: "xml", svg: "xml", xml: "xml", css: "css", scss: "scss" },
	...{ c: "c", h: "c", cc: "cpp", cpp: "cpp", go: "go", java: "java", kt: "kotlin", lua: "lua" },
	...{ php: "php", py: "python", rb: "ruby", rs: "rust", sql: "sql", swift: "swift" },
	...{ diff: "diff", patch: "diff", graphql: "graphql", pl: "perl", r: "r" },
};

/** The language of a file by its name; undefined if it is not known. */
export function languageOf(name: string): string | undefined {
	const extension = /\.(\w+)$/.exec(name.toLowerCase())?.[1];
	return extension === undefined ? undefined : BY_EXTENSION[extension];
}

export function isKnown(language: string): boolean {
	return lowlight.registered(language);
}

export function highlighted(text: string, language: string): readonly Rich[] {
	return lowlight.highlight(language, text).children.flatMap(shown);
}

function shown(node: RootContent): readonly Rich[] {
	if (node.type === "text") return [node.value];
	if (node.type !== "element") return [];
	return [element("span", node.children.flatMap(shown), { class: classOf(node) })];
}

function classOf({ properties }: Element): string {
	const names = properties.className;
	return Array.isArray(names) ? names.join(" ") : "";
}
