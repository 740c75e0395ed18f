import { join } from "node:path";

export const ROOT = join(import.meta.dirname, "../../..");
export const CACHE = join(ROOT, ".cache/image");

/** Architecture names as images use them. */
export type Architecture = "amd64" | "arm64";

export const OWN_ARCHITECTURE: Architecture = process.arch === "arm64" ? "arm64" : "amd64";
