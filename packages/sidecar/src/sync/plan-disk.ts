import { SidecarError } from "../errors.ts";
import type { Head } from "../log/fold.ts";
import type { Path, Tree } from "../log/types.ts";
import type { Profile } from "../workspace/profile.ts";
import { type Problem, requireDirectory, scan } from "../workspace/scan.ts";
import { identityOf, type Stat } from "../workspace/stat.ts";
import { WorkspaceFilter } from "../workspace/workspace-filter.ts";
import { compareDisk } from "./compare-disk.ts";
import { isHeld } from "./deletion-brake.ts";
import { isTrusted, type Marker, readMarker } from "./marker.ts";
import { readLog } from "./read-log.ts";
import { type Action, type OnDisk, planExact, planReconcile } from "./reconcile.ts";
import type { RestoreOptions } from "./restore-options.ts";
import { withoutSetAside } from "./set-aside.ts";

/** What a restore would do with each path of this disk, and what it is derived from. */
export interface DiskPlan {
	readonly target: Tree;
	/** What the disk derives from; undefined where nobody knows. */
	readonly base: Tree | undefined;
	readonly marker: Marker | undefined;
	readonly rootStat: Stat;
	readonly disk: ReadonlyMap<Path, Stat>;
	/** What the scan could not look at. */
	readonly problems: readonly Problem[];
	readonly plan: Map<Path, Action>;
	/** Files missing here whose deletion nobody watched and nobody believes: they come back. */
	readonly unbelieved: number;
}

/**
 * Looks at an existing workspace and plans; writes nothing.
 * @throws SidecarError STORE_*, OBJECT_*, WORKSPACE_NOT_DIRECTORY, WORKSPACE_UNREADABLE
 */
export async function planDisk(
	options: Pick<RestoreOptions, "store" | "root" | "profile" | "privateDir" | "at" | "withSetAside" | "signal">,
	head: Head,
): Promise<DiskPlan> {
	const { root } = options;
	const target = options.withSetAside === true ? head.tree : withoutSetAside(head.tree);
	const rootStat = requireDirectory(root);
	const marker = readMarker(options.privateDir);
	// Another directory in its place (an upgrade's templates, a fresh volume) derives from nothing, whatever the state directory says.
	const isSameRoot = marker?.root === identityOf(rootStat);
	const trusted = marker !== undefined && isSameRoot && isTrusted(marker) ? marker : undefined;
	// An exact plan needs no base, and must work where the base cannot be read: it is the way out of a damaged log.
	const base = options.at === undefined ? await baseTree(options, trusted, head) : undefined;
	const { stats: disk, problems } = await scan(
		root,
		new WorkspaceFilter(root, options.profile).filter,
		options.signal && { signal: options.signal },
	);
	const compared = await compareDisk(root, disk, base, target, options.profile.secret);
	const trustDeletes = trusted?.complete === true;
	const { plan, unbelieved } =
		options.at === undefined
			? reconcile(options.profile, compared, base, target, trustDeletes)
			: { plan: planExact(compared, target), unbelieved: 0 };
	return { target, base, marker, rootStat, disk, problems, plan, unbelieved };
}

/** A plan for a disk that was watched before. Deletions that look like a wipe, or like a fresh volume, come back instead. */
function reconcile(
	profile: Profile,
	compared: ReadonlyMap<Path, OnDisk>,
	base: Tree | undefined,
	target: Tree,
	trustDeletes: boolean,
): Pick<DiskPlan, "plan" | "unbelieved"> {
	const plan = planReconcile(compared, base, target, trustDeletes);
	const gone = new Set([...plan].filter(([, action]) => action === "keep-deleted").map(([path]) => path));
	const countFiles = (paths: Iterable<Path>) => [...paths].filter((path) => target.get(path)?.type !== "dir").length;
	const critical = profile.critical.filter((path) => gone.has(path));
	const files = countFiles(gone);
	const isWipe = isHeld({ files, filesBefore: countFiles(target.keys()), critical });
	return isWipe ? { plan: planReconcile(compared, base, target, false), unbelieved: files } : { plan, unbelieved: 0 };
}

/** What the disk derives from; undefined where nobody knows. */
async function baseTree(
	options: Pick<RestoreOptions, "store" | "signal">,
	marker: Marker | undefined,
	head: Head,
): Promise<Tree | undefined> {
	if (marker === undefined) return undefined;
	if (marker.baseSeq === 0) return marker.complete ? new Map() : undefined;
	if (marker.baseId === head.id) return withoutSetAside(head.tree);
	try {
		const base = (await readLog(options.store, { at: marker.baseSeq, ...(options.signal && { signal: options.signal }) })).head;
		return base.id === marker.baseId ? withoutSetAside(base.tree) : undefined;
	} catch (error) {
		// Past retention, damaged, or another log: without a base, what differs here is set aside.
		if (error instanceof SidecarError && (error.exitStatus === 5 || error.code === "COMMIT_NOT_FOUND")) return undefined;
		throw error;
	}
}
