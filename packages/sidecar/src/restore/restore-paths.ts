/**
 * Brings single paths of a workspace to an earlier commit, in place. Everything else stays, and so
 * does the marker: to the next flush it is an ordinary change, whose deletions are meant.
 *
 * Guarantees: nothing is written before the whole plan is checked. Bytes that the log lacks move to
 * the trash and into the journal, so that the next commit keeps them. Refuses files that a process
 * has open for writing, and databases that any process has open: it would keep writing to the file
 * that was moved away. Beside an agent it refuses all databases, because an agent opens them at any
 * moment.
 * Does NOT see a process of another user, or one that opens a file after the check.
 */
import { readLog } from "../commit/read-log.ts";
import { noteMeant } from "../disk/meant-deletions.ts";
import { SidecarError } from "../errors.ts";
import { readEarlier } from "../history/expired.ts";
import { SQLITE_CHUNK_BITS } from "../log/limits.ts";
import type { Path } from "../log/types.ts";
import { type OpenElsewhere, openElsewhere } from "../workspace/open-files.ts";
import { scan } from "../workspace/scan.ts";
import { COMPANIONS, isSqlite } from "../workspace/sqlite-file.ts";
import { type DiskPlan, planDisk } from "./plan-disk.ts";
import { plannedChanges, type RestoreChange } from "./planned-changes.ts";
import { KEEPS } from "./reconcile.ts";
import type { RestoreOptions } from "./restore-options.ts";
import type { Moved } from "./restore-work.ts";
import { runPlan } from "./run-plan.ts";
import type { PathSelection } from "./select-paths.ts";

export interface RestorePathsOptions extends RestoreOptions {
	/** The commit. */
	readonly at: number;
	readonly only: PathSelection;
	/** An agent may be at work in the directory. */
	readonly isBesideAgent?: boolean | undefined;
	/** Plans and checks, and writes nothing. */
	readonly dryRun?: boolean;
}

export interface PathsRestored {
	readonly changes: readonly RestoreChange[];
	readonly moved: readonly Moved[];
}

/**
 * @throws SidecarError WORKSPACE_BUSY for an open file, USAGE (also for a directory that holds
 * excluded files and would be replaced), COMMIT_EXPIRED, WORKSPACE_*,
 * NOT_DURABLE (a missing volume), STORE_*, OBJECT_*, TREE_UNSAFE
 */
export async function restorePaths(options: RestorePathsOptions): Promise<PathsRestored> {
	const { store, at, signal } = options;
	return await readEarlier(
		store,
		at,
		async () => {
			const read = await readLog(store, { at, signal });
			const planned = await planDisk(options, read.head);
			const changes = plannedChanges(planned);
			requireNotOpen(options, planned);
			await requireNothingHidden(options, planned);
			if (options.dryRun === true || changes.length === 0) return { changes, moved: [] };
			noteMeant(options.privateDir, {
				removed: changes.filter(({ kind }) => kind === "removed").map(({ path }) => path),
				written: changes.filter(({ kind }) => kind !== "removed").map(({ path }) => path),
			});
			const { moved } = await runPlan(options, planned, read);
			return { changes, moved };
		},
		signal,
	);
}

/**
 * A directory that makes room for a file or a link moves as a whole. The plan knows nothing of what
 * the ignore file or the profile leaves out in it, and no commit has it.
 * @throws SidecarError USAGE
 */
async function requireNothingHidden(
	{ root, signal }: RestorePathsOptions,
	{ plan, target, disk }: DiskPlan,
): Promise<void> {
	for (const [path, action] of plan) {
		if (disk.get(path)?.type !== "dir" || KEEPS.has(action) || action === "trash") continue;
		if (target.get(path)?.type === "dir") continue;
		const { stats } = await scan(root, () => "keep", { below: path, signal });
		for (const [at, { type }] of stats)
			if (type !== "dir" && !disk.has(at))
				throw new SidecarError("USAGE", {
					value: at,
					reason: `it is excluded, so no commit has it, and the directory ${path} would be replaced; nothing was written`,
					remedy: "move it elsewhere first, or use `restore PATH --to DIR`",
				});
	}
}

/** @throws SidecarError WORKSPACE_BUSY */
function requireNotOpen(
	{ root, isBesideAgent = false }: RestorePathsOptions,
	{ plan, target, disk }: DiskPlan,
): void {
	const touched = [...plan].flatMap(([path, action]) => (KEEPS.has(action) ? [] : [path]));
	const databases = touched.filter((path) => {
		const entry = target.get(path);
		return (
			(entry?.type === "file" && entry.chunkBits === SQLITE_CHUNK_BITS) ||
			(disk.get(path)?.type === "file" && isSqlite(root, path))
		);
	});
	const [database] = databases;
	if (isBesideAgent && database !== undefined)
		throw busy(database, "it is a database, and the agent may open it at any moment");
	const companions = databases.flatMap((path) => COMPANIONS.map((suffix) => path + suffix));
	const mayNotBeOpen = new Set<Path>([...databases, ...companions]);
	const open = openElsewhere(root, [...touched, ...companions]).find(
		({ path, isWriting }) => isWriting || mayNotBeOpen.has(path),
	);
	if (open !== undefined) throw busy(open.path, `${described(open)} has it open`);
}

function described({ pid, name }: OpenElsewhere): string {
	return `process ${pid} (${name})`;
}

function busy(path: Path, reason: string): SidecarError {
	return new SidecarError("WORKSPACE_BUSY", {
		value: path,
		reason: `${reason}; nothing was written`,
		remedy: "stop the agent first, or write the file elsewhere with `restore PATH --to DIR`",
	});
}
