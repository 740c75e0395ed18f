/** Answers a request with a text that no model wrote, in the form that its caller expects. */
import { randomUUID } from "node:crypto";
import type { ServerResponse } from "node:http";
import { eventOf } from "./event-stream.ts";
import type { Invocation } from "./invocation.ts";

export const EVENT_HEADERS = {
	"content-type": "text/event-stream",
	"cache-control": "no-cache",
	"x-accel-buffering": "no",
};

export function answerText(
	{ kind, isStream, body: { model } }: Invocation,
	text: string,
	caller: ServerResponse,
): void {
	const created = Math.floor(Date.now() / 1000);
	const forms = {
		prompt: () => (isStream ? eventOf(text) : { response: text, status: "success" }),
		chat: () => (isStream ? chatEvents : chatCompletion)(text, { model, created }),
		responses: () => (isStream ? responseEvents : response)(text, { model, created }),
	};
	const answer = forms[kind]();
	if (typeof answer === "string") {
		caller.writeHead(200, EVENT_HEADERS).end(answer);
		return;
	}
	const json = Buffer.from(JSON.stringify(answer));
	caller
		.writeHead(200, { "content-type": "application/json", "content-length": json.length })
		.end(json);
}

interface About {
	readonly model: unknown;
	readonly created: number;
}

const NO_CHAT_TOKENS = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };
const NO_RESPONSE_TOKENS = { input_tokens: 0, output_tokens: 0, total_tokens: 0 };

function chatCompletion(content: string, about: About): object {
	return {
		id: `chatcmpl_${randomUUID()}`,
		object: "chat.completion",
		...about,
		choices: [{ index: 0, message: { role: "assistant", content }, finish_reason: "stop" }],
		usage: NO_CHAT_TOKENS,
	};
}

function chatEvents(content: string, about: About): string {
	const id = `chatcmpl_${randomUUID()}`;
	const chunk = (delta: object, finish_reason: string | null) =>
		eventOf({
			id,
			object: "chat.completion.chunk",
			...about,
			choices: [{ index: 0, delta, finish_reason }],
		});
	return `${chunk({ role: "assistant", content }, null)}${chunk({}, "stop")}data: [DONE]\n\n`;
}

function response(text: string, { model, created }: About, ids = newIds()): object {
	return {
		id: ids.response,
		object: "response",
		created_at: created,
		status: "completed",
		model,
		output: [outputItem(text, ids.item)],
		usage: NO_RESPONSE_TOKENS,
	};
}

const newIds = () => ({ response: `resp_${randomUUID()}`, item: `msg_${randomUUID()}` });

const outputItem = (text: string, id: string) => ({
	type: "message",
	id,
	role: "assistant",
	status: "completed",
	content: [{ type: "output_text", text }],
});

function responseEvents(text: string, about: About): string {
	const ids = newIds();
	const complete = response(text, about, ids);
	const started = { ...complete, status: "in_progress", output: [] };
	const part = { item_id: ids.item, output_index: 0, content_index: 0 };
	const item = outputItem(text, ids.item);
	const events = [
		{ type: "response.created", response: started },
		{ type: "response.in_progress", response: started },
		{
			type: "response.output_item.added",
			output_index: 0,
			item: { ...item, status: "in_progress", content: [] },
		},
		{ type: "response.content_part.added", ...part, part: { type: "output_text", text: "" } },
		{ type: "response.output_text.delta", ...part, delta: text },
		{ type: "response.output_text.done", ...part, text },
		{ type: "response.content_part.done", ...part, part: { type: "output_text", text } },
		{ type: "response.output_item.done", output_index: 0, item },
		{ type: "response.completed", response: complete },
	];
	return `${events.map((event) => eventOf(event, event.type)).join("")}data: [DONE]\n\n`;
}
