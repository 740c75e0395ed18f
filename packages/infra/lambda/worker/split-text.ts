/**
 * Splits an answer into parts that a channel accepts. It loses only the white space at which it
 * splits.
 *
 * Splits after a blank line, otherwise after a line, a sentence or a space, if one is in the second
 * half of the part. It never cuts a surrogate pair. Not guaranteed: a code block that is longer
 * than a part is split.
 */
const BREAKS = ["\n\n", "\n", ". ", " "];

/** @param maxLength UTF-16 units, at least 2 */
export function splitText(text: string, maxLength: number): string[] {
	const parts: string[] = [];
	let rest = text.trim();
	while (rest.length > maxLength) {
		const end = endOfPart(rest, maxLength);
		parts.push(rest.slice(0, end).trimEnd());
		rest = rest.slice(end).trimStart();
	}
	if (rest !== "") parts.push(rest);
	return parts.filter((part) => part !== "");
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
