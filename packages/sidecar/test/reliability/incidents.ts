import type { Row } from "./rows.ts";

/** Published data losses. */
export const INCIDENTS: readonly Row[] = [
	{
		id: "1",
		where: "psd401/aistudio PR 1373, PR 1353",
		happened:
			"a limit on the number of objects made the restore fail; the periodic push still ran and overwrote everything with the image's defaults",
		rule: "only the format's stated limits apply, and beyond them nothing is committed. Nothing is committed before a verified restore and a won fence. Commits are create-only, so nothing is overwritten",
		tests: ["gate-1050-files", "gate-failed-restore", "commit-before-fence"],
	},
	{
		id: "2",
		where: "psd401/aistudio af2a3774, c6f89e3c",
		happened: "an old copy from S3 replaced files that the image owns",
		rule: "a path has one owner. The profile and the ignore file name paths outside the workspace's care, which are neither stored nor overlaid. If both have a file, the log wins, and the next commit keeps the image's bytes below `.recovered/`",
		tests: ["incident-2-ignored", "incident-2-gives-way"],
		limit: "for paths ignored only later",
	},
	{
		id: "3",
		where: "psd401/aistudio #1503, PR 1510",
		happened:
			"one file's upload failed repeatedly and was skipped with a log line; a full copy took longer than a turn",
		rule: "uncommitted changes stay dirty and count in `waiting`, in `status` and in the exit status; an ordinary change takes one request",
		tests: ["incident-3-failing-puts", "requests-per-flush"],
	},
	{
		id: "4",
		where: "fastagent-sh/fastagent PR 314 / 01ab316",
		happened: "the turn was killed half-way; snapshots were taken only when the agent became idle",
		rule: "changes are committed after one to five seconds, whether or not the agent is idle. `/ping` reports busy until everything is durable, with the time of the last change",
		tests: [
			"run-sigkill",
			"ping-healthy-once-durable",
			"ping-time-of-last-change",
			"cadence-quiet-second",
			"openclaw-survives-kill",
		],
	},
	{
		id: "5",
		where: "fastagent-sh/fastagent 4663a48",
		happened: "each new version wipes the platform's session storage",
		rule: "the log is outside the machine; no disk is needed",
		tests: ["restore-elsewhere"],
	},
	{
		id: "6",
		where: "fastagent-sh/fastagent 28f968f (#319)",
		happened:
			"the agent built caches before the directory was restored, and they overwrote the restored files",
		rule: "the agent starts only when the restore is complete",
		tests: ["gate-first-look", "run-unreadable-log"],
	},
	{
		id: "7",
		where: "fastagent-sh/fastagent bf25a9a, 2c3cf69",
		happened: '403 on a read was taken for "no snapshot yet"; a last upload was cut off',
		rule: "only a successful, empty listing means a new user; every other answer keeps the gate closed. The drain's time limit is below the platform's, and it reports what it could not store",
		tests: [
			"gate-denied",
			"failed-listing-not-empty",
			"adopt-failed-listing",
			"drain-budget-silent-store",
		],
	},
	{
		id: "8",
		where: "fastagent-sh/fastagent 8e14b0d",
		happened: "a refreshed token was outside the stored directories",
		rule: "the whole state directory is the workspace, and the profile lists exclusions, not inclusions. `--root` stores directories elsewhere; those without the flag are reported",
		tests: ["incident-8-tokens", "openclaw-keeps", "uncovered-directory"],
		limit: "for directories elsewhere that no `--root` names",
	},
	{
		id: "9",
		where: "aws-samples/sample-multi-agent-orchestration-chat-on-agentcore PR 42",
		happened: "SIGTERM because of idleness in the middle of a turn",
		rule: "`/ping` reports busy during a turn; after SIGTERM the agent ends first, then the rest is committed, smallest files first",
		tests: ["ping-busy", "run-drains", "openclaw-survives-sigterm"],
	},
	{
		id: "10",
		where: "aws/bedrock-agentcore-starter-toolkit #498",
		happened: "a machine declared dead kept writing for an hour; its backup deadlocked at shutdown",
		rule: "the writer with the newest fence owns the tree; the other writer's bytes go below `.recovered/` and are updated in place; every wait of the drain has a deadline",
		tests: ["declared-dead-grows-by-changes", "run-declared-dead", "drain-budget-running-flush"],
	},
	{
		id: "11",
		where: "aws-samples/sample-agent-platform-with-agentcore PR 42",
		happened:
			"a deadline counted from boot had expired in the machine's snapshot, and the session started without its state",
		rule: "the gate has no deadline: it opens after a verified restore, or the process ends. Before the first request there is no writer, credential, deadline or random number",
		tests: ["nothing-starts-before-request", "gate-days", "identity-not-copied"],
	},
	{
		id: "12",
		where: "awslabs/agentcore-samples PR 2094",
		happened:
			"the loop that renewed credentials did not run after a resume; writes failed with 403 hours later",
		rule: "credentials are renewed when they are used, by the wall clock. A denied flush stays dirty, is reported, and is retried indefinitely",
		tests: [
			"credentials-renewed-after-freeze",
			"credentials-renewed-once",
			"incident-12-renewed",
			"incident-12-denied-for-hours",
		],
	},
	{
		id: "13",
		where: "cloudflare/moltworker #102, #86, PR 88, PR 188",
		happened: "the agent's own workspace was not synced",
		rule: "as 8",
		tests: ["incident-13-workspace"],
	},
	{
		id: "14",
		where: "cloudflare/moltworker #228, PR 235",
		happened:
			"the mark of the last sync was copied before it was compared, so the restore was skipped",
		rule: "no mark decides whether to restore: each start compares every file with the log. The marker is outside the workspace and only records the base",
		tests: ["unwatched-all-gone", "unclean-end"],
	},
	{
		id: "15",
		where: "cloudflare/moltworker PR 159",
		happened:
			"copying stopped at the first failure, the mark was never written, and nothing was ever restored",
		rule: "a commit is one object, put atomically after its packs; one bad file does not stop the others",
		tests: ["incident-15-before-commit", "unreadable-directory"],
	},
	{
		id: "16",
		where: "openclaw/openclaw #12750",
		happened: "templates replaced memory when the gateway restarted in such a container",
		rule: "files on a disk that was never restored are not changes: the log wins",
		tests: ["image-defaults-give-way"],
	},
	{
		id: "17",
		where: "openclaw/openclaw #89037, #100644, #104323, #9958, #10310",
		happened: "a transcript with a torn line was wiped or could not be resumed",
		rule: "a file that is being written is stored at a length it had, JSONL after a complete record. History has every earlier version. If OpenClaw itself left a torn line on the disk, the version before it can be restored",
		tests: ["incident-17-transcript", "stable-read-appended"],
	},
	{
		id: "18",
		where:
			"openclaw/openclaw #16383, #26579, #17547, #73684, #5006; agentscope-ai/AgentTeams PR 267",
		happened: "a restored lock named a process id that another process has on the new machine",
		rule: "the profile leaves out locks, process ids and sockets in OpenClaw's own directories, and releases another host's leases in its database",
		tests: ["incident-18-locks", "incident-18-lease"],
	},
	{
		id: "19",
		where: "openclaw/openclaw #6814",
		happened:
			"a half-written `jobs.json.*.tmp` was preferred to the real file, and deleted jobs ran again",
		rule: "half-written files are volatile",
		tests: ["incident-19-half-written"],
	},
	{
		id: "20",
		where: "openclaw/openclaw #66522, #66421, #73471, #11565, #53754",
		happened:
			"OpenClaw itself rewrote or deleted sessions and memory; a stale token overwrote a fresh one",
		rule: "`history`, `cat --at` and `rollback` reach every retained second; a second writer's copy never reaches the tree",
		tests: ["incident-20-history", "rollback", "newest-fence-owns-tree"],
	},
	{
		id: "21",
		where: "openclaw/openclaw #153229, #91435",
		happened:
			"the backup silently left out the state database; jobs were lost when they moved from JSON to SQLite",
		rule: "both layouts are stored, because everything is; a file that cannot be stored is named and makes the exit status 3",
		tests: ["incident-21-new-layout", "incident-21-old-layout", "untakeable-named"],
	},
	{
		id: "22",
		where: "openclaw/openclaw #36035, #101290, #120549, #123327, #126821",
		happened:
			"a database was copied while it was written, or kept its WAL on a file system that is not local",
		rule: "databases are recognised by their header and read by the backup API or in a read transaction; the workspace is on the machine's own disk",
		tests: ["live-database", "sqlite-pages-under-load"],
	},
	{
		id: "23",
		where: "openclaw/openclaw #144585, #148796, PR 105718, PR 122750, PR 122768",
		happened: "a backup without the WAL, through a hard link; a restore over a live directory",
		rule: "rows in a WAL are stored and make the database dirty; a restore beside a daemon is refused; files are staged and renamed",
		tests: ["wal-rows-durable", "wal-only-change", "hard-linked-database", "restore-beside-daemon"],
	},
	{
		id: "24",
		where: "vignesh07/clawdbot-railway-template #236",
		happened: "an old `-wal` remained beside the restored database",
		rule: "a database is replaced together with its WAL and journal",
		tests: ["stale-wal-removed"],
	},
	{
		id: "25",
		where: "NVIDIA/NemoClaw #1259, #10827, PR 1667, #1229",
		happened:
			"templates replaced memory after a restart although the volume was there; a restored tree belonged to root",
		rule: "as 16 and 36; restored files belong to the sidecar's user, or to the user that `--agent-user` names",
		tests: ["agent-user-owns-workspace", "incident-25-owner", "incident-36-upgrade"],
	},
	{
		id: "26",
		where: "openclaw/ocm PR 44, PR 67",
		happened: "a cleanup after the restore removed state",
		rule: "there is no cleanup: replaced files move to the trash, and files that exist only on this disk stay; retention keeps the newest commit",
		tests: ["incident-26-restore-deletes-nothing", "retained-commits-whole"],
	},
	{
		id: "27",
		where: "agentserver/agentserver #69, PR 61",
		happened: "the last upload of two concurrent turns won; the store did not honour `If-Match`",
		rule: "the slot decides, and the loser's bytes are quarantined; `doctor` tests on the real store that a second put is refused",
		tests: ["incident-27-two-turns", "s3-one-creates", "doctor-second-put"],
	},
	{
		id: "28",
		where: "agentscope-ai/AgentTeams PR 605, PR 234",
		happened:
			"a worker's stale copy overwrote the new file every five seconds; dot directories were left out",
		rule: "a writer commits only what changed on its disk since the restore, never its whole copy; only the owner commits to the tree",
		tests: ["incident-28-stale-copy", "incident-28-dot-directories"],
	},
	{
		id: "29",
		where: "ginlix-ai/LangAlpha PR 394",
		happened: "a half-restored sandbox counted as complete, and the next sync deleted the rest",
		rule: "deletions count only after a complete restore of this directory; the marker says `complete` at the end",
		tests: ["incident-29-half-restored", "half-restored-disk-deletes-nothing"],
	},
	{
		id: "30",
		where: "NousResearch/hermes-agent #101064, #109786, #100960, #30636, #26045",
		happened:
			"a WAL was deleted, a database replaced in place, and memory replaced by one tool while another used it",
		rule: "a database that replaced another is copied completely; a restarted WAL is detected; each state is in history",
		tests: ["sqlite-replaced", "wal-restarted", "incident-20-history"],
	},
	{
		id: "31",
		where: "openai/openai-agents-python PR 4831",
		happened: "snapshots contained hard links, FIFOs and absolute links that the restore refused",
		rule: "before a put, the writer decodes each commit as a reader would; anything but a file, directory or link is left out and named",
		tests: ["undecodable-commit", "incident-31-special-files", "round-trip-any-tree"],
	},
	{
		id: "32",
		where: "NVIDIA/OpenShell #1425; ITISFoundation/osparc-simcore #3273",
		happened: "links became directories; programs were no longer executable",
		rule: "modes, links and times to the nanosecond are part of an entry",
		tests: ["incident-32-metadata"],
	},
	{
		id: "33",
		where:
			"e2b-dev/E2B #884, #1104; agentuity/sdk #1161, #1189; gitpod-io/gitpod #4671; ColeMurray/background-agents #997, PR 1518",
		happened: "changes after the second resume, or of the last minutes, were lost",
		rule: "every session continues the log of the previous one; commits do not wait for a pause",
		tests: ["incident-33-lives", "kills"],
	},
	{
		id: "34",
		where: "letta-ai/letta-code #2976; HybridAIOne/hybridclaw #1477; anthropics/claude-code #24130",
		happened: '"saved" was reported for unsaved data',
		rule: "`committed` is reported only after the store confirmed it, or the slot was read back with the same bytes; anything not durable makes the exit status 3",
		tests: ["incident-34-committed", "run-not-durable-status", "directory-store-unsynced"],
	},
	{
		id: "35",
		where:
			"rclone/rclone #4298, #1186, #325; rclone/gphotosdl #16; devspace-sh/devspace #326; syncany/syncany #533; lemma-work/lemma-platform PR 75",
		happened: "a failed or empty listing of one side counted as deletions on the other",
		rule: "only a manifest, never a listing of the store, says what was deleted. On the disk, unreadable paths count as present, and a large deletion is deferred until a sweep one interval later confirms it",
		tests: ["incident-35-listing", "incident-35-unmounted", "vanished-half"],
	},
	{
		id: "36",
		where: "ric03uec/clawrium #871",
		happened: "an upgrade replaced the workspace, which was the only copy",
		rule: "the log is the copy, and a directory that replaces the workspace has no base: the log wins",
		tests: ["incident-36-upgrade"],
	},
	{
		id: "restic #22180",
		where: "restic/restic, fixed in 0.20.0",
		happened:
			"a tree with duplicate or unordered names was restored, so one entry replaced another",
		rule: "a reader accepts names in strictly ascending order of their bytes only. It refuses the commit before it touches the disk; every earlier commit can be restored, and `repair` removes the garbage",
		tests: ["restic-22180-refused", "restic-22180-byte-order"],
	},
	{
		id: "restic #22181",
		where: "restic/restic, fixed in 0.20.0",
		happened: "`restore --delete` deleted the files of directories whose tree could not be loaded",
		rule: "only a commit that was read completely can show that a file is absent. A commit or a pack that is missing, damaged, denied or out of reach is an error for every command. No command then deletes a file or an object",
		tests: ["restic-22181-no-verb-deletes", "restic-22181-repair", "restic-22181-daemon"],
	},
	{
		id: "restic #22085",
		where: "restic/restic, fixed in 0.20.0",
		happened:
			"a restore over a file with several hard links replaced it by an empty one, but skipped the matching parts, which became zeros",
		rule: "a restore writes a whole new file and renames it. The other names keep their content",
		tests: [
			"restic-22085-name-outside",
			"restic-22085-name-inside",
			"restic-22085-edited-in-place",
			"restic-22085-restore-at",
			"restic-22085-database",
		],
	},
	{
		id: "ANOLISA #2812",
		where: "agentic-os-org/ANOLISA #2812, PR 3212",
		happened:
			"a rollback restored only the workspace. OpenClaw keeps a note about its workspace elsewhere, and refused every turn (`WorkspaceVanishedError`) until a person deleted the note",
		rule: "a rollback takes the whole state directory and all roots to one commit, so the note goes back with the workspace. A rollback is a commit: `rollback --to` the commit before it undoes a rollback to a state that the agent refuses",
		tests: ["anolisa-2812-note", "anolisa-2812-undone"],
		limit: "for a note outside the workspace",
	},
	{
		id: "openclaw #95495",
		where: "openclaw/openclaw #95495",
		happened:
			"an upgrade moved the memory store from `memory/main.sqlite` to each agent's database, without a migration",
		rule: "both layouts are stored. The old store is not deleted before the new one is committed: one commit holds both changes, also in a drain. History has the old store",
		tests: [
			"openclaw-95495-one-commit",
			"openclaw-95495-empty-store",
			"openclaw-95495-no-packs",
			"openclaw-95495-drain",
			"openclaw-95495-unwatched",
			"any-key-with-a-path",
		],
	},
	{
		id: "fastagent #489",
		where: "fastagent-sh/fastagent #489",
		happened:
			"beyond 64 MiB every snapshot failed; the failure was a log line, and the flush resolved",
		rule: "a file that exceeds a limit of the format is named with its size and the limit, and the rest is committed; `flush`, `status` and `run` exit 3. A test reaches each constant of `log/limits.ts`, as a writer and as a reader",
		tests: [
			"max-entries",
			"left-out-stays",
			"max-chunks",
			"max-manifest-bytes",
			"max-inline-bytes",
			"segment-commits",
			"sqlite-chunk-bits",
			"every-limit-met",
			"max-pack-bytes",
			"max-seq",
			"file-without-room",
		],
	},
];
