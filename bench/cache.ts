import { fileURLToPath } from "node:url";

/** Ignored by git: peers, results, a copy of the measured build. */
export const CACHE = fileURLToPath(new URL("../.cache/bench/", import.meta.url));
