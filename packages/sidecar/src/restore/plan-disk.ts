import { readLog } from "../commit/read-log.ts";
import {
	onThisDisk,
	ownTree,
	requireRootsAreDirectories,
	withRoots,
} from "../commit/roots-in-tree.ts";
import {
	isTrusted,
	type Marker,
	type Mounts,
	type RootMark,
	readMarker,
} from "../disk/base-marker.ts";
import { checkMounts, holdsIn, isBelowAny, NOT_RESTORED } from "../disk/check-mounts.ts";
import { isAnyHeld } from "../disk/deletion-brake.ts";
import { notMeant, readMeant } from "../disk/meant-deletions.ts";
import { UnsetMetadata } from "../disk/unset-metadata.ts";
import { SidecarError } from "../errors.ts";
import type { Head } from "../log/fold.ts";
import { SQLITE_CHUNK_BITS } from "../log/limits.ts";
import { sameEntry } from "../log/same-entry.ts";
import type { Path, Tree } from "../log/types.ts";
import {
	compareBytes,
	othersOf,
	ROOTS_DIRECTORY,
	type Root,
	rootNameOf,
	rootPath,
} from "../path.ts";
import { type Mount, mountsBelow, mountsByDevice } from "../workspace/mounts.ts";
import { type Problem, requireDirectory, scan } from "../workspace/scan.ts";
import { hasOtherNames, identityOf, lstatPath, type Stat } from "../workspace/stat.ts";
import { WorkspaceFilter } from "../workspace/workspace-filter.ts";
import { compareDisk, hasMode } from "./compare-disk.ts";
import { DatabaseCopies } from "./database-copies.ts";
import { unwritableMounts } from "./read-only-mounts.ts";
import { type Action, type OnDisk, planExact, planReconcile, planTimes } from "./reconcile.ts";
import type { RestoreOptions } from "./restore-options.ts";
import { SelectedPaths } from "./select-paths.ts";

/** What a restore would do with each path of this disk, and the facts behind it. */
export interface DiskPlan {
	readonly target: Tree;
	/** The tree that the disk derives from; undefined if unknown. */
	readonly base: Tree | undefined;
	readonly marker: Marker | undefined;
	readonly rootStat: Stat;
	/**
	 * Additional roots as they are on this disk now. Roots that are not given but still derive from
	 * the target keep their earlier mark.
	 */
	readonly roots: Readonly<Record<string, RootMark>>;
	/** Additional roots that are not the directories this disk's base describes. */
	readonly freshRoots: ReadonlySet<string>;
	readonly disk: ReadonlyMap<Path, Stat>;
	/**
	 * Mount points that do not count: nothing below them is touched, and the log keeps what it has
	 * there.
	 */
	readonly away: ReadonlyMap<Path, string>;
	/** The mount points that the marker must record. */
	readonly mounts: Mounts;
	/** Paths that the scan could not inspect. */
	readonly problems: readonly Problem[];
	readonly plan: Map<Path, Action>;
	/** Kept paths that get the target's time. */
	readonly retimed: ReadonlySet<Path>;
	/**
	 * Files and links whose content on this disk is in the log: in the target, or in the commit this
	 * disk derives from.
	 */
	readonly inLog: ReadonlySet<Path>;
	/** Missing files whose deletion no watcher saw and the plan does not trust. They are restored. */
	readonly deferredDeletions: number;
	/** The same with their directories. */
	readonly notBelieved: ReadonlySet<Path>;
	/** Modes and times that this disk has refused so far. */
	readonly unset: UnsetMetadata;
}

/**
 * Inspects an existing workspace and plans the restore. Writes nothing.
 * @throws SidecarError STORE_*, OBJECT_*, TREE_UNSAFE, WORKSPACE_NOT_DIRECTORY,
 * WORKSPACE_UNREADABLE, IGNORE_FILE_UNUSABLE; NOT_DURABLE for an exact plan if a mount point cannot
 * be trusted
 */
