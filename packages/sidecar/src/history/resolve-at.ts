/**
 * Resolves what people type for a moment or a commit (`when.ts`) to a commit.
 *
 * A time means the newest commit that the store had by then. Its LastModified decides, never a
 * writer's clock, which may be anywhere on a machine that was frozen or set wrong. "Ago" also
 * counts from the store's clock. After retention, single expired commits may remain because content
 * is in them. These are skipped in favour of the next older complete commit.
 */

import { inParallel } from "../commit/in-parallel.ts";
import { type ListedCommit, listCommits } from "../commit/list-commits.ts";
import { listObjects } from "../commit/list-objects.ts";
import { commitInSlot, newestSeq } from "../commit/read-log.ts";
import { SidecarError } from "../errors.ts";
import { LOG_PREFIX, logKey, PACK_PREFIX } from "../log/keys.ts";
import { MIN_AGE_MS } from "../log/plan-retention.ts";
import type { ObjectKey } from "../log/types.ts";
import type { ObjectStore } from "../store/port.ts";
import { readEarlier } from "./expired.ts";
import { objectsNamedBy, readChain } from "./reachable.ts";
import { resolveTag } from "./tags.ts";
import { localTime, parseWhen, parseWords, unknownWhen } from "./when.ts";

/**
 * S3 reports its time in whole seconds, rounded down: a commit of this second must not appear to be
 * in the future.
 */
const CLOCK_STEP_MS = 999;

/** Parallel GETs of commit headers. */
const PARALLEL_GETS = 32;
/** Commits that the message about an ambiguous ID names. */
const TOLD_COMMITS = 5;

export interface ResolvedWhen {
	readonly seq: number;
	/** The text names this very commit. A time means the newest commit by then. */
	readonly isExact: boolean;
}

/**
 * @param at as `parseWhen` describes: a number, an ID's first digits, a tag, `latest~3`, an age, a time
 * @throws SidecarError USAGE, COMMIT_NOT_FOUND, COMMIT_EXPIRED, STORE_*, OBJECT_CORRUPT
 */
export async function resolveWhen(
	store: ObjectStore,
	at: string,
	signal?: AbortSignal,
): Promise<ResolvedWhen> {
	const when = parseWhen(at);
	if (when === undefined) throw unknownWhen(at);
	const exactly = (seq: number) => ({ seq, isExact: true });
	const atTime = async (time: Time) => ({
		seq: await resolveTime(store, at, time, signal),
		isExact: false,
	});
	if (when.kind === "number") return exactly(await resolveSeq(store, when.seq, signal));
	if (when.kind === "latest") return exactly(await resolveLatest(store, at, when.back, signal));
	// `d` is also a digit of an ID.
	if (when.kind === "ago" && /^\d{3,}d$/i.test(at.trim()))
		throw new SidecarError("USAGE", {
			value: at,
			reason: "it may be an age or the first digits of a commit's ID",
			remedy: `use "${Number.parseInt(at, 10)} days ago" for the age, or more digits of the ID`,
		});
	if (when.kind === "ago") return await atTime({ agoMs: when.ms });
	if (when.kind === "time") return await atTime({ timeMs: when.untilMs });
	const tagged = await resolveTag(store, when.text, signal);
	if (tagged !== undefined) return exactly(tagged);
	if (/^[0-9a-f]{4,64}$/i.test(when.text))
		return exactly(await resolveId(store, when.text.toLowerCase(), signal));
	const { storeTimeMs } = await newestSeq(store, signal);
	const period = await parseWords(when.text, storeTimeMs);
	if (period === undefined) throw unknownWhen(at);
	return await atTime({ timeMs: period.untilMs });
}

/** As `resolveWhen`; only the commit's number. */
export async function resolveAt(
	store: ObjectStore,
	at: string,
	signal?: AbortSignal,
): Promise<number> {
	return (await resolveWhen(store, at, signal)).seq;
}

/**
 * Whether text has one of the forms that name a commit or a time, so that it is no path. Whether the
 * log has the commit is not asked.
 * @throws SidecarError STORE_*
 */
export async function namesCommit(
	store: ObjectStore,
	text: string,
	signal?: AbortSignal,
): Promise<boolean> {
	try {
		await resolveWhen(store, text, signal);
		return true;
	} catch (error) {
		if (!(error instanceof SidecarError)) throw error;
		if (error.code === "COMMIT_NOT_FOUND" || error.code === "COMMIT_EXPIRED") return true;
		if (error.code !== "USAGE") throw error;
		return false;
	}
}

type Time = { readonly timeMs: number } | { readonly agoMs: number };

async function resolveLatest(
	store: ObjectStore,
	at: string,
	back: number,
	signal: AbortSignal | undefined,
): Promise<number> {
	let oldest: ListedCommit | undefined;
	let count = 0;
	for await (const commit of listCommits(store, { limit: back + 1, signal })) {
		if (count++ === back) return commit.seq;
		oldest = commit;
	}
	throw tooOld(at, oldest);
}

