import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { dirname } from "node:path";
import { type Config, defaultStore } from "../config/options.ts";
import { SidecarError } from "../errors.ts";
import { parseStoreUrl } from "../store/open.ts";

/**
 * The directory that a `file://` store would be created in, if it is missing too: then the path is
 * more likely mistyped than new. Undefined if the store may be used.
 * @throws SidecarError STORE_URL_INVALID, STORE_UNSUPPORTED
 */
export function missingParent({
	store,
	create,
}: Pick<Config, "store" | "create">): string | undefined {
	const location = parseStoreUrl(store);
	if (create || location.kind !== "directory") return undefined;
	const parent = dirname(location.path);
	if (existsSync(location.path) || existsSync(parent)) return undefined;
	const isDefault = store === defaultStore({ homeDir: homedir(), env: process.env });
	return isDefault ? undefined : parent;
}

/** @throws SidecarError STORE_BUCKET_MISSING, and as `missingParent` */
export function requireParent(settings: Pick<Config, "store" | "create">): void {
	const parent = missingParent(settings);
	if (parent !== undefined)
		throw new SidecarError("STORE_BUCKET_MISSING", {
			value: settings.store,
			reason: `${parent} is missing too`,
			remedy: "correct --store; if it is a new store, give --create",
		});
}
