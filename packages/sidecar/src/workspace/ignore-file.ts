import ignore from "ignore";
import type { FileType } from "./stat.ts";

/** In the workspace's root, in the syntax of .gitignore. It is stored like any other file. */
export const IGNORE_FILE = ".openclaw-sidecar-ignore";

/** What the user's file says: "ignored", "wanted" (a pattern with "!"), or nothing. */
export type IgnoreVerdict = "ignored" | "wanted" | undefined;

/**
 * `ignore` remembers the verdict on every path it was ever asked about, so it is renewed after this
 * many.
 */
const RENEWED_AFTER = 20_000;

/** Case counts, as it does on the disk. A line that is no pattern is passed over, as git does. */
export function parseIgnoreFile(text: string): (path: string, type: FileType) => IgnoreVerdict {
	const create = () => ignore({ ignorecase: false, allowRelativePaths: true }).add(text);
	let rules = create();
	let asked = 0;
	return (path, type) => {
		asked += 1;
		if (asked > RENEWED_AFTER) {
			asked = 1;
			rules = create();
		}
		const { ignored, unignored } = rules.test(type === "dir" ? `${path}/` : path);
		return ignored ? "ignored" : unignored ? "wanted" : undefined;
	};
}
