/**
 * Makes and removes tags. Creates objects only; the log and its writer do not change.
 *
 * A tag may be made while retention is about to delete its commit. Both sides first write, then
 * look: retention lists what it will delete in a `sweeps/` object and then reads the tags again;
 * a tag is made and then looked up in these lists. A run that has ended has deleted its old lists
 * too, after what they name; so the objects are looked up last. So at least one of them notices. The
 * tag is then taken back, and retention keeps the commit or deletes it whole.
 */
import { type Environment, thisEnvironment } from "../commit/environment.ts";
import { listObjects } from "../commit/list-objects.ts";
import { commitInSlot } from "../commit/read-log.ts";
import { SidecarError } from "../errors.ts";
import { readEarlier } from "../history/expired.ts";
import { objectsNamedBy, readChain } from "../history/reachable.ts";
import { listKeys, resolveAt } from "../history/resolve-at.ts";
import { readTags } from "../history/tags.ts";
import { isTimeWord, parseWhen } from "../history/when.ts";
import { decodeCondemned } from "../log/condemned.ts";
import { logKey, packKey, SWEEP_PREFIX, sha256OfSweepKey } from "../log/keys.ts";
import { commitDigest, isTagName, type TagKey, tagKey } from "../log/tags.ts";
import type { ObjectKey } from "../log/types.ts";
import type { ObjectStore } from "../store/port.ts";

/** Attempts to store a tag whose PUT got no answer. */
const TRIES = 3;

export interface Tagged {
	readonly name: string;
	readonly seq: number;
	/** Of the commit, 64 hex digits. */
	readonly id: string;
	/** False: the tag named this commit already. */
	readonly isNew: boolean;
}

/**
 * @param when as `resolveAt`; undefined: the newest commit
 * @throws SidecarError USAGE (a name that is taken or cannot be told from a time), COMMIT_NOT_FOUND,
 * COMMIT_EXPIRED, STORE_*, OBJECT_*
 */
export async function makeTag(
	store: ObjectStore,
	name: string,
	when: string | undefined,
	signal?: AbortSignal,
	environment: Environment = thisEnvironment,
): Promise<Tagged> {
	requireName(name);
	const seq = await resolveAt(store, when ?? "latest", signal);
	const before = (await readTags(store, name, signal)).get(name);
	const id = (await commitInSlot(store, logKey(seq), signal))?.id;
	if (id === undefined)
		throw new SidecarError("COMMIT_EXPIRED", { value: String(seq), reason: "it is gone" });
	if (before !== undefined && before.seq === seq) return { name, seq, id, isNew: false };
	if (before !== undefined && before.seq !== 0)
		throw new SidecarError("USAGE", {
			value: name,
			reason: `the tag names commit ${before.seq}, which retention keeps for it`,
			remedy: `remove it first with \`openclaw-sidecar tag --remove ${name}\`, or choose another name`,
		});
	const needed = await neededBy(store, seq, signal);
	const tag = { name, generation: (before?.generation ?? 0) + 1, seq };
	await put(store, tag, id, environment, signal);
	await requireDeciding(store, tag, signal);
	const isSafe = !(await isDoomed(store, needed, signal)) && !(await isGone(store, needed, signal));
	if (isSafe) return { name, seq, id, isNew: true };
	await put(store, { ...tag, generation: tag.generation + 1, seq: 0 }, "", environment, signal);
	throw new SidecarError("COMMIT_EXPIRED", {
		value: String(seq),
		reason: "retention is about to delete a part of it; the tag was taken back",
		remedy: "choose a newer commit, or try again after the next run of `gc`",
	});
}

/** @throws SidecarError USAGE if there is no such tag, STORE_* */
export async function removeTag(
	store: ObjectStore,
	name: string,
	signal?: AbortSignal,
	environment: Environment = thisEnvironment,
): Promise<{ readonly name: string; readonly seq: number }> {
	const tag = (await readTags(store, name, signal)).get(name);
	if (tag === undefined || tag.seq === 0)
		throw new SidecarError("USAGE", {
			value: name,
			reason: "no tag has this name",
			remedy: "`openclaw-sidecar tag` lists the tags",
		});
	await put(store, { name, generation: tag.generation + 1, seq: 0 }, "", environment, signal);
	return { name, seq: tag.seq };
}

