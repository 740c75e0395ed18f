/** Server-sent events: reading those of an agent, and writing ours. */

/** The largest event. Agents send small parts of an answer. */
const MAX_EVENT_CHARS = 16 * 1024 * 1024;

/** The data of each event; other fields are dropped. @throws Error: an event exceeds the limit */
export async function* eventData(stream: AsyncIterable<Buffer>): AsyncGenerator<string> {
	const decoder = new TextDecoder();
	let text = "";
	for await (const part of stream) {
		text += decoder.decode(part, { stream: true });
		const events = text.split(/\r?\n\r?\n/);
		text = events.pop() ?? "";
		if (text.length > MAX_EVENT_CHARS)
			throw new Error(`an event exceeds ${MAX_EVENT_CHARS} characters`);
		for (const event of events) {
			const data = event
				.split(/\r?\n/)
				.flatMap((line) => (line.startsWith("data:") ? [line.slice(5).replace(/^ /, "")] : []));
			if (data.length > 0) yield data.join("\n");
		}
	}
}

export const eventOf = (data: unknown, name?: string) =>
	`${name === undefined ? "" : `event: ${name}\n`}data: ${JSON.stringify(data)}\n\n`;
