import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { eventText } from "../../../testkit/model/fake-bedrock.ts";
import type { ModelApi } from "./upstream.ts";
import { type Usage, UsageMeter } from "./usage.ts";

const STREAM = "text/event-stream; charset=utf-8";
const count = fc.integer({ min: 0, max: 1_000_000 });
const counts = fc.record({ input: count, written: count, cached: count, output: count });
type Counts = typeof counts extends fc.Arbitrary<infer T> ? T : never;
/** Also what looks like an event or a usage. */
const content = fc.array(
	fc.oneof(
		fc.string({ unit: "binary" }),
		fc.constantFrom('"usage"', '\ndata: {"usage":{"output_tokens":9}}\n\n', '{"usage":{}}', "\r\n"),
	),
);

interface Form {
	readonly api: ModelApi;
	readonly type: string;
	readonly write: (counts: Counts, texts: readonly string[]) => string;
}

const anthropicUsage = ({ input, written, cached, output }: Counts) => ({
	input_tokens: input,
	cache_creation_input_tokens: written,
	cache_read_input_tokens: cached,
	output_tokens: output,
});
const openAiUsage = ({ input, written, cached, output }: Counts) => ({
	prompt_tokens: input + written + cached,
	prompt_tokens_details: { cached_tokens: cached },
	completion_tokens: output,
});

const FORMS: Readonly<Record<string, Form>> = {
	"a message": {
		api: "anthropic-messages",
		type: "application/json",
		write: (given, texts) =>
			JSON.stringify({
				content: texts.map((text) => ({ type: "text", text })),
				usage: anthropicUsage(given),
			}),
	},
	"a streamed message": {
		api: "anthropic-messages",
		type: STREAM,
		write: (given, texts) =>
			[
				{
					type: "message_start",
					message: { usage: { ...anthropicUsage(given), output_tokens: 1 } },
				},
				...texts.map((text) => ({ type: "content_block_delta", delta: { text } })),
				{ type: "message_delta", usage: { output_tokens: given.output } },
				{ type: "message_stop" },
			]
				.map(eventText)
				.join(""),
	},
	"a completion": {
		api: "openai-completions",
		type: "application/json",
		write: (given, texts) =>
			JSON.stringify({
				choices: texts.map((text) => ({ message: { content: text } })),
				usage: openAiUsage(given),
			}),
	},
	"a streamed completion": {
		api: "openai-completions",
		type: STREAM,
		write: (given, texts) =>
			[
				...texts.map((text) => ({ choices: [{ delta: { content: text } }], usage: null })),
				{ choices: [], usage: openAiUsage(given) },
				"[DONE]",
			]
				.map(eventText)
				.join(""),
	},
};

function metered({ api, type }: Form, chunks: readonly Buffer[]): Usage {
	const meter = new UsageMeter(api, type);
	for (const chunk of chunks) meter.push(chunk);
	return meter.end(400);
}

function cut(bytes: Buffer, places: readonly number[]): Buffer[] {
	const at = [0, ...places.map((place) => place % (bytes.length + 1)), bytes.length];
	at.sort((a, b) => a - b);
	return at.slice(1).map((end, i) => bytes.subarray(at[i], end));
}

describe.each(Object.entries(FORMS))("the usage of %s", (_, form) => {
	test("is found whatever the content is, wherever chunks end, and with either end of lines", () => {
		fc.assert(
			fc.property(
				counts,
				content,
				fc.array(fc.nat()),
				fc.constantFrom("\n", "\r\n", "\r"),
				(given, texts, places, end) => {
					const text = form.write(given, texts).replaceAll("\n", end);
					expect(metered(form, cut(Buffer.from(text), places))).toEqual({
						inputTokens: given.input + given.written,
						cachedTokens: given.cached,
						outputTokens: given.output,
						isEstimated: false,
					});
				},
			),
		);
	});

	test("is at least estimated if the answer is cut anywhere or is anything else", () => {
		fc.assert(
			fc.property(
				fc.oneof(
					fc.uint8Array().map((bytes) => Buffer.from(bytes)),
					fc.tuple(counts, content).map(([given, texts]) => Buffer.from(form.write(given, texts))),
				),
				fc.nat(),
				(bytes, place) => {
					const part = bytes.subarray(0, place % (bytes.length + 1));
					const usage = metered(form, [part]);
					if (!usage.isEstimated) return;
					expect(usage.outputTokens).toBeGreaterThanOrEqual(Math.ceil(part.length / 16));
					expect(usage.inputTokens + usage.cachedTokens).toBeGreaterThan(0);
				},
			),
		);
	});
});

// @id model-usage-estimated
test("an answer without a usage is charged by its size, and its request too", () => {
	const silent = FORMS["a streamed completion"] as Form;
	const text = eventText({ choices: [{ delta: { content: "x".repeat(1600) } }] });
	expect(metered(silent, [Buffer.from(text)])).toEqual({
		inputTokens: 100,
		cachedTokens: 0,
		outputTokens: Math.ceil(text.length / 16),
		isEstimated: true,
	});
});

test("a line or a body that is too large to keep is passed over", () => {
	const form = FORMS["a streamed completion"] as Form;
	const long = Buffer.from(
		`data: {"usage":{"completion_tokens":9},"x":"${"y".repeat(1_100_000)}"}\n\n`,
	);
	const good = Buffer.from(
		eventText({ usage: openAiUsage({ input: 1, written: 0, cached: 0, output: 2 }) }),
	);
	expect(metered(form, [long, good])).toMatchObject({ outputTokens: 2, isEstimated: false });
	expect(metered(form, [long])).toMatchObject({ isEstimated: true });
});

test("counts that are no counts are zero", () => {
	const form = FORMS["a message"] as Form;
	const usage = { input_tokens: -5, output_tokens: 1e300, cache_read_input_tokens: "7" };
	expect(metered(form, [Buffer.from(JSON.stringify({ usage }))])).toEqual({
		inputTokens: 0,
		cachedTokens: 0,
		outputTokens: 0,
		isEstimated: false,
	});
});
