import type { RulesFile } from "./rules-file.ts";

/** A mistake that Falco accepts silently, or reports too late. */
export interface Check {
	/** Also the name of its bad sample in samples/. */
	readonly id: string;
	/** @returns one sentence per place */
	find(file: RulesFile): readonly string[];
}
