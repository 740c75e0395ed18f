import { compareBytes } from "../path.ts";
import { sameContent } from "./same-entry.ts";
import type { Entry, Path, Tree } from "./types.ts";

/** The aspects in which entries can differ. `content` is a file's bytes, or a link's target. */
export type Aspect = "type" | "content" | "mode" | "time";

export type PathDifference =
	| { readonly kind: "added"; readonly path: Path; readonly after: Entry }
	| { readonly kind: "removed"; readonly path: Path; readonly before: Entry }
	/** `aspects` is never empty. Content is compared by SHA-256. */
	| {
			readonly kind: "changed";
			readonly path: Path;
			readonly before: Entry;
			readonly after: Entry;
			readonly aspects: readonly Aspect[];
	  };

/** Every path that differs, ordered by the paths' bytes. */
export function diffTrees(before: Tree, after: Tree): PathDifference[] {
	const differences: PathDifference[] = [];
	for (const [path, entry] of before) {
		const now = after.get(path);
		if (now === undefined) differences.push({ kind: "removed", path, before: entry });
		else if (now !== entry) {
			const aspects = aspectsOf(entry, now);
			if (aspects.length > 0)
				differences.push({ kind: "changed", path, before: entry, after: now, aspects });
		}
	}
	for (const [path, entry] of after)
		if (!before.has(path)) differences.push({ kind: "added", path, after: entry });
	return differences.sort((a, b) => compareBytes(a.path, b.path));
}

/** Whether only the time of a directory differs: an entry in it was added or removed. */
export function isTouchedDirectory(difference: PathDifference): boolean {
	return (
		difference.kind === "changed" &&
		difference.after.type === "dir" &&
		difference.aspects.join() === "time"
	);
}

function aspectsOf(a: Entry, b: Entry): Aspect[] {
	const aspects: Aspect[] = [];
	if (a.type !== b.type) aspects.push("type");
	else if (
		a.type === "file" && b.type === "file"
			? !isSameContent(a, b)
			: a.type === "link" && b.type === "link" && a.target !== b.target
	)
		aspects.push("content");
	if (a.type !== "link" && b.type !== "link" && a.mode !== b.mode) aspects.push("mode");
	if (a.mtimeNs !== b.mtimeNs) aspects.push("time");
	return aspects;
}

/**
 * Chunks of different sizes cannot be compared. This applies to a file that became a database, or
 * was one.
 */
export function isSameContent(a: Entry & { type: "file" }, b: Entry & { type: "file" }): boolean {
	return (a.size === 0 && b.size === 0) || sameContent(a, b);
}
