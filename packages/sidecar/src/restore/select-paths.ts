import { isBelowAny } from "../disk/check-mounts.ts";
import { SidecarError } from "../errors.ts";
import { unsafePath } from "../log/safe-path.ts";
import type { Path } from "../log/types.ts";
import { parentOf, ROOTS_DIRECTORY, type Root } from "../path.ts";
import type { Filter } from "../workspace/filter.ts";
import { type Problem, type ScanResult, scan } from "../workspace/scan.ts";
import { lstatPath, type Stat } from "../workspace/stat.ts";

/** The paths that a restore may touch. */
export interface PathSelection {
	readonly paths: ReadonlySet<Path>;
	/** Also everything below them. */
	readonly isRecursive: boolean;
}

/** More paths than this are found by one scan of the workspace. */
const SINGLE_SCANS = 50;

/**
 * A selection on this disk. It includes the missing directories above its paths.
 *
 * Nothing is restored through a link: a directory above a path that is a file or a link here is
 * replaced only if it is selected too.
 */
export class SelectedPaths {
	readonly #root: Root;
	readonly #selection: PathSelection;
	readonly #missingParents = new Set<Path>();

	/**
	 * @throws SidecarError USAGE for a path outside the workspace, and if a file or a link is in the
	 * place of a directory above a path
	 */
	constructor(root: Root, selection: PathSelection) {
		this.#root = root;
		this.#selection = selection;
		for (const path of selection.paths) {
			const reason = unsafePath(path);
			if (reason !== undefined)
				throw new SidecarError("USAGE", {
					value: path,
					reason,
					remedy: "name a path in the workspace, as `openclaw-sidecar ls` lists it",
				});
			this.#lookAbove(path);
		}
	}

	has(path: Path): boolean {
		const { paths, isRecursive } = this.#selection;
		if (path === ROOTS_DIRECTORY) return false;
		return (
			paths.has(path) || this.#missingParents.has(path) || (isRecursive && isBelowAny(path, paths))
		);
	}

	async scan(filter: Filter, signal: AbortSignal | undefined): Promise<ScanResult> {
		const { paths } = this.#selection;
		const found: ScanResult[] = [];
		if (paths.size > SINGLE_SCANS) found.push(await scan(this.#root, filter, { signal }));
		else
			for (const below of paths)
				if (!this.#missingParents.has(parentOf(below)) || below === "")
					found.push(await scan(this.#root, filter, { below, signal }));
		const stats = new Map<Path, Stat>();
		const problems: Problem[] = [];
		for (const each of found) {
			for (const [path, stat] of each.stats) if (this.has(path)) stats.set(path, stat);
			problems.push(...each.problems.filter(({ path }) => this.has(path)));
		}
		return { stats, problems };
	}

	#lookAbove(path: Path): void {
		for (let at = path; at !== ""; ) {
			at = parentOf(at);
			if (at === "" || at === ROOTS_DIRECTORY) return;
			const there = lstatPath(this.#root, at);
			if (there?.type === "dir") return;
			if (there !== undefined && !this.has(at))
				throw new SidecarError("USAGE", {
					value: path,
					reason: `${at} is a ${there.type === "link" ? "symbolic link" : "file"} here, and nothing is written through it`,
					remedy: "write it elsewhere with `restore PATH --to DIR`",
				});
			this.#missingParents.add(at);
		}
	}
}
