/**
 * An answer in parts that a channel takes: nothing is lost but the white space at which it is
 * divided.
 *
 * Divides after a blank line, else a line, else a sentence's end, else a space, where one stands in
 * the second half; a surrogate pair is never cut. Not kept together: a code block that is longer
 * than a part.
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
