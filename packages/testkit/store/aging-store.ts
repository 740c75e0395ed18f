/**
 * A store in memory with a clock that the test sets, because retention takes weeks. It passes the
 * conformance suite.
 */
import { SidecarError } from "../../sidecar/src/errors.ts";
import { throwIfAborted } from "../../sidecar/src/store/abort.ts";
import { assertKey, assertPrefix, assertRange } from "../../sidecar/src/store/keys.ts";
import type {
	GetOptions,
	GetResult,
	ListOptions,
	ListPage,
	PutOutcome,
	RequestCounts,
} from "../../sidecar/src/store/port.ts";
import type { SweepableStore } from "../../sidecar/src/store/sweepable.ts";

const PAGE_SIZE = 1000;

export class AgingStore implements SweepableStore {
	readonly url: string;
	readonly requests: RequestCounts = { list: 0, get: 0, put: 0 };
	readonly #objects = new Map<string, { readonly body: Buffer; readonly timeMs: number }>();
	/** The store's clock. */
	nowMs: number;
	/**
	 * Called before each request, with its verb and key. An error that it throws goes to the caller.
	 */
	before: (verb: "list" | "get" | "put" | "delete", key: string) => void | Promise<void> = () => {};

	constructor(nowMs = Date.parse("2026-10-01T15:00:00Z"), name = "aging") {
		this.nowMs = nowMs;
		this.url = `memory://${name}`;
	}

	/** Another store with the same objects and the same time. */
	fork(): AgingStore {
		const fork = new AgingStore(this.nowMs, this.url.slice("memory://".length));
		for (const [key, object] of this.#objects) fork.#objects.set(key, object);
		return fork;
	}

	sleepDays(days: number): void {
		this.nowMs += days * 86_400_000;
	}

	async *list(
		prefix: string,
		{ startAfter = "", limit = Number.POSITIVE_INFINITY, signal }: ListOptions = {},
	): AsyncGenerator<ListPage> {
		assertPrefix(prefix);
		let last = startAfter;
		for (let left = limit; left > 0; left -= PAGE_SIZE) {
			throwIfAborted(prefix, signal);
			this.requests.list++;
			await this.before("list", prefix);
			const keys = [...this.#objects.keys()]
				.filter((key) => key.startsWith(prefix) && key > last)
				.sort();
			const page = keys.slice(0, Math.min(left, PAGE_SIZE)).map((key) => {
				const { body, timeMs } = this.#objects.get(key) as { body: Buffer; timeMs: number };
				return { key, sizeBytes: body.length, lastModifiedMs: timeMs };
			});
			yield { objects: page, storeTimeMs: this.nowMs };
			last = page.at(-1)?.key ?? last;
			if (page.length === keys.length) return;
		}
	}

	async get(key: string, { range, signal }: GetOptions = {}): Promise<GetResult> {
		assertKey(key);
		if (range !== undefined) assertRange(range);
		throwIfAborted(key, signal);
		this.requests.get++;
		await this.before("get", key);
		const object = this.#objects.get(key);
		if (object === undefined)
			throw new SidecarError("OBJECT_NOT_FOUND", { value: key, reason: `not in ${this.url}` });
		const { body, timeMs } = object;
		const wanted =
			range === undefined ? body : body.subarray(range.offset, range.offset + range.length);
		return { body: Buffer.from(wanted), totalBytes: body.length, lastModifiedMs: timeMs };
	}

	async putIfAbsent(
		key: string,
		body: Buffer,
		{ signal }: { readonly signal?: AbortSignal | undefined } = {},
	): Promise<PutOutcome> {
		assertKey(key);
		if (signal?.aborted) return { kind: "unknown", cause: signal.reason };
		this.requests.put++;
		await this.before("put", key);
		if (this.#objects.has(key)) return { kind: "exists" };
		this.#objects.set(key, { body: Buffer.from(body), timeMs: this.nowMs });
		return { kind: "created" };
	}

	async delete(
		key: string,
		{ signal }: { readonly signal?: AbortSignal | undefined } = {},
	): Promise<void> {
		assertKey(key);
		throwIfAborted(key, signal);
		await this.before("delete", key);
		this.#objects.delete(key);
	}

	async close(): Promise<void> {}
}
