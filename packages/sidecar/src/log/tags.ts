/**
 * Names for commits, which retention keeps until they are removed.
 *
 * A tag is an object `tags/{name}/{generation}-{seq}`, created and never changed: nothing may
 * overwrite or delete here. The highest generation of a name decides. Its seq is the commit, and 0
 * means that the tag was removed. Retention needs only the keys. The object holds the commit's id,
 * so that a reader notices if another commit took the slot.
 */
import { createHash } from "node:crypto";
import { logKey, TAG_PREFIX } from "./keys.ts";
import { MAX_SEQ } from "./limits.ts";
import type { ObjectKey } from "./types.ts";

export interface TagKey {
	readonly name: string;
	/** From 1. */
	readonly generation: number;
	/** 0: the tag was removed. */
	readonly seq: number;
}

const NAME = /^[A-Za-z][A-Za-z0-9._-]{0,63}$/;
const KEY = /^tags\/([A-Za-z][A-Za-z0-9._-]{0,63})\/([0-9a-f]{8})-([0-9a-f]{12})$/;

/** Whether a tag may have this name. Begins with a letter; 64 characters of `A-Z a-z 0-9 . _ -`. */
export function isTagName(name: string): boolean {
	return NAME.test(name);
}

export function tagKey({ name, generation, seq }: TagKey): ObjectKey {
	return `${TAG_PREFIX}${name}/${hex(generation, 8)}-${hex(seq, 12)}`;
}

/** Undefined for a key that is not a tag's. */
export function parseTagKey(key: ObjectKey): TagKey | undefined {
	const [, name, generation = "", seq = ""] = KEY.exec(key) ?? [];
	if (name === undefined) return undefined;
	const parsed = {
		name,
		generation: Number.parseInt(generation, 16),
		seq: Number.parseInt(seq, 16),
	};
	return parsed.generation >= 1 && parsed.seq <= MAX_SEQ ? parsed : undefined;
}

/**
 * The deciding key of each name, removed tags included. Two of one generation were made at once: the
 * one with the higher seq decides.
 */
export function decidingTags(keys: Iterable<ObjectKey>): ReadonlyMap<string, TagKey> {
	const deciding = new Map<string, TagKey>();
	for (const key of keys) {
		const tag = parseTagKey(key);
		if (tag === undefined) continue;
		const known = deciding.get(tag.name);
		const isLater =
			known === undefined ||
			tag.generation > known.generation ||
			(tag.generation === known.generation && tag.seq > known.seq);
		if (isLater) deciding.set(tag.name, tag);
	}
	return deciding;
}

/** The commits that tags name now. */
export function taggedSeqs(keys: Iterable<ObjectKey>): ReadonlySet<number> {
	return new Set([...decidingTags(keys).values()].map(({ seq }) => seq).filter((seq) => seq > 0));
}

/** Stands for a commit in the list of a run of retention that is about to delete it, 64 hex digits. */
export function commitDigest(seq: number): string {
	return createHash("sha256").update(logKey(seq)).digest("hex");
}

function hex(number: number, digits: number): string {
	return number.toString(16).padStart(digits, "0");
}
