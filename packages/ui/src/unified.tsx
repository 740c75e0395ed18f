/** A unified difference, with line numbers, colours and signs. */
import { useMemo } from "preact/hooks";
import { VirtualList } from "./virtual-list.tsx";
import { t } from "./words.ts";

interface Line {
	readonly kind: "added" | "removed" | "same" | "hunk";
	readonly before?: number;
	readonly after?: number;
	readonly text: string;
}

const ROW_PX = 19;
/** The layout of a longer line would stop the page. */
const LINE_CHARACTERS = 4_000;

export function Unified({ text }: { readonly text: string }) {
	const lines = useMemo(() => linesOf(text), [text]);
	return (
		<VirtualList
			count={lines.length}
			rowHeight={ROW_PX}
			root={{
				role: "table",
				tabIndex: 0,
				class: "unified",
				"aria-label": t("difference"),
				"aria-rowcount": lines.length,
			}}
		>
			{(index, style) => {
				const { kind, before, after, text: whole } = lines[index] as Line;
				return (
					<div
						key={index}
						role="row"
						aria-rowindex={index + 1}
						class={`line line-${kind}`}
						style={style}
					>
						<span role="cell" class="line-number">
							{before ?? ""}
						</span>
						<span role="cell" class="line-number">
							{after ?? ""}
						</span>
						<span role="cell" class="line-text">
							{kind === "added" ? "+" : kind === "removed" ? "−" : " "}
							{whole.length > LINE_CHARACTERS ? `${whole.slice(0, LINE_CHARACTERS)}…` : whole}
						</span>
					</div>
				);
			}}
		</VirtualList>
	);
}

function linesOf(text: string): Line[] {
	const lines: Line[] = [];
	let [before, after] = [0, 0];
	for (const line of text.replace(/\n$/, "").split("\n")) {
		const hunk = /^@@ -(\d+)(?:,\d+)? \+(\d+)/.exec(line);
		if (hunk !== null) {
			[before, after] = [Number(hunk[1]), Number(hunk[2])];
			lines.push({ kind: "hunk", text: line });
			continue;
		}
		// The two lines with the names are before the first hunk.
		if (lines.length === 0) continue;
		const rest = line.slice(1);
		if (line.startsWith("+")) lines.push({ kind: "added", after: after++, text: rest });
		else if (line.startsWith("-")) lines.push({ kind: "removed", before: before++, text: rest });
		else if (line.startsWith("\\")) lines.push({ kind: "same", text: line });
		else lines.push({ kind: "same", before: before++, after: after++, text: rest });
	}
	return lines;
}
