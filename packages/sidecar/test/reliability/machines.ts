import type { Row } from "./rows.ts";

/** Events that affect a machine and its clock. */
export const MACHINES: readonly Row[] = [
	{
		id: "late PUT",
		happened: "a PUT arrives long after the client gave up",
		rule: "its slot has either those bytes or another writer's, and the writer that lost the slot rebases",
		tests: ["slot-of-another", "storms"],
	},
	{
		id: "frozen machine",
		happened: "a pause of minutes to days between any two instructions",
		rule: "the slot decides, not time. After more than an hour the writer lists again once its commit was accepted; retention keeps everything that such a commit can reference",
		tests: ["run-declared-dead", "swept-slot", "slow-writer-keeps-packs"],
	},
	{
		id: "cloned memory",
		happened: "one memory image continues twice",
		rule: "a writer that finds a foreign commit under its own id takes a new id",
		tests: ["clone-takes-new-name", "one-fence-held-twice"],
	},
	{
		id: "clock skew",
		happened: "the clock is wrong, or jumps by days",
		rule: "no rule compares the wall clocks of two machines; ages are by the store's clock, whose answer also corrects the clock for signatures",
		tests: ["clock-jumps", "s3-clock-corrected"],
	},
	{
		id: "crash at every step",
		happened: "kill -9 between any two requests, in a capture, a restore, a sweep",
		rule: "objects are create-only, the commit comes last, files are staged and renamed, and the marker says `complete` at the end",
		tests: ["storms", "kills", "retention-killed", "half-restores", "staging-cleaned"],
	},
	{
		id: "unmounted volume",
		happened: "the workspace or an additional root is missing, or another directory took its place",
		rule: "another directory is not read, so it causes no deletion or change. All other paths are committed, and the next start restores from the log",
		tests: ["other-volume-as-workspace", "missing-root", "volume-over-root"],
		limit: "for what is written meanwhile",
	},
	{
		id: "full disk",
		happened: "no room for a restore, or for a database's copy",
		rule: "the plan is checked first; each file stays old or becomes new; the gate stays closed",
		tests: ["restore-runs-out-of-room", "restore-without-room"],
	},
	{
		id: "wipe, mass rewrite",
		happened: "most of the tree is deleted, or rewritten with data that looks encrypted",
		rule: "deletions are deferred until a sweep one interval later confirms them; a rewrite is committed, flagged and reported, and earlier commits stay",
		tests: ["brake-at-drain", "mass-rewrite"],
	},
];
