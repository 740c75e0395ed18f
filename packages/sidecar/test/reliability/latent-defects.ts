import type { Row } from "./rows.ts";

/** Similar defects, found in public code. */
export const LATENT_DEFECTS: readonly Row[] = [
	{
		id: "L1",
		where: "OCS `bridge/workspace-sync.js`, HERMES `workspace_sync.py`",
		happened:
			"the restore is not awaited, or fails for single files and only says so; the periodic save starts all the same",
		rule: "as 1: one file that cannot be read back keeps the gate shut",
		tests: ["any-damage-is-an-error", "gate-failed-restore"],
	},
	{
		id: "L2",
		where: "OCS",
		happened: "files over 10 MB are skipped in both directions",
		rule: "no cap",
		tests: ["ocs-large-file", "large-files-4-gb"],
	},
	{
		id: "L3",
		where: "OCS",
		happened: "`*.pem`, `*.key`, `.env`, `.secrets`, `*.lock`, `*.log` are dropped",
		rule: "names of the user's files mean nothing; secrets are told of or, if asked for, left out by name",
		tests: ["ocs-key-names"],
	},
	{
		id: "L4",
		where: "OCS",
		happened: "modes, links and times are lost",
		rule: "as 32",
		tests: ["incident-32-metadata"],
	},
	{
		id: "L5",
		where: "OCS",
		happened: "deletions never propagate, so that what was deleted comes back",
		rule: "a commit lists what was removed",
		tests: ["ocs-deletions"],
	},
	{
		id: "L6",
		where: "OCS",
		happened: "databases are copied raw",
		rule: "as 22",
		tests: ["live-database"],
	},
	{
		id: "L7",
		where: "OCS",
		happened: "5 to 30 minutes between saves",
		rule: "as 4",
		tests: ["cadence-quiet-second", "cadence-cost"],
	},
	{
		id: "L8",
		where: "OCS",
		happened: "where the session storage is not empty, S3 is not looked at",
		rule: "every start reads the log",
		tests: ["image-defaults-give-way", "unwatched-edits-kept"],
	},
	{
		id: "L9",
		where: "HERMES",
		happened: "databases in directories are never saved, `.git` is skipped",
		rule: "as 8",
		tests: ["hermes-databases", "hermes-git"],
	},
	{
		id: "L10",
		where: "HERMES",
		happened: "a database that cannot be opened is deleted without a word",
		rule: "it is named, its last good copy stays, and its raw bytes are quarantined with its log",
		tests: ["damaged-database-wal", "locked-database"],
	},
	{
		id: "L11",
		where: "fastagent",
		happened: "over 64 MB nothing is stored any more; links are skipped",
		rule: "no cap; links are entries",
		tests: ["fastagent-64-mb", "fastagent-links"],
	},
];
