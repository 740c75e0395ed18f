/**
 * The verbs for quarantined data of superseded writers: list it, write it out, bring it in, drop
 * it.
 */
import { resolve } from "node:path";
import { newRestoreId, now, thisEnvironment } from "../commit/environment.ts";
import { LogWriter } from "../commit/log-writer.ts";
import type { QuarantinedWriter } from "../commit/quarantined.ts";
import { readLog } from "../commit/read-log.ts";
import { untilResolved } from "../commit/until-resolved.ts";
import { type Holder, holderWords } from "../daemon/control.ts";
import { endSurvivors } from "../daemon/survivors.ts";
import { SidecarError } from "../errors.ts";
import { type QuarantineTimes, quarantineTimes } from "../history/quarantine-times.ts";
import { pickOne, type Selection, selectQuarantined } from "../history/select-quarantined.ts";
import { isRestoreId } from "../log/restore-id.ts";
import type { Entry, Path } from "../log/types.ts";
import { compareBytes } from "../path.ts";
import { loadTools } from "../restore/load-tools.ts";
import type { Moved } from "../restore/restore-work.ts";
import { writeTree } from "../restore/write-tree.ts";
import { dropQuarantined } from "../session/drop-quarantined.ts";
import { durability } from "../session/durability.ts";
import { inspectDisk } from "../session/not-durable.ts";
import { Session } from "../session/session.ts";
import { requireDirectory } from "../workspace/scan.ts";
import { ask, withControl } from "./control.ts";
import { flushOnce, requireRestored } from "./flush.ts";
import { type LogOptions, type WorkspaceOptions, withLog, withWorkspace } from "./options.ts";

interface Choice {
	/** A superseded writer's id, or its first digits. Default: every writer. */
	readonly writer?: string | undefined;
}

export interface QuarantineOptions extends LogOptions, Choice {}

/** What one superseded writer quarantined, and when. */
export interface QuarantineListing extends QuarantinedWriter, QuarantineTimes {
	/** `writer` names a restore that moved the files out of a workspace, not a superseded writer. */
	readonly isRestore: boolean;
	/** Files and links by the paths they had on that writer's disk, ordered by the paths' bytes. */
	readonly entries: readonly (readonly [Path, Entry])[];
}

/**
 * Lists what superseded writers quarantined and nobody has dropped yet.
 * @throws SidecarError USAGE (an ambiguous writer), STORE_*, OBJECT_*, and for a wrong option
 */
export async function listQuarantined(
	options: QuarantineOptions = {},
): Promise<readonly QuarantineListing[]> {
	const { signal } = options;
	return await withLog(options, async ({ store }) => {
		const { head } = await readLog(store, { signal });
		const picked = selectQuarantined(head.tree, selectionOf(options));
		const times = await quarantineTimes(
			store,
			picked.map(({ writer }) => writer),
			signal,
		);
		return picked.map(({ writer, entries: all }) => {
			const entries = [...all]
				.filter(([, { type }]) => type !== "dir")
				.sort(([a], [b]) => compareBytes(a, b));
			return {
				writer,
				isRestore: isRestoreId(writer),
				files: entries.length,
				bytes: bytesOf(entries),
				...(times.get(writer) as QuarantineTimes),
				entries,
			};
		});
	});
}

export interface RecoverToOptions extends WorkspaceOptions, Choice {
	/**
	 * A directory that is empty or does not exist; a relative path starts at the working directory.
	 */
	readonly to: string;
	/**
	 * Only this file, or this directory and everything below it, by its path on the writer's disk.
	 * Default: everything.
	 */
	readonly path?: string | undefined;
}

export interface RecoveredTo {
	/** `{to}/{writer}`, for each writer. */
	readonly directories: readonly string[];
	readonly files: number;
	readonly bytes: number;
}

/**
 * Writes quarantined data to `{to}/{writer}/{path}`, with modes, times and links. Does not affect
 * the log, the workspace or a running daemon.
 * @throws SidecarError USAGE (a directory that is not empty, an ambiguous writer), PATH_NOT_FOUND,
 * WORKSPACE_*, STORE_*, OBJECT_*
 */
