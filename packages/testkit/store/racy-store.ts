/** Stores whose create-only PUT is not atomic: they check, wait, and then write. */
import type {
	GetOptions,
	GetResult,
	ListOptions,
	ListPage,
	ObjectStore,
	PutOutcome,
	RequestCounts,
} from "../../sidecar/src/store/port.ts";
import type { SweepableStore } from "../../sidecar/src/store/sweepable.ts";

export class RacyStore implements ObjectStore {
	readonly #inner: SweepableStore;
	#writes: Promise<unknown> = Promise.resolve();
	/** The pause between the check and the write of a PUT that found no object. */
	beforeWrite: (key: string) => Promise<void> = async () => {};

	constructor(inner: SweepableStore) {
		this.#inner = inner;
	}

	get url(): string {
		return this.#inner.url;
	}

	get requests(): RequestCounts {
		return this.#inner.requests;
	}

	list(prefix: string, options?: ListOptions): AsyncIterable<ListPage> {
		return this.#inner.list(prefix, options);
	}

	async get(key: string, options?: GetOptions): Promise<GetResult> {
		return await this.#inner.get(key, options);
	}

	async putIfAbsent(key: string, body: Buffer): Promise<PutOutcome> {
		if (await this.#has(key)) return { kind: "exists" };
		await this.beforeWrite(key);
		return await this.overwrite(key, body);
	}

	/** One after the other: the later one stays. */
	async overwrite(key: string, body: Buffer): Promise<PutOutcome> {
		const written = this.#writes.then(async () => {
			await this.#inner.delete(key);
			return await this.#inner.putIfAbsent(key, body);
		});
		this.#writes = written;
		return await written;
	}

	async close(): Promise<void> {
		await this.#inner.close();
	}

	async #has(key: string): Promise<boolean> {
		return await this.#inner.get(key, { range: { offset: 0, length: 0 } }).then(
			() => true,
			() => false,
		);
	}
}

/** Resolves for all callers once `count` of them wait. */
export function meeting(count: number): () => Promise<void> {
	let waiting = 0;
	let open = () => {};
	const isFull = new Promise<void>((resolve) => {
		open = resolve;
	});
	return async () => {
		waiting++;
		if (waiting === count) open();
		await isFull;
	};
}