/** Reads the header of each commit: its key does not tell its ID. */
async function resolveId(
	store: ObjectStore,
	digits: string,
	signal: AbortSignal | undefined,
): Promise<number> {
	const seqs: number[] = [];
	for await (const { seq } of listCommits(store, { signal })) seqs.push(seq);
	const found: { readonly seq: number; readonly id: string }[] = [];
	await inParallel(PARALLEL_GETS, seqs, async (seq) => {
		const id = (await commitInSlot(store, logKey(seq), signal))?.id;
		if (id?.startsWith(digits)) found.push({ seq, id });
	});
	const [first, ...more] = found.sort((a, b) => b.seq - a.seq);
	if (first === undefined)
		throw new SidecarError("COMMIT_NOT_FOUND", {
			value: digits,
			reason: "no commit's ID begins with it",
		});
	if (more.length === 0) return first.seq;
	const told = found.slice(0, TOLD_COMMITS).map(({ seq, id }) => `${id.slice(0, 12)} (${seq})`);
	throw new SidecarError("USAGE", {
		value: digits,
		reason: `the IDs of ${found.length} commits begin with it: ${told.join(", ")}${found.length > told.length ? " and others" : ""}`,
		remedy: "type more digits, or the commit's number",
	});
}

async function resolveSeq(
	store: ObjectStore,
	seq: number,
	signal: AbortSignal | undefined,
): Promise<number> {
	const notFound = (reason: string) =>
		new SidecarError("COMMIT_NOT_FOUND", { value: String(seq), reason });
	const expired = (reason: string) =>
		new SidecarError("COMMIT_EXPIRED", { value: String(seq), reason });
	if (seq === 0) throw notFound("commits count from 1");
	const found = await first(store, signal, seq);
	if (found?.seq === seq) return seq;
	const newest = await first(store, signal);
	if (newest === undefined) throw notFound("the log is empty");
	if (newest.seq < seq) throw notFound(`the newest commit is ${newest.seq}`);
	throw expired(
		found === undefined ? "no commit that old is left" : `the next older one is ${found.seq}`,
	);
}

async function resolveTime(
	store: ObjectStore,
	at: string,
	wanted: Time,
	signal: AbortSignal | undefined,
): Promise<number> {
	let oldest: ListedCommit | undefined;
	let expired: SidecarError | undefined;
	let there: Promise<ReadonlySet<ObjectKey>> | undefined;
	for await (const commit of listCommits(store, { signal })) {
		const timeMs =
			"timeMs" in wanted ? wanted.timeMs : commit.storeTimeMs + CLOCK_STEP_MS - wanted.agoMs;
		if (commit.lastModifiedMs <= timeMs) {
			const wasReplacedLongAgo =
				oldest !== undefined && oldest.lastModifiedMs <= commit.storeTimeMs - MIN_AGE_MS;
			if (wasReplacedLongAgo) there ??= listKeys(store, signal);
			expired =
				there === undefined ? undefined : await whyExpired(store, commit.seq, await there, signal);
			if (expired === undefined) return commit.seq;
		}
		oldest = commit;
	}
	if (expired !== undefined) throw expired;
	throw tooOld(at, oldest);
}

function tooOld(at: string, oldest: ListedCommit | undefined): SidecarError {
	if (oldest === undefined)
		return new SidecarError("COMMIT_NOT_FOUND", { value: at, reason: "the log is empty" });
	const { seq, lastModifiedMs } = oldest;
	return new SidecarError("COMMIT_NOT_FOUND", {
		value: at,
		reason: `the oldest commit is ${seq}, of ${localTime(lastModifiedMs)}`,
		remedy: "use a later time, or the number of a commit that `openclaw-sidecar history` lists",
	});
}

/** Undefined for a complete commit, or for a damaged one, which the reader will report. */
export async function whyExpired(
	store: ObjectStore,
	seq: number,
	there: ReadonlySet<ObjectKey>,
	signal: AbortSignal | undefined,
): Promise<SidecarError | undefined> {
	try {
		await readEarlier(store, seq, () => requireObjects(store, seq, there, signal), signal);
	} catch (error) {
		if (
			!(error instanceof SidecarError) ||
			error.category === "refused" ||
			error.category === "unreachable"
		)
			throw error;
		if (error.code === "COMMIT_EXPIRED") return error;
	}
	return undefined;
}

/** @throws SidecarError OBJECT_NOT_FOUND naming what a commit needs and the store does not list */
async function requireObjects(
	store: ObjectStore,
	seq: number,
	there: ReadonlySet<ObjectKey>,
	signal: AbortSignal | undefined,
): Promise<void> {
	const chain = await readChain(store, seq, (each) => there.has(logKey(each)), signal);
	for (const key of chain.flatMap(objectsNamedBy))
		if (!there.has(key))
			throw new SidecarError("OBJECT_NOT_FOUND", { value: key, reason: `commit ${seq} needs it` });
}

export async function listKeys(
	store: ObjectStore,
	signal: AbortSignal | undefined,
): Promise<ReadonlySet<ObjectKey>> {
	const listings = await Promise.all(
		[LOG_PREFIX, PACK_PREFIX].map(async (prefix) => listObjects(store, prefix, signal)),
	);
	return new Set(listings.flatMap(({ objects }) => objects.map(({ key }) => key)));
}

async function first(
	store: ObjectStore,
	signal: AbortSignal | undefined,
	from?: number,
): Promise<ListedCommit | undefined> {
	for await (const commit of listCommits(store, { limit: 1, from, signal })) return commit;
	return undefined;
}
