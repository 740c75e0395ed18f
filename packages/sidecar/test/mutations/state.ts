/** What counts as a change of the disk: inner volumes, deletions, the ignore file, and what status reports. */
import type { Mutation } from "./table.ts";

const innerMounts = "src/session/inner-mounts.test.ts";
const linkedPlaces = "src/library/linked-places.test.ts";
const readIgnoreFile = "src/workspace/read-ignore-file.test.ts";

export const STATE: readonly Mutation[] = [
	{
		rule: "an inner volume that is away is no deletion",
		file: "src/disk/check-mounts.ts",
		find: "		if (isThere || isBelow) continue;",
		replace: "		if (isThere || isBelow || mount === undefined) continue;",
		test: { file: innerMounts, name: "is kept in the log while it is missing, and everything else is committed" },
	},
	{
		rule: "another volume in an inner volume's place is not read",
		file: "src/disk/check-mounts.ts",
		find: "const isThere = volume === expected ||",
		replace: "const isThere = mount !== undefined || volume === expected ||",
		test: { file: innerMounts, name: "is not confused with another one, which is not read, stored or overwritten" },
	},
	{
		rule: "a volume mounted over content is no deletion of it",
		file: "src/disk/check-mounts.ts",
		find: "if (known !== undefined && holds(path)) away.set(",
		replace: "if (known === undefined && holds(path)) away.set(",
		test: {
			file: innerMounts,
			name: "that hides content of the log deletes nothing, neither while a session runs nor at the next start",
		},
	},
	{
		rule: "what the log keeps for an inner volume keeps the directories above it",
		file: "src/capture/capture.ts",
		find: "			this.#keepDirectoriesAbove(path);\n",
		replace: "",
		test: { file: innerMounts, name: "keeps the directories above it in the log when they go with it" },
	},
	{
		rule: "what a user accepts in an inner volume's place deletes nothing",
		file: "src/restore/plan-disk.ts",
		find: "isAccepted ? baseOfMounts && without(baseOfMounts, checked.away) : baseOfMounts",
		replace: "baseOfMounts",
		test: {
			file: innerMounts,
			name: "is given up by a restore on request: what the log has comes back, and the directory is an ordinary one",
		},
	},
	{
		rule: "the deletion brake: a quick second look confirms nothing",
		file: "src/capture/held-deletions.ts",
		find: "elapsedMs(machine, since) >= confirmAfterMs",
		replace: "elapsedMs(machine, since) >= 0",
		test: { file: "src/disk/deletion-brake.test.ts", name: "holds a vanished half until a second scan agrees" },
	},
	{
		rule: "the deletion brake: a directory that vanished whole is held",
		file: "src/disk/deletion-brake.ts",
		find: "filter(([, count]) => count >= BRAKE_MIN_FILES)",
		replace: "filter(([, count]) => count < 0)",
		test: {
			file: "src/disk/deletion-brake.test.ts",
			name: "holds a directory that vanished whole, and takes every other deletion at once",
		},
	},
	{
		rule: "an ignore file behind a link is honoured",
		file: "src/workspace/read-ignore-file.ts",
		find: "		return lstatPath(root, IGNORE_FILE) === undefined ?",
		replace: '		return lstatPath(root, IGNORE_FILE)?.type !== "file" ?',
		test: { file: readIgnoreFile, name: "is honoured where it leads to a file inside the workspace, also over other links" },
	},
	{
		rule: "an ignore file outside the workspace is refused",
		file: "src/workspace/read-ignore-file.ts",
		find: "if (place.startsWith(main ===",
		replace: "if (place !== main || place.startsWith(main ===",
		test: { file: readIgnoreFile, name: "is refused where it leads nowhere, to itself or out of the workspace" },
	},
	{
		rule: "status is not durable while deletions are held",
		file: "src/session/durability.ts",
		find: '["held", heldDeletions > 0]',
		replace: '["held", heldDeletions < 0]',
		test: { file: linkedPlaces, name: "is not durable while deletions are held, as a flush says it" },
	},
	{
		rule: "a link to the workspace is followed once",
		file: "src/library/workspace-place.ts",
		find: "{ ...settings, workspace: real };",
		replace: "settings;",
		test: { file: linkedPlaces, name: "stays that directory when the link is replaced while the daemon runs" },
	},
	{
		rule: "a rollback leaves databases of the same content alone",
		file: "src/restore/plan-disk.ts",
		find: "	if (options.at !== undefined) await compareDatabases(options, compared, disk, judged, unset);\n",
		replace: "",
		test: { file: linkedPlaces, name: "leaves one that did not change alone, and makes nothing beside it" },
	},
];
