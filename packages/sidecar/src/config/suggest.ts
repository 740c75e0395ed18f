/** The candidate closest to the typed text, if a typing error is plausible. */
export function didYouMean(typed: string, candidates: Iterable<string>): string {
	let best: string | undefined;
	let least = Math.min(3, Math.max(1, Math.floor(typed.length / 3))) + 1;
	for (const candidate of candidates) {
		const edits = editDistance(typed.toLowerCase(), candidate.toLowerCase());
		if (edits < least) [best, least] = [candidate, edits];
	}
	return best === undefined ? "" : `; did you mean ${best}?`;
}

/** Insertions, deletions, substitutions, and two neighbours that are swapped. */
function editDistance(a: string, b: string): number {
	let above: number[] = [];
	let row = Array.from({ length: b.length + 1 }, (_, j) => j);
	for (let i = 1; i <= a.length; i++) {
		const next = [i];
		for (let j = 1; j <= b.length; j++) {
			const substituted = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
			const isSwap = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
			const swapped = isSwap ? above[j - 2]! + 1 : substituted;
			next.push(Math.min(substituted, swapped, row[j]! + 1, next[j - 1]! + 1));
		}
		[above, row] = [row, next];
	}
	return row[b.length]!;
}
