/** `diff A B PATH`: what differs inside files. */
import type { ContentDifference } from "../history/compare-content.ts";
import { isTouchedDirectory } from "../log/diff-trees.ts";
import { humanBytes } from "../telemetry/format.ts";
import type { Context } from "./command.ts";
import { type Display, displayOf } from "./display.ts";
import { aligned, count, shownLine } from "./format.ts";
import { differenceForProgram, differenceLine } from "./format-difference.ts";
import { paged } from "./pager.ts";

export interface AskedDifference {
	readonly from: string;
	readonly to: string | undefined;
	readonly paths: readonly string[];
	readonly ignoreCase: boolean;
}

export async function diffContents(context: Context, asked: AskedDifference): Promise<number> {
	const { config, out } = context;
	const library = await import("../library/look.ts");
	const display = displayOf(config, process.stdout, process.env);
	return await paged(context, display, async (signal) => {
		let shown = 0;
		for await (const each of library.diffContents({ settings: config, ...asked, signal })) {
			const { from, to, difference, content } = each;
			if (config.json) {
				await out.json({
					from,
					to,
					...differenceForProgram(difference),
					contentDifference: content,
				});
				continue;
			}
			if (isTouchedDirectory(difference)) continue;
			shown++;
			if (content?.type === "text") await printText(context, content.unified, display);
			else {
				await out.line(display.style("bold", differenceLine(difference)));
				for (const line of contentLines(content)) await out.line(line);
			}
			if (out.isClosed) return 0;
		}
		if (shown === 0 && !config.json) await out.line("no difference");
		return 0;
	});
}

/**
 * A patch as it is; on a terminal in colours, and with its control characters escaped: a file may
 * hold anything.
 */
async function printText(
	{ out }: Context,
	unified: string,
	{ isTerminal, style }: Display,
): Promise<void> {
	const lines = unified.replace(/\n$/, "").split("\n");
	for (const [index, line] of lines.entries()) {
		const safe = isTerminal ? shownLine(line) : line;
		if (index < 2) await out.line(style("bold", safe));
		else if (line.startsWith("@@")) await out.line(style("cyan", safe));
		else if (line.startsWith("+")) await out.line(style("green", safe));
		else if (line.startsWith("-")) await out.line(style("red", safe));
		else await out.line(safe);
		if (out.isClosed) return;
	}
}

function contentLines(content: ContentDifference | undefined): readonly string[] {
	switch (content?.type) {
		case "binary":
			return ["  binary: not compared by lines"];
		case "large":
			return [`  larger than ${humanBytes(content.limitBytes)}: not compared by lines`];
		case "database": {
			const { tables } = content;
			if (tables.length === 0) return ["  every table has as many rows as before"];
			const rows = tables.map(({ table, rowsBefore, rowsAfter }) => [
				`  ${shownLine(table)}`,
				rowsBefore === undefined
					? `new, ${count(rowsAfter ?? 0, "row")}`
					: rowsAfter === undefined
						? `dropped, ${count(rowsBefore, "row")}`
						: `${rowsBefore.toLocaleString("en-US")} -> ${count(rowsAfter, "row")}`,
			]);
			return aligned(rows);
		}
		default:
			return [];
	}
}
