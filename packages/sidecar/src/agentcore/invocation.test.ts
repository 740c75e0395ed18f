import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { HttpRefusal } from "./http-refusal.ts";
import { parseInvocation, promptAnswer } from "./invocation.ts";

const parse = (body: object, accept?: string) => parseInvocation(JSON.stringify(body), accept);
const asked = { messages: [{ role: "user", content: "hello" }] };

describe("an invocation", () => {
	test.each([
		[{ prompt: "hello" }, "prompt", asked],
		[{ message: "hello" }, "prompt", asked],
		[{ input: { prompt: "hello" } }, "prompt", asked],
		[{ payload: "hello" }, "prompt", asked],
		[{ payload: { prompt: "hello" } }, "prompt", asked],
		[asked, "chat", asked],
		[{ input: "hello" }, "responses", { input: "hello" }],
		[
			{ input: [{ role: "user", content: "hello" }] },
			"responses",
			{ input: [{ role: "user", content: "hello" }] },
		],
	])("%j is a %s", (body, kind, sent) => {
		expect(parse(body)).toEqual({
			kind,
			isStream: false,
			body: { model: "openclaw/default", stream: false, ...sent },
			identityToken: undefined,
		});
	});

	test("keeps the caller's other parameters for the model", () => {
		expect(parse({ prompt: "hello", model: "openclaw:work", temperature: 0 }).body).toMatchObject({
			model: "openclaw:work",
			temperature: 0,
		});
	});

	test("never passes on the token, nor a user chosen by the caller", () => {
		const { body, identityToken } = parse({ ...asked, identityToken: "S3CRET", user: "bob" });
		expect(identityToken).toBe("S3CRET");
		expect(JSON.stringify(body)).not.toMatch(/S3CRET|bob/);
	});

	test.each([
		[{ stream: true }, undefined, true],
		[{ stream: false }, "text/event-stream", false],
		[{}, "text/event-stream, application/json", true],
		[{}, "application/json", false],
		[{}, undefined, false],
	])("%j with Accept %s streams: %s", (body, accept, isStream) => {
		const invocation = parse({ prompt: "hello", ...body }, accept);
		expect([invocation.isStream, invocation.body.stream]).toEqual([isStream, isStream]);
	});

	test.each([
		["hello", "hello"],
		['"hello"', "hello"],
		["42", "42"],
		["true", "true"],
		["don't {panic}", "don't {panic}"],
	])("of the text %s is a prompt", (text, content) => {
		const messages = [{ role: "user", content }];
		expect(parseInvocation(text, undefined)).toMatchObject({ kind: "prompt", body: { messages } });
	});

	test("of a plain text is a prompt, whatever it looks like", () => {
		const text = '{"messages":7}';
		const messages = [{ role: "user", content: text }];
		const invocation = parseInvocation(text, "text/event-stream", true);
		expect(invocation).toMatchObject({ kind: "prompt", isStream: true, body: { messages } });
		expect(() => parseInvocation("", undefined, true)).toThrow("must be text");
	});

	test.each<[string, string]>([
		["", "not JSON"],
		['{"prompt":', "not JSON"],
		['{"secret":"S3CRET" oops}', "not JSON"],
		["[]", "JSON object"],
		["null", "JSON object"],
		["{}", "prompt"],
		['{"prompt":""}', "must be text"],
		['{"prompt":{"a":1}}', "must be text"],
		['{"messages":[]}', "at least one"],
		['{"messages":"hi"}', "list"],
		['{"input":7}', "prompt"],
		['{"payload":{}}', "must be text"],
		['{"payload":7}', "must be text"],
		['{"prompt":"x","stream":"yes"}', "true or false"],
		['{"prompt":"x","identityToken":7}', "string"],
	])("%s is refused: %s", (text, reason) => {
		const refused = () => parseInvocation(text, undefined);
		expect(refused).toThrow(HttpRefusal);
		expect(refused).toThrow(reason);
		expect(refused).not.toThrow("S3CRET");
	});

	test("of any JSON is either accepted or refused", () => {
		fc.assert(
			fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
				try {
					expect(parseInvocation(text, undefined).body.model).toBeDefined();
				} catch (error) {
					expect(error).toBeInstanceOf(HttpRefusal);
				}
			}),
		);
	});
});

test("a prompt's answer is the completion's text, or nothing", () => {
	expect(promptAnswer({ choices: [{ message: { content: "hi" } }] })).toEqual({
		response: "hi",
		status: "success",
	});
	for (const odd of [
		null,
		7,
		{},
		{ choices: [] },
		{ choices: "x" },
		{ choices: [null] },
		{ choices: [{ message: { content: null } }] },
	]) {
		expect(promptAnswer(odd)).toBeUndefined();
	}
});
