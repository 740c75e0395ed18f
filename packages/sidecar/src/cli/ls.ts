import type { Entry, Path } from "../log/types.ts";
import { humanBytes } from "../telemetry/format.ts";
import { AT_OPTION, type Command, textOf } from "./command.ts";
import { type Display, displayOf } from "./display.ts";
import { count, isoTime, modeWord, shownPath, shownTime } from "./format.ts";
import { paged } from "./pager.ts";

export const ls: Command = {
	name: "ls",
	args: "[PATH...]",
	summary: "List the entries of a commit.",
	notes: [
		"PATH is a file, a directory, or a glob such as 'notes/*.md'. A terminal gets one level of a directory, unless -R is given.",
		"A pipe, a file and --json get every level, unless --no-recursive is given: programs search in the output.",
		"Unprintable characters are escaped as \\u000a, in PATH as well.",
	],
	options: [
		AT_OPTION,
		{ flags: "-l, --long", description: "Mode, size and time of each entry, and totals." },
		{ flags: "-R, --recursive", description: "Everything below a directory." },
		{ flags: "--no-recursive", description: "One level of a directory." },
		{ flags: "-i, --ignore-case", description: "A glob matches upper and lower case alike." },
	],
	async run(context, paths, options) {
		const { config, out } = context;
		const library = await import("../library/read.ts");
		const display = displayOf(config, process.stdout, process.env);
		const { recursive = config.json || !display.isTerminal } = options;
		const { entries } = await library.ls({
			...{ settings: config, at: textOf(options.at) },
			path: paths.length === 0 ? undefined : paths,
			recursive: recursive === true,
			ignoreCase: options.ignoreCase === true,
		});
		if (config.json) {
			for (const [at, entry] of entries) {
				await out.json(entryForProgram(at, entry));
				if (out.isClosed) break;
			}
			return 0;
		}
		const isLong = options.long === true;
		return await paged(context, display, async () => {
			for (const [at, entry] of entries) {
				await out.line(isLong ? listedEntry(at, entry, display) : styledName(at, entry, display));
				if (out.isClosed) return 0;
			}
			if (isLong || display.isTerminal) await out.line(display.style("dim", totals(entries)));
			return 0;
		});
	},
};

const PLAIN: Display = { isTerminal: false, columns: undefined, style: (_style, text) => text };

/** One line. */
export function listedEntry(path: string, entry: Entry, display: Display = PLAIN): string {
	const size = entry.type === "file" ? humanBytes(entry.size) : "";
	const target = entry.type === "link" ? ` -> ${shownPath(entry.target)}` : "";
	const name = styledName(path, entry, display);
	return `${modeWord(entry)}  ${size.padStart(8)}  ${shownTime(msOf(entry))}  ${name}${target}`;
}

function styledName(path: Path, entry: Entry, { style }: Display): string {
	const name = shownPath(path);
	if (entry.type === "dir") return `${style("blue", name)}/`;
	return entry.type === "link" ? style("cyan", name) : name;
}

/** `12 files, 34.5 KiB; 2 directories`. */
function totals(entries: readonly (readonly [Path, Entry])[]): string {
	const of = (type: Entry["type"]) => entries.filter(([, entry]) => entry.type === type);
	const bytes = of("file").reduce((sum, [, entry]) => sum + ("size" in entry ? entry.size : 0), 0);
	const [directories, links] = [of("dir").length, of("link").length];
	return [
		`${count(of("file").length, "file")}, ${humanBytes(bytes)}`,
		...(directories > 0 ? [count(directories, "directory", "directories")] : []),
		...(links > 0 ? [count(links, "link")] : []),
	].join("; ");
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

export function msOf({ mtimeNs }: Entry): number {
	return Number(mtimeNs / 1_000_000n);
}
