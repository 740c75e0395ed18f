import { AGENT } from "./agent.ts";
import { CAPTURE } from "./capture.ts";
import { DAEMON } from "./daemon.ts";
import { DISPLACED } from "./displaced.ts";
import { HISTORY } from "./history.ts";
import { MODEL } from "./model.ts";
import { MOUNTS } from "./mounts.ts";
import { OPENCLAW } from "./openclaw.ts";
import { PROFILE } from "./profile.ts";
import { PROOF } from "./proof.ts";
import { START } from "./start.ts";
import { STATE } from "./state.ts";
import { STORE } from "./store.ts";
import { UI } from "./ui.ts";

/** The rules that keep bytes safe: what it takes to switch each off, and the test that notices. */
export interface Mutation {
	readonly id: string;
	readonly rule: string;
	/** Below `packages/sidecar/`. */
	readonly file: string;
	/** Occurs exactly once in the file. */
	readonly find: string;
	readonly replace: string;
	/** The id of the test that notices. */
	readonly test: string;
}

/** @throws if the text to replace does not occur exactly once */
export function mutantOf({ id, file, find, replace }: Mutation, source: string): string {
	const [before = "", after, ...more] = source.split(find);
	if (after === undefined || more.length > 0)
		throw new Error(
			`${id}: its text occurs ${source.split(find).length - 1} times in ${file}, not once`,
		);
	return before + replace + after;
}

