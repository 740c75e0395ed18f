import { expect, test } from "vitest";
import { minimalConfig } from "./config.ts";
import { takesImages } from "./model-input.ts";

const config = (model: unknown, entry: object, agents: object = {}) =>
	JSON.stringify({
		agents: { defaults: { model }, ...agents },
		models: { providers: { p: { models: [{ id: "x/y", name: "n", ...entry }] } } },
	});

test.each<[string, string | undefined, boolean]>([
	["declares images", config("p/x/y", { input: ["text", "image"] }), true],
	["declares text alone", config({ primary: "p/x/y" }, { input: ["text"] }), false],
	["declares nothing", config("p/x/y", {}), false],
	["is of OpenClaw's own catalog", config("openai/gpt-5", {}), true],
	["is not named", config(undefined, {}), true],
	["has no configuration", undefined, true],
	["has a broken configuration", "{", true],
	["has a configuration of another form", "[7]", true],
])("a model that %s", (_, text, expected) => {
	expect(takesImages(text, {}, undefined)).toBe(expected);
});

test("the model of the agent that is asked counts", () => {
	const text = config(
		"p/x/y",
		{},
		{ list: [{ id: "work", model: { primary: "openai/gpt-5" } }, { id: "home" }] },
	);
	expect(takesImages(text, {}, "work")).toBe(true);
	expect(takesImages(text, {}, "home")).toBe(false);
});

test("a new user's model takes images, unless its variable says otherwise", () => {
	const variables = { OPENCLAW_MODEL_BASE_URL: "http://127.0.0.1:1/v1", OPENCLAW_MODEL_ID: "m" };
	expect(takesImages(minimalConfig(variables), variables, undefined)).toBe(true);
	const text = minimalConfig({ ...variables, OPENCLAW_MODEL_INPUT: "text" });
	expect(takesImages(text, variables, undefined)).toBe(false);
});
