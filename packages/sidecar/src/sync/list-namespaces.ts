import type { ObjectStore } from "../store/port.ts";

const USERS = "users/";

/** Every namespace that has an object, in the order of their bytes, with one LIST of one key each. @throws SidecarError STORE_* */
export async function* listNamespaces(store: ObjectStore, signal?: AbortSignal): AsyncGenerator<string> {
	let startAfter = USERS;
	for (;;) {
		let found: string | undefined;
		for await (const { objects } of store.list(USERS, { startAfter, limit: 1, ...(signal && { signal }) })) {
			found ??= objects[0]?.key;
		}
		if (found === undefined) return;
		const end = found.indexOf("/", USERS.length);
		if (end === -1) {
			startAfter = found;
			continue;
		}
		yield found.slice(USERS.length, end);
		// "0" comes right after "/": past every key of this namespace, and before every key of another.
		startAfter = `${found.slice(0, end)}0`;
	}
}
