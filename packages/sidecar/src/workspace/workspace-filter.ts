import type { Root } from "../path.ts";
import { type Filter, makeRules, type Rules } from "./filter.ts";
import { readInnerMounts } from "./inner-mounts.ts";
import type { Profile } from "./profile.ts";
import {
	type IgnoreFile,
	isSameIgnoreFile,
	lookAtIgnoreFile,
	readIgnoreFile,
} from "./read-ignore-file.ts";
import { lstatPath } from "./stat.ts";

/** An ignore file that was written or removed this long ago is final. */
export const IGNORE_STABLE_MS = 1_000;

/** The filter of a workspace: the agent's profile and the current ignore file. */
export class WorkspaceFilter {
	readonly #root: Root;
	readonly #profile: Profile;
	#file: IgnoreFile = { named: undefined, target: undefined };
	#text: string | undefined;
	#foreign: ReadonlySet<string>;
	#current: Rules;

	private constructor(root: Root, profile: Profile, foreign: ReadonlySet<string>) {
		this.#root = root;
		this.#profile = profile;
		this.#foreign = foreign;
		this.#current = makeRules(profile, undefined, foreign);
	}

	/**
	 * @throws SidecarError IGNORE_FILE_UNUSABLE if it cannot be read: private files are unknown then
	 */
	static open(root: Root, profile: Profile): WorkspaceFilter {
		const opened = new WorkspaceFilter(root, profile, readInnerMounts(root).foreign);
		opened.#adopt(lookAtIgnoreFile(root));
		return opened;
	}

	/** Always applies the newest rules, also for earlier holders of it. */
	readonly filter: Filter = (path, type) => this.#current.filter(path, type);

	/** The rules of now. */
	get rules(): Rules {
		return this.#current;
	}

	/**
	 * Checks the ignore file again, which costs one lstat; two more if it is a link.
	 * @returns `changed`: its content differs from before. `pending`: it may differ, but it is too
	 * recent to be trusted, since an editor may just have emptied it; what was ignored until now
	 * stays ignored
	 * @throws SidecarError IGNORE_FILE_UNUSABLE: nothing changes then
	 */
	refresh(nowMs = Date.now()): "same" | "pending" | "changed" {
		this.#refreshMounts();
		const file = lookAtIgnoreFile(this.#root);
		if (isSameIgnoreFile(file, this.#file)) return "same";
		// If it is gone, the directory tells since when.
		const since = (file.target ?? lstatPath(this.#root, ""))?.mtimeNs ?? 0n;
		const ageMs = nowMs - Number(since / 1_000_000n);
		return ageMs >= 0 && ageMs < IGNORE_STABLE_MS
			? "pending"
			: this.#adopt(file)
				? "changed"
				: "same";
	}

	/**
	 * A mount that came or went only hides or shows names that are never the user's, so no rescan is
	 * needed.
	 */
	#refreshMounts(): void {
		const { foreign } = readInnerMounts(this.#root);
		if (
			foreign.size === this.#foreign.size &&
			[...foreign].every((path) => this.#foreign.has(path))
		)
			return;
		this.#foreign = foreign;
		this.#current = makeRules(this.#profile, this.#text, foreign);
	}

	#adopt(file: IgnoreFile): boolean {
		const text = readIgnoreFile(this.#root);
		this.#file = file;
		if (text === this.#text) return false;
		this.#text = text;
		this.#current = makeRules(this.#profile, text, this.#foreign);
		return true;
	}
}
