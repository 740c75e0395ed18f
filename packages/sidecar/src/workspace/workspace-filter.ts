import { readFileSync } from "node:fs";
import { fsPath, type Root } from "../path.ts";
import { type Filter, makeFilter } from "./filter.ts";
import { IGNORE_FILE } from "./ignore-file.ts";
import type { Profile } from "./profile.ts";
import { lstatPath, type Stat, sameStat } from "./stat.ts";

/** An ignore file that was written, or removed, this long ago says what its author meant. */
export const IGNORE_SETTLED_MS = 1_000;

/** The filter of a workspace: the agent's profile, and the ignore file as it stands there. */
export class WorkspaceFilter {
	readonly #root: Root;
	readonly #profile: Profile;
	#stat: Stat | undefined;
	#text: string | undefined;
	#current: Filter;

	/** @throws NodeJS.ErrnoException where the ignore file cannot be read: then nobody knows what is private */
	constructor(root: Root, profile: Profile) {
		this.#root = root;
		this.#profile = profile;
		this.#current = makeFilter(profile);
		this.#adopt(lstatPath(root, IGNORE_FILE));
	}

	/** Always the newest, whoever holds on to it. */
	readonly filter: Filter = (path, type) => this.#current(path, type);

	/**
	 * Looks at the ignore file again, which costs an lstat.
	 * @returns `changed`: it says something else than before. `pending`: it may, but it is too young to be believed, since an editor may
	 * just have emptied it; what it ignored until now stays ignored
	 * @throws NodeJS.ErrnoException where it cannot be read: nothing changes then
	 */
	refresh(nowMs = Date.now()): "same" | "pending" | "changed" {
		const stat = lstatPath(this.#root, IGNORE_FILE);
		const isSame = stat === undefined ? this.#stat === undefined : this.#stat !== undefined && sameStat(stat, this.#stat);
		if (isSame) return "same";
		// Where it is gone, the directory says since when.
		const since = (stat ?? lstatPath(this.#root, ""))?.mtimeNs ?? 0n;
		const ageMs = nowMs - Number(since / 1_000_000n);
		return ageMs >= 0 && ageMs < IGNORE_SETTLED_MS ? "pending" : this.#adopt(stat) ? "changed" : "same";
	}

	#adopt(stat: Stat | undefined): boolean {
		const text = stat?.type === "file" ? readFileSync(fsPath(this.#root, IGNORE_FILE), "utf8") : undefined;
		this.#stat = stat;
		if (text === this.#text) return false;
		this.#text = text;
		this.#current = makeFilter(this.#profile, text);
		return true;
	}
}
