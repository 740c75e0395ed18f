import { SidecarError } from "../errors.ts";
import { isTouchedDirectory } from "../log/diff-trees.ts";
import { plural } from "../telemetry/format.ts";
import type { Command, Context } from "./command.ts";
import { displayOf } from "./display.ts";
import { count } from "./format.ts";
import { differenceForProgram, differenceLine } from "./format-difference.ts";
import { shellWord } from "./own-command.ts";
import { paged } from "./pager.ts";

const STYLES = { added: "green", removed: "red", changed: "yellow" } as const;

export const diff: Command = {
	name: "diff",
	args: "<A> [B] [PATH...]",
	summary: "Show which paths differ between two commits; with PATH, which lines.",
	notes: [
		"A and B are commits or times, in any form that --at accepts. B defaults to the newest commit, also if PATH follows A.",
		"+ added, - removed, ~ changed in content, mode, time or type. Directories that differ only in time are counted, not listed.",
		"PATH is a file, a directory or a glob. Text is compared by lines (as `diff -u`), SQLite databases by their numbers of rows.",
	],
	options: [
		{ flags: "-i, --ignore-case", description: "PATH matches upper and lower case alike." },
	],
	async run(context, [from = "", ...others], options) {
		const { config, out } = context;
		const { namesCommit } = await import("../library/look.ts");
		const [second] = others;
		const hasSecond = second !== undefined && (await namesCommit({ settings: config, at: second }));
		const to = hasSecond ? second : undefined;
		const paths = hasSecond ? others.slice(1) : others;
		if (paths.length > 0) {
			const { diffContents } = await import("./diff-contents.ts");
			const ignoreCase = options.ignoreCase === true;
			return await diffContents(context, { from, to, paths, ignoreCase }).catch(async (error) => {
				throw (await withoutCommit(context, from)) ?? error;
			});
		}
		const library = await import("../library/diff.ts");
		const compared = await library.diff({ settings: config, from, to }).catch(async (error) => {
			throw (await withoutCommit(context, from)) ?? error;
		});
		if (config.json) {
			await out.json({ ...compared, differences: compared.differences.map(differenceForProgram) });
			return 0;
		}
		const display = displayOf(config, process.stdout, process.env);
		return await paged(context, display, async () => {
			const { differences } = compared;
			const touched = differences.filter(isTouchedDirectory);
			for (const difference of differences) {
				const line = differenceLine(difference);
				if (!isTouchedDirectory(difference))
					await out.line(display.style(STYLES[difference.kind], line));
				if (out.isClosed) return 0;
			}
			const other = differences.length - touched.length;
			const also =
				touched.length > 0
					? `, and the times of ${count(touched.length, "directory", "directories")}`
					: "";
			await out.line(
				`${compared.from} -> ${compared.to}: ${other === 0 ? "no path differs" : `${count(other, "path")} ${plural(other, "differs", "differ")}`}${also}`,
			);
			return 0;
		});
	},
};

/** @returns the error for a path in the place of A; undefined for anything else */
async function withoutCommit(
	{ config: settings }: Context,
	typed: string,
): Promise<SidecarError | undefined> {
	const { namesCommit } = await import("../library/look.ts");
	const { ls } = await import("../library/read.ts");
	const isPath = async () =>
		!(await namesCommit({ settings, at: typed })) &&
		(await ls({ settings, path: typed, recursive: false })).seq > 0;
	// The first error tells more than one of this look-up.
	if (!(await isPath().catch(() => false))) return undefined;
	const word = shellWord(typed);
	return new SidecarError("USAGE", {
		value: typed,
		reason: "it is a path, and diff needs a commit first",
		remedy: `use \`openclaw-sidecar diff latest~1 ${word}\`; \`openclaw-sidecar history ${word}\` lists the commits that changed it`,
	});
}
