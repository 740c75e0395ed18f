import type { RulesFile } from "./rules-file.ts";

/** Something that Falco accepts in silence or tells too late, and that is wrong all the same. */
export interface Check {
	/** Also the name of its bad sample in samples/. */
	readonly id: string;
	/** @returns one sentence for each place */
	find(file: RulesFile): readonly string[];
}
