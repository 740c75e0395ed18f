/**
 * Parses and highlights outside the page: a hostile text can take minutes, and the page ends this
 * worker after a second.
 */
import { highlighted, languageOf } from "./highlight.ts";
import { markdown } from "./markdown.ts";
import { element, type Rich, type RichMessage, type RichRequest } from "./rich.ts";

/** More would stop the page when it shows them. */
const MAX_ELEMENTS = 20_000;
const MAX_DEPTH = 100;

function rich({ text, name, isMarkdown }: RichRequest): readonly Rich[] | undefined {
	try {
		const content = isMarkdown ? [markdown(text)] : [source(text, languageOf(name))];
		return isShowable(content) ? content : undefined;
	} catch {
		// RangeError: it is nested too deeply for the parser.
		return undefined;
	}
}

function source(text: string, language: string | undefined): Rich {
	const content = language === undefined ? [text] : highlighted(text, language);
	return element("pre", content, { class: "text", tabIndex: 0 });
}

function isShowable(content: readonly Rich[]): boolean {
	let level = content;
	let count = 0;
	for (let depth = 0; level.length > 0; depth++) {
		count += level.length;
		if (count > MAX_ELEMENTS || depth > MAX_DEPTH) return false;
		level = level.flatMap((each) => (typeof each === "string" ? [] : each.children));
	}
	return true;
}

const post = (message: RichMessage) => postMessage(message);
addEventListener("message", ({ data }: MessageEvent<RichRequest>) => post({ content: rich(data) }));
post("ready");
