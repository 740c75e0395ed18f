import { describe, expect, test } from "vitest";
import { HttpRefusal } from "../agentcore/http-refusal.ts";
import { type Invocation, parseInvocation } from "../agentcore/invocation.ts";
import { translateAttachments } from "./attachments.ts";

const translated = (invocation: Invocation, takesImages: boolean) =>
	translateAttachments(invocation, () => takesImages);

const PNG = "data:image/png;base64,aGVsbG8=";
const TEXT = `data:text/plain;base64,${Buffer.from("grüße").toString("base64")}`;
const base64Of = (bytes: number) => Buffer.alloc(bytes).toString("base64");

function chat(...content: unknown[]) {
	return parseInvocation(JSON.stringify({ messages: [{ role: "user", content }] }), undefined);
}
function responses(...content: unknown[]) {
	return parseInvocation(JSON.stringify({ input: [{ role: "user", content }] }), undefined);
}
const image = (url: unknown) => ({ type: "image_url", image_url: { url } });
const file = (filename: string, file_data: unknown) => ({
	type: "file",
	file: { filename, file_data },
});

test("requests without lists of parts stay as they are", () => {
	for (const body of [
		{ prompt: "x" },
		{ input: "x" },
		{ messages: [{ role: "user", content: "x" }] },
	]) {
		const invocation = parseInvocation(JSON.stringify(body), undefined);
		expect(translated(invocation, false)).toEqual(invocation);
	}
});

describe("in a chat completion", () => {
	test("texts and data: images stay as they are", () => {
		const invocation = chat({ type: "text", text: "look" }, image(PNG));
		expect(translated(invocation, true)).toEqual(invocation);
	});

	test("a text file becomes a part of the message", () => {
		expect(translated(chat(file("a.txt", TEXT)), true).body.messages).toEqual([
			{ role: "user", content: [{ type: "text", text: 'File "a.txt":\ngrüße' }] },
		]);
		const bare = file("a.md", Buffer.from("# hi").toString("base64"));
		expect(translated(chat(bare), false).body.messages).toEqual([
			{ role: "user", content: [{ type: "text", text: 'File "a.md":\n# hi' }] },
		]);
	});

	test.each<[string, unknown, number]>([
		["fetches no images", image("https://example.com/cat.png"), 400],
		["has no URL", image(undefined), 400],
		["has no URL", { type: "image_url", image_url: null }, 400],
		["images of the types", image("data:image/svg+xml;base64,aGVsbG8="), 400],
		["fetches no images", image("data:image/png,hello"), 400],
		["empty", image("data:image/png;base64,"), 400],
		["exceeds the 10485760 bytes", image(`data:image/png;base64,${base64Of(10_485_770)}`), 413],
		["drops this file", file("a.pdf", "data:application/pdf;base64,aGVsbG8="), 400],
		["files of the types", file("a.zip", "data:application/zip;base64,aGVsbG8="), 400],
		["files of the types", file("a.zip", "aGVsbG8="), 400],
		["fetches no files", { type: "file", file: { file_id: "file-1" } }, 400],
		["not UTF-8", file("a.txt", "data:text/plain;base64,/w=="), 400],
		["exceeds 60000 characters", file("a.txt", base64Of(60_001)), 400],
		["exceeds the 5242880 bytes", file("a.txt", base64Of(5_242_890)), 413],
		["drops parts of this type", { type: "input_audio", input_audio: {} }, 400],
		["drops parts of this type", null, 400],
	])(
		"what OpenClaw would drop or refuse without a reason is refused: %s",
		(reason, part, status) => {
			const refused = () => translated(chat(part), true);
			expect(refused).toThrow(HttpRefusal);
			expect(refused).toThrow(
				expect.objectContaining({ status, message: expect.stringContaining(reason) }),
			);
		},
	);

	test("more images than OpenClaw takes in the last message are refused", () => {
		const parts = Array.from({ length: 9 }, () => image(PNG));
		expect(() => translated(chat(...parts), true)).toThrow("takes 8");
		expect(translated(chat(...parts.slice(1)), true)).toBeDefined();
	});
});

describe("in a response", () => {
	test("OpenAI's own forms become the agent's", () => {
		const invocation = responses(
			{ type: "input_text", text: "look" },
			{ type: "input_image", image_url: PNG, detail: "auto" },
			{ type: "input_file", filename: "a.csv", file_data: "YSxi" },
		);
		expect(translated(invocation, true).body.input).toEqual([
			{
				type: "message",
				role: "user",
				content: [
					{ type: "input_text", text: "look" },
					{
						type: "input_image",
						source: { type: "base64", media_type: "image/png", data: "aGVsbG8=" },
					},
					{
						type: "input_file",
						source: { type: "base64", media_type: "text/csv", data: "YSxi", filename: "a.csv" },
					},
				],
			},
		]);
	});

	test("the agent's forms and other items stay as they are", () => {
		const part = { type: "input_file", source: { type: "url", url: "https://example.com/a.pdf" } };
		const items = [
			{ type: "message", role: "user", content: [part] },
			{ type: "function_call_output", call_id: "1", output: "x" },
			{ type: "message", role: "assistant", content: [{ type: "output_text", text: "x" }] },
		];
		const invocation = parseInvocation(JSON.stringify({ input: items }), undefined);
		expect(translated(invocation, false).body.input).toEqual(items);
	});

	test.each([
		["fetches no images", { type: "input_image", image_url: "https://example.com/cat.png" }],
		["has no URL", { type: "input_image", file_id: "file-1" }],
		["fetches no files", { type: "input_file", file_url: "https://example.com/a.pdf" }],
		["drops parts of this type", { type: "input_audio" }],
	])("what cannot be translated is refused: %s", (reason, part) => {
		expect(() => translated(responses(part), true)).toThrow(reason);
	});
});

// @id image-for-a-model-without
test.each([
	["chat", chat(image(PNG))],
	["a response", responses({ type: "input_image", image_url: PNG })],
	[
		"a response in the agent's form",
		responses({
			type: "input_image",
			source: { type: "base64", media_type: "image/png", data: "x" },
		}),
	],
])("an image of %s is refused if the model takes none", (_, invocation) => {
	expect(() => translated(invocation, false)).toThrow(
		expect.objectContaining({ status: 400, message: expect.stringContaining("takes no images") }),
	);
});
