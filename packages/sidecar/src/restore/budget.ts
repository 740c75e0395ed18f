/**
 * What a restore may cost at most, held by bench/footprint.test.ts in every test run and shown in
 * docs/benchmarks.md. The workload is W1 at 1/20: 500 files, 50 directories, 5.7 MB. Limits leave
 * room for what varies between runs, such as garbage collection.
 */

/** `restore` into a directory that does not exist. */
export const RESTORE_BUDGET = {
	requests: { most: 4, source: "1 LIST, 3 GET" },
	receivedBytes: { most: 1_500_000, source: "1.4 MB, the packed content and its log" },
	readBytes: {
		most: 5_500_000,
		source: "4.5 MB: 1.4 MB received, 3 MB of program and compile cache",
	},
	writtenBytes: { most: 6_000_000, source: "5.7 MB: each byte is written once" },
	opens: { most: 900, source: "800 to 830: the files, their directories and the plan" },
	peakBytes: { most: 140_000_000, source: "105 to 107 MB" },
} as const;
