import { isDatabase } from "../disk/local-tree.ts";
import type { Path } from "../log/types.ts";
import { type Problem, scan } from "../workspace/scan.ts";
import { walFingerprint } from "../workspace/sqlite.ts";
import { type Stat, sameStat } from "../workspace/stat.ts";
import type { CaptureContext } from "./capture-context.ts";

/** The result of a scan. */
export interface Scanned {
	readonly stats: ReadonlyMap<Path, Stat>;
	readonly problems: readonly Problem[];
}

export interface FoundChanges {
	/** Paths whose stat differs from the captured one, and paths that are new or gone. */
	readonly paths: readonly Path[];
	/** Paths that could not be inspected: nothing is known of them or of what is below. */
	readonly unreadable: readonly Path[];
	/** Sockets, FIFOs and devices. */
	readonly special: readonly Path[];
}

/**
 * Sweeps the workspace: inspects every path and reads no content.
 * @param scanned the result of a scan that nothing was written after, instead of a new one
 */
export async function findChanges(
	{ root, filter, local }: Pick<CaptureContext, "root" | "filter" | "local">,
	signal: AbortSignal | undefined,
	scanned?: Scanned,
): Promise<FoundChanges> {
	const { stats, problems } = scanned ?? (await scan(root, filter, { signal }));
	const pathsOf = (wanted: (typeof problems)[number]["reason"]) =>
		problems.filter(({ reason }) => reason === wanted).map(({ path }) => path);
	const unreadable = pathsOf("unreadable");
	const paths: Path[] = [];
	for (const [path, stat] of stats) {
		const known = local.get(path);
		if (known?.stat === undefined || !sameStat(known.stat, stat)) paths.push(path);
		// A database's newest rows may be in its WAL, without a change to the file itself.
		else if (isDatabase(known) && known.database !== walFingerprint(root, path)) paths.push(path);
	}
	for (const path of local.paths())
		if (!stats.has(path) && !isBelow(path, unreadable)) paths.push(path);
	return { paths, unreadable, special: pathsOf("other-type") };
}

function isBelow(path: Path, directories: readonly Path[]): boolean {
	return directories.some(
		(directory) => path === directory || directory === "" || path.startsWith(`${directory}/`),
	);
}
