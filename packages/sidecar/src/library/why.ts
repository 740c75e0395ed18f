/**
 * Tells for a path whether the log has it, and if not, which rule or which state of this disk keeps
 * it out. The rules are those of the scan and of the capture (`why-not-stored.ts`).
 *
 * Only reads. Does NOT know why a running daemon waits with a file that it did not report.
 */
import { readlinkSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { isKeptTime } from "../capture/capture.ts";
import { KnownRoots } from "../capture/known-roots.ts";
import { Room } from "../capture/room.ts";
import { whyExcluded } from "../capture/secret-guard.ts";
import { readLog } from "../commit/read-log.ts";
import { holdsIn, isBelowAny } from "../disk/check-mounts.ts";
import { UnsetMetadata } from "../disk/unset-metadata.ts";
import { printable } from "../errors.ts";
import type { Head } from "../log/fold.ts";
import { maxEntryBytes } from "../log/manifest-size.ts";
import type { Path, Tree } from "../log/types.ts";
import {
	baseOf,
	fsPath,
	parentOf,
	ROOTS_DIRECTORY,
	type Roots,
	rootNameOf,
	rootPath,
} from "../path.ts";
import { compareDisk } from "../restore/compare-disk.ts";
import { DatabaseCopies } from "../restore/database-copies.ts";
import { MOUNT_REMEDY, readBase } from "../restore/plan-disk.ts";
import { isStoredAs } from "../session/not-durable.ts";
import type { Exclusion } from "../workspace/filter.ts";
import { closeGuarded, openGuarded } from "../workspace/guarded-open.ts";
import { IGNORE_FILE } from "../workspace/ignore-file.ts";
import { requireDirectory } from "../workspace/scan.ts";
import { companionOf } from "../workspace/sqlite-file.ts";
import { lstatPath, type Stat } from "../workspace/stat.ts";
import { whyNotStored } from "../workspace/why-not-stored.ts";
import { WorkspaceFilter } from "../workspace/workspace-filter.ts";
import { ask } from "./control.ts";
import { linesThatTakeIn, remediesOf } from "./coverage.ts";
import { whyNotRestored } from "./flush.ts";
import { isInside } from "./open-roots.ts";
import { type OpenWorkspace, type WorkspaceOptions, withWorkspace } from "./options.ts";
import { realPath } from "./place.ts";
import type { DaemonReport } from "./status.ts";

/** Every answer, and what it means. A program may rely on the codes. */
export const PATH_CODES = {
	stored: "the log has it as it is now",
	pending: "new or changed; the next flush takes it",
	deleted: "gone from the disk; the newest commit still has it",
	missing: "neither on the disk nor in the newest commit",
	ignored: "a pattern of the ignore file leaves it out",
	profile: "a pattern of the profile leaves it out",
	reserved: "a name of the sidecar or of the file system",
	special: "a socket, a FIFO or a device",
	companion: "a database's `-wal`, `-shm` or `-journal`, which the copy of the database covers",
	"below-link": "a symbolic link leads there; the link is stored, and its target is not",
	outside: "in no directory that is stored",
	"no-root": "in an additional root that this machine does not have",
	unavailable: "in a root or volume that is missing, or is another one than was restored",
	secret: "`--on-secret` leaves it out",
	unreadable: "it cannot be inspected or opened",
	"no-room": "beyond a limit of the format",
	deferred: "the daemon could not take it, and tries again",
	"not-restored": "the directory does not derive from this log, so no flush takes it",
} as const;

export type PathCode = keyof typeof PATH_CODES;

/** The rule that decided, or for a stored path the `!` pattern that includes it. */
export interface PathRule {
	readonly pattern: string;
	/** Of the ignore file, from 1. */
	readonly line?: number;
	/** The path itself, or the directory above it, that the pattern matches. */
	readonly at?: Path;
}

export interface PathAnswer {
	/** As it was asked for. */
	readonly path: string;
	/** Its path in the log; undefined for `outside`. */
	readonly treePath: Path | undefined;
	/** The log has it as it is now. */
	readonly stored: boolean;
	readonly code: PathCode;
	/** One readable clause. */
	readonly reason: string;
	/** What to do to have it stored; undefined if there is nothing to do. */
	readonly remedy: string | undefined;
	/** A commit that has the path, perhaps with other content: the newest one, if it has it. */
	readonly commit: number | undefined;
	readonly rule: PathRule | undefined;
}

export interface WhyOptions extends WorkspaceOptions {
	/**
	 * Absolute, or as `ls` shows them: relative to the workspace. `.roots/NAME/…` is in an additional
	 * root.
	 */
	readonly paths: readonly string[];
}

/**
 * @throws SidecarError WORKSPACE_NOT_DIRECTORY, WORKSPACE_UNREADABLE, IGNORE_FILE_UNUSABLE,
 * STATE_DIR_UNUSABLE, STORE_*, OBJECT_*, FORMAT_UNKNOWN, and for a wrong option
 */
export async function why(options: WhyOptions): Promise<readonly PathAnswer[]> {
	return await withWorkspace(options, async (opened) => {
		const facts = await gatherFacts(opened);
		const answers: PathAnswer[] = [];
		for (const path of options.paths) {
			const place = placeOf(path, opened.root);
			const treePath = typeof place === "string" ? place : undefined;
			const found = typeof place === "string" ? await answer(opened, facts, place) : place;
			answers.push({
				path,
				treePath,
				stored: found.code === "stored",
				commit: undefined,
				remedy: undefined,
				rule: undefined,
				...found,
			});
		}
		return answers;
	});
}

type Found = Pick<PathAnswer, "code" | "reason"> & Partial<PathAnswer>;

interface Facts {
	readonly head: Head;
	readonly base: { readonly seq: number; readonly tree: Tree } | undefined;
	readonly rules: WorkspaceFilter["rules"];
	/** Why a flush refuses the directory. */
	readonly notRestored: string | undefined;
	readonly unavailable: ReadonlyMap<Path, string>;
	readonly unset: UnsetMetadata;
	readonly daemon: DaemonReport | undefined;
}

async function gatherFacts(opened: OpenWorkspace): Promise<Facts> {
	const { settings, store, root, profile, privateDir, signal } = opened;
	const rootStat = requireDirectory(root);
	const daemon = await ask<DaemonReport>(settings.stateDir, settings.workspace, "status");
	const { head } = await readLog(store, { signal });
	const { marker, isSameRoot, tree } = await readBase(opened, head, rootStat);
	const { filter, rules } = WorkspaceFilter.open(root, profile);
	const { roots = {}, mounts = {} } = (isSameRoot ? marker : undefined) ?? {};
	const known = KnownRoots.open(root, { roots, mounts, filter, holds: holdsIn(tree ?? head.tree) });
	return {
		head,
		base: tree && marker && { seq: marker.baseSeq, tree },
		rules,
		notRestored: whyNotRestored(head.seq, { marker, hasBase: tree !== undefined }),
		unavailable: isSameRoot ? known.unavailable() : new Map(),
		unset: UnsetMetadata.read(privateDir),
		daemon,
	};
}

/** The path in the tree, or the answer for a path that is in none of the roots. */
function placeOf(typed: string, roots: Roots): Path | Found {
	const absolute = resolve(roots.main, typed);
	const isTyped = !typed.startsWith("/") && /^(?:\.\/)*\.roots(?:\/|$)/.test(typed);
	const inTree = isTyped ? relative(roots.main, absolute) : treePathOf(absolute, roots);
	if (inTree === undefined) {
		const { flags } = remediesOf([{ path: absolute, by: "", kind: "outside" }], roots);
		return {
			code: "outside",
			reason: "it is outside the workspace and its additional roots",
			remedy: [...flags.map((flag) => `add ${flag}`), "move it into the workspace"].join(", or "),
		};
	}
	if (inTree !== ROOTS_DIRECTORY && !inTree.startsWith(`${ROOTS_DIRECTORY}/`)) return inTree;
	const name = rootNameOf(inTree);
	if (!isTyped && isInside(absolute, roots.main))
		return {
			code: "reserved",
			reason: `${ROOTS_DIRECTORY} in the workspace itself is reserved for additional roots`,
			remedy: "give it another name",
		};
	if (name === undefined || roots.others.has(name)) return inTree;
	return {
		code: "no-root",
		reason: `this machine has no additional root ${name}; the log keeps what it has of it`,
		remedy: `add --root ${name}=DIR`,
	};
}

/** As named, or with the links in the directory's path resolved. Undefined outside every root. */
function treePathOf(absolute: string, { main, others }: Roots): Path | undefined {
	const real = join(realPath(dirname(absolute)), baseOf(absolute));
	for (const place of [absolute, real])
		for (const [at, directory] of [
			...[...others].map(([name, other]) => [rootPath(name), other] as const),
			["", main] as const,
		])
			if (isInside(place, directory))
				return [at, relative(directory, place)].filter((part) => part !== "").join("/");
	return undefined;
}

async function answer(opened: OpenWorkspace, facts: Facts, path: Path): Promise<Found> {
	const { head } = facts;
	const isInLog = head.tree.has(path);
	const found = ruledOut(opened, facts, path) ?? (await compared(opened, facts, path));
	return { ...(isInLog && { commit: head.seq }), ...found };
}

/** By name, kind and place. */
function ruledOut(
	{ root, profile }: OpenWorkspace,
	{ head, rules, unavailable, daemon }: Facts,
	path: Path,
): Found | undefined {
	let stat: Stat | undefined;
	try {
		const link = linkAbove(root, path);
		if (link !== undefined) {
			const exclusion = rules.exclusion(link, "link");
			return exclusion === undefined
				? below(root, link)
				: excludedBy(exclusion, path, false, profile.name, rules.filter);
		}
		if (path !== ROOTS_DIRECTORY) stat = lstatPath(root, path);
	} catch (error) {
		return unreadable((error as NodeJS.ErrnoException).code ?? String(error));
	}
	const isFile = stat?.type !== "dir";
	const exclusion = rules.exclusion(
		path,
		stat === undefined || stat.type === "other" ? "file" : stat.type,
	);
	if (exclusion !== undefined)
		return excludedBy(exclusion, path, isFile, profile.name, rules.filter);
	const away = [...unavailable].find(([at]) => isBelowAny(path, new Set([at])));
	if (away !== undefined)
		return {
			code: "unavailable",
			reason: away[0] === path ? away[1] : `${away[0]}: ${away[1]}`,
			remedy: MOUNT_REMEDY,
		};
	if (stat === undefined && path !== ROOTS_DIRECTORY)
		return head.tree.has(path)
			? {
					code: "deleted",
					reason: `it is not on this disk, and commit ${head.seq} has it`,
					remedy:
						"`openclaw-sidecar cat` and `recover` bring it back; a flush removes it from the newest commit",
				}
			: { code: "missing", reason: "it is neither on this disk nor in the newest commit" };
	if (stat === undefined) return undefined;
	switch (whyNotStored(root, path, stat, rules.filter)) {
		case "special":
			return { code: "special", reason: "a socket, a FIFO or a device is never stored" };
		case "companion":
			return {
				code: "companion",
				reason: `the copy of its database ${companionOf(path)} holds what it adds`,
			};
		default:
			return daemonsReason(daemon, path);
	}
}

function daemonsReason(daemon: DaemonReport | undefined, path: Path): Found | undefined {
	const excluded = daemon?.excluded?.find((each) => each.path === path);
	if (excluded !== undefined) return secret(excluded.reason);
	const deferred = daemon?.notTaken?.find(
		(each) => each.path === path || each.path === "" || path.startsWith(`${each.path}/`),
	);
	if (deferred === undefined) return undefined;
	return {
		code: "deferred",
		reason: `the daemon could not take ${deferred.path === path ? "it" : deferred.path || "the workspace"}: ${deferred.reason}`,
		remedy: "remove the cause; the daemon tries again by itself",
	};
}

/** The outermost link on the way to a path. @throws NodeJS.ErrnoException */
function linkAbove(root: Roots, path: Path): Path | undefined {
	const above: Path[] = [];
	for (let at = parentOf(path); at !== ""; at = parentOf(at)) above.unshift(at);
	return above.find((at) => root.locate(at) !== undefined && lstatPath(root, at)?.type === "link");
}

function below(root: Roots, link: Path): Found {
	const target = readlinkSync(fsPath(root, link), "utf8");
	return {
		code: "below-link",
		reason: `${link} is a symbolic link; the link is stored, and its target ${printable(target)} is not`,
		remedy: "ask for the target's own path",
	};
}

function excludedBy(
	{ by, at, pattern = "", line }: Exclusion,
	path: Path,
	isFile: boolean,
	profile: string,
	filter: WorkspaceFilter["filter"],
): Found {
	if (by === "special" || by === "reserved")
		return {
			code: by,
			reason: `${at} belongs to the sidecar or to the file system`,
			remedy: "give it another name",
		};
	const what = at === path ? "it" : `${at}/`;
	const lines = linesThatTakeIn(path, isFile, filter).join(" ");
	const takeIn = `add the lines ${lines} to the end of ${IGNORE_FILE}`;
	return by === "ignore-file"
		? {
				code: "ignored",
				reason: `line ${line} of ${IGNORE_FILE}, ${pattern}, leaves ${what} out`,
				remedy: `remove that line, or ${takeIn}`,
				rule: { pattern, at, ...(line !== undefined && { line }) },
			}
		: {
				code: "profile",
				reason: `the profile ${profile} leaves ${what} out by ${pattern}`,
				remedy: takeIn,
				rule: { pattern, at },
			};
}

/** A path that belongs in the log: what it has of it. */
async function compared(opened: OpenWorkspace, facts: Facts, path: Path): Promise<Found> {
	const { root, profile, onSecret = "warn", signal } = opened;
	const { head, base, rules, notRestored, daemon } = facts;
	if (path === ROOTS_DIRECTORY) return { code: "stored", reason: "additional roots are below it" };
	const stat = lstatPath(root, path);
	if (stat === undefined) return { code: "missing", reason: "it has just vanished" };
	if (await isIn(opened, facts, head.tree, path, stat)) {
		const wanted = rules.wantedBy(path, stat.type);
		return {
			code: "stored",
			reason: `commit ${head.seq}, the newest, has it${wanted === undefined ? "" : `; line ${wanted.line} of ${IGNORE_FILE}, ${wanted.pattern}, includes it`}`,
			rule: wanted,
		};
	}
	if (base !== undefined && (await isIn(opened, facts, base.tree, path, stat)))
		return {
			code: "stored",
			reason: `commit ${base.seq} has it; a newer commit differs, and the next start brings that here`,
			commit: base.seq,
		};
	if (notRestored !== undefined)
		return {
			code: "not-restored",
			reason: notRestored,
			remedy: "run `openclaw-sidecar restore`, or start `openclaw-sidecar run`",
		};
	const cannot = whyNotTaken(root, path, stat, head.tree);
	if (cannot !== undefined) return cannot;
	if (onSecret !== "warn" && stat.type === "file" && !profile.secret(path)) {
		const reason = await whyExcluded(root, path, head.tree.has(path), signal);
		if (reason !== undefined) return secret(reason, onSecret);
	}
	return {
		code: "pending",
		reason: head.tree.has(path)
			? `it changed after commit ${head.seq}`
			: `it is new since commit ${head.seq}`,
		remedy:
			daemon === undefined
				? "run `openclaw-sidecar flush`"
				: "wait some seconds: the daemon commits it",
	};
}

async function isIn(
	opened: OpenWorkspace,
	{ unset }: Facts,
	tree: Tree,
	path: Path,
	stat: Stat,
): Promise<boolean> {
	const { root, profile } = opened;
	const entry = tree.get(path);
	if (entry === undefined) return false;
	const [disk, target] = [new Map([[path, stat]]), new Map([[path, entry]])];
	const found = await compareDisk(root, disk, undefined, target, profile.secret, unset);
	if (found.get(path)?.likeTarget === true) return true;
	const copies = new DatabaseCopies(opened);
	try {
		return await isStoredAs(opened, path, stat, entry, copies, unset);
	} finally {
		copies.dispose();
	}
}

/** What a flush would report for it. */
function whyNotTaken(root: Roots, path: Path, stat: Stat, tree: Tree): Found | undefined {
	if (!isKeptTime(stat.mtimeNs))
		return {
			code: "no-room",
			reason: "its time is beyond what the log keeps",
			remedy: "run `touch` on it",
		};
	let chunks = 0;
	let manifestBytes = 0;
	for (const [at, entry] of tree) {
		if (entry.type === "file") chunks += entry.chunks.length;
		manifestBytes += maxEntryBytes(at, entry);
	}
	const room = new Room({ entries: tree.size, chunks, manifestBytes });
	const known = tree.get(path);
	const left =
		(known === undefined ? room.admit(path, stat.type === "link" ? stat.size : 0) : undefined) ??
		(stat.type === "file"
			? room.reserve(path, stat.size, known?.type === "file" ? known.chunks.length : 0)
			: undefined);
	if (left !== undefined)
		return {
			code: "no-room",
			reason: left.reason,
			remedy: "move what need not be kept out of the workspace, or ignore it",
		};
	if (stat.type !== "file") return undefined;
	const opened = openGuarded(root, path);
	if (opened.kind === "open") closeGuarded(opened.fd);
	return opened.kind === "unreadable" ? unreadable(opened.reason) : undefined;
}

function unreadable(reason: string): Found {
	return {
		code: "unreadable",
		reason: `it cannot be read: ${reason}`,
		remedy: "give the sidecar's user the permission to read it",
	};
}

function secret(reason: string, policy = "exclude"): Found {
	return {
		code: "secret",
		reason:
			policy === "fail"
				? `--on-secret fail commits nothing while it holds a secret: ${reason.replace(/^[^:]*: /, "")}`
				: reason,
		remedy: "move the secret out of the file, or use --on-secret warn",
	};
}
