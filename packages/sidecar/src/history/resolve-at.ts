/**
 * Resolves `--at SEQ|TIME` to a commit.
 *
 * A time means the newest commit that the store had by then. Its LastModified decides, never a
 * writer's clock, which may be anywhere on a machine that was frozen or set wrong. "Ago" also
 * counts from the store's clock. After retention, single expired commits may remain because content
 * is in them. These are skipped in favour of the next older complete commit.
 */

import { type ListedCommit, listCommits } from "../commit/list-commits.ts";
import { listObjects } from "../commit/list-objects.ts";
import { SidecarError } from "../errors.ts";
import { LOG_PREFIX, logKey, PACK_PREFIX } from "../log/keys.ts";
import { MIN_AGE_MS } from "../log/plan-retention.ts";
import type { ObjectKey } from "../log/types.ts";
import type { ObjectStore } from "../store/port.ts";
import { readEarlier } from "./expired.ts";
import { objectsNamedBy, readChain } from "./reachable.ts";

const MS_PER_UNIT = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 } as const;

/**
 * S3 reports its time in whole seconds, rounded down: a commit of this second must not appear to be
 * in the future.
 */
const CLOCK_STEP_MS = 999;

/** `2026-11-23`, `2026-11-23T17:04`, `2026-11-23 17:04:05.678Z`, `…+01:00`. */
const ISO =
	/^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?)(Z|[+-]\d{2}:\d{2})?)?$/i;

type Selection =
	| { readonly seq: number }
	| { readonly timeMs: number }
	| { readonly agoMs: number };

/**
 * @param at a commit's seq, an ISO time (UTC unless it names a zone), or how long ago: `45s`,
 * `30m`, `2h`, `1d`, `1w`
 * @throws SidecarError USAGE, COMMIT_NOT_FOUND, COMMIT_EXPIRED, STORE_*, OBJECT_CORRUPT
 */
export async function resolveAt(
	store: ObjectStore,
	at: string,
	signal?: AbortSignal,
): Promise<number> {
	const wanted = parseAt(at);
	return "seq" in wanted
		? await resolveSeq(store, wanted.seq, signal)
		: await resolveTime(store, at, wanted, signal);
}

/** Whether `at` is the number of a commit, and not a time. */
export function namesCommit(at: string): boolean {
	return "seq" in parseAt(at);
}

/** @throws SidecarError USAGE */
function parseAt(at: string): Selection {
	if (/^\d{1,15}$/.test(at)) return { seq: Number(at) };
	const [, count, unit] = /^(\d{1,6}(?:\.\d{1,3})?)([smhdw])$/.exec(at) ?? [];
	if (count !== undefined)
		return { agoMs: Number(count) * MS_PER_UNIT[unit as keyof typeof MS_PER_UNIT] };
	const [, date, time = "00:00", zone = "Z"] = ISO.exec(at) ?? [];
	const timeMs =
		date === undefined ? Number.NaN : Date.parse(`${date}T${time}${zone.toUpperCase()}`);
	if (!Number.isNaN(timeMs)) return { timeMs };
	throw new SidecarError("USAGE", {
		value: at === "" ? '""' : at,
		reason:
			"flag --at accepts a commit's number, a time such as 2026-11-23T17:04:05Z, or how long ago: 30m, 2h, 1d",
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
	wanted: { readonly timeMs: number } | { readonly agoMs: number },
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
	const reason =
		oldest === undefined
			? "the log is empty"
			: `the oldest commit is ${oldest.seq}, of ${new Date(oldest.lastModifiedMs).toISOString()}`;
	throw new SidecarError("COMMIT_NOT_FOUND", { value: at, reason });
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
