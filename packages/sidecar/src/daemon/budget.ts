/**
 * What a daemon may cost while nothing changes, held by bench/footprint.test.ts in every test run
 * and shown in docs/benchmarks.md. The workload is W1 at 1/20: 500 files, 50 directories, 5.7 MB.
 */
export const IDLE_BUDGET = {
	requests: { most: 0, source: "a sweep compares with what is known" },
	peakBytes: { most: 160_000_000, source: "108 to 113 MB, a sweep and two flushes included" },
} as const;
