import type { Mutation } from "./table.ts";

const preflight = "src/restore/preflight.test.ts";
const mounts = "src/session/mounts.test.ts";

/** Mounts, modes and names: what a restore checks before it moves anything. */
export const MOUNTS: readonly Mutation[] = [
	{
		rule: "pre-flight: nothing moves before all of a restore can be done",
		file: "src/restore/preflight.ts",
		find: "	const keepMode = await obstacles.lookAtPaths(changes);",
		replace: "	const keepMode = await obstacles.lookAtPaths([]);",
		test: { file: preflight, name: "moves nothing where one file cannot go, and says why: immutable (chattr +i)" },
	},
	{
		rule: "pre-flight: a directory that cannot be written is found first",
		file: "src/restore/preflight.ts",
		find: "} else this.#directories.set(path, this.#whyNotWritable(path, stat));",
		replace: "} else this.#directories.set(path, undefined);",
		test: { file: mounts, name: "that is read-only is named before anything is written by a restore to one commit" },
	},
	{
		rule: "pre-flight: a read-only directory is opened for the duration",
		file: "src/restore/preflight.ts",
		find: "writer.open(path, mode);",
		replace: "void [path, mode];",
		test: { file: preflight, name: "takes what was deleted elsewhere out of read-only directories, however deep" },
	},
	{
		rule: "pre-flight: what a killed restore left writable gets its mode back",
		file: "src/disk/opened-directories.ts",
		find: 'if (stat?.type === "dir" && stat.mode === (mode | 0o700))',
		replace: 'if (stat?.type === "dir" && stat.mode === mode)',
		test: { file: preflight, name: "gives a directory that a killed restore left writable its mode back" },
	},
	{
		rule: "staging per mount: a rename cannot leave one",
		file: "src/workspace/materialize.ts",
		find: "		if (inner !== undefined) return inner;",
		replace: "		if (inner === path) return inner;",
		test: { file: mounts, name: "gets its files by a staging directory of its own: on the same file system, on another, and nested" },
	},
	{
		rule: "staging in an inner mount is never captured",
		file: "src/workspace/filter.ts",
		find: "foreign.has(path) || ",
		replace: "",
		test: { file: mounts, name: "keeps nothing of a staging directory that a killed restore left there, and no capture takes it" },
	},
	{
		rule: "a mounted single file is written in place",
		file: "src/workspace/materialize.ts",
		find: "			const isInPlace = this.#mounts.files.has(path);",
		replace: "			const isInPlace = false;",
		test: { file: mounts, name: "is written in place, and its own bytes are kept" },
	},
	{
		rule: "a mode that this disk could not be given is no change of the user's",
		file: "src/disk/unset-metadata.ts",
		find: "			mode: mode === unset.disk.mode ? unset.log.mode : mode,",
		replace: "			mode,",
		test: { file: preflight, name: "of another user keeps its mode, does not stop the restore, and is not a change" },
	},
	{
		rule: "names: two that are one on the disk are refused before anything is written",
		file: "src/restore/names-on-disk.ts",
		find: "if (parentOf(other) === parentOf(path)) yield [other, path];",
		replace: "if (other === path) yield [other, path];",
		test: { file: "src/restore/names-on-disk.test.ts", name: "are refused before anything is written, and both are named" },
	},
	{
		rule: "names: a name that is looked up and not listed is another's",
		file: "src/workspace/folded-names.ts",
		find: "		return !names.has(baseOf(path));",
		replace: "		return false;",
		test: {
			file: "src/workspace/folded-names.test.ts",
			name: "a name that can be looked up but is not listed belongs to another file if the directory folds names",
		},
	},
	{
		rule: "a move to another file system leaves no half copy, and what was there",
		file: "src/workspace/move.ts",
		find: "		rmSync(to, { recursive: true, force: true });",
		replace: "		rmSync(from, { recursive: true, force: true });",
		test: {
			file: "src/workspace/move.test.ts",
			name: "a move that finds no room leaves everything where it was, and no half of it behind",
		},
	},
	{
		rule: "a read-only mount with other content than the log refuses no start",
		file: "src/restore/read-only-mounts.ts",
		find: "if (!isDirectory && !isSameFile) found.set(",
		replace: 'if (path === "") found.set(',
		test: { file: mounts, name: "that is read-only with other content than the log stays as it is, and the log keeps what it has" },
	},
	{
		rule: "what a read-only mount lacks was not deleted, at the next start either",
		file: "src/restore/plan-disk.ts",
		find: "	const baseOfMounts = baseOfRoots && without(baseOfRoots, notRestored);",
		replace: "	const baseOfMounts = baseOfRoots && without(baseOfRoots, new Map());",
		test: { file: mounts, name: "that is read-only with a file less than the log stays as it is, and the log keeps what it has" },
	},
	{
		rule: "overlayfs: a directory of the image is settled before anybody asks which it is",
		file: "src/workspace/materialize.ts",
		find: "				copyUp(directory);",
		replace: "				void copyUp;",
		test: { file: "src/workspace/overlay.test.ts", name: "is the same directory before and after a restore writes to it" },
	},
];
