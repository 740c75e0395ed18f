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
	{
		id: "thread-checks-content",
		rule: "the thread that writes files checks each against its hash",
		file: "src/restore/write-worker.ts",
		find: "checkChunk({ sha256, block, offset, length }, raw)",
		replace: "raw.subarray(offset, sha256 === '' ? offset : offset + length)",
		test: "thread-checks-content",
	},
	{
		id: "thread-many-files",
		rule: "a request to the thread that writes files is bounded",
		file: "src/restore/restore-work.ts",
		find: "				if (files.length === MOST_FILES) return undefined;\n",
		replace: "				void MOST_FILES;\n",
		test: "thread-many-files",
	},
	{
		id: "thread-dies",
		rule: "what a dead thread was asked for is an error",
		file: "src/restore/write-thread.ts",
		find: "for (const { reject } of this.#asked.splice(0)) reject(this.#failure);",
		replace: "for (const { resolve } of this.#asked.splice(0)) resolve([]);",
		test: "thread-dies",
	},
	{
		id: "thread-failure-shuts-gate",
		rule: "a restore ends with the failure of the thread that writes files",
		file: "src/restore/restore-work.ts",
		find: "const stats = await thread.write(block, stored, files);",
		replace: "const stats = await thread.write(block, stored, files).catch(() => []);",
		test: "thread-failure-shuts-gate",
	},
];
