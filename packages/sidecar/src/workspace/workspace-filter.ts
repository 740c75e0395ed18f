import type { Root } from "../path.ts";
import { type Filter, makeFilter } from "./filter.ts";
import { readInnerMounts } from "./inner-mounts.ts";
import type { Profile } from "./profile.ts";
import {
	type IgnoreFile,
	isSameIgnoreFile,
	lookAtIgnoreFile,
	readIgnoreFile,
} from "./read-ignore-file.ts";
import { lstatPath } from "./stat.ts";

/** An ignore file that was written, or removed, this long ago says what its author meant. */
export const IGNORE_SETTLED_MS = 1_000;

/** The filter of a workspace: the agent's profile, and the ignore file as it stands there. */
export class WorkspaceFilter {
	readonly #root: Root;
	readonly #profile: Profile;
	#file: IgnoreFile = { named: undefined, target: undefined };
	#text: string | undefined;
	#foreign: ReadonlySet<string>;
	#current: Filter;

	/**
	 * @throws SidecarError IGNORE_FILE_UNUSABLE if it cannot be read: private files are unknown then
	 */
	constructor(root: Root, profile: Profile) {
		this.#root = root;
		this.#profile = profile;
		this.#foreign = readInnerMounts(root).foreign;
		this.#current = makeFilter(profile, undefined, this.#foreign);
		this.#adopt(lookAtIgnoreFile(root));
	}

	/** Always the newest, whoever holds on to it. */
	readonly filter: Filter = (path, type) => this.#current(path, type);

	/**
	 * Looks at the ignore file again, which costs an lstat; two more where it is a link.
	 * @returns `changed`: it says something else than before. `pending`: it may, but it is too young
	 * to be believed, since an editor may just have emptied it; what it ignored until now stays
	 * ignored
	 * @throws SidecarError IGNORE_FILE_UNUSABLE: nothing changes then
	 */
	refresh(nowMs = Date.now()): "same" | "pending" | "changed" {
		this.#refreshMounts();
		const file = lookAtIgnoreFile(this.#root);
		if (isSameIgnoreFile(file, this.#file)) return "same";
		// Where it is gone, the directory says since when.
		const since = (file.target ?? lstatPath(this.#root, ""))?.mtimeNs ?? 0n;
		const ageMs = nowMs - Number(since / 1_000_000n);
		return ageMs >= 0 && ageMs < IGNORE_SETTLED_MS
			? "pending"
			: this.#adopt(file)
				? "changed"
				: "same";
	}

	/**
	 * A mount that came or went only hides or shows names that are never the user's, so nothing needs
	 * a new sweep.
	 */
	#refreshMounts(): void {
		const { foreign } = readInnerMounts(this.#root);
		if (
			foreign.size === this.#foreign.size &&
			[...foreign].every((path) => this.#foreign.has(path))
		)
			return;
		this.#foreign = foreign;
		this.#current = makeFilter(this.#profile, this.#text, foreign);
	}

	#adopt(file: IgnoreFile): boolean {
		const text = readIgnoreFile(this.#root);
		this.#file = file;
		if (text === this.#text) return false;
		this.#text = text;
		this.#current = makeFilter(this.#profile, text, this.#foreign);
		return true;
	}
}
