/** The requests of other processes that a running daemon answers with a commit. */
import type { FlushResult } from "../capture/flush-result.ts";
import type { Excluded } from "../capture/secret-guard.ts";
import { undecided } from "../commit/until-resolved.ts";
import { SidecarError } from "../errors.ts";
import type { Undo } from "../history/last-change.ts";
import type { Selection } from "../history/select-quarantined.ts";
import type { PathsRestored } from "../restore/restore-paths.ts";
import type { PutBack, Session, TurnUndone } from "../session/session.ts";
import type { FlushLoop } from "./flush-loop.ts";

/**
 * Commits everything, with the large files that the rescan finds.
 * @param what from another process: nothing in it is trusted
 */
export async function flushNow(
	flushes: FlushLoop,
	workspace: string,
	what?: unknown,
): Promise<object> {
	const { deletionsAreMeant } = (typeof what === "object" && what !== null ? what : {}) as {
		readonly deletionsAreMeant?: unknown;
	};
	await requireSameLog(flushes, what);
	const first = await flushes.flush(true, deletionsAreMeant === true);
	return await reported(flushes, workspace, first);
}

/** @throws SidecarError NOT_DURABLE, and as a flush */
async function reported(
	flushes: FlushLoop,
	workspace: string,
	first: FlushResult | undefined,
): Promise<FlushReport> {
	const result =
		first?.kind === "committed" || first?.kind === "nothing"
			? await withLarge(flushes, first)
			: first;
	if (result === undefined)
		throw flushes.lastError ?? new SidecarError("NOT_DURABLE", { value: workspace });
	if (result.kind === "unknown") throw undecided(result.cause);
	const { isSuperseded: superseded, excluded } = flushes.session;
	return { ...result, superseded, excluded };
}

/** A result that is certain, and how the session stands. */
export type FlushReport = Exclude<FlushResult, { kind: "unknown" }> & {
	readonly superseded: boolean;
	readonly excluded: readonly Excluded[];
};

/** Waits for the large files that a flush found, while other flushes continue, and commits them. */
async function withLarge(
	flushes: FlushLoop,
	first: Exclude<FlushResult, { kind: "unknown" }>,
): Promise<FlushResult | undefined> {
	const { large } = flushes.session;
	const { paths } = large;
	if (paths.length === 0) return first;
	await large.finished(paths);
	const last = await flushes.flush(false);
	if (last?.kind !== "committed" || first.kind !== "committed")
		return last?.kind === "nothing" ? { ...first, deferred: last.deferred } : last;
	const sum = (of: "changed" | "removed" | "bytes") => first[of] + last[of];
	return { ...last, changed: sum("changed"), removed: sum("removed"), bytes: sum("bytes") };
}

/** Runs after a flush, so that no commit of this writer is undecided. */
export async function dropNow(
	flushes: FlushLoop,
	workspace: string,
	what: unknown,
): Promise<object> {
	const wanted = selectionOf(what);
	await requireSameLog(flushes, what);
	await flushNow(flushes, workspace);
	return await flushes.alone(
		async () => await flushes.session.dropQuarantined(wanted, { closed: false }),
	);
}

/**
 * Brings single paths to an earlier commit, or to before their last change, and commits that. What
 * is on the disk is committed before, so that nothing is replaced that the log lacks. If it brings
 * back a secret that must not be committed, everything returns, so that later flushes can succeed.
 */
export async function putBackNow(
	flushes: FlushLoop,
	workspace: string,
	what: unknown,
): Promise<PutBackDone> {
	const wanted = wantedOf(what);
	await requireSameLog(flushes, what);
	const after = flushes.session.head.seq;
	await flushNow(flushes, workspace);
	const done = await flushes.alone(async (flush, signal) => {
		const { session } = flushes;
		requireOwner(session, workspace);
		const done = await session.putBack({ ...wanted, after }, { ...BESIDE_AGENT, signal });
		return await committed(flushes, flush, done);
	});
	const { at, undone, changes, moved, first } = done;
	return { at, undone, changes, moved, flushed: await reported(flushes, workspace, first) };
}

