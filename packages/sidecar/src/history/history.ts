import { type ListedCommit, listCommits } from "../commit/list-commits.ts";
import { fetchCommit } from "../commit/read-log.ts";
import { SidecarError } from "../errors.ts";
import { HOST } from "../log/annotations.ts";
import type { CommitFlags, CommitInfo } from "../log/types.ts";
import type { ObjectStore } from "../store/port.ts";
import { type AboutTurns, aboutTurns, newestStatuses } from "./about-turns.ts";

/** The details of every entry that the listing alone provides. */
interface Listed {
	readonly seq: number;
	/** When the store received it, by the store's clock, ms since the epoch. */
	readonly timeMs: number;
	readonly objectBytes: number;
}

/** What `AboutTurns` has is missing without `withTurns`. */
export interface ReadableEntry extends Listed, AboutTurns {
	/** 64 hex digits. */
	readonly id: string;
	/** 32 hex digits. */
	readonly writer: string;
	readonly kind: "full" | "delta";
	readonly flags: CommitFlags;
	/** Paths the commit adds or changes; for a FULL commit the whole tree. */
	readonly changed: number;
	readonly removed: number;
	/** Whether a turn of the agent was running; missing if the commit does not tell. */
	readonly turn?: "running" | "idle";
}

/** Damaged, or from a newer release: listed, so that it does not hide older commits. */
export interface UnreadableEntry extends Listed {
	readonly error: SidecarError;
}

export type HistoryEntry = ReadableEntry | UnreadableEntry;

export interface HistoryOptions {
	/** The newest commit to describe; default: the log's newest. */
	readonly from?: number | undefined;
	/** The maximum number of commits; default: all. */
	readonly limit?: number | undefined;
	/** Compare each commit with the one before it. Reads one more commit than `limit`. Default false. */
	readonly withTurns?: boolean | undefined;
	readonly signal?: AbortSignal | undefined;
}

/** Parallel GETs of commit starts, up to 256 KiB each. */
const PARALLEL_GETS = 16;

/**
 * The log's commits, newest first. Reads ahead by up to 16 commits, and with `withTurns` returns a
 * commit when the one before it is read.
 * @throws SidecarError STORE_*
 */
export async function* history(
	store: ObjectStore,
	options: HistoryOptions = {},
): AsyncGenerator<HistoryEntry> {
	const { limit = Number.POSITIVE_INFINITY, withTurns = false } = options;
	if (!withTurns) {
		for await (const { entry } of described(store, options)) yield entry;
		return;
	}
	const withStatuses = newestStatuses();
	const compared = ({ entry, info }: Described, before: Described | undefined) =>
		info === undefined || "error" in entry
			? entry
			: withStatuses({ ...entry, ...aboutTurns(info, annotationsOf(before)) });
	let newer: Described | undefined;
	let count = 0;
	for await (const each of described(store, { ...options, limit: limit + 1 })) {
		if (newer !== undefined) yield compared(newer, each);
		if (++count > limit) return;
		newer = each;
	}
	if (newer !== undefined) yield compared(newer, undefined);
}

interface Described {
	readonly entry: HistoryEntry;
	/** Undefined if the commit cannot be read. */
	readonly info: CommitInfo | undefined;
}

/** Undefined if they are not known: a superseded writer's commit tells of another disk. */
function annotationsOf(described: Described | undefined): CommitInfo["annotations"] {
	const info = described?.info;
	return info === undefined || info.flags.recovered === true ? undefined : (info.annotations ?? []);
}

async function* described(store: ObjectStore, options: HistoryOptions): AsyncGenerator<Described> {
	const stop = new AbortController();
	const signal =
		options.signal === undefined ? stop.signal : AbortSignal.any([options.signal, stop.signal]);
	const ahead: Promise<Described>[] = [];
	try {
		for await (const listed of listCommits(store, {
			from: options.from,
			limit: options.limit,
			signal,
		})) {
			const entry = describe(store, listed, signal);
			// It is awaited later, or never if the caller stops before.
			entry.catch(() => {});
			ahead.push(entry);
			if (ahead.length >= PARALLEL_GETS) yield await (ahead.shift() as Promise<Described>);
		}
		for (const entry of ahead) yield await entry;
	} finally {
		stop.abort();
		await Promise.allSettled(ahead);
	}
}

async function describe(
	store: ObjectStore,
	{ seq, lastModifiedMs, objectBytes }: ListedCommit,
	signal: AbortSignal,
): Promise<Described> {
	const listed: Listed = { seq, timeMs: lastModifiedMs, objectBytes };
	try {
		const { commit } = await fetchCommit(store, seq, signal);
		const { kind, flags, writer } = commit.info;
		const entry = {
			...listed,
			id: commit.id,
			writer,
			kind,
			flags,
			changed: commit.changed.size,
			removed: commit.removed.size,
			...turnOf(commit.info),
		};
		return { entry, info: commit.info };
	} catch (error) {
		if (error instanceof SidecarError && error.category === "damaged")
			return { entry: { ...listed, error }, info: undefined };
		throw error;
	}
}

/**
 * The machine that made the changes of a commit. Undefined if the commit does not tell: a writer's
 * first commit and those of superseded writers repeat the annotations of their predecessor.
 */
export function hostOf({ annotations = [], flags }: CommitInfo): string | undefined {
	if (flags.fence === true || flags.recovered === true) return undefined;
	return annotations.find(({ path, name }) => path === "" && name === HOST)?.value || undefined;
}

/** Running if any agent of the workspace was in a turn. */
export function turnOf({ annotations = [] }: CommitInfo): Pick<ReadableEntry, "turn"> {
	const turns = annotations.filter(({ name }) => name === "turn").map(({ value }) => value);
	if (turns.length === 0) return {};
	return { turn: turns.includes("running") ? "running" : "idle" };
}
