import { SidecarError } from "../errors.ts";
import { assertKey, assertPrefix } from "./keys.ts";
import type { PlainPlace } from "./plain.ts";
import type {
	GetOptions,
	GetResult,
	ListOptions,
	ListPage,
	ObjectStore,
	PutOutcome,
	RequestCounts,
} from "./port.ts";
import { isSweepable, type SweepableStore } from "./sweepable.ts";

/**
 * One user's part of a store. Isolation rests on two facts only: a namespace cannot contain a `/`,
 * and every key passed down begins with `users/{namespace}/`. So a namespace that is a prefix of
 * another (`a`, `ab`) still sees nothing of it.
 */

const NAMESPACE = /^(?!\.)[A-Za-z0-9._=@+-]{1,128}$/;

/** @throws SidecarError NAMESPACE_INVALID */
export function assertNamespace(namespace: string): void {
	if (!NAMESPACE.test(namespace)) {
		throw new SidecarError(
			"NAMESPACE_INVALID",
			namespace === "" ? { value: '""', reason: "empty" } : { value: namespace },
		);
	}
}

/**
 * A view of `store` whose keys are below `users/{namespace}/`. It can delete if the store can,
 * shares the store's request counts, and closing the view closes the store.
 *
 * @throws SidecarError NAMESPACE_INVALID
 */
export function namespaced(store: SweepableStore, namespace: string): SweepableStore;
export function namespaced(store: ObjectStore, namespace: string): ObjectStore;
export function namespaced(store: ObjectStore, namespace: string): ObjectStore {
	assertNamespace(namespace);
	const directory = `users/${namespace}`;
	return isSweepable(store)
		? new SweepableNamespace(store, directory)
		: new NamespacedStore(store, directory);
}

class NamespacedStore implements ObjectStore {
	readonly url: string;
	readonly requests: RequestCounts;
	readonly #store: ObjectStore;
	/** Ends in `/`. */
	readonly #prefix: string;

	constructor(store: ObjectStore, directory: string) {
		this.#store = store;
		this.#prefix = `${directory}/`;
		this.url = `${store.url}/${directory}`;
		this.requests = store.requests;
	}

	async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ListPage> {
		assertPrefix(prefix);
		const { startAfter, ...rest } = options;
		const below =
			startAfter === undefined ? rest : { ...rest, startAfter: this.#prefix + startAfter };
		for await (const page of this.#store.list(this.#prefix + prefix, below)) {
			yield {
				...page,
				objects: page.objects.map((object) => ({
					...object,
					key: object.key.slice(this.#prefix.length),
				})),
			};
		}
	}

	async get(key: string, options?: GetOptions): Promise<GetResult> {
		assertKey(key);
		return await this.#store.get(this.#prefix + key, options);
	}

	async putIfAbsent(
		key: string,
		body: Buffer,
		options?: { readonly signal?: AbortSignal | undefined },
	): Promise<PutOutcome> {
		assertKey(key);
		return await this.#store.putIfAbsent(this.#prefix + key, body, options);
	}

	plain(prefix: string): PlainPlace | undefined {
		return this.#store.plain?.(this.#prefix + prefix);
	}

	reconnect(): void {
		this.#store.reconnect?.();
	}

	async close(): Promise<void> {
		await this.#store.close();
	}
}

class SweepableNamespace extends NamespacedStore implements SweepableStore {
	readonly #store: SweepableStore;
	readonly #prefix: string;

	constructor(store: SweepableStore, directory: string) {
		super(store, directory);
		this.#store = store;
		this.#prefix = `${directory}/`;
	}

	async delete(
		key: string,
		options?: { readonly signal?: AbortSignal | undefined },
	): Promise<void> {
		assertKey(key);
		await this.#store.delete(this.#prefix + key, options);
	}
}
