/**
 * A real store behind a connection that loses requests or answers. The test decides the fate of
 * each PUT.
 */
import { SidecarError } from "../../sidecar/src/errors.ts";
import type {
	GetOptions,
	GetResult,
	ListOptions,
	ListPage,
	ObjectStore,
	PutOutcome,
	RequestCounts,
} from "../../sidecar/src/store/port.ts";

/**
 * `ok`. `lost-answer`: stored, but the caller gets `unknown`. `lost-request`: not stored,
 * `unknown`. `late`: `unknown`, and stored before the next request. `refused`: not stored,
 * STORE_ACCESS_DENIED. `refused-as-there`: not stored, `exists`.
 */
export type Fate = "ok" | "lost-answer" | "lost-request" | "late" | "refused" | "refused-as-there";

export class FaultyStore implements ObjectStore {
	readonly #inner: ObjectStore;
	readonly #fates: Fate[];
	#late: (() => Promise<PutOutcome>)[] = [];
	/** The bodies sent, by key, in order. */
	readonly sent: { readonly key: string; readonly body: Buffer }[] = [];
	/** Called before each PUT. */
	beforePut: (key: string) => Promise<void> = async () => {};
	/** GETs fail with STORE_UNREACHABLE while true. */
	isDeaf = false;

	constructor(inner: ObjectStore, fates: readonly Fate[] = []) {
		this.#inner = inner;
		this.#fates = [...fates];
	}

	queue(...fates: Fate[]): void {
		this.#fates.push(...fates);
	}

	get url(): string {
		return this.#inner.url;
	}

	get requests(): RequestCounts {
		return this.#inner.requests;
	}

	async *list(prefix: string, options?: ListOptions): AsyncIterable<ListPage> {
		await this.#land();
		yield* this.#inner.list(prefix, options);
	}

	async get(key: string, options?: GetOptions): Promise<GetResult> {
		await this.#land();
		if (this.isDeaf)
			throw new SidecarError("STORE_UNREACHABLE", { value: this.url, reason: "made up" });
		return await this.#inner.get(key, options);
	}

	async putIfAbsent(key: string, body: Buffer): Promise<PutOutcome> {
		await this.#land();
		await this.beforePut(key);
		this.sent.push({ key, body: Buffer.from(body) });
		const fate = this.#fates.shift() ?? "ok";
		const unknown: PutOutcome = { kind: "unknown", cause: new Error(fate) };
		if (fate === "refused")
			throw new SidecarError("STORE_ACCESS_DENIED", { value: key, reason: "made up" });
		if (fate === "refused-as-there") return { kind: "exists" };
		if (fate === "lost-request") return unknown;
		if (fate === "late") {
			this.#late.push(() => this.#inner.putIfAbsent(key, body));
			return unknown;
		}
		const outcome = await this.#inner.putIfAbsent(key, body);
		return fate === "lost-answer" ? unknown : outcome;
	}

	async close(): Promise<void> {
		await this.#land();
		await this.#inner.close();
	}

	async #land(): Promise<void> {
		for (const put of this.#late.splice(0)) await put();
	}
}

export class DeafToLists extends FaultyStore {
	isDeafToLists = false;

	override async *list(prefix: string, options?: ListOptions): AsyncIterable<ListPage> {
		if (this.isDeafToLists)
			throw new SidecarError("STORE_UNREACHABLE", { value: this.url, reason: "made up" });
		yield* super.list(prefix, options);
	}
}

/** Fails in the middle of a restore that must read more than the commits contain. */
export class DeafToPacks extends FaultyStore {
	override async get(key: string, options?: GetOptions): Promise<GetResult> {
		this.isDeaf = key.startsWith("packs/");
		return await super.get(key, options);
	}
}