export const MUTATIONS: readonly Mutation[] = [
	{
		id: "gate-after-restore",
		rule: "the gate: no agent before a verified restore",
		file: "src/daemon/daemon.ts",
		find: "		const session = await Session.open({",
		replace: `		if (command.length > 0) await (await startConfigured({ ...this.#options, workspace: this.#options.root.main }, this.#logger)).exited;
		const session = await Session.open({`,
		test: "run-unreadable-log",
	},
	{
		id: "fence-before-gate",
		rule: "the fence before the gate",
		file: "src/session/session.ts",
		find: '			if (kind !== "committed") {',
		replace: "			if (kind === undefined) {",
		test: "lost-fence-applies-winner",
	},
	{
		id: "commit-after-fence",
		rule: "no commit before a won fence",
		file: "src/commit/log-writer.ts",
		find: "\t\tif (this.#fenceSeq === 0)",
		replace: "\t\tif (this.#fenceSeq < 0)",
		test: "commit-before-fence",
	},
	{
		id: "same-bytes-again",
		rule: "frozen bytes: an undecided commit is put again unchanged",
		file: "src/commit/log-writer.ts",
		find: "		return this.#undecided === undefined ? undefined : await this.#decide(this.#undecided, signal);",
		replace: "		this.#undecided = undefined;\n		return undefined;",
		test: "lost-answer-not-repeated",
	},
	{
		id: "id-decides",
		rule: "the id decides whose commit a refused slot holds",
		file: "src/commit/commit-once.ts",
		find: '\t\treturn there.id === commit.id\n\t\t\t? { kind: "committed", storeTimeMs: there.lastModifiedMs }\n\t\t\t: { kind: "lost" };',
		replace: '\t\treturn { kind: "committed", storeTimeMs: there.lastModifiedMs };',
		test: "slot-of-another",
	},
	{
		id: "list-after-pause",
		rule: "a LIST after a long pause",
		file: "src/commit/log-writer.ts",
		find: '\t\tif (outcome.kind === "committed" && this.#wasLong(storeTimeMs))',
		replace: '\t\tif (outcome.kind === "lost" && this.#wasLong(storeTimeMs))',
		test: "swept-slot",
	},
	{
		id: "undecided-without-list",
		rule: "if that LIST fails, the commit stays undecided",
		file: "src/commit/log-writer.ts",
		find: 'return isSwept ? { kind: "lost" } : { kind: "unknown", cause };',
		replace: 'if (isSwept) return { kind: "lost" };\n			throw cause;',
		test: "undecided-without-list",
	},
	{
		id: "reference-age",
		rule: "the age of content that a commit may reference",
		file: "src/commit/chunk-index.ts",
		find: "const RECENT_MS = 60 * 60 * 1000;",
		replace: "const RECENT_MS = Number.POSITIVE_INFINITY;",
		test: "reference-age",
	},
	{
		id: "pack-sweep-age",
		rule: "a pack is swept only once the newest commit is a day younger",
		file: "src/log/plan-retention.ts",
		find: "mayGo(pack) && pack.timeMs <= headMs - MIN_AGE_MS",
		replace: "mayGo(pack) && headMs >= 0",
		test: "slow-writer-keeps-packs",
	},
	{
		id: "newest-commit-stays",
		rule: "retention never takes the newest commit",
		file: "src/log/plan-retention.ts",
		find: "const retained = [head.seq];",
		replace: "const retained: number[] = [];",
		test: "newest-commit-kept",
	},
	{
		id: "wal-rows-are-dirty",
		rule: "rows in a WAL make their database dirty",
		file: "src/capture/find-changes.ts",
		find: "else if (isChangedDatabase(local, root, path)) paths.push(path);",
		replace: "",
		test: "wal-only-change",
	},
	{
		id: "deletion-brake",
		rule: "the deletion brake",
		file: "src/disk/deletion-brake.ts",
		find: "	return critical.length > 0 || (files >= BRAKE_MIN_FILES && files * 2 > filesBefore);",
		replace: "	return critical.length > files && filesBefore < 0;",
		test: "vanished-half",
	},
	{
		id: "superseded-bytes-aside",
		rule: "a superseded writer's bytes go below .recovered/ only",
		file: "src/capture/flush.ts",
		find: "\t\t\tconst quarantined = this.#writer.isSuperseded\n\t\t\t\t? this.#quarantined(capture, changed, raw, room)\n\t\t\t\t: undefined;",
		replace:
			"\t\t\tconst quarantined =\n\t\t\t\tthis.#writer.head.seq < 0 ? this.#quarantined(capture, changed, raw, room) : undefined;",
		test: "newest-fence-owns-tree",
	},
	{
		id: "disown-name",
		rule: "a writer that finds its own id in a foreign commit takes a new one",
		file: "src/commit/log-writer.ts",
		find: "if (isOthers && this.hasFence) this.#disown();",
		replace: "if (isOthers && !this.hasFence) this.#disown();",
		test: "one-fence-held-twice",
	},
	{
		id: "pack-is-seen",
		rule: "a pack that reportedly exists is checked",
		file: "src/commit/commit-once.ts",
		find: "await store.get(key, { range: { offset: 0, length: 0 }, signal });",
		replace: "",
		test: "pack-is-seen",
	},
	{
		id: "dirty-by-this-disk",
		rule: "dirty paths are determined by this disk, not by the head",
		file: "src/capture/flush.ts",
		find: 'if (outcome.kind === "lost" && outcome.isBroken) this.#distrust();\n				this.#again(taken',
		replace: 'if (outcome.kind === "lost") this.#distrust();\n				this.#again(taken',
		test: "recovered-is-own-changes",
	},
	{
		id: "pause-by-store-clock",
		rule: "a long pause is noticed by the store's clock too",
		file: "src/commit/log-writer.ts",
		find: "Math.max(byStoreMs, elapsedMs",
		replace: "Math.max(0, elapsedMs",
		test: "clone-slept-past-retention",
	},
	{
		id: "other-workspace-volume",
		rule: "another volume in the workspace's place is not captured",
		file: "src/capture/flush.ts",
		find: "if (!capture.isSameRoot(this.#root))",
		replace: "if (capture.removed.size > 0 && !capture.isSameRoot(this.#root))",
		test: "other-volume-as-workspace",
	},
	{
		id: "other-workspace-directory",
		rule: "another directory in place of the workspace has no base",
		file: "src/restore/plan-disk.ts",
		find: "marker !== undefined && isSameRoot && isTrusted(marker)",
		replace: "marker !== undefined && isTrusted(marker)",
		test: "incident-36-upgrade",
	},
	{
		id: "no-damaged-repack",
		rule: "damaged bytes are never repacked under a new checksum",
		file: "src/log/block.ts",
		find: 'if (hash("sha256", bytes, "hex") === sha256)',
		replace: 'if (hash("sha256", bytes, "hex") !== "")',
		test: "damaged-bytes-not-repacked",
	},
	{
		id: "other-root-volume",
		rule: "another volume in an additional root's place is not captured",
		file: "src/capture/flush.ts",
		find: "			capture.leaveOutRootsAstray();\n",
		replace: "",
		test: "missing-root",
	},
	{
		id: "linked-root-not-read",
		rule: "a directory behind a new link is not a recreated root, and is not read",
		file: "src/capture/known-roots.ts",
		find: "if (realpathSync.native(directory) !== directory) return undefined;",
		replace: "",
		test: "root-parent-becomes-link",
	},
	{
		id: "unavailable-root-not-read",
		rule: "an unavailable root is not read",
		file: "src/capture/capture.ts",
		find: "return isBelowAny(path, this.#unavailable);",
		replace: "return this.#unavailable.size < 0 && isBelowAny(path, this.#unavailable);",
		test: "unavailable-root-not-read",
	},
	{
		id: "brake-per-root",
		rule: "the deletion brake counts the workspace's own directory and each root separately",
		file: "src/disk/deletion-brake.ts",
		find: "		add(rootNameOf(path) ?? OWN, what);\n",
		replace: "",
		test: "root-emptied-beside-large-root",
	},
	{
		id: "root-of-one-workspace",
		rule: "a root belongs to one workspace",
		file: "src/restore/restore.ts",
		find: "	requireOwnDirectories(root, privateDir);\n",
		replace: "",
		test: "roots-of-one-workspace",
	},
	{
		id: "cut-log-keeps-roots",
		rule: "a truncated log deletes no root that is elsewhere",
		file: "src/capture/flush.ts",
		find: "const tree = ownTree(this.#writer.head.tree, this.#context.root);",
		replace: 'const tree = ownTree(this.#writer.head.tree, "/");',
		test: "root-elsewhere-log-cut",
	},
	{
		id: "absent-root-stays",
		rule: "a root that is not on this machine is not deleted",
		file: "src/commit/roots-in-tree.ts",
		find: "(name) => root.others.has(name)",
		replace: "() => true",
		test: "roots-not-on-machine",
	},
	{
		id: "new-root-derives-nothing",
		rule: "a root that this disk did not have has no base",
		file: "src/restore/restore.ts",
		find: "roots: marker.roots ?? {} }",
		replace: "roots: planned.roots }",
		test: "root-restore-cut-off",
	},
	{
		id: "root-is-directory",
		rule: "a root is a directory, whichever writer made the commit",
		file: "src/commit/roots-in-tree.ts",
		find: "if (others.size === 0) return;",
		replace: "if (others.size >= 0) return;",
		test: "root-is-a-link",
	},
	...DISPLACED,
	...DAEMON,
	...PROOF,
	...STATE,
	...STORE,
	...HISTORY,
	...CAPTURE,
	...PROFILE,
	...MOUNTS,
	...AGENT,
	...OPENCLAW,
	...MODEL,
	...START,
	...UI,
];
