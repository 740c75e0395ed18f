import type { FoundPath } from "../history/path-history.ts";
import { humanBytes } from "../telemetry/format.ts";
import { type Command, textOf } from "./command.ts";
import { displayOf } from "./display.ts";
import { ago, isoTime, shownPath, shownTime } from "./format.ts";
import { entryForProgram, msOf } from "./ls.ts";
import { paged } from "./pager.ts";
import type { Cell, Column } from "./table.ts";

const FOUND_COLUMNS: readonly Column[] = [
	{ heading: "SIZE", isRight: true },
	{ heading: "MODIFIED", style: "dim" },
	{ heading: "PATH" },
];

const DELETED_COLUMNS: readonly Column[] = [
	{ heading: "LAST IN", isRight: true, style: "yellow" },
	{ heading: "DELETED", isRight: true, drop: 2 },
	{ heading: "TIME", drop: 1, style: "dim" },
	{ heading: "SIZE", isRight: true, drop: 3 },
	{ heading: "PATH" },
];

/** Rows that are aligned together, and printed before more are read. */
const ROWS_AT_ONCE = 50;

export const find: Command = {
	name: "find",
	args: "<GLOB...>",
	summary: "Find paths by name: in the newest commit, or with --deleted those that are gone.",
	notes: [
		"A GLOB without / is compared with names at any depth: '*.md'. With / it is compared with the whole path: 'notes/**/*.md'.",
		"LAST IN is the last commit that has the path: `restore PATH --at COMMIT` brings it back.",
	],
	options: [
		{ flags: "--deleted", description: "Paths that the newest commit does not have any more." },
		{
			flags: "--since <WHEN>",
			description: "Only what changed, or was deleted, after this commit or since this time.",
		},
		{ flags: "-i, --ignore-case", description: "GLOB matches upper and lower case alike." },
	],
	async run(context, globs, options) {
		const { config, out } = context;
		const { find, similarPaths } = await import("../library/look.ts");
		const { Table } = await import("./table.ts");
		const deleted = options.deleted === true;
		const asked = {
			...{ settings: config, globs, deleted, since: textOf(options.since) },
			ignoreCase: options.ignoreCase === true,
		};
		const display = displayOf(config, process.stdout, process.env);
		const table = new Table(deleted ? DELETED_COLUMNS : FOUND_COLUMNS, display);
		const nowMs = Date.now();
		return await paged(context, display, async (signal) => {
			let rows: (readonly Cell[])[] = [];
			let found = 0;
			const print = async () => {
				if (rows.length > 0) for (const line of table.lines(rows)) await out.line(line);
				rows = [];
				await out.flush();
			};
			for await (const each of find({ ...asked, signal })) {
				if ("type" in each) {
					if (each.error !== undefined) throw each.error;
					continue;
				}
				found++;
				if (config.json) await out.json(forProgram(each));
				else if (rows.push(rowOf(each, nowMs)) >= ROWS_AT_ONCE) await print();
				if (out.isClosed) return 0;
			}
			await print();
			if (found === 0 && !config.json) {
				const similar = deleted ? "" : await similarPaths({ settings: config, signal }, globs);
				await out.line(
					deleted
						? "no path that matches was deleted"
						: `no path matches: ${similar}${similar && " "}--deleted looks for those that are gone`,
				);
			}
			return 0;
		});
	},
};

function rowOf({ path, entry, seq, deletedIn, renamedTo }: FoundPath, nowMs: number): Cell[] {
	const size = entry.type === "file" ? humanBytes(entry.size) : "";
	const name = `${shownPath(path)}${entry.type === "dir" ? "/" : ""}`;
	if (deletedIn === undefined) return [size, shownTime(msOf(entry)), name];
	const { timeMs } = deletedIn;
	const renamed = renamedTo === undefined ? "" : ` -> ${shownPath(renamedTo)}`;
	return [String(seq), ago(nowMs - timeMs), shownTime(timeMs), size, `${name}${renamed}`];
}

function forProgram({ path, entry, seq, deletedIn, renamedTo }: FoundPath): object {
	return {
		...entryForProgram(path, entry),
		seq,
		...(deletedIn && { deletedIn: deletedIn.seq, deleted: isoTime(deletedIn.timeMs) }),
		...(renamedTo !== undefined && { renamedTo }),
	};
}
