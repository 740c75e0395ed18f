import type { Mutation } from "./table.ts";

const quarantine = "src/capture/quarantine.test.ts";

/** What a restore moves away and the log does not have. */
export const QUARANTINE: readonly Mutation[] = [
	{
		rule: "what a restore moves and the log lacks is in the journal before it moves",
		file: "src/restore/restore-work.ts",
		find: "		this.#journal.add(entries);",
		replace: "		if (paths.length > 1_000) this.#journal.add(entries);",
		test: { file: quarantine, name: "is found by the next start where the machine restored and was killed before it committed" },
	},
	{
		rule: "what a restore displaced is not durable before a commit holds it",
		file: "src/capture/flush.ts",
		find: "+ (this.#quarantine?.size ?? 0)",
		replace: "",
		test: { file: quarantine, name: "is not durable before the next commit, which keeps it below .recovered/" },
	},
	{
		rule: "a restore that fails puts back what it moved",
		file: "src/restore/restore.ts",
		find: "		work?.putBack();\n",
		replace: "",
		test: { file: quarantine, name: "puts back what it moved where the store fails in the middle, and the next start goes on" },
	},
	{
		rule: "the quarantine leaves out what the ignore file keeps private",
		file: "src/capture/quarantine.ts",
		find: '			if (context.filter(path, stat.type) === "skip") {',
		replace: '			if (context.filter(path, stat.type) !== "skip" && name === "") {',
		test: { file: quarantine, name: "stays in the trash alone where the ignore file keeps it out of the log, and is named" },
	},
];
