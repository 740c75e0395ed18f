/** Numbers formatted for people. */

export function seconds(ms: number): string {
	return `${(ms / 1000).toFixed(ms < 9_950 ? 1 : 0)} s`;
}

export function bytes(count: number): string {
	if (count < 1_000) return `${count} B`;
	const isMega = count >= 999_500;
	const amount = count / (isMega ? 1_000_000 : 1_000);
	return `${amount.toFixed(amount < 9.95 ? 1 : 0)} ${isMega ? "MB" : "kB"}`;
}

export function many(count: number, noun: string, nouns = `${noun}s`): string {
	return `${count.toLocaleString("en")} ${count === 1 ? noun : nouns}`;
}
