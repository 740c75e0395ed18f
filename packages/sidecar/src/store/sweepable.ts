import type { ObjectStore } from "./port.ts";

/**
 * A store that can delete, for retention and repair alone. It is a port of its own because what
 * writes a log never deletes: the microVM's credentials do not allow it, and no code of the
 * writer's can ask for it.
 *
 * A `delete` that failed may land later. Both callers live with that: what they delete is not
 * referred to, and its key is not used again.
 */
export interface SweepableStore extends ObjectStore {
	/**
	 * Removes one object; one that is not there is removed already. Repeated within the
	 * implementation while that is useful. Not counted in `requests`: S3 does not charge for it.
	 * @throws SidecarError STORE_ACCESS_DENIED, STORE_BUCKET_MISSING, STORE_UNREACHABLE
	 */
	delete(key: string, options?: { readonly signal?: AbortSignal }): Promise<void>;
}

export function isSweepable(store: ObjectStore): store is SweepableStore {
	return "delete" in store && typeof store.delete === "function";
}
