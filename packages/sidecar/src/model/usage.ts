/**
 * Reads the tokens of an answer from a copy of its bytes, in either API, streamed or not. Chunks may
 * end anywhere.
 *
 * Does NOT fail: an answer that it cannot understand has no usage, and is charged by its size.
 */
import type { ModelApi } from "./upstream.ts";

export interface Usage {
	/** Without those of `cachedTokens`. */
	readonly inputTokens: number;
	/** Input that the provider read from its cache. */
	readonly cachedTokens: number;
	readonly outputTokens: number;
	/** The provider did not report all of it. */
	readonly isEstimated: boolean;
}

export const totalOf = ({ inputTokens, cachedTokens, outputTokens }: Usage) =>
	inputTokens + cachedTokens + outputTokens;

/** A line of a stream with a usage is far smaller; a longer one is content. */
const MAX_LINE_BYTES = 1_000_000;
/** A whole answer, with images in it. */
const MAX_JSON_BYTES = 50_000_000;
const BYTES_PER_TOKEN = 4;
/** Each event of a stream repeats the names of its fields. */
const STREAM_BYTES_PER_TOKEN = 16;
/** A request body holds images too, whose tokens are fewer than their bytes. */
const MAX_ESTIMATED_INPUT = 200_000;

/** The counts of a provider, by the provider's names. */
type Counts = Readonly<Record<string, unknown>>;

export class UsageMeter {
	readonly #api: ModelApi;
	readonly #isStream: boolean;
	#bytes = 0;
	#pending: Buffer[] = [];
	#pendingBytes = 0;
	#counts: Counts = {};
	#isComplete = false;

	/** @param contentType of the answer */
	constructor(api: ModelApi, contentType: string | undefined) {
		this.#api = api;
		this.#isStream = /^text\/event-stream\b/i.test(contentType ?? "");
	}

	push(chunk: Buffer): void {
		this.#bytes += chunk.length;
		if (!this.#isStream) return this.#keep(chunk, MAX_JSON_BYTES);
		let from = 0;
		for (let at = endOfLine(chunk, from); at >= 0; at = endOfLine(chunk, from)) {
			this.#keep(chunk.subarray(from, at), MAX_LINE_BYTES);
			this.#takeLine();
			from = at + 1;
		}
		this.#keep(chunk.subarray(from), MAX_LINE_BYTES);
	}

	/** @param requestBytes for an answer that does not say how many tokens the input had */
	end(requestBytes: number): Usage {
		if (this.#isStream) this.#takeLine();
		else this.#take(this.#pendingText());
		const usage =
			this.#api === "anthropic-messages" ? anthropic(this.#counts) : openAi(this.#counts);
		if (this.#isComplete) return { ...usage, isEstimated: false };
		const hasInput = usage.inputTokens + usage.cachedTokens > 0;
		const perToken = this.#isStream ? STREAM_BYTES_PER_TOKEN : BYTES_PER_TOKEN;
		return {
			inputTokens: hasInput ? usage.inputTokens : estimatedInput(requestBytes),
			cachedTokens: usage.cachedTokens,
			outputTokens: Math.max(usage.outputTokens, Math.ceil(this.#bytes / perToken)),
			isEstimated: true,
		};
	}

	#keep(part: Buffer, limit: number): void {
		this.#pendingBytes += part.length;
		if (this.#pendingBytes <= limit) this.#pending.push(part);
		else this.#pending = [];
	}

	#pendingText(): string {
		const text = Buffer.concat(this.#pending).toString();
		this.#pending = [];
		this.#pendingBytes = 0;
		return text;
	}

	#takeLine(): void {
		const text = this.#pendingText();
		// Both providers send an event's data in one line.
		if (text.startsWith("data:")) this.#take(text.slice("data:".length));
	}

	#take(text: string): void {
		if (!text.includes('"usage"')) return;
		let event: Event | null;
		try {
			event = JSON.parse(text);
		} catch {
			return;
		}
		const counts = event?.message?.usage ?? event?.usage;
		if (typeof counts !== "object" || counts === null) return;
		this.#counts = { ...this.#counts, ...defined(counts) };
		// The first event of a stream of Anthropic's has the input, the last one the output.
		this.#isComplete ||= event?.type !== "message_start";
	}
}

interface Event {
	readonly type?: unknown;
	readonly usage?: Counts | null;
	readonly message?: { readonly usage?: Counts | null } | null;
}

/** For a request whose answer never began. */
export const estimatedInput = (requestBytes: number) =>
	Math.min(Math.ceil(requestBytes / BYTES_PER_TOKEN), MAX_ESTIMATED_INPUT);

/** Of LF, CR or CR LF; the empty line after a CR does no harm. */
function endOfLine(chunk: Buffer, from: number): number {
	const [lf, cr] = [chunk.indexOf(10, from), chunk.indexOf(13, from)];
	return lf < 0 || (cr >= 0 && cr < lf) ? cr : lf;
}

const defined = (counts: Counts) =>
	Object.fromEntries(Object.entries(counts).filter(([, value]) => value != null));

const anthropic = (counts: Counts) => ({
	inputTokens: tokens(counts.input_tokens) + tokens(counts.cache_creation_input_tokens),
	cachedTokens: tokens(counts.cache_read_input_tokens),
	outputTokens: tokens(counts.output_tokens),
});

function openAi(counts: Counts) {
	const details = counts.prompt_tokens_details as { readonly cached_tokens?: unknown } | undefined;
	const input = tokens(counts.prompt_tokens);
	const cachedTokens = Math.min(tokens(details?.cached_tokens), input);
	return {
		inputTokens: input - cachedTokens,
		cachedTokens,
		outputTokens: tokens(counts.completion_tokens),
	};
}

const tokens = (value: unknown) =>
	Number.isSafeInteger(value) && (value as number) > 0 ? (value as number) : 0;
