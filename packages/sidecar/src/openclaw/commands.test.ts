import { describe, expect, test } from "vitest";
import { parseInvocation } from "../agentcore/invocation.ts";
import {
	agentOf,
	commandLine,
	commandName,
	knownCommands,
	ownCommand,
	sessionKey,
} from "./commands.ts";

const invocation = (body: object) => parseInvocation(JSON.stringify(body), undefined);
const user = (content: unknown) => ({ role: "user", content });
const known = knownCommands({
	commands: [
		{ name: "help", textAliases: ["/help"], acceptsArgs: false },
		{ name: "think", textAliases: ["/think", "/thinking", "/t"], acceptsArgs: true },
		{ name: "stop", textAliases: ["/stop"], acceptsArgs: false },
	],
});

describe("a line that may be a command", () => {
	test.each([
		{ prompt: "/think high" },
		{ prompt: " /think high\n" },
		{ messages: [user("hello"), { role: "assistant", content: "hi" }, user("/think high")] },
		{ messages: [user([{ type: "text", text: "/think high" }])] },
		{ input: "/think high" },
		{ input: [user("/think high")] },
		{ input: [user([{ type: "input_text", text: "/think high" }])] },
	])("is the last message of %j", (body) => {
		expect(commandLine(invocation(body))).toBe("/think high");
	});

	test.each([
		{ prompt: "hello" },
		{ prompt: "/think\nhigh" },
		{ prompt: "/ think" },
		{ prompt: "//think" },
		{ prompt: "/etc/hosts is broken" },
		{ prompt: "see /think" },
		{ messages: [user("/think"), { role: "assistant", content: "hi" }] },
		{ messages: [{ role: "system", content: "/think" }] },
		{
			messages: [
				user([
					{ type: "text", text: "/think" },
					{ type: "image_url", image_url: {} },
				]),
			],
		},
		{ messages: [user([null])] },
		{ messages: [null] },
		{ input: [] },
		{ input: [7] },
	])("is none in %j", (body) => {
		expect(commandLine(invocation(body))).toBeUndefined();
	});
});

test.each([
	["/undo", { name: "undo", rest: "" }],
	["/Undo", { name: "undo", rest: "" }],
	["/history notes.md", { name: "history", rest: "notes.md" }],
	["/restore: my notes.md 41 ", { name: "restore", rest: "my notes.md 41" }],
	["/undone", undefined],
	["/history/of/it", undefined],
	["/new", undefined],
])("%s is a command of the sidecar's own: %j", (line, command) => {
	expect(ownCommand(line)).toEqual(command);
});

// @id text-is-no-command
test.each([
	["/think", "think"],
	["/Think High", "think"],
	["/t: high", "think"],
	["/thinking high", "think"],
	["/help", "help"],
	["/stop", "stop"],
	["/help me with this", undefined],
	["/stop it now", undefined],
	["/etc/hosts is broken", undefined],
	["/think/about it", undefined],
	["/thinker", undefined],
	["/unknown", undefined],
	["/", undefined],
])("%s is the command %s", (line, name) => {
	expect(commandName(line, known)).toBe(name);
});

test("no command is known from an answer that has another form", () => {
	for (const odd of [undefined, null, {}, { commands: 7 }]) expect(knownCommands(odd)).toEqual([]);
	expect(commandName("/help", [])).toBeUndefined();
});

test.each([
	["openclaw", undefined],
	["openclaw/default", undefined],
	["openclaw/Work", "work"],
	["openclaw:work", "work"],
	["agent:work", "work"],
	["gpt-5", undefined],
	[7, undefined],
])("the model %s means the agent %s", (model, agent) => {
	expect(agentOf({ ...invocation({ prompt: "x" }), body: { model } })).toBe(agent);
});

test("the conversation is the one that OpenClaw derives for its two APIs", () => {
	const key = (body: object) =>
		sessionKey({ invocation: invocation(body), namespace: "An.Na=41@b", traceHeaders: {} }, "main");
	expect(key({ prompt: "x" })).toBe("agent:main:openai-user:an.na=41@b");
	expect(key({ messages: [user("x")] })).toBe("agent:main:openai-user:an.na=41@b");
	expect(key({ input: "x" })).toBe("agent:main:openresponses-user:an.na=41@b");
});
