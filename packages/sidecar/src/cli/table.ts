/**
 * Rows as lines of one width. Widths are those of a terminal's cells: a Chinese character and an
 * emoji take two.
 */
import truncatedWidth from "fast-string-truncated-width";
import type { Display, Style } from "./display.ts";

export interface Column {
	readonly heading: string;
	readonly isRight?: boolean;
	/** Is cut on a terminal that is too narrow for the whole row; of several, the last one first. */
	readonly shrinks?: boolean;
	/** Is left out until a row has something in it. */
	readonly isOptional?: boolean;
	/** Is left out on a terminal that is too narrow, those with the highest number first. */
	readonly drop?: number;
	readonly style?: Style;
}

/** Text without control characters. */
export type Cell = string | { readonly text: string; readonly style: Style };

const GAP = "  ";
/** A column that shrinks keeps at least this many cells. */
const LEAST_WIDTH = 16;
const ELLIPSIS = "…";
const GRAPHEMES = new Intl.Segmenter("en", { granularity: "grapheme" });

/** The cells that a text takes on a terminal. */
export function widthOf(text: string): number {
	return truncatedWidth(text).width;
}

/** The beginning of a text that takes at most `width` cells, with an ellipsis if it is cut. */
export function cut(text: string, width: number): string {
	if (widthOf(text) <= width) return text;
	let short = "";
	let left = width - 1;
	// What looks like one character is not taken apart.
	for (const { segment } of GRAPHEMES.segment(text)) {
		left -= widthOf(segment);
		if (left < 0) break;
		short += segment;
	}
	return `${short}${ELLIPSIS}`;
}

/** Prints in parts: a later part is as wide as the ones before, or wider. */
export class Table {
	readonly #columns: readonly Column[];
	readonly #display: Display;
	readonly #widths: number[];
	#hasHeading = false;

	constructor(columns: readonly Column[], display: Display) {
		this.#columns = columns;
		this.#display = display;
		this.#widths = columns.map(() => 0);
	}

	/** The lines of these rows, below the headings the first time. */
	lines(rows: readonly (readonly Cell[])[]): string[] {
		for (const row of rows)
			for (const [index, cell] of row.entries())
				this.#widths[index] = Math.max(this.#widths[index] ?? 0, widthOf(textOf(cell)));
		for (const [index, { heading, isOptional = false }] of this.#columns.entries()) {
			const width = this.#widths[index] ?? 0;
			if (width > 0 || !isOptional) this.#widths[index] = Math.max(width, widthOf(heading));
		}
		const widths = this.#fittedWidths();
		const lines = rows.map((row) => this.#line(row, widths));
		if (this.#hasHeading) return lines;
		this.#hasHeading = true;
		const headings = this.#columns.map(({ heading }) => ({ text: heading, style: "dim" }) as const);
		return [this.#line(headings, widths), ...lines];
	}

	/** By index; undefined for a column that is left out. */
	#fittedWidths(): (number | undefined)[] {
		const widths = this.#widths.map((width) => (width === 0 ? undefined : width));
		const { columns } = this.#display;
		if (columns === undefined) return widths;
		const excess = () => {
			const shown = widths.filter((width) => width !== undefined);
			return shown.reduce((sum, width) => sum + width, (shown.length - 1) * GAP.length) - columns;
		};
		const shrinking = [...this.#columns.entries()].filter(([, { shrinks }]) => shrinks === true);
		const spareOf = (index: number) => Math.max(0, (widths[index] ?? 0) - LEAST_WIDTH);
		const spare = () => shrinking.reduce((sum, [index]) => sum + spareOf(index), 0);
		const droppable = [...this.#columns.entries()]
			.filter(([, { drop }]) => drop !== undefined)
			.sort(([, a], [, b]) => (b.drop ?? 0) - (a.drop ?? 0));
		for (const [index] of droppable) if (excess() > spare()) widths[index] = undefined;
		// The last one to go may have made room for a narrower one before it.
		for (const [index] of droppable.toReversed()) {
			const width = this.#widths[index] ?? 0;
			if (widths[index] === undefined && excess() + width + GAP.length <= spare())
				widths[index] = width === 0 ? undefined : width;
		}
		for (const [index] of shrinking.toReversed()) {
			const width = widths[index];
			if (width !== undefined)
				widths[index] = width - Math.min(Math.max(0, excess()), spareOf(index));
		}
		return widths;
	}

	#line(row: readonly Cell[], widths: readonly (number | undefined)[]): string {
		const cells = this.#columns.flatMap(({ isRight = false, style, shrinks = false }, index) => {
			const width = widths[index];
			const cell = row[index] ?? "";
			if (width === undefined) return [];
			const text = shrinks ? cut(textOf(cell), width) : textOf(cell);
			const used = typeof cell === "string" ? style : cell.style;
			const space = " ".repeat(Math.max(0, width - widthOf(text)));
			const styled = used === undefined || text === "" ? text : this.#display.style(used, text);
			return [isRight ? space + styled : styled + space];
		});
		return cells.join(GAP).trimEnd();
	}
}

function textOf(cell: Cell): string {
	return typeof cell === "string" ? cell : cell.text;
}
