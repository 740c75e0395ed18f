/**
 * The directories of a session whose identity matters: additional roots, and mount points inside
 * the workspace and its roots.
 *
 * Guarantees: a directory that is missing, or holds another volume than the restored one, is
 * "unavailable". It never changes the log, whatever its content. A root that was removed
 * and recreated on the same mount is an ordinary directory of the workspace. (An agent may clone
 * its project again.) What it lacks was deleted, and the deletion brake applies.
 *
 * Does NOT distinguish a directory that was moved into a root's place from one that was created
 * there. Without /proc, does NOT see a volume that is mounted while the session runs.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync, realpathSync } from "node:fs";
import type { Mounts, RootMark } from "../disk/base-marker.ts";
import { checkMounts, isBelowAny } from "../disk/check-mounts.ts";
import type { Path } from "../log/types.ts";
import { othersOf, type Root, rootPath } from "../path.ts";
import type { Filter } from "../workspace/filter.ts";
import { mountsBelow } from "../workspace/mounts.ts";
import { identityOf, lstatPath, type Stat } from "../workspace/stat.ts";

interface Known {
	mark: RootMark;
	/** Undefined if unknown. A different directory is then never accepted as a recreated one. */
	readonly mount: string | undefined;
}

export interface KnownDirectories {
	/** Additional roots as they were restored, by name. */
	readonly roots: Readonly<Record<string, RootMark>>;
	readonly mounts: Mounts;
	readonly filter: Filter;
	/** Whether content is below the path in this disk's last known state. */
	readonly holds: (path: Path) => boolean;
}

export class KnownRoots {
	readonly #root: Root;
	readonly #known = new Map<string, Known>();
	/** As they were restored, including those that are not given. */
	readonly #restored: Readonly<Record<string, RootMark>>;
	#away = new Set<string>();
	readonly #filter: Filter;
	readonly #holds: (path: Path) => boolean;
	#mounts: Mounts;
	/**
	 * The kernel's numbers of the existing mounts. A new number is a new mount, which lacks our
	 * watches.
	 */
	#mountings = new Map<Path, string>();
	/** A mount appeared or returned since the last `refresh`. */
	#hasNewMount = false;

	private constructor(root: Root, { roots, mounts, filter, holds }: KnownDirectories) {
		this.#root = root;
		this.#restored = roots;
		this.#mounts = mounts;
		this.#filter = filter;
		this.#holds = holds;
	}

	static open(root: Root, known: KnownDirectories): KnownRoots {
		const opened = new KnownRoots(root, known);
		for (const name of othersOf(root).keys()) {
			const mark = known.roots[name];
			if (mark !== undefined) opened.#known.set(name, { mark, mount: mountOf(mark.directory) });
		}
		opened.#mountsAstray();
		opened.#hasNewMount = false;
		return opened;
	}

	/** For the marker. */
	get marks(): Readonly<Record<string, RootMark>> {
		return {
			...this.#restored,
			...Object.fromEntries([...this.#known].map(([name, { mark }]) => [name, mark])),
		};
	}

	/** For the marker. */
	get mounts(): Mounts {
		return this.#mounts;
	}

	/**
	 * Roots and mounts that do not count now, with the reason. Costs 4 us per root and 0.1 ms for all
	 * mounts.
	 */
	unavailable(): ReadonlyMap<Path, string> {
		const unavailable = new Map<Path, string>();
		for (const [name, { mark }] of this.#known)
			if (identityNow(this.#root, name) !== mark.identity)
				unavailable.set(
					rootPath(name),
					"its directory is missing, or is not the one that was restored",
				);
		for (const [path, reason] of this.#mountsAstray())
			if (!isBelowAny(path, unavailable)) unavailable.set(path, reason);
		return unavailable;
	}

	#mountsAstray(): ReadonlyMap<Path, string> {
		const listed = mountsBelow(this.#root);
		const { away, mounts } = checkMounts({
			root: this.#root,
			filter: this.#filter,
			known: this.#mounts,
			listed: listed ?? new Map(),
			holds: this.#holds,
		});
		this.#mounts = mounts;
		const mountings = new Map<Path, string>();
		for (const [path, { id }] of listed ?? []) if (!isBelowAny(path, away)) mountings.set(path, id);
		this.#hasNewMount ||= [...mountings].some(([path, id]) => this.#mountings.get(path) !== id);
		this.#mountings = mountings;
		return away;
	}

	/**
	 * Adopts directories that were recreated on the same mount.
	 * @returns whether a root has appeared, is a different directory than at the last call, or a
	 * volume was mounted: no watcher saw it meanwhile
	 */
	refresh(): boolean {
		this.#mountsAstray();
		let isNews = this.#hasNewMount;
		this.#hasNewMount = false;
		const away = new Set<string>();
		for (const [name, known] of this.#known) {
			const identity = identityNow(this.#root, name);
			if (identity !== known.mark.identity) {
				const isAnew =
					identity !== undefined &&
					known.mount !== undefined &&
					known.mount === mountOf(known.mark.directory);
				if (!isAnew) {
					away.add(name);
					continue;
				}
				known.mark = { ...known.mark, identity };
				isNews = true;
			}
			isNews ||= this.#away.has(name);
		}
		this.#away = away;
		return isNews;
	}
}

/** Undefined if there is no directory, or its identity is unknown. */
function identityNow(root: Root, name: string): string | undefined {
	let stat: Stat | undefined;
	try {
		stat = lstatPath(root, rootPath(name));
	} catch {
		return undefined;
	}
	return stat?.type === "dir" ? identityOf(stat) : undefined;
}

/**
 * The mount of a directory, unless a link leads to it. The device alone is the same on both sides
 * of a bind mount.
 */
function mountOf(directory: string): string | undefined {
	let fd: number | undefined;
	try {
		if (realpathSync.native(directory) !== directory) return undefined;
		fd = openSync(directory, constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW);
		const id = /^mnt_id:\s*(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1];
		return id === undefined ? undefined : `${fstatSync(fd).dev}:${id}`;
	} catch {
		return undefined;
	} finally {
		if (fd !== undefined) closeSync(fd);
	}
}