export async function planDisk(
	options: Pick<
		RestoreOptions,
		| "store"
		| "root"
		| "profile"
		| "privateDir"
		| "at"
		| "acceptsMounts"
		| "withQuarantined"
		| "only"
		| "deletionsAreMeant"
		| "signal"
	>,
	head: Head,
): Promise<DiskPlan> {
	const { root } = options;
	const only = options.only && new SelectedPaths(root, options.only);
	const wholeTarget =
		options.withQuarantined === true ? onThisDisk(head.tree, root) : ownTree(head.tree, root);
	const target = only === undefined ? wholeTarget : selected(wholeTarget, only);
	requireRootsAreDirectories(head.tree, root);
	const rootStat = requireDirectory(root);
	const {
		marker,
		isSameRoot,
		trusted,
		tree: derivedFrom,
	} = await readBase(options, head, rootStat);
	// An exact plan needs no base. It must work if the base is unreadable, because it is the way out
	// of a damaged log.
	const roots = rootMarks(root);
	const isKnownRoot = (name: string) => isSameDirectory(roots[name], trusted?.roots?.[name]);
	const baseOfAll = options.at === undefined ? derivedFrom : undefined;
	// A root that this disk lacked then, or a different directory in its place, derives from nothing.
	const ownBase = baseOfAll && ownTree(baseOfAll, root);
	const baseOfRoots =
		ownBase && (typeof root === "string" ? ownBase : withRoots(ownBase, isKnownRoot));
	// The content of a mount to which nothing could be restored derives from nothing either.
	const { known, notRestored } = knownMounts(isSameRoot ? marker?.mounts : undefined);
	const baseOfMounts = baseOfRoots && without(baseOfRoots, notRestored);
	const { filter } = WorkspaceFilter.open(root, options.profile);
	const { stats: disk, problems } =
		only === undefined
			? await scan(root, filter, options.signal && { signal: options.signal })
			: await only.scan(filter, options.signal);
	const found = {
		root,
		filter,
		listed: mountsBelow(root) ?? mountsByDevice(disk),
		holds: holdsIn(baseOfMounts ?? target),
	};
	const checked = checkMounts({ ...found, known });
	const isAccepted = options.acceptsMounts === true;
	const { mounts: mounted } = isAccepted ? checkMounts({ ...found, known: undefined }) : checked;
	const mounts = { ...mounted };
	const away = new Map(isAccepted ? NONE : checked.away);
	if (only !== undefined) leaveUnconcerned(away, [...target.keys(), ...disk.keys()]);
	// A volume accepted in another's place derives from nothing: missing content is restored, and
	// differing content is quarantined.
	const base = isAccepted ? baseOfMounts && without(baseOfMounts, checked.away) : baseOfMounts;
	requireMounts(options.at, away);
	for (const path of disk.keys()) if (isBelowAny(path, away)) disk.delete(path);
	let judged = without(target, away);
	// A file that equals the base need not be stored again, even if the base decides nothing.
	const stored = options.at === undefined ? base : derivedFrom && ownTree(derivedFrom, root);
	const unset = UnsetMetadata.read(options.privateDir);
	const compared = await compareDisk(root, disk, stored, judged, options.profile.secret, unset);
	if (options.at !== undefined) await compareDatabases(options, compared, disk, judged, unset);
	const freshRoots = new Set([...othersOf(root).keys()].filter((name) => !isKnownRoot(name)));
	const trustsDeletes = (path: Path) => {
		const name = typeof root === "string" ? undefined : rootNameOf(path);
		return trusted?.complete === true && (name === undefined || !freshRoots.has(name));
	};
	let { plan, deferredDeletions, notBelieved } =
		options.at === undefined
			? reconcile(options, compared, base, judged, trustsDeletes)
			: {
					plan: leavingRoots(planExact(compared, target), wholeTarget, root),
					deferredDeletions: 0,
					notBelieved: new Set<Path>(),
				};
	if (options.at === undefined) {
		const toWrite = mountsToWrite(root);
		// What does not count in a plan changes the plan of the rest.
		for (;;) {
			const more = await unwritableMounts({ root, mounts: toWrite, plan, target, disk });
			if (more.size === 0) break;
			for (const [path, reason] of more) {
				mounts[path] = NOT_RESTORED;
				away.set(path, reason);
			}
			for (const path of disk.keys())
				if (isBelowAny(path, more)) for (const found of [disk, compared]) found.delete(path);
			judged = without(judged, more);
			({ plan, deferredDeletions, notBelieved } = reconcile(
				options,
				compared,
				base,
				judged,
				trustsDeletes,
			));
		}
	}
	for (const path of target.keys()) if (!judged.has(path)) plan.set(path, "keep");
	const timeOf = (path: Path) => {
		const stat = disk.get(path);
		return stat && unset.asInLog(path, stat).mtimeNs;
	};
	const retimed = planTimes(plan, timeOf, options.at === undefined ? base : undefined, judged);
	partNames(plan, retimed, root);
	const rootsLeft = baseOfAll === undefined ? {} : marksLeft(root, trusted, baseOfAll, head.tree);
	const inLog = new Set(
		[...compared].filter(([, there]) => there.likeTarget || there.likeBase).map(([path]) => path),
	);
	const seen = {
		disk,
		problems: problems.filter(({ path }) => !isBelowAny(path, away)),
		away,
		mounts,
	};
	return {
		target,
		base,
		marker,
		rootStat,
		roots: { ...rootsLeft, ...roots },
		freshRoots,
		...seen,
		plan,
		retimed,
		inLog,
		deferredDeletions,
		notBelieved,
		unset,
	};
}

