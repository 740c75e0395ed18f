import ignore from "ignore";
import type { FileType } from "./stat.ts";

/** At the workspace's root, in .gitignore syntax. It is stored like any other file. */
export const IGNORE_FILE = ".openclaw-sidecar-ignore";

/** A line of the user's file. */
export interface IgnoreRule {
	readonly pattern: string;
	/** From 1. */
	readonly line: number;
}

/** The verdict of the user's file. Neither: no pattern matches. */
export interface IgnoreVerdict {
	/** The last pattern that matches, if it has no "!". */
	readonly ignoredBy?: IgnoreRule;
	/** The last pattern that matches has a "!". */
	readonly isWanted: boolean;
}

export interface IgnoreRules {
	test(path: string, type: FileType): IgnoreVerdict;
	/** The last pattern with "!" that matches. Slow: for people. */
	wantedBy(path: string, type: FileType): IgnoreRule | undefined;
}

/** `ignore` caches the verdict on every path it has seen, so it is recreated after this many. */
const RENEWED_AFTER = 20_000;

/** Case-sensitive, like the disk. Invalid patterns are skipped, as git does. */
export function parseIgnoreFile(text: string): IgnoreRules {
	const lines = text.split(/\r?\n/).map((pattern, index) => ({ pattern, mark: String(index + 1) }));
	const create = (from: readonly { pattern: string; mark: string }[]) =>
		ignore({ ignorecase: false, allowRelativePaths: true }).add(from);
	let rules = create(lines);
	let asked = 0;
	const named = (path: string, type: FileType) => (type === "dir" ? `${path}/` : path);
	return {
		test: (path, type) => {
			asked += 1;
			if (asked > RENEWED_AFTER) {
				asked = 1;
				rules = create(lines);
			}
			const { rule, unignored } = rules.test(named(path, type));
			return rule === undefined
				? { isWanted: unignored }
				: { isWanted: false, ignoredBy: { pattern: rule.pattern, line: Number(rule.mark) } };
		},
		wantedBy: (path, type) => {
			const found = lines.findLast(
				({ pattern, mark }) =>
					pattern.startsWith("!") &&
					create([{ pattern: pattern.slice(1), mark }]).ignores(named(path, type)),
			);
			return found && { pattern: found.pattern, line: Number(found.mark) };
		},
	};
}
