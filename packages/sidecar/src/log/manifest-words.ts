import type { CommitFlags } from "./types.ts";

/** The numbers that stand for words in a manifest. */
export const KIND = { delta: 0, full: 1 } as const;
export const OBJECT = { own: 0, commit: 1, pack: 2 } as const;
export const ENTRY = { dir: 0, file: 1, patch: 2, link: 3 } as const;
export const FLAG_BITS: readonly (readonly [keyof CommitFlags, number])[] = [
	["fence", 1],
	["closed", 2],
	["recovered", 4],
	["alarm", 8],
];
export const NANOS_PER_SECOND = 1_000_000_000n;
export const WRITER_BYTES = 16;
export const SHA256_BYTES = 32;
export const NO_COMMIT_ID = "0".repeat(64);