const NONE: ReadonlyMap<Path, string> = new Map();

/** Directories first: what stands in a directory's place must be moved before its content. */
function selected(tree: Tree, only: SelectedPaths): Tree {
	return new Map(
		[...tree].filter(([path]) => only.has(path)).sort(([a], [b]) => compareBytes(a, b)),
	);
}

/** A mount point that has none of the paths does not matter to them. */
function leaveUnconcerned(away: Map<Path, string>, paths: readonly Path[]): void {
	for (const at of away.keys())
		if (!paths.some((path) => isBelowAny(path, new Set([at])))) away.delete(at);
}

function knownMounts(mounts: Mounts | undefined): {
	readonly known: Mounts | undefined;
	readonly notRestored: ReadonlyMap<Path, string>;
} {
	if (mounts === undefined) return { known: undefined, notRestored: NONE };
	const [not, known] = [new Map<Path, string>(), new Map<Path, string>()];
	for (const [path, volume] of Object.entries(mounts))
		(volume === NOT_RESTORED ? not : known).set(path, volume);
	return { known: Object.fromEntries(known), notRestored: not };
}

/** Includes the mounts of additional roots. The workspace itself must be writable. */
function mountsToWrite(root: Root): Map<Path, Mount> {
	const mounts = mountsBelow(root, true) ?? new Map<Path, Mount>();
	mounts.delete("");
	return mounts;
}

function without(tree: Tree, places: ReadonlyMap<Path, string>): Tree {
	return places.size === 0
		? tree
		: new Map([...tree].filter(([path]) => !isBelowAny(path, places)));
}

/**
 * The bytes of a database in WAL mode never equal those in the log. A database with the same
 * content stays unchanged.
 */
async function compareDatabases(
	options: Pick<RestoreOptions, "root" | "profile" | "privateDir">,
	compared: Map<Path, OnDisk>,
	disk: ReadonlyMap<Path, Stat>,
	target: Tree,
	unset: UnsetMetadata,
): Promise<void> {
	const copies = new DatabaseCopies(options);
	try {
		for (const [path, found] of compared) {
			const [entry, stat] = [target.get(path), disk.get(path)];
			if (
				found.likeTarget ||
				entry?.type !== "file" ||
				entry.chunkBits !== SQLITE_CHUNK_BITS ||
				stat?.type !== "file"
			)
				continue;
			if (
				hasMode(unset.asInLog(path, stat), entry, options.profile.secret(path)) &&
				(await copies.isDatabase(path, entry))
			)
				compared.set(path, { ...found, likeTarget: true });
		}
	} finally {
		copies.dispose();
	}
}

/** A restore to exactly one commit does all or nothing. @throws SidecarError NOT_DURABLE */
function requireMounts(at: number | undefined, away: ReadonlyMap<Path, string>): void {
	const [first] = at === undefined ? [] : away;
	if (first === undefined) return;
	throw new SidecarError("NOT_DURABLE", {
		value: first[0],
		reason: first[1],
		remedy: MOUNT_REMEDY,
	});
}

/** Tells a user how to settle a doubtful mount point. */
export const MOUNT_REMEDY =
	"mount the volume that was there, or run `openclaw-sidecar restore`: it accepts the directory as it is now and brings back what the log has";

export function rootMarks(root: Root): Record<string, RootMark> {
	const markOf = (name: string, directory: string): RootMark => {
		const stat = lstatPath(root, rootPath(name));
		return { directory, ...(stat?.type === "dir" && { identity: identityOf(stat) }) };
	};
	return Object.fromEntries(
		[...othersOf(root)].map(([name, directory]) => [name, markOf(name, directory)]),
	);
}

/**
 * Marks of roots that are not given this time. Such a root still derives from the log as long as
 * nobody changed it there.
 */
function marksLeft(
	root: Root,
	marker: Marker | undefined,
	base: Tree,
	head: Tree,
): Record<string, RootMark> {
	if (typeof root === "string") return {};
	const left = Object.entries(marker?.roots ?? {}).filter(([name]) => !root.others.has(name));
	return Object.fromEntries(left.filter(([name]) => base === head || isSameRoot(name, base, head)));
}

function isSameRoot(name: string, before: Tree, now: Tree): boolean {
	const isIn = (path: Path) => rootNameOf(path) === name;
	const isAsIn = (tree: Tree, other: Tree) =>
		[...tree].every(([path, entry]) => {
			const there = isIn(path) ? other.get(path) : entry;
			return there !== undefined && sameEntry(there, entry);
		});
	return isAsIn(before, now) && isAsIn(now, before);
}

