import { SidecarError } from "../errors.ts";
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
import { S3Failure } from "./s3-failure.ts";

/** Credentials that expire. */
export interface CredentialSource {
	/** Counts renewals. */
	readonly generation: number;
	/** @throws SidecarError STORE_ACCESS_DENIED, STORE_UNREACHABLE: there are none */
	provide(): Promise<unknown>;
	/** Renews them unless that has happened since `generation`. @throws as `provide` */
	renewAfter(generation: number): Promise<void>;
}

/**
 * A view of `store` that repeats a request once, with fresh credentials, if the store reports them
 * as expired or unknown: a refused request did nothing. If there are no credentials, the source's
 * own error is passed on.
 */
export function renewed(store: ObjectStore, source: CredentialSource): ObjectStore {
	return new RenewedStore(store, source);
}

class RenewedStore implements ObjectStore {
	readonly url: string;
	readonly requests: RequestCounts;
	readonly #store: ObjectStore;
	readonly #source: CredentialSource;

	constructor(store: ObjectStore, source: CredentialSource) {
		this.#store = store;
		this.#source = source;
		this.url = store.url;
		this.requests = store.requests;
	}

	async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ListPage> {
		let { startAfter, limit = Number.POSITIVE_INFINITY, ...rest } = options;
		for (let hasRenewed = false; ; ) {
			await this.#source.provide();
			const { generation } = this.#source;
			const from = {
				...rest,
				startAfter,
				limit: Number.isFinite(limit) ? limit : undefined,
			};
			try {
				for await (const page of this.#store.list(prefix, from)) {
					yield page;
					hasRenewed = false;
					limit -= page.objects.length;
					startAfter = page.objects.at(-1)?.key ?? startAfter;
				}
				return;
			} catch (error) {
				if (hasRenewed || !saysRenew(error)) throw error;
				await this.#source.renewAfter(generation);
				hasRenewed = true;
				if (limit <= 0) return;
			}
		}
	}

	async get(key: string, options?: GetOptions): Promise<GetResult> {
		return await this.#twice(async () => await this.#store.get(key, options));
	}

	async putIfAbsent(
		key: string,
		body: Buffer,
		options?: { readonly signal?: AbortSignal | undefined },
	): Promise<PutOutcome> {
		try {
			return await this.#twice(async () => await this.#store.putIfAbsent(key, body, options));
		} catch (error) {
			// For a PUT, "could not be reached" is not certain, and the caller knows how to handle that.
			if (error instanceof SidecarError && error.code === "STORE_UNREACHABLE")
				return { kind: "unknown", cause: error };
			throw error;
		}
	}

	/** Read at the first boot of a workspace, with new credentials: not repeated. */
	plain(prefix: string): PlainPlace | undefined {
		return this.#store.plain?.(prefix);
	}

	reconnect(): void {
		this.#store.reconnect?.();
	}

	async close(): Promise<void> {
		await this.#store.close();
	}

	async #twice<T>(request: () => Promise<T>): Promise<T> {
		await this.#source.provide();
		const { generation } = this.#source;
		try {
			return await request();
		} catch (error) {
			if (!saysRenew(error)) throw error;
			await this.#source.renewAfter(generation);
			return await request();
		}
	}
}

/** Error codes of S3 about the credentials themselves rather than their permissions. */
const STALE = new Set([
	"ExpiredToken",
	"ExpiredTokenException",
	"TokenRefreshRequired",
	"InvalidToken",
	"InvalidTokenId",
	"InvalidAccessKeyId",
]);

function saysRenew(error: unknown): boolean {
	return (
		error instanceof SidecarError &&
		error.code === "STORE_ACCESS_DENIED" &&
		error.cause instanceof S3Failure &&
		STALE.has(error.cause.name)
	);
}
