/**
 * Finds what is on a workspace's disk and not in the log: plans a restore and executes none of it.
 *
 * Guarantees: a path that is not named here has its content, type and mode in the log's head, or in
 * the commit this disk derives from. Does NOT guarantee that it stays so: a file may change right
 * after it was compared.
 */

import { type Excluded, type SecretPolicy, whyExcluded } from "../capture/secret-guard.ts";
import { type RootElsewhere, rootsElsewhere } from "../commit/roots-in-tree.ts";
import { type Marker, readMarker } from "../disk/base-marker.ts";
import { displacedFiles } from "../disk/displaced.ts";
import type { UnsetMetadata } from "../disk/unset-metadata.ts";
import type { Head } from "../log/fold.ts";
import { SQLITE_CHUNK_BITS } from "../log/limits.ts";
import type { Entry, Path } from "../log/types.ts";
import { compareDisk, hasMode } from "../restore/compare-disk.ts";
import { DatabaseCopies } from "../restore/database-copies.ts";
import { type DiskPlan, planDisk } from "../restore/plan-disk.ts";
import type { Action } from "../restore/reconcile.ts";
import type { RestoreOptions } from "../restore/restore-options.ts";
import { hiddenBy } from "../workspace/scan.ts";
import { lstatPath, type Stat, sameTime } from "../workspace/stat.ts";

export type DiskOptions = Pick<
	RestoreOptions,
	"store" | "root" | "profile" | "privateDir" | "signal"
> & {
	/**
	 * Under `exclude`, files that a flush would leave out do not count as not durable. Default
	 * `warn`.
	 */
	readonly onSecret?: SecretPolicy | undefined;
};

export interface NotDurable {
	readonly path: Path;
	/**
	 * `time`: only its modification time differs. `conflict`: the log changed there too. `displaced`:
	 * a restore moved it out of the workspace. `unreadable`: its state is unknown. `reserved`: no
	 * flush takes it. `away`: a mount point whose volume is missing.
	 */
	readonly kind:
		| "new"
		| "changed"
		| "time"
		| "deleted"
		| "conflict"
		| "displaced"
		| "unreadable"
		| "reserved"
		| "away";
	/** The same as one readable clause. */
	readonly reason: string;
}

export interface DiskState {
	readonly marker: Marker | undefined;
	/** False if it is unknown what this disk derives from, or if no log was ever restored to it. */
	readonly hasBase: boolean;
	/** In scan order. */
	readonly notDurable: readonly NotDurable[];
	/** Files that a flush leaves out by choice, because they hold a secret. */
	readonly excluded: readonly Excluded[];
	/** Paths that a restore would add, change, retime or remove: the log is newer there. */
	readonly behind: number;
	/**
	 * Missing files whose deletion no watcher saw and the deletion brake does not trust: a restore
	 * brings them back.
	 */
	readonly deferredDeletions: number;
	/** Content in the log of additional roots that are not configured on this machine. */
	readonly elsewhere: readonly RootElsewhere[];
}

/**
 * @throws SidecarError STORE_*, OBJECT_*, WORKSPACE_NOT_DIRECTORY, WORKSPACE_UNREADABLE,
 * WORKSPACE_DISK_FULL (copies of databases)
 */
export async function inspectDisk(
	options: DiskOptions,
	head: Head,
	/** As `planDisk` returned it just now, if the caller needs the plan too. */
	justPlanned?: DiskPlan,
): Promise<DiskState> {
	const elsewhere = rootsElsewhere(head.tree, options.root);
	const marker = readMarker(options.privateDir);
	const displaced = displacedFiles(options.privateDir).map(({ path, to }): NotDurable => {
		return {
			path,
			kind: "displaced",
			reason: `a restore moved it to ${to}; the next flush keeps it below .recovered/`,
		};
	});
	if (lstatPath(options.root, "") === undefined)
		return {
			marker,
			hasBase: false,
			notDurable: displaced,
			excluded: [],
			behind: head.tree.size,
			deferredDeletions: 0,
			elsewhere,
		};
	const planned = justPlanned ?? (await planDisk(options, head));
	const { plan, problems } = planned;
	const isHidden = hiddenBy(problems);
	const notDurable = [...displaced];
	const excluded: Excluded[] = [];
	for (const { path, reason, code } of problems) {
		if (reason === "reserved")
			notDurable.push({
				path,
				kind: reason,
				reason: "the name is reserved for additional roots (--root)",
			});
		if (reason === "unreadable")
			notDurable.push({ path, kind: reason, reason: `cannot be read (${code ?? "EIO"})` });
	}
	for (const [path, reason] of planned.away) notDurable.push({ path, kind: "away", reason });
	let behind = 0;
	const copies = new DatabaseCopies(options);
	try {
		for (const [path, action] of plan) {
			// Without a base, the workspace's top directory gets its mode from the log.
			if ((path === "" && (action !== "keep-local" || !planned.target.has(path))) || isHidden(path))
				continue;
			if (action === "write" || action === "trash" || isRetimedFile(planned, path)) behind++;
			const why = await whyNotDurable(options, planned, path, action, copies);
			if (why === undefined) continue;
			const byChoice = await whyLeftOut(options, planned, path);
			if (byChoice === undefined) notDurable.push({ path, ...why });
			else excluded.push({ path, reason: byChoice });
		}
	} finally {
		copies.dispose();
	}
	return {
		marker,
		hasBase: planned.base !== undefined,
		notDurable,
		excluded,
		behind,
		deferredDeletions: planned.deferredDeletions,
		elsewhere,
	};
}

