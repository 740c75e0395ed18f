/**
 * Tells whether a path that can be looked up exists under exactly that name. On a file system that
 * folds case or Unicode forms, `lstat` of one name answers for another. A file renamed only in case
 * then seems to have both names.
 */
import { baseOf, joinPath, parentOf, type Root } from "../path.ts";
import { readNames } from "./read-names.ts";
import { lstatPath, type Stat } from "./stat.ts";

/**
 * For one inspection of a workspace. Costs one lstat per directory, and a listing if it folds
 * names.
 */
export class FoldedNames {
	readonly #root: Root;
	readonly #folds = new Map<string, boolean>();
	readonly #names = new Map<string, Set<string>>();

	constructor(root: Root) {
		this.#root = root;
	}

	/** @param stat what lstat returned for it. @throws NodeJS.ErrnoException */
	isOtherName(path: string, stat: Stat): boolean {
		const directory = parentOf(path);
		if (path === "" || !this.#isFolded(directory, baseOf(path), stat)) return false;
		if (this.#names.get(directory)?.has(baseOf(path)) === true) return false;
		// It may have appeared since.
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

/** Names that a folding file system treats as equal to this one. */
function otherForms(name: string, withCase: boolean): string[] {
	const upper = name.toUpperCase();
	const cased = withCase ? [name === upper ? name.toLowerCase() : upper] : [];
	return [...cased, name.normalize("NFC"), name.normalize("NFD")].filter((form) => form !== name);
}

function isSame(found: Stat | undefined, stat: Stat): boolean {
	return found !== undefined && found.ino === stat.ino && found.dev === stat.dev;
}
