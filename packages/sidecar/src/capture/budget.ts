/**
 * What capturing and committing may cost at most, held by bench/footprint.test.ts in every test run
 * and shown in docs/benchmarks.md. The workload is W1 at 1/20: 500 files, 50 directories, 5.7 MB.
 * Limits leave room for what varies between runs: a hand-over that asks once more, garbage
 * collection.
 */

/** `flush` of a new directory. */
export const FIRST_COMMIT_BUDGET = {
	requests: { most: 8, source: "3 LIST, 2 PUT, 2 or 3 GET" },
	sentBytes: { most: 1_400_000, source: "1.3 MB: 5.7 MB of text with zstd at level 3" },
	readBytes: {
		most: 10_000_000,
		source: "8.8 MB: each file once, and 3 MB of program and compile cache",
	},
	opens: { most: 1_600, source: "1,525: less than three for each file and directory" },
	peakBytes: { most: 160_000_000, source: "121 to 133 MB" },
} as const;

/** One changed file of 3 kB, committed by a daemon beside 500 unchanged ones. */
export const FLUSH_BUDGET = {
	requests: { most: 1, source: "1 PUT, the commit itself" },
	sentBytes: { most: 3_000, source: "2.6 kB: the packed text and the head of the request" },
} as const;
