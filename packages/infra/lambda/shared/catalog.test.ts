import { expect, test } from "vitest";
import { CATALOG, type Phrase, say } from "./catalog.ts";

const placesIn = (text: string) => (text.match(/\{\w+\}/g) ?? []).sort();

test("every phrase has the same values in every language", () => {
	for (const [phrase, text] of Object.entries(CATALOG.en))
		expect([phrase, placesIn(CATALOG.zh[phrase as Phrase])]).toEqual([phrase, placesIn(text)]);
});

test.each([
	["zh", "zh"],
	["zh-hans", "zh"],
	["zh-CN", "zh"],
	["zh_TW", "zh"],
	["ZH-Hant-HK", "zh"],
	["de", "en"],
	["zha", "en"],
	["", "en"],
	[undefined, "en"],
] as const)("a user of %s is answered in %s", (language, spoken) => {
	expect(say(language, "stopped")).toBe(CATALOG[spoken].stopped);
});

test("values are put in as they are", () => {
	expect(say("en", "whoami", { sender: "telegram.4711", user: "$& {sender}" })).toBe(
		"Your id is telegram.4711. You are the user $& {sender}.",
	);
});
