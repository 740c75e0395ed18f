/**
 * Which directories the additional roots of a session are, from its restore to its end.
 *
 * Guarantees: a root that is not there, or that lies on another mount than the one restored (its volume went away, another came), is
 * astray: nothing of it is believed, neither that it lacks something nor what it holds. One that was removed and made anew on the same
 * mount, as by an agent that clones its project again, is what any directory of a workspace is then: what it lacks was deleted, and the
 * deletion brake looks twice.
 * Does NOT tell a directory that was moved into a root's place from one that was made there.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync, realpathSync } from "node:fs";
import type { Path } from "../log/types.ts";
import { othersOf, type Root, rootPath } from "../path.ts";
import { identityOf, lstatPath, type Stat } from "../workspace/stat.ts";
import type { RootMark } from "./marker.ts";

interface Known {
	mark: RootMark;
	/** Undefined where nobody says: then another directory is never taken for this one made anew. */
	readonly mount: string | undefined;
}

export class KnownRoots {
	readonly #root: Root;
	readonly #known = new Map<string, Known>();
	/** As they were restored, those that are not given too. */
	readonly #restored: Readonly<Record<string, RootMark>>;
	#away = new Set<string>();

	/** @param marks as they were restored, by name */
	constructor(root: Root, marks: Readonly<Record<string, RootMark>>) {
		this.#root = root;
		this.#restored = marks;
		for (const name of othersOf(root).keys()) {
			const mark = marks[name];
			if (mark !== undefined) this.#known.set(name, { mark, mount: mountOf(mark.directory) });
		}
	}

	/** For the marker. */
	get marks(): Readonly<Record<string, RootMark>> {
		return { ...this.#restored, ...Object.fromEntries([...this.#known].map(([name, { mark }]) => [name, mark])) };
	}

	/** Roots that are not to be believed now, as paths of the tree. 4 us for each root. */
	astray(): ReadonlySet<Path> {
		const astray = new Set<Path>();
		for (const [name, { mark }] of this.#known) if (identityNow(this.#root, name) !== mark.identity) astray.add(rootPath(name));
		return astray;
	}

	/**
	 * Takes up what was made anew on the same mount.
	 * @returns whether a root is there that was not, or is another directory than at the last call: nobody watched it meanwhile
	 */
	refresh(): boolean {
		let isNews = false;
		const away = new Set<string>();
		for (const [name, known] of this.#known) {
			const identity = identityNow(this.#root, name);
			if (identity !== known.mark.identity) {
				const isAnew = identity !== undefined && known.mount !== undefined && known.mount === mountOf(known.mark.directory);
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

/** Undefined where there is no directory, or nobody knows. */
function identityNow(root: Root, name: string): string | undefined {
	let stat: Stat | undefined;
	try {
		stat = lstatPath(root, rootPath(name));
	} catch {
		return undefined;
	}
	return stat?.type === "dir" ? identityOf(stat) : undefined;
}

/** The mount that a directory lies on, when no link leads to it. The device alone is the same on both sides of a bind mount. */
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