export interface PutBackDone extends PathsRestored, Pick<Undo, "at" | "undone"> {
	readonly flushed: FlushReport;
}

/**
 * Takes back the files that the last turn of a conversation changed, and commits that, while the
 * agent runs.
 * @returns undefined if no turn of the conversation is found
 */
export async function undoTurnNow(
	flushes: FlushLoop,
	workspace: string,
	conversation: string,
): Promise<UndoTurnDone | undefined> {
	await flushNow(flushes, workspace);
	const done = await flushes.alone(async (flush, signal) => {
		const { session } = flushes;
		// The disk must be what the log says, or a change since would be taken back with the turn's.
		const last = await flush(true);
		if (last === undefined || last.kind === "unknown") await reported(flushes, workspace, last);
		requireOwner(session, workspace);
		const done = await session.undoTurn(conversation, signal);
		return done && (await committed(flushes, flush, done));
	});
	if (done === undefined) return undefined;
	const { turn, left, at, changes, moved, first } = done;
	const flushed = await reported(flushes, workspace, first);
	return { turn, left, at, changes, moved, flushed };
}

export interface UndoTurnDone extends PathsRestored, Pick<TurnUndone, "turn" | "left" | "at"> {
	readonly flushed: FlushReport;
}

function requireOwner({ isSuperseded }: Session, workspace: string): void {
	if (isSuperseded)
		throw new SidecarError("SUPERSEDED", { value: workspace, reason: "nothing was restored" });
}

/** Commits what was restored. @param flush runs while nothing else does */
async function committed<T extends PathsRestored & Undo>(
	flushes: FlushLoop,
	flush: FlushLoop["flush"],
	done: T,
): Promise<T & { readonly first: FlushResult | undefined }> {
	const first = await flush(true);
	const error = first === undefined ? flushes.lastError : undefined;
	if (error?.code !== "SECRET_FOUND") return { ...done, first };
	const refused = await flushes.session.takeBack(done, error, BESIDE_AGENT);
	await flush(true);
	throw refused;
}

const BESIDE_AGENT = { isBesideAgent: true };

/**
 * A socket belongs to a directory, whatever the log: the numbers and paths of a request may be those
 * of another one. @throws SidecarError WORKSPACE_BUSY
 */
async function requireSameLog({ session }: FlushLoop, what: unknown): Promise<void> {
	const { store, commit } = (typeof what === "object" && what !== null ? what : {}) as {
		readonly store?: unknown;
		readonly commit?: { readonly seq?: unknown; readonly id?: unknown } | null;
	};
	if (store === undefined) return;
	const isSame =
		store === session.store.url &&
		(commit === undefined || (await session.hasCommit(commit?.seq, commit?.id)));
	if (!isSame)
		throw new SidecarError("WORKSPACE_BUSY", {
			value: String(store),
			reason: `the workspace's daemon keeps it in another log, ${session.store.url}`,
			remedy: "use the store and the namespace of the daemon, or stop the daemon first",
		});
}

/** From another process: nothing in it is trusted. @throws SidecarError USAGE */
function wantedOf(what: unknown): PutBack {
	const { at, paths } = (typeof what === "object" && what !== null ? what : {}) as {
		readonly at?: unknown;
		readonly paths?: unknown;
	};
	const isWanted =
		Array.isArray(paths) &&
		paths.every((path) => typeof path === "string") &&
		(at === undefined || (Number.isSafeInteger(at) && paths.length > 0));
	if (!isWanted) throw new SidecarError("USAGE", { value: "restore", reason: "no such request" });
	return { at: at as number | undefined, paths };
}

/** From another process: nothing in it is trusted. */
function selectionOf(what: unknown): Selection {
	const { writer, path } = (typeof what === "object" && what !== null ? what : {}) as {
		readonly writer?: unknown;
		readonly path?: unknown;
	};
	return {
		...(typeof writer === "string" && { writer }),
		...(typeof path === "string" && { path }),
	};
}
