import type { Mutation } from "./table.ts";

/** What a restore moves away and the log does not have. */
export const DISPLACED: readonly Mutation[] = [
	{
		id: "journal-of-one",
		rule: "the journal names a file that the log lacks before a restore moves it",
		file: "src/restore/restore-work.ts",
		find: "		this.#journal.add(entries);",
		replace: "		if (paths.length > 1_000) this.#journal.add(entries);",
		test: "displaced-edit-after-kill",
	},
	{
		id: "displaced-not-durable",
		rule: "a displaced file is not durable before a commit contains it",
		file: "src/capture/flush.ts",
		find: "\t\treturn (\n\t\t\tthis.waitingPaths.length +\n\t\t\t(this.#displaced?.size ?? 0) +\n\t\t\t(this.#pending === undefined ? 0 : 1)\n\t\t);",
		replace: "\t\treturn this.waitingPaths.length + (this.#pending === undefined ? 0 : 1);",
		test: "displaced-edit-not-durable",
	},
	{
		id: "failed-restore-puts-back",
		rule: "a failed restore puts moved files back",
		file: "src/restore/restore.ts",
		find: "		work?.putBack();\n",
		replace: "",
		test: "failed-restore-puts-back",
	},
	{
		id: "quarantine-keeps-private",
		rule: "the quarantine leaves out what the ignore file keeps private",
		file: "src/capture/displaced-files.ts",
		find: '			if (context.filter(path, stat.type) === "skip") {',
		replace: '			if (context.filter(path, stat.type) !== "skip" && name === "") {',
		test: "displaced-private-file",
	},
];
