import { SidecarError } from "../errors.ts";

/**
 * The keys that every store accepts, so that a log can be copied unchanged between stores: segments
 * of `A-Z a-z 0-9 . _ = @ + -` joined by `/`. All of them are ASCII, so comparing keys as strings
 * compares their bytes, and none needs escaping in a path, a URL or XML.
 */

/** S3 accepts keys of up to 1,024 bytes, file systems names of up to 255. */
const MAX_KEY_LENGTH = 1024;
const SEGMENT = /^(?!\.{1,2}$)[A-Za-z0-9._=@+-]{1,255}$/;

/** Used by the directory store, at its top only; refused everywhere so that all stores agree. */
export const TEMP_DIRECTORY = ".tmp";

export function isKeySegment(name: string): boolean {
	return SEGMENT.test(name);
}

export function isKey(key: string): boolean {
	const segments = key.split("/");
	return (
		key.length <= MAX_KEY_LENGTH && segments[0] !== TEMP_DIRECTORY && segments.every(isKeySegment)
	);
}

/** @throws SidecarError INTERNAL: keys are built by this program, never typed by a person. */
export function assertKey(key: string): void {
	if (!isKey(key))
		throw new SidecarError("INTERNAL", { value: key, reason: "not usable as a key" });
}

/**
 * A prefix is the beginning of a key: empty, `a/`, or `a/b` (which also includes `a/bc`).
 *
 * @throws SidecarError INTERNAL
 */
export function assertPrefix(prefix: string): void {
	if (prefix !== "") assertKey(prefix.endsWith("/") ? prefix.slice(0, -1) : prefix);
}

/** @throws SidecarError INTERNAL: a negative offset would mean "from the end" to S3. */
export function assertRange(range: { readonly offset: number; readonly length: number }): void {
	if (!Number.isSafeInteger(range.offset + range.length) || range.offset < 0 || range.length < 0) {
		throw new SidecarError("INTERNAL", {
			value: `${range.offset}+${range.length}`,
			reason: "not a byte range",
		});
	}
}