export async function recoverTo(options: RecoverToOptions): Promise<RecoveredTo> {
	const to = resolve(options.to);
	return await withWorkspace(options, async (opened) => {
		const { store, profile, signal } = opened;
		const { head, starts } = await readLog(store, { signal });
		const picked = selectQuarantined(head.tree, selectionOf(options));
		if (picked.length === 0) return { directories: [], files: 0, bytes: 0 };
		const tree = new Map<Path, Entry>([
			["", { type: "dir", mode: 0o700, mtimeNs: BigInt(Date.now()) * 1_000_000n }],
		]);
		for (const { writer, entries } of picked) {
			for (const [path, entry] of entries)
				tree.set(path === "" ? writer : `${writer}/${path}`, entry);
		}
		const secretBelowWriter = {
			...profile,
			secret: (path: Path) => profile.secret(path.slice(path.indexOf("/") + 1)),
		};
		const how = {
			...opened,
			...(await loadTools()),
			profile: secretBelowWriter,
			label: newRestoreId(thisEnvironment),
		};
		await writeTree(how, to, tree, starts);
		const files = [...tree].filter(([, { type }]) => type !== "dir");
		return {
			directories: picked.map(({ writer }) => `${to}/${writer}`),
			files: files.length,
			bytes: bytesOf(files),
		};
	});
}

export interface RecoverApplyOptions extends WorkspaceOptions, Choice {
	/** A file, a link, or a directory and everything below it, by its path on the writer's disk. */
	readonly path: string;
	/** How long to wait for a writer that still seems to be running, ms. Default 5,000. */
	readonly handoverWaitMs?: number;
}

export interface RecoverApplied {
	readonly writer: string;
	/** Files and links that are now at their own paths. */
	readonly applied: readonly Path[];
	/** Where the replaced entries were moved; history has them too if they were ever committed. */
	readonly moved: readonly Moved[];
	/** The newest commit. */
	readonly seq: number;
	/** Paths that could not be committed, and why; they are still quarantined. */
	readonly notTaken: readonly { readonly path: string; readonly reason: string }[];
	/** 0 done, 3 something is not durable, 4 superseded meanwhile. */
	readonly exitStatus: 0 | 3 | 4;
}

/**
 * Brings one entry in: to its own path in the workspace, into the next commit, and out of
 * `.recovered/`. Moves an entry in its place to the trash. Like a one-shot flush it takes the tree
 * over. It refuses a workspace with a running daemon, whose agent may have the replaced files open.
 * In that case use `recoverTo` and copy the files into the workspace: that is an ordinary change.
 * @throws SidecarError WORKSPACE_BUSY, WORKSPACE_NOT_RESTORED, USAGE (several writers quarantine
 * it; a file would take a directory's place), PATH_NOT_FOUND, WORKSPACE_*, STORE_*, OBJECT_*
 */
export async function recoverApply(options: RecoverApplyOptions): Promise<RecoverApplied> {
	const wanted = { ...selectionOf(options), path: options.path };
	return await withWorkspace(options, async (opened) => {
		const { settings, store, signal } = opened;
		const { stateDir, workspace, handoverWaitMs } = settings;
		await refuseBesideDaemon(stateDir, workspace);
		return await withControl(stateDir, workspace, "recovering", async () => {
			await endSurvivors({ ...opened, stateDir, workspace });
			requireDirectory(workspace);
			const { head } = await readLog(store, { signal });
			pickOne(head.tree, wanted);
			requireRestored(workspace, head, await inspectDisk(opened, head));
			const session = await Session.open({ ...opened, handoverWaitMs });
			const picked = pickOne(session.head.tree, wanted);
			const moved = [...session.restored.moved, ...(await session.applyRecovered(picked))];
			const applied = [...picked.entries]
				.filter(([, { type }]) => type !== "dir")
				.map(([path]) => path);
			const result = await flushOnce(session, signal);
			const notTaken = result.deferred;
			const standing = {
				notDurable: notTaken.length,
				deferredDeletions: result.deferredDeletions,
				superseded: session.isSuperseded,
			};
			const { exitStatus } = durability(standing);
			if (exitStatus === 0)
				await session.dropQuarantined(
					{ writer: picked.writer, path: options.path },
					{ closed: true, signal },
				);
			return { writer: picked.writer, applied, moved, seq: session.head.seq, notTaken, exitStatus };
		});
	});
}

