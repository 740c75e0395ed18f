import type { Mutation } from "./table.ts";

const largeFiles = "src/capture/large-files.test.ts";
const fileSet = "src/capture/file-set.test.ts";
const rawDatabases = "src/capture/raw-databases.test.ts";

/** Databases that cannot be taken as they are, and files that would hold up all others. */
export const CAPTURE: readonly Mutation[] = [
	{
		rule: "a small file is durable before a giant one",
		file: "src/capture/large-files.ts",
		find: "		if (before?.database !== undefined) return false;",
		replace: "		return false;",
		test: { file: largeFiles, name: "does not hold up a small one: that is durable while the large one is on its way" },
	},
	{
		rule: "a known file that becomes other in most of its content goes aside",
		file: "src/capture/chunk-pass.ts",
		find: "throw new TooMuchNew();",
		replace: "this.newBytes = 0;",
		test: { file: largeFiles, name: "that the log has and that changes in most of its content is sent beside the flushes too" },
	},
	{
		rule: "the old name of a large file stays until the new one is durable",
		file: "src/capture/large-files.ts",
		find: "			if (isRenamed || known.entry.size > LARGE_BYTES) held.add(path);",
		replace: "			if (isRenamed && known.entry.size < 0) held.add(path);",
		test: { file: largeFiles, name: "that is renamed before it is durable leaves its old name in the log until then" },
	},
	{
		rule: "too large is a matter of one file",
		file: "src/capture/capture.ts",
		find: "		if (!this.#hasRoom(path, stat)) return;",
		replace: "",
		test: { file: "src/capture/room.test.ts", name: "is named and left out, and everything else is committed" },
	},
	{
		rule: "a hole is delivered as the zeros it is",
		file: "src/workspace/stable-read.ts",
		find: "const bytes = isHole ? ZEROS : buffer;",
		replace: "const bytes = buffer;",
		test: { file: "src/workspace/holes.test.ts", name: "is read without its holes, and comes out with every byte" },
	},
	{
		rule: "an encrypted database and its log are taken at one moment",
		file: "src/workspace/file-set.ts",
		find: "	return beside.length === 0 || isSqlite(root, main) ? [main] : [main, ...beside];",
		replace: "	return beside.length >= 0 || isSqlite(root, main) ? [main] : [main, ...beside];",
		test: { file: fileSet, name: "that never stands still is not taken, and is named with its log" },
	},
	{
		rule: "an encrypted database loses its log in one commit with what came from it",
		file: "src/capture/capture.ts",
		find: '			if (known?.entry.type === "file") this.#gone(path);\n		}\n		for (const path of paths)',
		replace: "		}\n		for (const path of paths)",
		test: { file: fileSet, name: "drops its -wal in the commit that has the database without it" },
	},
	{
		rule: "a log of this disk does not join a database of the log",
		file: "src/restore/reconcile.ts",
		find: "	companionsGiveWay(plan, target);\n",
		replace: "",
		test: { file: fileSet, name: "that is restored over an older one does not get the older one's log" },
	},
	{
		rule: "the raw copy of a database is not repeated",
		file: "src/capture/flush.ts",
		find: "setAsideDelta(this.#writer.head.tree, RAW_ID, entriesOf(raw)",
		replace: "setAsideDelta(this.#writer.head.tree, this.#writer.id, entriesOf(raw)",
		test: { file: rawDatabases, name: "has one raw copy in the tree, however often the sidecar starts and however it changes" },
	},
	{
		rule: "the workspace's own directory is the real one",
		file: "src/commit/set-aside.ts",
		find: 'const isOwn = target === "" ||',
		replace: "const isOwn =",
		test: { file: "src/commit/set-aside.test.ts", name: "has the workspace's own directory as it is on the disk" },
	},
];
