/**
 * Brings a directory to a commit of the log.
 *
 * Order: read the log, scan the disk, plan, and check the space and that the whole plan can
 * complete. Then write: directories, files in the order in which their bytes arrive, links, the
 * profile's last files, times. The marker says `complete` only at the very end. If there are many
 * new files, a second thread writes a part of them (`write-thread.ts`).
 *
 * Guarantees: nothing is written before the whole plan is checked. A byte that is on the disk and
 * not in the log stays in place or moves to the trash; it is never overwritten. Each move is in a
 * journal first (`displaced.ts`), and the next commit keeps the moved file below `.recovered/`.
 * After a failure a moved file returns unless something took its place; else it stays in the
 * journal. Files already written stay. The marker then says `incomplete` and keeps the old base, so
 * running the restore again is correct, also after kill -9 at any point.
 * Does NOT write to the store.
 */

import { readLog } from "../commit/read-log.ts";
import { type RootElsewhere, rootsElsewhere } from "../commit/roots-in-tree.ts";
import {
	bootId,
	type Mounts,
	type RootMark,
	readMarker,
	writeMarker,
} from "../disk/base-marker.ts";
import { displacedFiles } from "../disk/displaced.ts";
import type { LocalTree } from "../disk/local-tree.ts";
import { settleMeant } from "../disk/meant-deletions.ts";
import { forgetOpened, setBackOpened } from "../disk/opened-directories.ts";
import { requireOwnDirectories } from "../disk/shared-directories.ts";
import { SidecarError } from "../errors.ts";
import { readEarlier } from "../history/expired.ts";
import { EMPTY_HEAD, type Head } from "../log/fold.ts";
import type { FileEntry, Path, Tree } from "../log/types.ts";
import { mainOf, rootPath } from "../path.ts";
import type { Logger } from "../telemetry/types.ts";
import { type InnerMounts, innerMountsByDevice } from "../workspace/inner-mounts.ts";
import { Materializer } from "../workspace/materialize.ts";
import { requireDirectory } from "../workspace/scan.ts";
import { identityOf, lstatPath, type Stat } from "../workspace/stat.ts";
import { WorkspaceFilter } from "../workspace/workspace-filter.ts";
import { type DiskPlan, planDisk, rootMarks } from "./plan-disk.ts";
import { preflight } from "./preflight.ts";
import { type Action, KEEPS } from "./reconcile.ts";
import type { RestoreOptions } from "./restore-options.ts";
import { isWritten, type Moved, RestoreWork } from "./restore-work.ts";
import { isWorthThread, WriteThread } from "./write-thread.ts";

export interface Restored {
	readonly head: Head;
	/** The store's clock when the log was read, ms since the epoch. */
	readonly storeTimeMs: number;
	/** What is on the disk now, as far as it is known to equal the log. */
	local(): LocalTree;
	/** The filter from the restored ignore file. @throws SidecarError IGNORE_FILE_UNUSABLE */
	filter(): WorkspaceFilter;
	/** The directory that was restored. */
	readonly root: Stat;
	/** The same for additional roots, by name. */
	readonly roots: Readonly<Record<string, RootMark>>;
	/** Volumes inside the workspace and its roots. */
	readonly mounts: Mounts;
	/** Content in the log of additional roots that this machine does not have. */
	readonly elsewhere: readonly RootElsewhere[];
	/** Content in the log of volumes that are not mounted here now. */
	readonly away: readonly RootElsewhere[];
	readonly files: number;
	readonly bytes: number;
	/** Files written; the others were already there. */
	readonly written: number;
	/** Other files and links that got the log's time. */
	readonly timed: number;
	/** Paths changed here while no watcher ran. They are kept and not durable yet. */
	readonly keptLocal: number;
	/** The deleted paths among them. */
	readonly keptDeleted: ReadonlySet<Path>;
	/** Missing files and directories that were brought back, because they look like a wipe. */
	readonly broughtBack: ReadonlySet<Path>;
	/** Where this disk's displaced bytes are now. */
	readonly moved: readonly Moved[];
	/** The scan behind the plan; undefined if the restore changed the disk since. */
	readonly scanned: { stats: DiskPlan["disk"]; problems: DiskPlan["problems"] } | undefined;
	/**
	 * Marks the restore as complete. Call it before anything else writes.
	 * @param onDisk true: resolves when the mark survives a power cut. A process that stays the
	 * workspace's owner need not wait for that: what it restored is in the log
	 */
	finish(onDisk: boolean): Promise<void>;
}

/** The number of paths that one log line names. */
const TOLD_PATHS = 5;

/**
 * Space to leave free on the disk in addition to the restored data: the agent must be able to
 * start.
 */
const SPARE_BYTES = 16 * 1024 * 1024;

