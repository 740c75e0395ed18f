/** JSON lines as a table: one row each, a column for each key. */
import { useMemo } from "preact/hooks";
import { VirtualList } from "./virtual-list.tsx";
import { t } from "./words.ts";

const MAX_COLUMNS = 12;
const ROW_PX = 26;
const SHOWN_CHARACTERS = 300;

interface Parsed {
	readonly columns: readonly string[];
	readonly rows: readonly (readonly string[])[];
	/** The first line that is not JSON, from 1. */
	readonly invalid: number | undefined;
}

export function JsonLines({ text, isCut }: { readonly text: string; readonly isCut: boolean }) {
	const { columns, rows, invalid } = useMemo(() => parse(text, isCut), [text, isCut]);
	const template = `56px ${columns.map(() => "minmax(90px, 1fr)").join(" ")}`;
	return (
		<div class="json-lines">
			{invalid !== undefined && <p class="notice">{t("invalidLine", { line: invalid })}</p>}
			<VirtualList
				count={rows.length}
				rowHeight={ROW_PX}
				root={{
					role: "table",
					tabIndex: 0,
					class: "grid",
					"aria-label": "JSON",
					"aria-rowcount": rows.length + 1,
				}}
				header={
					<div
						role="row"
						aria-rowindex={1}
						class="grid-row grid-head"
						style={{ gridTemplateColumns: template }}
					>
						<span role="columnheader" class="right">
							{t("row")}
						</span>
						{columns.map((column) => (
							<span role="columnheader" key={column}>
								{column}
							</span>
						))}
					</div>
				}
			>
				{(index, style) => (
					<div
						role="row"
						key={index}
						aria-rowindex={index + 2}
						class="grid-row"
						style={{ ...style, gridTemplateColumns: template }}
					>
						<span role="cell" class="right soft">
							{index + 1}
						</span>
						{rows[index]?.map((cell, column) => (
							<span role="cell" key={columns[column]} title={cell}>
								{cell}
							</span>
						))}
					</div>
				)}
			</VirtualList>
		</div>
	);
}

function parse(text: string, isCut: boolean): Parsed {
	const lines = text.split("\n");
	// The last line of a cut text is not whole.
	if (isCut || lines.at(-1) === "") lines.pop();
	const values: unknown[] = [];
	let invalid: number | undefined;
	for (const [index, line] of lines.entries()) {
		if (line.trim() === "") continue;
		try {
			values.push(JSON.parse(line));
		} catch {
			invalid ??= index + 1;
			values.push(line);
		}
	}
	const columns: string[] = [];
	for (const value of values)
		if (isObject(value))
			for (const key of Object.keys(value))
				if (columns.length < MAX_COLUMNS && !columns.includes(key)) columns.push(key);
	if (columns.length === 0) columns.push("");
	const rows = values.map((value) =>
		columns.map((column, index) => {
			if (isObject(value)) return shown(value[column]);
			return index === 0 ? shown(value) : "";
		}),
	);
	return { columns, rows, invalid };
}

function isObject(value: unknown): value is Record<string, unknown> {
	return typeof value === "object" && value !== null && !Array.isArray(value);
}

function shown(value: unknown): string {
	if (value === undefined) return "";
	const text = typeof value === "string" ? value : JSON.stringify(value);
	return text.slice(0, SHOWN_CHARACTERS).replace(/\s+/g, " ");
}
