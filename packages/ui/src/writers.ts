/** One colour for each writer, in the order in which they appear. */
import { describedRows } from "./state.ts";

/** Told apart with the usual kinds of colour blindness, on a light and on a dark ground. */
const COLOURS = 7;

const known = new Map<string, number>();

/** The name of a custom property. */
export function writerColour(writer: string): string {
	let index = known.get(writer);
	if (index === undefined) {
		index = known.size % COLOURS;
		known.set(writer, index);
	}
	return `--writer-${index}`;
}

export function shortWriter(writer: string): string {
	return writer.slice(0, 8);
}

/** The writers of the described commits, the newest first. */
export function writers(): readonly string[] {
	const found = new Set<string>();
	for (const seq of [...describedRows().keys()].sort((a, b) => b - a)) {
		const writer = describedRows().get(seq)?.writer;
		if (writer !== undefined) found.add(writer);
	}
	return [...found];
}
