import { SidecarError } from "../errors.ts";
import type { EncodedCommit } from "../log/commit-codec.ts";
import type { ObjectStore, PutOutcome } from "../store/port.ts";
import type { Environment } from "./environment.ts";
import { commitInSlot } from "./read-log.ts";

/**
 * `lost`: another commit has the slot. `unknown`: the slot is undecided; only the same bytes may be
 * tried again.
 */
export type CommitOutcome =
	/** The store's clock when it received the commit, and the object's ETag, if reported. */
	| {
			readonly kind: "committed";
			readonly storeTimeMs: number | undefined;
			readonly etag?: string | undefined;
	  }
	| { readonly kind: "lost" }
	| { readonly kind: "unknown"; readonly cause: unknown };

/**
 * First pause between tries; doubles. Three tries end within a second, far within the drain's 8 s.
 */
const FIRST_PAUSE_MS = 100;
const TRIES = 3;

/**
 * Puts one frozen commit into its slot.
 *
 * A lost answer must not cause a second, different commit. So the SAME bytes are put again, and a
 * refusal is resolved by comparing the id of the commit in the slot. "Absent" on a read-back proves
 * nothing, so it decides nothing. Does NOT guarantee that an `unknown` commit is absent: it may
 * land later.
 * @throws SidecarError STORE_ACCESS_DENIED, STORE_BUCKET_MISSING, STORE_UNSUPPORTED, STORE_REFUSED,
 * STORE_FULL, NOT_DURABLE: surely not committed
 */
export async function commitOnce(
	store: ObjectStore,
	commit: EncodedCommit,
	environment: Environment,
	signal?: AbortSignal,
): Promise<CommitOutcome> {
	let cause: unknown;
	for (let attempt = 0; attempt < TRIES; attempt++) {
		if (attempt > 0)
			await environment.sleep(FIRST_PAUSE_MS * 2 ** (attempt - 1), signal).catch(() => undefined);
		if (attempt > 0 && signal?.aborted) return { kind: "unknown", cause };
		let put: PutOutcome;
		try {
			put = await store.putIfAbsent(commit.key, commit.bytes, { signal });
		} catch (error) {
			// Refused now, but an earlier try of these bytes may have landed.
			if (attempt === 0) throw error;
			return { kind: "unknown", cause: error };
		}
		if (put.kind === "created")
			return { kind: "committed", storeTimeMs: put.storeTimeMs, etag: put.etag };
		if (put.kind === "unknown") cause = put.cause;
		if (put.kind === "exists") {
			const decided = await decide(store, commit, signal);
			if (decided.kind !== "unknown") return decided;
			cause = decided.cause;
		}
	}
	// An early 412 on a large body can look like a reset: the slot itself may still tell the outcome.
	const decided = await decide(store, commit, signal);
	return decided.kind === "unknown" ? { kind: "unknown", cause: cause ?? decided.cause } : decided;
}

async function decide(
	store: ObjectStore,
	commit: EncodedCommit,
	signal?: AbortSignal,
): Promise<CommitOutcome> {
	try {
		const there = await commitInSlot(store, commit.key, signal);
		if (there === undefined)
			return { kind: "unknown", cause: new Error("nothing is in the slot yet") };
		return there.id === commit.id
			? { kind: "committed", storeTimeMs: there.lastModifiedMs }
			: { kind: "lost" };
	} catch (cause) {
		return { kind: "unknown", cause };
	}
}

/**
 * Puts one pack. Its key is the hash of its bytes, which include a nonce, so any existing object
 * with that key is this very pack. Its existence is accepted only after it was read: nothing would
 * check the pack again before it is needed.
 * @throws SidecarError STORE_UNREACHABLE after three tries without a decision, and what putIfAbsent
 * throws
 */
export async function putPack(
	store: ObjectStore,
	key: string,
	bytes: Buffer,
	environment: Environment,
	signal?: AbortSignal,
): Promise<void> {
	let cause: unknown;
	for (let attempt = 0; attempt < TRIES; attempt++) {
		if (attempt > 0) await environment.sleep(FIRST_PAUSE_MS * 2 ** (attempt - 1), signal);
		const outcome = await store.putIfAbsent(key, bytes, { signal });
		if (outcome.kind === "created") return;
		if (outcome.kind === "unknown") cause = outcome.cause;
		else {
			try {
				await store.get(key, { range: { offset: 0, length: 0 }, signal });
				return;
			} catch (error) {
				cause = error;
			}
		}
		signal?.throwIfAborted();
	}
	throw new SidecarError("STORE_UNREACHABLE", {
		value: key,
		reason: "three attempts to store it got no answer",
		cause,
	});
}
