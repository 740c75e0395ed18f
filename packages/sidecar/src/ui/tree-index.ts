/** A tree by directories, so that one level can be listed without walking all of it. Pure. */
import type { Entry, Path, Tree } from "../log/types.ts";
import { baseOf, compareBytes, parentOf } from "../path.ts";

interface Below {
	files: number;
	bytes: number;
}

export interface Totals {
	readonly files: number;
	readonly directories: number;
	readonly bytes: number;
}

export class TreeIndex {
	readonly tree: Tree;
	readonly totals: Totals;
	/** Sorted when a level is first listed. */
	readonly #children = new Map<Path, Path[]>();
	readonly #sorted = new Set<Path>();
	readonly #below = new Map<Path, Below>();

	constructor(tree: Tree) {
		this.tree = tree;
		let directories = 0;
		for (const [path, entry] of tree) {
			if (path === "") continue;
			const parent = parentOf(path);
			const siblings = this.#children.get(parent);
			if (siblings === undefined) this.#children.set(parent, [path]);
			else siblings.push(path);
			if (entry.type === "dir") {
				directories++;
				continue;
			}
			for (let above = parent; ; above = parentOf(above)) {
				const sum = this.#below.get(above) ?? { files: 0, bytes: 0 };
				sum.files++;
				sum.bytes += entry.type === "file" ? entry.size : 0;
				this.#below.set(above, sum);
				if (above === "") break;
			}
		}
		this.totals = { ...this.below(""), directories };
	}

	/** Files and links below a directory, and the bytes of those files. */
	below(path: Path): Readonly<Below> {
		return this.#below.get(path) ?? { files: 0, bytes: 0 };
	}

	/** Paths of one directory: its directories first, then by the names' bytes. */
	level(path: Path): readonly Path[] {
		const children = this.#children.get(path) ?? [];
		if (!this.#sorted.has(path)) {
			const rank = (child: Path) => (this.tree.get(child)?.type === "dir" ? 0 : 1);
			children.sort((a, b) => rank(a) - rank(b) || compareBytes(baseOf(a), baseOf(b)));
			this.#sorted.add(path);
		}
		return children;
	}

	/** Every path except the workspace itself. */
	*paths(): Generator<readonly [Path, Entry]> {
		for (const each of this.tree) if (each[0] !== "") yield each;
	}
}
