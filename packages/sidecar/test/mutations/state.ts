/**
 * What counts as a change of the disk: inner volumes, deletions, the ignore file, and what status
 * reports.
 */
import type { Mutation } from "./table.ts";

export const STATE: readonly Mutation[] = [
	{
		id: "inner-volume-away",
		rule: "a missing inner volume is not a deletion",
		file: "src/disk/check-mounts.ts",
		find: "		if (isThere || isBelow) continue;",
		replace: "		if (isThere || isBelow || mount === undefined) continue;",
		test: "inner-volume-missing",
	},
	{
		id: "inner-volume-other",
		rule: "another volume in an inner volume's place is not read",
		file: "src/disk/check-mounts.ts",
		find: "\t\tconst isThere =",
		replace: "\t\tconst isThere =\n\t\t\tmount !== undefined ||",
		test: "inner-volume-replaced",
	},
	{
		id: "inner-volume-over-content",
		rule: "a volume mounted over content does not delete it",
		file: "src/disk/check-mounts.ts",
		find: "\t\t\tif (known !== undefined && holds(path))",
		replace: "\t\t\tif (known === undefined && holds(path))",
		test: "inner-volume-hides-content",
	},
	{
		id: "inner-volume-parents",
		rule: "the log's content of an inner volume keeps the directories above it",
		file: "src/capture/capture.ts",
		find: "			this.#keepDirectoriesAbove(path);\n",
		replace: "",
		test: "inner-volume-parents",
	},
	{
		id: "inner-volume-accepted",
		rule: "accepting another inner volume deletes nothing",
		file: "src/restore/plan-disk.ts",
		find: "isAccepted ? baseOfMounts && without(baseOfMounts, checked.away) : baseOfMounts",
		replace: "baseOfMounts",
		test: "inner-volume-given-up",
	},
	{
		id: "brake-second-look",
		rule: "the deletion brake: a quick second sweep confirms nothing",
		file: "src/capture/deferred-deletions.ts",
		find: "elapsedMs(environment, since) >= confirmAfterMs",
		replace: "elapsedMs(environment, since) >= 0",
		test: "vanished-half",
	},
	{
		id: "brake-directory",
		rule: "the deletion brake: the deletion of a whole directory is deferred",
		file: "src/disk/deletion-brake.ts",
		find: "filter(([, count]) => count >= BRAKE_MIN_FILES)",
		replace: "filter(([, count]) => count < 0)",
		test: "vanished-directory",
	},
	{
		id: "linked-ignore-file",
		rule: "an ignore file behind a link is honoured",
		file: "src/workspace/read-ignore-file.ts",
		find: "		return lstatPath(root, IGNORE_FILE) === undefined\n",
		replace: '		return lstatPath(root, IGNORE_FILE)?.type !== "file"\n',
		test: "linked-ignore-file",
	},
	{
		id: "outside-ignore-file",
		rule: "an ignore file outside the workspace is refused",
		file: "src/workspace/read-ignore-file.ts",
		find: "if (place.startsWith(main ===",
		replace: "if (place !== main || place.startsWith(main ===",
		test: "outside-ignore-file",
	},
	{
		id: "status-deferred-deletions",
		rule: "status is not durable while deletions are deferred",
		file: "src/session/durability.ts",
		find: '["deferred", deferredDeletions > 0]',
		replace: '["deferred", deferredDeletions < 0]',
		test: "status-deferred-deletions",
	},
	{
		id: "workspace-link-once",
		rule: "a link to the workspace is followed once",
		file: "src/library/workspace-place.ts",
		find: "{ ...settings, workspace: real };",
		replace: "settings;",
		test: "replaced-workspace-link",
	},
	{
		id: "rollback-databases",
		rule: "a rollback leaves databases of the same content alone",
		file: "src/restore/plan-disk.ts",
		find: "	if (options.at !== undefined) await compareDatabases(options, compared, disk, judged, unset);\n",
		replace: "",
		test: "unchanged-database-rollback",
	},
];
