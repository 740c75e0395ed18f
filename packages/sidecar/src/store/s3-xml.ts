/**
 * The two documents of S3 that the store reads: a listing and an error. Incomplete
 * documents are rejected: half a listing must not look like a whole one.
 */

export interface XmlElement {
	readonly name: string;
	/** Of the element itself, without that of its children. */
	text: string;
	readonly children: XmlElement[];
}

/** A part of a document: a comment or declaration, character data, a tag, or text. */
const PART =
	/<!--.*?-->|<\?.*?\?>|<!\[CDATA\[(.*?)\]\]>|<(\/?)([\w.:-]+)(?:\s[^<>]*?)?(\/?)>|([^<]+)/gsy;

/** @returns undefined if `text` is not a complete document */
export function parseXml(text: string): XmlElement | undefined {
	const top: XmlElement = { name: "", text: "", children: [] };
	const open = [top];
	PART.lastIndex = 0;
	while (PART.lastIndex < text.length) {
		const match = PART.exec(text);
		if (match === null) return undefined;
		const [, data, slash, name, isEmpty, plain] = match;
		const current = open.at(-1) as XmlElement;
		if (data !== undefined) current.text += data;
		else if (plain !== undefined) current.text += unescaped(plain);
		else if (slash === "/") {
			if (open.length === 1 || open.pop()?.name !== name) return undefined;
		} else if (name !== undefined) {
			const element: XmlElement = { name, text: "", children: [] };
			current.children.push(element);
			if (isEmpty !== "/") open.push(element);
		}
	}
	return open.length === 1 && top.text.trim() === "" && top.children.length === 1
		? top.children[0]
		: undefined;
}

/** The text of the first child with this name. */
export function textOf(element: XmlElement, name: string): string | undefined {
	return element.children.find((child) => child.name === name)?.text;
}

const ENTITIES: Readonly<Record<string, string>> = {
	amp: "&",
	lt: "<",
	gt: ">",
	quot: '"',
	apos: "'",
};

function unescaped(text: string): string {
	if (!text.includes("&")) return text;
	return text.replace(/&(?:#x([\da-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, name) => {
		const code = hex ? Number.parseInt(hex, 16) : decimal ? Number(decimal) : undefined;
		if (code === undefined)
			return Object.hasOwn(ENTITIES, name) ? (ENTITIES[name] as string) : whole;
		return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
	});
}
