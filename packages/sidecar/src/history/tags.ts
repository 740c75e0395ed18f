import { listObjects } from "../commit/list-objects.ts";
import { commitInSlot } from "../commit/read-log.ts";
import { SidecarError } from "../errors.ts";
import { logKey, TAG_PREFIX } from "../log/keys.ts";
import { decidingTags, isTagName, type TagKey, tagKey } from "../log/tags.ts";
import type { ObjectStore } from "../store/port.ts";

export interface Tag extends TagKey {
	/** When it was made, by the store's clock, ms since the epoch. */
	readonly timeMs: number;
}

/**
 * The deciding tag of each name, removed ones included, by name. One LIST.
 * @param name only this tag
 * @throws SidecarError STORE_*
 */
export async function readTags(
	store: ObjectStore,
	name: string | undefined,
	signal?: AbortSignal,
): Promise<ReadonlyMap<string, Tag>> {
	const prefix = name === undefined ? TAG_PREFIX : `${TAG_PREFIX}${name}/`;
	const { objects } = await listObjects(store, prefix, signal);
	const times = new Map(objects.map(({ key, timeMs }) => [key, timeMs]));
	const deciding = decidingTags(times.keys());
	const tags = [...deciding].map(([each, tag]): [string, Tag] => [
		each,
		{ ...tag, timeMs: times.get(tagKey(tag)) ?? 0 },
	]);
	return new Map(tags.sort(([a], [b]) => (a < b ? -1 : 1)));
}

/**
 * The commit that a tag names; undefined if there is no such tag.
 * @throws SidecarError COMMIT_NOT_FOUND if the commit is gone or another one took its slot
 */
export async function resolveTag(
	store: ObjectStore,
	name: string,
	signal: AbortSignal | undefined,
): Promise<number | undefined> {
	if (!isTagName(name)) return undefined;
	const tag = (await readTags(store, name, signal)).get(name);
	if (tag === undefined || tag.seq === 0) return undefined;
	const [id, there] = await Promise.all([
		tagBody(store, tag, signal),
		commitInSlot(store, logKey(tag.seq), signal),
	]);
	if (there?.id === id) return tag.seq;
	throw new SidecarError("COMMIT_NOT_FOUND", {
		value: name,
		reason: `the tag names commit ${tag.seq}, which ${there === undefined ? "is gone" : "is another one now"}`,
		remedy: `remove the tag with \`openclaw-sidecar tag --remove ${name}\``,
	});
}

/** The id of the tag's commit. */
async function tagBody(
	store: ObjectStore,
	tag: TagKey,
	signal: AbortSignal | undefined,
): Promise<string> {
	return (await store.get(tagKey(tag), { signal })).body.toString("latin1");
}
