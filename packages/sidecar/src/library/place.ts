import { realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { overlapsLogs, type Place, parsePlace } from "../store/place.ts";

/** A place as typed, with links in a path resolved. @throws SidecarError STORE_URL_INVALID */
export function placeOf(text: string): Place {
	const place = parsePlace(text);
	return place.kind === "directory" ? { kind: "directory", path: realPath(place.path) } : place;
}

/** Does either a place or a store's logs contain the other? @param storeUrl of the whole store */
export function isAmongLogs(place: Place, storeUrl: string): boolean {
	if (place.kind === "s3") return overlapsLogs(place, storeUrl);
	if (!storeUrl.startsWith("file:")) return false;
	const [store, path] = [`${realPath(fileURLToPath(storeUrl))}/`, `${place.path}/`];
	return store.startsWith(path) || path.startsWith(store);
}

/** Resolves the existing part of a path. */
export function realPath(path: string): string {
	try {
		return realpathSync(path);
	} catch {
		return dirname(path) === path ? path : join(realPath(dirname(path)), basename(path));
	}
}
