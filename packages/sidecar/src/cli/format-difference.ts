/** What differs at a path, for people and for programs. */
import type { PathDifference } from "../log/diff-trees.ts";
import type { Entry } from "../log/types.ts";
import { humanBytes } from "../telemetry/format.ts";
import { modeWord, shownPath } from "./format.ts";

const MARKS = { added: "+", removed: "-", changed: "~" } as const;

/** One line. */
export function differenceLine(difference: PathDifference): string {
	const path = shownPath(difference.path);
	const mark = MARKS[difference.kind];
	if (difference.kind === "added") return `${mark} ${path}${shownSize(difference.after)}`;
	if (difference.kind === "removed") return `${mark} ${path}${shownSize(difference.before)}`;
	const { before, after, aspects } = difference;
	return `${mark} ${path}  ${aspects.map((aspect) => shownAspect(aspect, before, after)).join(", ")}`;
}

function shownAspect(aspect: string, before: Entry, after: Entry): string {
	if (aspect === "mode" || aspect === "type")
		return `${aspect} ${modeWord(before)} -> ${modeWord(after)}`;
	if (aspect !== "content") return aspect;
	if (before.type === "link" && after.type === "link")
		return `target ${shownPath(before.target)} -> ${shownPath(after.target)}`;
	return before.type === "file" && after.type === "file"
		? `content ${humanBytes(before.size)} -> ${humanBytes(after.size)}`
		: aspect;
}

function shownSize(entry: Entry): string {
	return entry.type === "file"
		? `  ${humanBytes(entry.size)}`
		: entry.type === "dir"
			? "/"
			: `  -> ${shownPath(entry.target)}`;
}

/** One object. */
export function differenceForProgram(difference: PathDifference): object {
	return {
		path: difference.path,
		kind: difference.kind,
		...(difference.kind === "changed" && { aspects: difference.aspects }),
		...(difference.kind !== "added" && { before: entryForProgram(difference.before) }),
		...(difference.kind !== "removed" && { after: entryForProgram(difference.after) }),
	};
}

function entryForProgram(entry: Entry): object {
	return {
		type: entry.type,
		...(entry.type !== "link" && { mode: entry.mode.toString(8).padStart(4, "0") }),
		...(entry.type === "file" && { size: entry.size }),
		...(entry.type === "link" && { target: entry.target }),
		// A string: the number has more digits than JSON readers keep.
		mtimeNs: String(entry.mtimeNs),
	};
}
