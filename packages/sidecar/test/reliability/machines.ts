import type { Row } from "./rows.ts";

/** Events that affect a machine and its clock. */
export const MACHINES: readonly Row[] = [
	{
		id: "late PUT",
		happened: "a PUT lands long after it was given up",
		rule: "its slot holds either those bytes or another writer's, and the writer that lost the slot rebases",
		tests: ["slot-of-another", "storms"],
	},
	{
		id: "frozen machine",
		happened: "a pause of minutes to days between any two instructions",
		rule: "the slot, not time, decides; after more than an hour the writer lists again once its commit was taken; retention takes nothing that such a commit can name",
		tests: ["run-declared-dead", "swept-slot", "slow-writer-keeps-packs"],
	},
	{
		id: "cloned memory",
		happened: "one memory image is continued twice",
		rule: "a writer that meets a commit of its own name that it did not make gives the name up",
		tests: ["clone-takes-new-name", "one-fence-held-twice"],
	},
	{
		id: "clock skew",
		happened: "the clock is wrong, or jumps by days",
		rule: "no rule goes by one machine's wall clock against another's; ages are the store's; the signature's clock is corrected by the store's answer",
		tests: ["clock-jumps", "s3-clock-corrected"],
	},
	{
		id: "crash at every step",
		happened: "kill -9 between any two requests, in a capture, a restore, a sweep",
		rule: "create-only objects, commit last, temp and rename, a mark that says `complete` at the end",
		tests: ["storms", "kills", "retention-killed", "half-restores", "staging-cleaned"],
	},
	{
		id: "unmounted volume",
		happened: "the workspace or an additional root is gone, or another directory lies in its place",
		rule: "nothing of another directory is read or believed: no deletion, no change; what is not the workspace's own is committed all the same, and the next start restores from the log",
		tests: ["other-volume-as-workspace", "missing-root", "volume-over-root"],
		limit: "for what is written meanwhile",
	},
	{
		id: "full disk",
		happened: "no room for a restore, or for a database's copy",
		rule: "the plan is checked first; what cannot be written leaves old or new; the gate stays shut",
		tests: ["restore-runs-out-of-room", "restore-without-room"],
	},
	{
		id: "wipe, mass rewrite",
		happened: "most of the tree is deleted, or rewritten with what looks encrypted",
		rule: "deletions are held until a sweep one interval later agrees; a rewrite is committed, flagged and told, and the commits before it stay",
		tests: ["brake-at-drain", "mass-rewrite"],
	},
];
