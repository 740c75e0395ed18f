/** Formatted text as data: a worker makes it of a file, and the page shows it. */

export interface RichElement {
	readonly tag: keyof HTMLElementTagNameMap;
	readonly attributes: Readonly<Record<string, string | number>>;
	readonly children: readonly Rich[];
}
export type Rich = string | RichElement;

export interface RichRequest {
	readonly text: string;
	readonly name: string;
	readonly isMarkdown: boolean;
}

/** First `ready`; then an answer to each request: undefined if it is more than a page can show. */
export type RichMessage = "ready" | { readonly content: readonly Rich[] | undefined };

export function element(
	tag: RichElement["tag"],
	children: readonly Rich[],
	attributes: RichElement["attributes"] = {},
): RichElement {
	return { tag, attributes, children };
}