async function whyNotDurable(
	options: DiskOptions,
	{ target, base, disk, unset, retimed }: DiskPlan,
	path: Path,
	action: Action,
	copies: DatabaseCopies,
): Promise<Omit<NotDurable, "path"> | undefined> {
	const stat = disk.get(path);
	const known = [target.get(path), base?.get(path)].filter((entry) => entry !== undefined);
	if (action === "keep-deleted") return { kind: "deleted", reason: "deleted" };
	if (action === "write" || action === "trash" || stat === undefined) return undefined;
	if (action === "keep")
		return !retimed.has(path) && hasOtherTime(stat, unset.asInLog(path, stat).mtimeNs, known)
			? { kind: "time", reason: "its time changed" }
			: undefined;
	for (const entry of known)
		if (await isStoredAs(options, path, stat, entry, copies, unset)) return undefined;
	if (action === "quarantine")
		return { kind: "conflict", reason: "changed here, deleted in the log" };
	if (action === "quarantine-and-write") {
		return {
			kind: "conflict",
			reason:
				base === undefined
					? "differs from the log, which was never restored here"
					: "changed here and in the log",
		};
	}
	return known.length === 0
		? { kind: "new", reason: "new" }
		: { kind: "changed", reason: "changed" };
}

function isRetimedFile({ retimed, target }: DiskPlan, path: Path): boolean {
	return retimed.has(path) && target.get(path)?.type !== "dir";
}

/** Why a flush would not store the file; undefined if it would. */
async function whyLeftOut(
	{ root, profile, onSecret, signal }: DiskOptions,
	{ target, disk }: DiskPlan,
	path: Path,
): Promise<string | undefined> {
	if (onSecret !== "exclude" || profile.secret(path) || disk.get(path)?.type !== "file")
		return undefined;
	return await whyExcluded(root, path, target.get(path)?.type === "file", signal);
}

/** A database's time proves nothing: a checkpoint changes it. */
function hasOtherTime(stat: Stat, mtimeNs: bigint, known: readonly Entry[]): boolean {
	if (stat.type === "dir") return false;
	return known.every((entry) => {
		if (entry.type === "dir" || (entry.type === "file" && entry.chunkBits === SQLITE_CHUNK_BITS))
			return false;
		return !sameTime(entry.mtimeNs, mtimeNs);
	});
}

/**
 * Whether the path only looks different: a secret restored with a stricter mode, or a database with
 * the content of the log.
 */
export async function isStoredAs(
	{ root, profile }: Pick<DiskOptions, "root" | "profile">,
	path: Path,
	stat: Stat,
	entry: Entry,
	copies: DatabaseCopies,
	unset: UnsetMetadata,
): Promise<boolean> {
	if (entry.type === "link" || entry.type !== stat.type) return false;
	if (!hasMode(unset.asInLog(path, stat), entry, profile.secret(path))) return false;
	if (entry.type === "dir") return true;
	if (entry.chunkBits === SQLITE_CHUNK_BITS) return await copies.isDatabase(path, entry);
	const compared = await compareDisk(
		root,
		new Map([[path, stat]]),
		undefined,
		new Map([[path, entry]]),
		profile.secret,
		unset,
	);
	return compared.get(path)?.likeTarget === true;
}
