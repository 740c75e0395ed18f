import { commitInSlot } from "../commit/read-log.ts";
import { readTags } from "../history/tags.ts";
import { logKey } from "../log/keys.ts";
import { makeTag, removeTag, type Tagged } from "../maintenance/tag.ts";
import { type LogOptions, withLog } from "./options.ts";
import type { AtOptions } from "./read.ts";

export interface TagOptions extends AtOptions {
	/**
	 * Begins with a letter; 1-64 characters of `A-Z a-z 0-9 . _ -`. Must not read as a commit or a
	 * time.
	 */
	readonly name: string;
}

/**
 * Names a commit. `at` accepts the name from then on, and retention keeps the commit until the tag is
 * removed. Does not concern the writer of the log.
 * @throws SidecarError USAGE (a name that cannot be used, or names another commit),
 * COMMIT_NOT_FOUND, COMMIT_EXPIRED (also if retention is about to delete it), STORE_*, OBJECT_*, and
 * for a wrong option
 */
export async function tag(options: TagOptions): Promise<Tagged> {
	const { name, at, signal } = options;
	return await withLog(options, async ({ store }) =>
		makeTag(store, name, at === undefined ? undefined : String(at), signal),
	);
}

export interface ListedTag {
	readonly name: string;
	/** The commit. */
	readonly seq: number;
	/** When the tag was made, by the store's clock, ms since the epoch. */
	readonly timeMs: number;
	/** False if the log has no such commit any more. */
	readonly isThere: boolean;
}

/** The tags, by name. @throws SidecarError STORE_*, and for a wrong option */
export async function tags(options: LogOptions = {}): Promise<readonly ListedTag[]> {
	const { signal } = options;
	return await withLog(options, async ({ store }) => {
		const named = [...(await readTags(store, undefined, signal)).values()];
		const found: ListedTag[] = [];
		for (const { name, seq, timeMs } of named) {
			if (seq === 0) continue;
			const isThere = (await commitInSlot(store, logKey(seq), signal)) !== undefined;
			found.push({ name, seq, timeMs, isThere });
		}
		return found;
	});
}

/**
 * Removes a tag; its commit stays as long as retention keeps it.
 * @returns the commit that the tag named
 * @throws SidecarError USAGE if there is no such tag, STORE_*, and for a wrong option
 */
export async function untag(
	options: Omit<TagOptions, "at">,
): Promise<{ readonly name: string; readonly seq: number }> {
	return await withLog(options, async ({ store }) =>
		removeTag(store, options.name, options.signal),
	);
}
