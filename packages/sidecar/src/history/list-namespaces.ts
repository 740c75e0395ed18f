import type { ObjectStore } from "../store/port.ts";

const USERS = "users/";

export interface ListNamespacesOptions {
	/** List only names after this one. */
	readonly after?: string | undefined;
	readonly signal?: AbortSignal | undefined;
}

/**
 * Every namespace that has an object, in byte order, with one LIST of one key each.
 * @throws SidecarError STORE_*
 */
export async function* listNamespaces(
	store: ObjectStore,
	{ after, signal }: ListNamespacesOptions = {},
): AsyncGenerator<string> {
	let startAfter = after === undefined ? USERS : endOf(after);
	for (;;) {
		let found: string | undefined;
		for await (const { objects } of store.list(USERS, {
			startAfter,
			limit: 1,
			signal,
		})) {
			found ??= objects[0]?.key;
		}
		if (found === undefined) return;
		const end = found.indexOf("/", USERS.length);
		if (end === -1) {
			startAfter = found;
			continue;
		}
		yield found.slice(USERS.length, end);
		startAfter = endOf(found.slice(USERS.length, end));
	}
}

/** "0" comes right after "/": past every key of the namespace, and before every key of another. */
function endOf(namespace: string): string {
	return `${USERS}${namespace}0`;
}
