import type { ObjectStore } from "./port.ts";

/**
 * A store that can delete, for retention and repair only. It is a separate port because a writer of
 * the log never deletes: the microVM's credentials do not allow it, and the writer's code cannot
 * request it.
 *
 * A `delete` that failed may still take effect later. Both callers allow for that: nothing refers
 * to what they delete, and its key is not reused.
 */
export interface SweepableStore extends ObjectStore {
	/**
	 * Removes one object; a missing one counts as removed. Retried by the implementation while that
	 * is useful. Not counted in `requests`: S3 does not charge for it.
	 * @throws SidecarError STORE_ACCESS_DENIED, STORE_BUCKET_MISSING, STORE_UNREACHABLE
	 */
	delete(key: string, options?: { readonly signal?: AbortSignal | undefined }): Promise<void>;
}

export function isSweepable(store: ObjectStore): store is SweepableStore {
	return "delete" in store && typeof store.delete === "function";
}