export interface RecoverDropOptions extends WorkspaceOptions, Choice {
	/**
	 * Only this, by its path on the writer's disk. Default: everything of the writer, which must then
	 * be named.
	 */
	readonly path?: string | undefined;
}

export interface RecoverDropped {
	/** Which process did it: the daemon that owns the workspace, or this process in one shot. */
	readonly by: "daemon" | "this process";
	/** Files and links. */
	readonly files: number;
	readonly seq: number | undefined;
}

/**
 * Removes entries that were dealt with from `.recovered/`, in one commit; history keeps them. The
 * daemon that owns the workspace does it. Without a daemon it requires a log that was closed in an
 * orderly way, so that no writer elsewhere is superseded.
 * @throws SidecarError USAGE (neither writer nor path; a log that is not closed), PATH_NOT_FOUND,
 * SUPERSEDED, STORE_*, OBJECT_*
 */
export async function recoverDrop(options: RecoverDropOptions): Promise<RecoverDropped> {
	const { writer, path, signal } = options;
	if (writer === undefined && path === undefined)
		throw new SidecarError("USAGE", {
			reason: "neither a writer nor a path is given",
			remedy: "name a writer with --writer, or a path",
		});
	const wanted = selectionOf(options);
	return await withWorkspace(options, async ({ settings, store }) => {
		const { stateDir, workspace } = settings;
		const answer = await ask<{ files: number; seq?: number }>(stateDir, workspace, "drop", {
			...wanted,
			store: store.url,
		});
		if (answer !== undefined) return { by: "daemon", files: answer.files, seq: answer.seq };
		return await withControl(stateDir, workspace, "recovering", async () => {
			const since = now(thisEnvironment);
			const { head, storeTimeMs } = await readLog(store, { signal });
			selectQuarantined(head.tree, wanted);
			if (!head.isClosed) throw notClosed(head.fence.writer);
			const log = new LogWriter(store, thisEnvironment, head, since, storeTimeMs);
			const fenced = await untilResolved(log, thisEnvironment, await log.fence(signal), { signal });
			if (fenced.kind !== "committed") throw notClosed(log.head.fence.writer);
			const { files, seq } = await dropQuarantined(log, thisEnvironment, wanted, {
				closed: true,
				signal,
			});
			return { by: "this process", files, seq };
		});
	});
}

function bytesOf(entries: readonly (readonly [Path, Entry])[]): number {
	return entries.reduce((sum, [, entry]) => sum + (entry.type === "file" ? entry.size : 0), 0);
}

function notClosed(owner: string): SidecarError {
	return new SidecarError("USAGE", {
		value: owner.slice(0, 8),
		reason: "the tree's owner has not closed the log, so it may be running on another machine",
		remedy: "drop it there, or when the owner has ended",
	});
}

/** @throws SidecarError WORKSPACE_BUSY */
async function refuseBesideDaemon(stateDir: string, workspace: string): Promise<void> {
	const holder = await ask<Holder>(stateDir, workspace, "status");
	if (holder === undefined) return;
	throw new SidecarError("WORKSPACE_BUSY", {
		value: workspace,
		reason: `${holderWords(holder)}, and its agent may have the replaced files open`,
		remedy:
			"write it elsewhere with `recover --to DIR` and copy what you want into the workspace, or stop the daemon first",
	});
}

function selectionOf({ writer, path }: Selection): Selection {
	return { writer, path };
}
