import type { FlushOptions as FlusherOptions, FlushResult } from "../capture/flush-result.ts";
import { now, thisEnvironment } from "../commit/environment.ts";
import { readLog } from "../commit/read-log.ts";
import { retryUnknown } from "../commit/until-resolved.ts";
import { SidecarError } from "../errors.ts";
import type { Head } from "../log/fold.ts";
import { planDisk } from "../restore/plan-disk.ts";
import type { Moved } from "../restore/restore-work.ts";
import { durability } from "../session/durability.ts";
import { type DiskState, inspectDisk } from "../session/not-durable.ts";
import { Session } from "../session/session.ts";
import { count, plural } from "../telemetry/format.ts";
import { findPlain } from "../transfer/adopt.ts";
import { isUnused } from "../transfer/commit-directory.ts";
import { requireDirectory } from "../workspace/scan.ts";
import { ask, withControl } from "./control.ts";
import { type Coverage, coverageOf } from "./coverage.ts";
import { type OpenWorkspace, type WorkspaceOptions, withWorkspace } from "./options.ts";

export interface FlushOptions extends WorkspaceOptions {
	/**
	 * Commits deletions at once that would be deferred because too much, or something critical,
	 * vanished. Default false.
	 */
	readonly confirmDeletions?: boolean;
	/** How long to wait for a writer that still seems to be running, ms. Default 5,000. */
	readonly handoverWaitMs?: number;
}

export interface FlushReport {
	/** Which process did it: the daemon that owns the workspace, or this process in one shot. */
	readonly by: "daemon" | "this process";
	/** `nothing`: no commit was made, because everything that could be read is in the log. */
	readonly kind: "committed" | "nothing";
	/** The newest commit, 0 for an empty log; undefined if a daemon had nothing to commit. */
	readonly seq: number | undefined;
	/** Paths added or changed, and removed. */
	readonly changed: number;
	readonly removed: number;
	/** Bytes sent. */
	readonly bytes: number;
	/** Paths that could not be read, and why. */
	readonly notTaken: readonly { readonly path: string; readonly reason: string }[];
	/**
	 * Deletions that are not committed yet: too much, or something critical, vanished at once. A later
	 * sweep of a running daemon confirms them.
	 */
	readonly deferredDeletions: number;
	/**
	 * Paths that were moved to make room for newer bytes of the log, and their place on this disk.
	 * The log has them too, below `.recovered/`, unless `notTaken` names them.
	 */
	readonly moved: readonly Moved[];
	/** Files that hold a secret and are left out by choice. */
	readonly excluded: readonly { readonly path: string; readonly reason: string }[];
	/** Another writer owns the tree: the committed changes are below `.recovered/`. */
	readonly superseded: boolean;
	/**
	 * Places that settings and links name but the log lacks, and excluded paths. They do not affect
	 * the exit status.
	 */
	readonly coverage: Coverage;
	/** Of `durability`. */
	readonly exitStatus: 0 | 3 | 4;
}

type Flushed = Omit<FlushReport, "coverage">;

/**
 * Commits the changes on this disk: through the daemon that owns it, or in one shot, which takes
 * the tree over with a fence. If nothing changed, neither a commit nor a fence is made. One shot
 * takes what was on the disk when it began; a change during it may wait for the next flush.
 *
 * @throws SidecarError WORKSPACE_NOT_RESTORED if the log is not empty and this disk does not derive
 * from it; NOT_DURABLE if the store never tells whether it accepted the commit; SECRET_FOUND,
 * WORKSPACE_*, STATE_DIR_UNUSABLE, STORE_*, OBJECT_*, FORMAT_UNKNOWN, and for a wrong option
 */
export async function flush(options: FlushOptions = {}): Promise<FlushReport> {
	return await withWorkspace(options, async (opened) => {
		const { stateDir, workspace } = opened.settings;
		const deletionsAreMeant = options.confirmDeletions === true;
		const answered = await flushByDaemon(stateDir, workspace, {
			store: opened.store.url,
			deletionsAreMeant,
		});
		const report =
			answered ??
			(await withControl(stateDir, workspace, "flushing", () =>
				flushInOneShot(opened, deletionsAreMeant),
			));
		return { ...report, coverage: coverageOf(opened.root, opened.profile) };
	});
}

type Answer = Exclude<FlushResult, { readonly kind: "unknown" }> & {
	readonly superseded: boolean;
	readonly excluded?: FlushReport["excluded"];
};

async function flushByDaemon(
	stateDir: string,
	workspace: string,
	how: { readonly store: string; readonly deletionsAreMeant: boolean },
): Promise<Flushed | undefined> {
	const answer = await ask<Answer>(stateDir, workspace, "flush", how);
	if (answer === undefined) return undefined;
	return { ...report("daemon", [answer], answer.superseded, []), excluded: answer.excluded ?? [] };
}

