import { expect, test } from "vitest";
import { EN, type Key, SINGULAR, ZH } from "./texts.ts";

const placeholders = (text: string) =>
	[...text.matchAll(/\{\w+\}/g)].map(([found]) => found).sort();

test.each(Object.keys(EN) as Key[])("%s has the same values in every language", (key) => {
	expect(placeholders(ZH[key])).toEqual(placeholders(EN[key]));
	expect(ZH[key]).not.toBe("");
	const one = SINGULAR[key];
	if (one !== undefined) expect(placeholders(one)).toEqual(placeholders(EN[key]));
});
