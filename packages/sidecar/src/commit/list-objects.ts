import { SidecarError } from "../errors.ts";
import type { StoredObject } from "../log/plan-retention.ts";
import type { ObjectStore } from "../store/port.ts";

export interface Listed {
	readonly objects: readonly StoredObject[];
	/** The store's clock when the listing began: what is put later looks younger, never older. */
	readonly storeTimeMs: number;
}

/** Every object below a prefix, as listed by the store. @throws SidecarError STORE_* */
export async function listObjects(
	store: ObjectStore,
	prefix: string,
	signal: AbortSignal | undefined,
): Promise<Listed> {
	const objects: StoredObject[] = [];
	let storeTimeMs: number | undefined;
	for await (const page of store.list(prefix, { signal })) {
		storeTimeMs ??= page.storeTimeMs;
		for (const { key, sizeBytes, lastModifiedMs } of page.objects)
			objects.push({ key, sizeBytes, timeMs: lastModifiedMs });
	}
	if (storeTimeMs !== undefined) return { objects, storeTimeMs };
	throw new SidecarError("STORE_UNREACHABLE", {
		value: store.url,
		reason: "the listing returned no page",
	});
}