/**
 * @throws SidecarError STORE_*, OBJECT_*, FORMAT_UNKNOWN, TREE_UNSAFE, LIMIT_EXCEEDED,
 * COMMIT_NOT_FOUND, COMMIT_EXPIRED, WORKSPACE_*
 */
export async function restore(
	options: RestoreOptions,
	/** The plan for `read`, as `planDisk` returned it just now. */
	justPlanned?: DiskPlan,
): Promise<Restored> {
	const { store, at, signal } = options;
	return await readEarlier(store, at, () => restoreTree(options, justPlanned), signal);
}

/**
 * The directories are not those of the plan: they were created since, or the first write to a
 * directory of an image gave it another identity.
 */
function isOfOtherDirectories({ rootStat, roots }: DiskPlan, { root }: RestoreOptions): boolean {
	return (
		identityOf(requireDirectory(root)) !== identityOf(rootStat) ||
		Object.entries(rootMarks(root)).some(
			([name, { identity }]) => identity !== roots[name]?.identity,
		)
	);
}

async function restoreTree(
	options: RestoreOptions,
	justPlanned: DiskPlan | undefined,
): Promise<Restored> {
	const { root, privateDir, logger } = options;
	requireOwnDirectories(root, privateDir);
	const { store, at, signal } = options;
	const read = options.read ?? (await readLog(store, { at, signal }));
	const { head } = read;

	tellDisplaced(privateDir, logger);
	const writer = Materializer.open(root, options.times);
	// On a new disk everything is written. The thread starts while this one plans.
	const thread =
		readMarker(privateDir) === undefined && isWorthThread(head.tree.values())
			? new WriteThread()
			: undefined;
	let work: RestoreWork | undefined;
	try {
		const isSetBack = setBackOpened(privateDir, root);
		const planned =
			justPlanned === undefined || isSetBack || isOfOtherDirectories(justPlanned, options)
				? await planDisk(options, head)
				: justPlanned;
		const { target, base, marker, rootStat, plan } = planned;
		if (base === undefined || options.at !== undefined)
			plan.set("", target.has("") ? "write" : "keep");
		for (const path of [...planned.freshRoots].map(rootPath))
			if (target.has(path) && !planned.away.has(path)) plan.set(path, "write");
		const elsewhere = rootsElsewhere(head.tree, root);
		for (const { path, files, bytes } of elsewhere)
			logger.warn("restore.root-left-out", { path, files, bytes });
		for (const name of planned.freshRoots) {
			// The root's volume may not be mounted. A new machine knows no earlier directory, so it
			// reports nothing.
			const [before, now] = [marker?.roots?.[name], planned.roots[name]];
			if (
				before?.identity !== undefined &&
				before.identity !== now?.identity &&
				before.directory === now?.directory
			)
				logger.warn("restore.root-is-another", { path: rootPath(name), directory: now.directory });
		}
		for (const [path, reason] of planned.away) logger.warn("restore.mount-away", { path, reason });
		if (planned.deferredDeletions > 0)
			logger.warn("deletion.not-believed", { files: planned.deferredDeletions });
		if (!writer.mounts.isKnown) writer.assumeMounts(innerMountsByDevice(planned.disk));
		tellMounts(writer.mounts, logger);
		checkSpace(writer, plan, target);
		const keepMode = await preflight(
			{ root, privateDir, isExact: options.at !== undefined },
			writer,
			planned,
		);

		const here = { workspace: mainOf(root), root: identityOf(rootStat), boot: bootId() };
		// Until the end, the disk's base stays what it was. An interrupted restore is then planned again
		// from there.
		const known =
			base === undefined || marker === undefined
				? { baseSeq: 0, baseId: EMPTY_HEAD.id, roots: {} }
				: { baseSeq: marker.baseSeq, baseId: marker.baseId, roots: marker.roots ?? {} };
		// An interrupted restore that accepts other volumes has not yet accepted them.
		const mounts = marker?.mounts ?? planned.mounts;
		writeMarker(privateDir, { ...known, ...here, mounts, complete: false, clean: false });
		work = new RestoreWork(options, writer, planned, read, keepMode, thread);
		const done = work;
		await done.run();
		settleMeant(privateDir, (path) => lstatPath(root, path) !== undefined);
		done.unset.write(privateDir);
		if (done.notSet.length > 0)
			logger.warn("restore.metadata-not-set", {
				count: done.notSet.length,
				paths: done.notSet.slice(0, TOLD_PATHS),
			});
		const keptLocal = [...plan.values()].filter(
			(action) => action === "keep-local" || action === "keep-deleted",
		).length;
		tellMoved(done.moved, logger);
		return {
			head,
			storeTimeMs: read.storeTimeMs,
			local: () => done.local(),
			filter: () => WorkspaceFilter.open(root, options.profile),
			root: rootStat,
			roots: planned.roots,
			mounts: planned.mounts,
			elsewhere,
			away: awayIn(target, planned.away),
			files: done.files,
			bytes: done.bytes,
			written: done.written,
			timed: done.timed,
			keptLocal,
			keptDeleted: new Set(
				[...plan].filter(([, action]) => action === "keep-deleted").map(([path]) => path),
			),
			broughtBack: planned.notBelieved,
			moved: done.moved,
			scanned:
				planned.retimed.size === 0 && [...plan.values()].every((action) => KEEPS.has(action))
					? { stats: planned.disk, problems: planned.problems }
					: undefined,
			finish: async (onDisk) => {
				if (onDisk) await writer.sync();
				const { roots, mounts } = planned;
				writeMarker(privateDir, {
					baseSeq: head.seq,
					baseId: head.id,
					roots,
					mounts,
					...here,
					complete: true,
					clean: onDisk,
				});
			},
		};
	} catch (error) {
		await writer.idle();
		work?.putBack();
		tellMoved(work?.moved ?? [], logger);
		throw error;
	} finally {
		await thread?.end();
		writer.close();
		forgetOpened(privateDir);
	}
}

