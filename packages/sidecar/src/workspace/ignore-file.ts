import ignore from "ignore";
import type { FileType } from "./stat.ts";

/** At the workspace's root, in .gitignore syntax. It is stored like any other file. */
export const IGNORE_FILE = ".openclaw-sidecar-ignore";

/** The verdict of the user's file: "ignored", "wanted" (a pattern with "!"), or neither. */
export type IgnoreVerdict = "ignored" | "wanted" | undefined;

/** `ignore` caches the verdict on every path it has seen, so it is recreated after this many. */
const RENEWED_AFTER = 20_000;

/** Case-sensitive, like the disk. Invalid patterns are skipped, as git does. */
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
