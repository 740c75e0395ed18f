/**
 * Whether a path that can be looked up is there by that very name. Where a file system folds case
 * or Unicode forms, `lstat` of a name answers for another one, so a file that was renamed in case
 * only seems to have both names.
 */
import { baseOf, joinPath, parentOf, type Root } from "../path.ts";
import { readNames } from "./read-names.ts";
import { lstatPath, type Stat } from "./stat.ts";

/** For one look at a workspace: costs an lstat for each directory, and its list where it folds. */
export class FoldedNames {
	readonly #root: Root;
	readonly #folds = new Map<string, boolean>();
	readonly #names = new Map<string, Set<string>>();

	constructor(root: Root) {
		this.#root = root;
	}

	/** @param stat what lstat said of it. @throws NodeJS.ErrnoException */
	isOtherName(path: string, stat: Stat): boolean {
		const directory = parentOf(path);
		if (path === "" || !this.#isFolded(directory, baseOf(path), stat)) return false;
		if (this.#names.get(directory)?.has(baseOf(path)) === true) return false;
		// It may have come since.
		const names = new Set(readNames(this.#root, directory));
		this.#names.set(directory, names);
		return !names.has(baseOf(path));
	}

	#isFolded(directory: string, name: string, stat: Stat): boolean {
		const known = this.#folds.get(directory);
		if (known === true) return true;
		const forms = otherForms(name, known === undefined);
		if (forms.length === 0) return false;
		const folds = forms.some((form) =>
			isSame(lstatPath(this.#root, joinPath(directory, form)), stat),
		);
		this.#folds.set(directory, folds);
		return folds;
	}
}

/** Names that a folding file system takes for this one. */
function otherForms(name: string, withCase: boolean): string[] {
	const upper = name.toUpperCase();
	const cased = withCase ? [name === upper ? name.toLowerCase() : upper] : [];
	return [...cased, name.normalize("NFC"), name.normalize("NFD")].filter((form) => form !== name);
}

function isSame(found: Stat | undefined, stat: Stat): boolean {
	return found !== undefined && found.ino === stat.ino && found.dev === stat.dev;
}
