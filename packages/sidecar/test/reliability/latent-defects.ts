import type { Row } from "./rows.ts";

/** Similar defects, found in public code. */
export const LATENT_DEFECTS: readonly Row[] = [
	{
		id: "L1",
		where: "OCS `bridge/workspace-sync.js`, HERMES `workspace_sync.py`",
		happened:
			"the restore is not awaited, or only logs failures of single files; the periodic save starts anyway",
		rule: "as 1: one unreadable file keeps the gate closed",
		tests: ["any-damage-is-an-error", "gate-failed-restore"],
	},
	{
		id: "L2",
		where: "OCS",
		happened: "files over 10 MB are skipped in both directions",
		rule: "no limit on the size",
		tests: ["ocs-large-file", "large-files-4-gb"],
	},
	{
		id: "L3",
		where: "OCS",
		happened: "`*.pem`, `*.key`, `.env`, `.secrets`, `*.lock`, `*.log` are dropped",
		rule: "names of the user's files do not matter; secrets are reported or, on request, left out and named",
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
		happened: "deletions never propagate, so deleted files come back",
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
		happened: "S3 is ignored if the session storage is not empty",
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
		happened: "a database that cannot be opened is silently deleted",
		rule: "it is named, its last good copy stays, and its raw bytes are quarantined with its log",
		tests: ["damaged-database-wal", "locked-database"],
	},
	{
		id: "L11",
		where: "fastagent",
		happened: "nothing is stored beyond 64 MB; links are skipped",
		rule: "no such limit; links are entries",
		tests: ["fastagent-64-mb", "fastagent-links"],
	},
];
