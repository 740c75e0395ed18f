import { expect, it } from "vitest";
import { parseXml, textOf } from "./s3-xml.ts";

it("reads elements, text, character data and entities", () => {
	const text = `<?xml version="1.0"?>\n<!-- a <b> --><A xmlns="x" y='1'>
		<K>a&amp;b&#x2b;&#10;&lt;&unknown;</K><E/><N>1<C><![CDATA[<&>]]></C></N></A>\n`;
	const root = parseXml(text)!;
	expect([root.name, ...root.children.map(({ name }) => name)]).toEqual(["A", "K", "E", "N"]);
	expect(textOf(root, "K")).toBe("a&b+\n<&unknown;");
	expect(textOf(root, "E")).toBe("");
	expect(textOf(root.children[2]!, "C")).toBe("<&>");
	expect(textOf(root, "Z")).toBeUndefined();
});

// @id s3-half-document
it("finds no document in a part of one, or in something else", () => {
	const whole = "<A><B>1</B><C/></A>";
	expect(parseXml(whole)).toBeDefined();
	for (let end = 0; end < whole.length; end++)
		expect(parseXml(whole.slice(0, end))).toBeUndefined();
	for (const text of ["<A></B>", "<A/><B/>", "text<A/>", "</A>", "<A></A></A>", "{}", "<A b"])
		expect(parseXml(text)).toBeUndefined();
});
