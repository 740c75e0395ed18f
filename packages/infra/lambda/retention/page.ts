/** A part of a long list of names, and whether another one follows. */
export interface Page {
	readonly names: readonly string[];
	readonly hasMore: boolean;
}

/**
 * At least one name if there is one, so that a slow store does not keep a round in its place.
 *
 * @param isOver ends the page early
 */
export async function takePage(
	all: AsyncIterable<string>,
	limit: number,
	isOver: () => boolean,
): Promise<Page> {
	const names: string[] = [];
	for await (const name of all) {
		if (names.length > 0 && (names.length >= limit || isOver())) return { names, hasMore: true };
		names.push(name);
	}
	return { names, hasMore: false };
}
