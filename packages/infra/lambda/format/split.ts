/**
 * Splits a text with styles into parts that a channel accepts. It loses only the white space at
 * which it splits. Each part begins and ends the styles that it needs.
 *
 * Splits after a blank line, otherwise after a line, a sentence or a space, if one is in the second
 * half of the part. It never cuts a surrogate pair. Not guaranteed: a code block that is longer
 * than a part stays whole. It is split too, at the end of a line where possible.
 */
import { plainText, type Span } from "./rich-text.ts";

const BREAKS = ["\n\n", "\n", ". ", "。", " "];

/** @param maxLength UTF-16 units of text, at least 2 */
export function split(spans: readonly Span[], maxLength: number): Span[][] {
	return ranges(plainText(spans), maxLength).map(([from, to]) => slice(spans, from, to));
}

/** Of text without the white space at both ends. */
function ranges(text: string, maxLength: number): (readonly [number, number])[] {
	const end = text.trimEnd().length;
	const found: (readonly [number, number])[] = [];
	// A first line keeps its indentation, because code begins with it.
	let from = afterBlankLines(text, 0);
	while (from < end) {
		const rest = text.slice(from, end);
		const length = rest.length <= maxLength ? rest.length : endOfPart(rest, maxLength);
		const shown = rest.slice(0, length).trimEnd().length;
		if (shown > 0) found.push([from, from + shown]);
		from = afterBlankLines(text, from + length);
	}
	return found;
}

/** Skips empty lines, or the spaces of a line that was split. */
function afterBlankLines(text: string, from: number): number {
	const rest = text.slice(from);
	const isInLine = from > 0 && text[from - 1] !== "\n";
	const skipped = /^(?:[^\S\n]*\n)+/.exec(rest) ?? (isInLine ? /^[^\S\n]+/.exec(rest) : null);
	return from + (skipped?.[0].length ?? 0);
}

function endOfPart(text: string, maxLength: number): number {
	for (const mark of BREAKS) {
		const at = text.lastIndexOf(mark, maxLength - mark.trimEnd().length);
		if (at >= maxLength / 2) return at + mark.trimEnd().length;
	}
	const isPairCut = /^[\uD800-\uDBFF][\uDC00-\uDFFF]$/.test(
		text.slice(maxLength - 1, maxLength + 1),
	);
	return isPairCut ? maxLength - 1 : maxLength;
}

function slice(spans: readonly Span[], from: number, to: number): Span[] {
	let at = 0;
	return spans.flatMap(({ text, style }) => {
		const piece = text.slice(Math.max(0, from - at), Math.max(0, to - at));
		at += text.length;
		return piece === "" ? [] : [{ text: piece, style }];
	});
}