function isSameDirectory(now: RootMark | undefined, before: RootMark | undefined): boolean {
	return (
		now?.identity !== undefined &&
		now.identity === before?.identity &&
		now.directory === before.directory
	);
}

/** A commit that does not know a root says nothing about the root's content. */
function leavingRoots(plan: Map<Path, Action>, target: Tree, root: Root): Map<Path, Action> {
	if (typeof root === "string") return plan;
	for (const path of plan.keys()) {
		const name = rootNameOf(path);
		const at = name === undefined ? (path === ROOTS_DIRECTORY ? path : undefined) : rootPath(name);
		if (at !== undefined && !target.has(at)) plan.set(path, "keep-local");
	}
	return plan;
}

/**
 * All names of one file share its time, so a file with several names is written as a new file
 * instead of getting another time.
 */
function partNames(plan: Map<Path, Action>, retimed: Set<Path>, root: Root): void {
	for (const path of retimed)
		if (hasOtherNames(root, path)) {
			plan.set(path, "write");
			retimed.delete(path);
		}
}

/**
 * Plans for a disk that was watched before. Deletions that look like a wipe or a fresh volume are
 * restored instead.
 */
function reconcile(
	{
		profile,
		privateDir,
		deletionsAreMeant = false,
	}: Pick<RestoreOptions, "profile" | "privateDir" | "deletionsAreMeant">,
	compared: ReadonlyMap<Path, OnDisk>,
	base: Tree | undefined,
	target: Tree,
	trustsDeletes: (path: Path) => boolean,
): Pick<DiskPlan, "plan" | "deferredDeletions" | "notBelieved"> {
	const plan = planReconcile(compared, base, target, trustsDeletes);
	const meant = readMeant(privateDir);
	const gone = notMeant(
		new Set([...plan].filter(([, action]) => action === "keep-deleted").map(([path]) => path)),
		meant,
	);
	const countFiles = (paths: Iterable<Path>) =>
		[...paths].filter((path) => target.get(path)?.type !== "dir").length;
	const critical = profile.critical.filter((path) => gone.has(path));
	const isFile = (path: Path) => target.get(path)?.type !== "dir";
	const before = [...target.keys()].filter(
		(path) => plan.get(path) !== "keep-deleted" || !meant.has(path),
	);
	const isWipe = !deletionsAreMeant && isAnyHeld(gone, before, isFile, critical);
	const isMeant = (path: Path) => meant.has(path) && !gone.has(path) && trustsDeletes(path);
	return isWipe
		? {
				plan: planReconcile(compared, base, target, isMeant),
				deferredDeletions: countFiles(gone),
				notBelieved: gone,
			}
		: { plan, deferredDeletions: 0, notBelieved: new Set() };
}

/**
 * The commit that the directory derives from.
 * @param rootStat of the directory
 * @returns `trusted`: the marker, if it is about this directory and survived. `tree`: undefined if
 * it is unknown
 */
export async function readBase(
	options: Pick<RestoreOptions, "store" | "privateDir" | "signal">,
	head: Head,
	rootStat: Stat,
): Promise<{
	readonly marker: Marker | undefined;
	readonly isSameRoot: boolean;
	readonly trusted: Marker | undefined;
	readonly tree: Tree | undefined;
}> {
	const marker = readMarker(options.privateDir);
	// A different directory at this path (an upgrade's templates, a fresh volume) derives from
	// nothing, whatever the state directory says.
	const isSameRoot = marker?.root === identityOf(rootStat);
	const trusted = marker !== undefined && isSameRoot && isTrusted(marker) ? marker : undefined;
	return { marker, isSameRoot, trusted, tree: await baseTree(options, trusted, head) };
}

/** The tree that the disk derives from; undefined if unknown. */
async function baseTree(
	options: Pick<RestoreOptions, "store" | "signal">,
	marker: Marker | undefined,
	head: Head,
): Promise<Tree | undefined> {
	if (marker === undefined) return undefined;
	if (marker.baseSeq === 0) return marker.complete ? new Map() : undefined;
	if (marker.baseId === head.id) return head.tree;
	try {
		const base = (await readLog(options.store, { at: marker.baseSeq, signal: options.signal }))
			.head;
		return base.id === marker.baseId ? base.tree : undefined;
	} catch (error) {
		// Past retention, damaged, or another log: without a base, everything that differs here is
		// quarantined.
		if (
			error instanceof SidecarError &&
			(error.category === "damaged" || error.code === "COMMIT_NOT_FOUND")
		)
			return undefined;
		throw error;
	}
}