/** @throws SidecarError USAGE */
function requireName(name: string): void {
	const when = isTagName(name) ? parseWhen(name) : undefined;
	const isHex = /^[0-9a-f]{4,64}$/i.test(name);
	if (when?.kind === "words" && !isHex && !isTimeWord(name)) return;
	throw new SidecarError("USAGE", {
		value: name === "" ? '""' : name,
		reason:
			when === undefined ? "no tag can have this name" : "it could also mean a commit or a time",
		remedy:
			"begin with a letter, use 1-64 of A-Z a-z 0-9 . _ -, and neither an ID's digits nor a word such as latest or monday",
	});
}

/** Every object that a restore of the commit reads. @throws SidecarError COMMIT_EXPIRED, OBJECT_* */
async function neededBy(
	store: ObjectStore,
	seq: number,
	signal: AbortSignal | undefined,
): Promise<{ readonly seqs: readonly number[]; readonly keys: ReadonlySet<ObjectKey> }> {
	const there = await listKeys(store, signal);
	return await readEarlier(
		store,
		seq,
		async () => {
			const chain = await readChain(store, seq, (each) => there.has(logKey(each)), signal);
			const seqs = chain.map(({ info }) => info.seq);
			const keys = new Set([...seqs.map(logKey), ...chain.flatMap(objectsNamedBy)]);
			for (const key of keys)
				if (!there.has(key))
					throw new SidecarError("OBJECT_NOT_FOUND", {
						value: key,
						reason: `commit ${seq} needs it`,
					});
			return { seqs, keys };
		},
		signal,
	);
}

/** @throws SidecarError USAGE if another tag of the name was made at once */
async function requireDeciding(
	store: ObjectStore,
	{ name, generation, seq }: TagKey,
	signal: AbortSignal | undefined,
): Promise<void> {
	const deciding = (await readTags(store, name, signal)).get(name);
	if (deciding?.generation === generation && deciding.seq === seq) return;
	throw new SidecarError("USAGE", {
		value: name,
		reason: "another process changed the tag at the same time",
		remedy: "run `openclaw-sidecar tag` to see it, then run this again",
	});
}

/**
 * Whether something that is needed was deleted since it was seen. The run that deleted it has also
 * deleted its list, so only this look tells.
 */
async function isGone(
	store: ObjectStore,
	{ keys }: Awaited<ReturnType<typeof neededBy>>,
	signal: AbortSignal | undefined,
): Promise<boolean> {
	const there = await listKeys(store, signal);
	return [...keys].some((key) => !there.has(key));
}

/** Whether a run of retention that may not have seen the tag lists something that is needed. */
async function isDoomed(
	store: ObjectStore,
	{ seqs, keys }: Awaited<ReturnType<typeof neededBy>>,
	signal: AbortSignal | undefined,
): Promise<boolean> {
	const needed = new Set<string>([...keys, ...seqs.map((seq) => packKey(commitDigest(seq)))]);
	for (const { key } of (await listObjects(store, SWEEP_PREFIX, signal)).objects) {
		if (sha256OfSweepKey(key) === undefined) continue;
		const listed = await listedIn(store, key, signal);
		if (listed.some((each) => needed.has(each))) return true;
	}
	return false;
}

/** Empty if a run has deleted the list meanwhile, or wrote no list. */
async function listedIn(
	store: ObjectStore,
	key: ObjectKey,
	signal: AbortSignal | undefined,
): Promise<readonly ObjectKey[]> {
	try {
		return decodeCondemned(key, (await store.get(key, { signal })).body);
	} catch (error) {
		if (
			error instanceof SidecarError &&
			(error.code === "OBJECT_NOT_FOUND" || error.code === "OBJECT_CORRUPT")
		)
			return [];
		throw error;
	}
}

/** Any object with this key says the same, so it may exist already. @throws SidecarError STORE_* */
async function put(
	store: ObjectStore,
	tag: TagKey,
	id: string,
	environment: Environment,
	signal: AbortSignal | undefined,
): Promise<void> {
	let cause: unknown;
	for (let attempt = 0; attempt < TRIES; attempt++) {
		if (attempt > 0) await environment.sleep(1_000 * attempt, signal);
		const outcome = await store.putIfAbsent(tagKey(tag), Buffer.from(id, "latin1"), { signal });
		if (outcome.kind !== "unknown") return;
		cause = outcome.cause;
	}
	throw new SidecarError("STORE_UNREACHABLE", {
		value: tagKey(tag),
		reason: `${TRIES} attempts to store it got no answer`,
		cause,
	});
}
