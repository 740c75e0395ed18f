import type { PathDifference } from "../log/diff-trees.ts";
import type { Entry } from "../log/types.ts";
import { humanBytes } from "../telemetry/format.ts";
import type { Command } from "./command.ts";
import { count, modeWord, shownPath } from "./format.ts";

const MARKS = { added: "+", removed: "-", changed: "~" } as const;

export const diff: Command = {
	name: "diff",
	args: "<A> [B]",
	summary: "Show which paths differ between two commits, and how.",
	notes: [
		"A and B are commit numbers, ISO times or ages, as for --at. B defaults to the newest commit.",
		"+ added, - removed, ~ changed in content, mode, time or type. Directories that differ only in time are counted, not listed.",
	],
	async run({ config, out }, [from, to]) {
		const library = await import("../library/diff.ts");
		const compared = await library.diff({ settings: config, from: from as string, to });
		if (config.json) {
			await out.json({ ...compared, differences: compared.differences.map(forProgram) });
			return 0;
		}
		const { differences } = compared;
		const touched = differences.filter(isTouchedDirectory);
		for (const difference of differences) {
			if (!isTouchedDirectory(difference)) await out.line(forPerson(difference));
			if (out.isClosed) return 0;
		}
		const other = differences.length - touched.length;
		const also =
			touched.length > 0
				? `, and the times of ${count(touched.length, "directory", "directories")}`
				: "";
		await out.line(
			`${compared.from} -> ${compared.to}: ${other === 0 ? "no path differs" : `${count(other, "path")} differ`}${also}`,
		);
		return 0;
	},
};

function isTouchedDirectory(difference: PathDifference): boolean {
	return (
		difference.kind === "changed" &&
		difference.after.type === "dir" &&
		difference.aspects.join() === "time"
	);
}

function forPerson(difference: PathDifference): string {
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

function forProgram(difference: PathDifference): object {
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
