import { CAPTURE } from "./capture.ts";
import { DAEMON } from "./daemon.ts";
import { MOUNTS } from "./mounts.ts";
import { PROFILE } from "./profile.ts";
import { PROOF } from "./proof.ts";
import { QUARANTINE } from "./quarantine.ts";
import { STATE } from "./state.ts";
import { STORE } from "./store.ts";

/** The rules that keep bytes safe: what it takes to switch each off, and the test that notices. */
export interface Mutation {
	readonly rule: string;
	/** Below `packages/sidecar/`. */
	readonly file: string;
	/** Occurs exactly once in the file. */
	readonly find: string;
	readonly replace: string;
	readonly test: { readonly file: string; readonly name: string };
}

const twoWriters = "src/session/two-writers.test.ts";
const commitOnce = "src/commit/commit-once.test.ts";
const logWriter = "src/commit/log-writer.test.ts";
const retain = "src/maintenance/retain.test.ts";
const planRetention = "src/log/plan-retention.test.ts";

export const MUTATIONS: readonly Mutation[] = [
	{
		rule: "the gate: no agent before a verified restore",
		file: "src/daemon/daemon.ts",
		find: "		const session = await Session.open({ ...this.#options, signal: stop });",
		replace: `		if (command.length > 0) this.#agent = await startAgent(command, env, agentToStderr);
		const session = await Session.open({ ...this.#options, signal: stop });`,
		test: { file: "src/cli/run.test.ts", name: "no agent starts where the log cannot be read" },
	},
	{
		rule: "the fence before the gate",
		file: "src/session/session.ts",
		find: '			if (kind !== "committed") {',
		replace: "			if (kind === undefined) {",
		test: { file: twoWriters, name: "a fence that loses its slot brings the winner's changes to the disk first" },
	},
	{
		rule: "no commit before a won fence",
		file: "src/commit/log-writer.ts",
		find: "		if (this.#fenceSeq === 0) throw",
		replace: "		if (this.#fenceSeq < 0) throw",
		test: { file: logWriter, name: "a commit is refused before the fence is won" },
	},
	{
		rule: "frozen bytes: an undecided commit is put again as it is",
		file: "src/commit/log-writer.ts",
		find: "		return this.#undecided === undefined ? undefined : await this.#decide(this.#undecided, signal);",
		replace: "		this.#undecided = undefined;\n		return undefined;",
		test: { file: twoWriters, name: "a commit whose answer was lost is not made twice, and nothing is forgotten meanwhile" },
	},
	{
		rule: "the id decides whose commit a refused slot holds",
		file: "src/commit/commit-once.ts",
		find: 'return there.id === commit.id ? { kind: "committed", storeTimeMs: there.lastModifiedMs } : { kind: "lost" };',
		replace: 'return { kind: "committed", storeTimeMs: there.lastModifiedMs };',
		test: { file: commitOnce, name: "is lost when another commit has the slot, whatever happened to its own tries" },
	},
	{
		rule: "a LIST after a long pause",
		file: "src/commit/log-writer.ts",
		find: 'if (outcome.kind === "committed" && this.#wasLong(storeTimeMs)) outcome',
		replace: 'if (outcome.kind === "lost" && this.#wasLong(storeTimeMs)) outcome',
		test: { file: retain, name: "and wins a slot that was swept is not taken for the newest: its bytes go below .recovered/" },
	},
	{
		rule: "where that LIST fails the commit stays undecided",
		file: "src/commit/log-writer.ts",
		find: 'return isSwept ? { kind: "lost" } : { kind: "unknown", cause };',
		replace: 'if (isSwept) return { kind: "lost" };\n			throw cause;',
		test: { file: logWriter, name: "stays undecided where the log cannot be listed, and nothing of its flush is forgotten" },
	},
	{
		rule: "the age of what may be referred to",
		file: "src/commit/chunk-index.ts",
		find: "const RECENT_MS = 60 * 60 * 1000;",
		replace: "const RECENT_MS = Number.POSITIVE_INFINITY;",
		test: { file: logWriter, name: "is allowed for an hour from before the pack was sent, not from when its answer came" },
	},
	{
		rule: "a pack is swept only once the newest commit is a day younger",
		file: "src/log/plan-retention.ts",
		find: "mayGo(pack) && pack.timeMs <= headMs - MIN_AGE_MS",
		replace: "mayGo(pack) && headMs >= 0",
		test: { file: retain, name: "between its packs and its commit finds them all, however often a run came by meanwhile" },
	},
	{
		rule: "retention never takes the newest commit",
		file: "src/log/plan-retention.ts",
		find: "const retained = [head.seq];",
		replace: "const retained: number[] = [];",
		test: { file: planRetention, name: "keeps the newest commit whatever its age" },
	},
	{
		rule: "rows that stand in a WAL make their database dirty",
		file: "src/capture/find-changes.ts",
		find: "else if (isDatabase(known) && known.database !== walFingerprint(root, path)) paths.push(path);",
		replace: "",
		test: { file: "src/capture/databases.test.ts", name: "that changed after a restore in its WAL only is found by the next sweep" },
	},
	{
		rule: "the deletion brake",
		file: "src/disk/deletion-brake.ts",
		find: "	return critical.length > 0 || (files >= BRAKE_MIN_FILES && files * 2 > filesBefore);",
		replace: "	return critical.length > files && filesBefore < 0;",
		test: { file: "src/disk/deletion-brake.test.ts", name: "holds a vanished half until a second scan agrees" },
	},
	{
		rule: "a superseded writer's bytes go below .recovered/ only",
		file: "src/capture/flush.ts",
		find: "const setAside = this.#writer.isSuperseded ?",
		replace: "const setAside = this.#writer.head.seq < 0 ?",
		test: { file: twoWriters, name: "is the newest fence; the other writer's bytes go below .recovered/, updated in place" },
	},
	{
		rule: "a writer that meets its own name in the log gives it up",
		file: "src/commit/log-writer.ts",
		find: "if (isOthers && this.hasFence) this.#disown();",
		replace: "if (isOthers && !this.hasFence) this.#disown();",
		test: {
			file: logWriter,
			name: "holds one fence twice: the first to commit keeps it, the other one sets its bytes aside under a new name",
		},
	},
	{
		rule: "a pack that is said to be there is looked at",
		file: "src/commit/commit-once.ts",
		find: "await store.get(key, { range: { offset: 0, length: 0 }, ...(signal && { signal }) });",
		replace: "",
		test: { file: commitOnce, name: "does not believe that a pack is there already before it sees it" },
	},
	{
		rule: "what is dirty is judged by this disk, not by the head",
		file: "src/capture/flush.ts",
		find: 'if (outcome.kind === "lost" && outcome.isBroken) this.#distrust();\n				this.#again(taken',
		replace: 'if (outcome.kind === "lost") this.#distrust();\n				this.#again(taken',
		test: {
			file: "src/library/recover.test.ts",
			name: "is what the writer that lost changed on its own disk, not what the owner's tree has otherwise",
		},
	},
	{
		rule: "a long pause is noticed by the store's clock too",
		file: "src/commit/log-writer.ts",
		find: "Math.max(byStoreMs, elapsedMs",
		replace: "Math.max(0, elapsedMs",
		test: {
			file: "src/session/clones.test.ts",
			name: "one that slept past retention sets aside, whether its own clocks tell of the sleep or only the store's",
		},
	},
	{
		rule: "another volume in the workspace's place is not captured",
		file: "src/capture/flush.ts",
		find: "if (!capture.isSameRoot(this.#root))",
		replace: "if (capture.removed.size > 0 && !capture.isSameRoot(this.#root))",
		test: {
			file: "src/disk/deletion-brake.test.ts",
			name: "believes nothing of another volume in the workspace's place, neither what it lacks nor what it holds",
		},
	},
	{
		rule: "another directory in the workspace's place derives from nothing",
		file: "src/restore/plan-disk.ts",
		find: "marker !== undefined && isSameRoot && isTrusted(marker)",
		replace: "marker !== undefined && isTrusted(marker)",
		test: {
			file: "test/incidents/deletes.test.ts",
			name: "36: an upgrade that replaces the workspace by templates: the persona is in the log, and comes back",
		},
	},
	{
		rule: "damaged bytes are never repacked under a new checksum",
		file: "src/maintenance/repack.ts",
		find: 'if (hash("sha256", bytes, "hex") !== sha256)',
		replace: 'if (hash("sha256", bytes, "hex") === "")',
		test: { file: "src/maintenance/repack.test.ts", name: "never gives damaged bytes a new checksum, and commits nothing then" },
	},
	{
		rule: "another volume in an additional root's place is not captured",
		file: "src/capture/flush.ts",
		find: "			capture.leaveOutRootsAstray();\n",
		replace: "",
		test: {
			file: "src/capture/known-roots.test.ts",
			name: "that is gone is no deletion, and all else is committed; back again, what changed meanwhile is found",
		},
	},
	{
		rule: "a directory that a link leads to now is not a root made anew, and not read",
		file: "src/capture/known-roots.ts",
		find: "if (realpathSync.native(directory) !== directory) return undefined;",
		replace: "",
		test: { file: "src/capture/known-roots.test.ts", name: "to whose parent a link leads now is not taken for one made anew" },
	},
	{
		rule: "nothing of a root that is astray is read",
		file: "src/capture/capture.ts",
		find: "return isBelowAny(path, this.#astray);",
		replace: "return this.#astray.size < 0 && isBelowAny(path, this.#astray);",
		test: {
			file: "src/capture/capture.test.ts",
			name: "not a name of a root that is astray is looked at, whatever leads there, and the rest of the workspace is taken",
		},
	},
	{
		rule: "the deletion brake counts the workspace's own directory and each root by itself",
		file: "src/disk/deletion-brake.ts",
		find: "		add(rootNameOf(path) ?? OWN, what);\n",
		replace: "",
		test: {
			file: "src/session/roots.test.ts",
			name: "however large, does not cover for the workspace's own directory: emptied, that is held too",
		},
	},
	{
		rule: "a root is of one workspace",
		file: "src/restore/restore.ts",
		find: "	requireOwnDirectories(root, privateDir);\n",
		replace: "",
		test: {
			file: "src/library/roots.test.ts",
			name: "are those of one workspace: a look at an earlier commit elsewhere leaves them alone",
		},
	},
	{
		rule: "a log that was cut deletes no root that lies elsewhere",
		file: "src/capture/flush.ts",
		find: "const tree = ownTree(this.#writer.head.tree, this.#context.root);",
		replace: 'const tree = ownTree(this.#writer.head.tree, "/");',
		test: {
			file: "src/session/roots.test.ts",
			name: "that lies on other machines only stays in the log when an operator cut it and everything is looked at anew",
		},
	},
	{
		rule: "a root that is not on this machine is not deleted",
		file: "src/commit/roots-in-tree.ts",
		find: "(name) => root.others.has(name)",
		replace: "() => true",
		test: {
			file: "src/library/roots.test.ts",
			name: "that a machine does not have stay in the log, are said, and come to the next machine that has them",
		},
	},
	{
		rule: "a root that this disk did not have derives from nothing",
		file: "src/restore/restore.ts",
		find: "roots: marker.roots ?? {} }",
		replace: "roots: planned.roots }",
		test: { file: "src/session/roots.test.ts", name: "whose first restore was cut off keeps no stale bytes as changes" },
	},
	{
		rule: "a root is a directory, whoever wrote the log",
		file: "src/commit/roots-in-tree.ts",
		find: "if (others.size === 0) return;",
		replace: "return;",
		test: { file: "src/session/bad-input.test.ts", name: "a root that is a link" },
	},
	...QUARANTINE,
	...DAEMON,
	...PROOF,
	...STATE,
	...STORE,
	...CAPTURE,
	...PROFILE,
	...MOUNTS,
];
