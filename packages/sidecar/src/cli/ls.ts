import type { Entry } from "../log/types.ts";
import { humanBytes } from "../telemetry/format.ts";
import { AT_OPTION, type Command, textOf } from "./command.ts";
import { isoTime, modeWord, shortTime, shownPath } from "./format.ts";

export const ls: Command = {
	name: "ls",
	args: "[PATH]",
	summary: "List the entries of a commit: mode, size, time (UTC) and path.",
	notes: [
		"PATH is a file, or a directory to list with everything below it. Unprintable characters are escaped as \\u000a, in PATH as well.",
	],
	options: [AT_OPTION],
	async run({ config, out }, [path], options) {
		const library = await import("../library/read.ts");
		const { entries } = await library.ls({ settings: config, at: textOf(options.at), path });
		for (const [at, entry] of entries) {
			if (config.json) await out.json(entryForProgram(at, entry));
			else await out.line(listedEntry(at, entry));
			if (out.isClosed) break;
		}
		return 0;
	},
};

/** One line. */
export function listedEntry(path: string, entry: Entry): string {
	const size = entry.type === "file" ? humanBytes(entry.size) : "";
	const target = entry.type === "link" ? ` -> ${shownPath(entry.target)}` : "";
	return `${modeWord(entry)}  ${size.padStart(8)}  ${shortTime(msOf(entry))}  ${shownPath(path)}${target}`;
}

/** One object. */
export function entryForProgram(path: string, entry: Entry): object {
	return {
		path,
		type: entry.type,
		...(entry.type !== "link" && { mode: entry.mode.toString(8).padStart(4, "0") }),
		...(entry.type === "file" && { size: entry.size }),
		mtime: isoTime(msOf(entry)),
		// A string: the number has more digits than JSON readers keep.
		mtimeNs: String(entry.mtimeNs),
		...(entry.type === "link" && { target: entry.target }),
	};
}

function msOf({ mtimeNs }: Entry): number {
	return Number(mtimeNs / 1_000_000n);
}