async function flushInOneShot(opened: OpenWorkspace, deletionsAreMeant: boolean): Promise<Flushed> {
	const { settings, store, signal } = opened;
	const { workspace, handoverWaitMs } = settings;
	requireDirectory(workspace);
	const since = now(thisEnvironment);
	const read = await readLog(store, { signal });
	const { head } = read;
	if (isUnused(head)) await requireNothingPlain(opened);
	const planned = await planDisk({ ...opened, deletionsAreMeant }, head);
	const disk = await inspectDisk(opened, head, planned);
	requireRestored(workspace, head, disk);
	if (
		disk.notDurable.every(
			({ kind }) => kind === "unreadable" || kind === "reserved" || kind === "away",
		)
	)
		return {
			...report("this process", [], false, disk.notDurable, [], disk.deferredDeletions),
			seq: head.seq,
			excluded: disk.excluded,
		};

	const prepared = { since, read, planned };
	const session = await Session.open({ ...opened, handoverWaitMs, prepared, deletionsAreMeant });
	const results = await flushInWaves(session, signal, deletionsAreMeant);
	const { isSuperseded, restored, excluded } = session;
	return {
		...report("this process", results, isSuperseded, [], restored.moved, disk.deferredDeletions),
		seq: session.head.seq,
		excluded,
	};
}

/**
 * Otherwise this directory would become the log's first content, and the existing plain objects
 * would never be adopted.
 */
async function requireNothingPlain(opened: OpenWorkspace): Promise<void> {
	const plain = await findPlain(opened);
	if (plain === undefined) return;
	throw new SidecarError("WORKSPACE_NOT_RESTORED", {
		value: opened.settings.workspace,
		reason: `${count(plain.files, "file")} at ${plain.url} ${plural(plain.files, "is", "are")} not part of a log, and a restore will import ${plural(plain.files, "it", "them")}`,
	});
}

/**
 * A directory that does not derive from this log must not become its next commit. An empty log
 * belongs to a new user.
 */
export function requireRestored(root: string, head: Head, disk: DiskState): void {
	const reason = whyNotRestored(head.seq, disk);
	if (reason !== undefined)
		throw new SidecarError("WORKSPACE_NOT_RESTORED", { value: root, reason });
}

/** Why the directory does not derive from a log with this many commits; undefined if it does. */
export function whyNotRestored(
	seq: number,
	{ marker, hasBase }: Pick<DiskState, "marker" | "hasBase">,
): string | undefined {
	if (seq === 0) return undefined;
	if (marker === undefined)
		return `it was never restored from this log, whose newest commit is ${seq}`;
	if (!marker.complete) return "a restore of it was interrupted";
	if (!hasBase)
		return `its base (commit ${marker.baseSeq}) is no longer in the log, the machine went down before it was safe on the disk, or this is not the directory that was restored`;
	return undefined;
}

/** Small files are durable before larger ones are read. Without small files it is one commit. */
const WAVES = [16 * 1024 * 1024, 256 * 1024 * 1024, Number.POSITIVE_INFINITY];

async function flushInWaves(
	session: Session,
	signal: AbortSignal | undefined,
	deletionsAreMeant: boolean,
): Promise<Exclude<FlushResult, { kind: "unknown" }>[]> {
	const results: Exclude<FlushResult, { kind: "unknown" }>[] = [];
	for (const maxFileBytes of WAVES) {
		// The first wave finds all changes; what it leaves is known.
		const sweep = results.length === 0;
		results.push(await flushOnce(session, signal, { sweep, maxFileBytes, deletionsAreMeant }));
		// What this wave left for the next one.
		if (!session.isDue) break;
	}
	return results;
}

/**
 * Commits every change, and closes the log in an orderly way. @throws SidecarError NOT_DURABLE if
 * the store never tells whether it accepted the commit
 */
export async function flushOnce(
	session: Session,
	signal: AbortSignal | undefined,
	options: Pick<FlusherOptions, "sweep" | "deletionsAreMeant" | "maxFileBytes"> = {},
): Promise<Exclude<FlushResult, { kind: "unknown" }>> {
	const once = () =>
		session.flush({
			sweep: true,
			closed: true,
			maxFileBytes: Number.POSITIVE_INFINITY,
			...options,
			signal,
		});
	return await retryUnknown(thisEnvironment, once, { signal });
}

function report(
	by: FlushReport["by"],
	results: readonly Exclude<FlushResult, { kind: "unknown" }>[],
	superseded: boolean,
	unreadable: DiskState["notDurable"],
	moved: FlushReport["moved"] = [],
	deferredBefore = 0,
): Flushed {
	const commits = results.filter((result) => result.kind === "committed");
	const sum = (of: (commit: (typeof commits)[number]) => number) =>
		commits.reduce((total, commit) => total + of(commit), 0);
	const result = results.at(-1);
	const notTaken = [
		...unreadable.map(({ path, reason }) => ({ path, reason })),
		...(result?.deferred ?? []),
	];
	const deferredDeletions = (result?.deferredDeletions ?? 0) + deferredBefore;
	return {
		by,
		kind: commits.length === 0 ? "nothing" : "committed",
		seq: commits.at(-1)?.seq,
		changed: sum(({ changed }) => changed),
		removed: sum(({ removed }) => removed),
		bytes: sum(({ bytes }) => bytes),
		notTaken,
		deferredDeletions,
		moved,
		excluded: [],
		superseded,
		exitStatus: durability({ notDurable: notTaken.length, deferredDeletions, superseded })
			.exitStatus,
	};
}