function awayIn(target: Tree, away: ReadonlyMap<Path, string>): RootElsewhere[] {
	return [...away.keys()].map((at) => {
		const sum = { path: at, files: 0, bytes: 0 };
		for (const [path, entry] of target) {
			if (entry.type === "dir" || (path !== at && !path.startsWith(`${at}/`))) continue;
			sum.files++;
			if (entry.type === "file") sum.bytes += entry.size;
		}
		return sum;
	});
}

function tellMoved(moved: readonly Moved[], logger: Logger): void {
	for (const { path, to, isInLog } of moved)
		logger.warn("restore.moved", { path, to, isInLog, kind: "security" });
}

/** Reports files that an earlier restore moved and no commit contains yet. */
function tellDisplaced(privateDir: string, logger: Logger): void {
	for (const { path, to } of displacedFiles(privateDir))
		logger.warn("restore.moved-before", { path, to, kind: "security" });
}

/** Warns at the first fill of the log about what a later restore cannot do. */
function tellMounts({ files, readOnly }: InnerMounts, logger: Logger): void {
	if (files.size > 0)
		logger.warn("restore.mounted-files", {
			count: files.size,
			paths: [...files].slice(0, TOLD_PATHS),
		});
	if (readOnly.length > 0)
		logger.warn("restore.read-only-mounts", {
			count: readOnly.length,
			paths: readOnly.slice(0, TOLD_PATHS),
		});
}

/** @throws SidecarError WORKSPACE_DISK_FULL */
export function checkSpace(
	writer: Materializer,
	plan: ReadonlyMap<Path, Action>,
	target: Tree,
): void {
	const neededFor = new Map<Path, { readonly path: Path; bytes: number }>();
	for (const [path, action] of plan) {
		const entry = target.get(path);
		if (entry?.type !== "file" || !isWritten(action)) continue;
		const at = writer.mountOf(path);
		const needed = neededFor.get(at);
		if (needed === undefined) neededFor.set(at, { path, bytes: occupied(entry) });
		else needed.bytes += occupied(entry);
	}
	const spaces = new Map<
		bigint,
		{ directory: string; needed: number; freeBytes: number; spareBytes: number }
	>();
	for (const [at, { path, bytes }] of neededFor) {
		const { directory, device, freeBytes } = writer.spaceFor(path);
		const space = spaces.get(device);
		// A volume mounted inside may be small on purpose.
		const spareBytes = writer.mounts.directories.includes(at)
			? (space?.spareBytes ?? 0)
			: SPARE_BYTES;
		spaces.set(device, {
			directory: space?.directory ?? directory,
			needed: bytes + (space?.needed ?? 0),
			freeBytes,
			spareBytes,
		});
	}
	for (const { directory, needed, freeBytes, spareBytes } of spaces.values()) {
		if (needed > 0 && needed + spareBytes > freeBytes) {
			throw new SidecarError("WORKSPACE_DISK_FULL", {
				value: directory,
				reason: `${needed} bytes must be restored, ${freeBytes} are free and ${spareBytes} of them must stay free`,
			});
		}
	}
}

/** Bytes on the disk. A chunk that repeats (the zeros of a sparse file) may stay a hole. */
function occupied(entry: FileEntry): number {
	return entry.chunks.length < 2
		? entry.size
		: Math.min(
				entry.size,
				new Set(entry.chunks.map(({ sha256 }) => sha256)).size * 2 ** entry.chunkBits,
			);
}
