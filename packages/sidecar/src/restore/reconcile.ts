import { sameEntry } from "../log/same-entry.ts";
import type { Entry, Path, Tree } from "../log/types.ts";
import { parentOf } from "../path.ts";
import { COMPANIONS } from "../workspace/sqlite-file.ts";
import { sameTime } from "../workspace/stat.ts";

/** How a path on the disk compares with its entry in the log, times excluded. */
export interface OnDisk {
	readonly type: "file" | "dir" | "link" | "other";
	readonly likeTarget: boolean;
	readonly likeBase: boolean;
}

export type Action =
	/** Make it equal the target. What it replaces equals the base, so the log has it. */
	| "write"
	/** The disk already has it; only times may differ (`planTimes`). */
	| "keep"
	/** Changed here while no watcher ran: it stays, and is committed later. */
	| "keep-local"
	/** Changed here and in the log: this disk's bytes are quarantined, then as `write`. */
	| "quarantine-and-write"
	/** Deleted in the log: move it to the trash. */
	| "trash"
	/** Deleted in the log but changed here: this disk's bytes are quarantined. */
	| "quarantine"
	/** Deleted here while no watcher ran: it stays deleted, and is committed later. */
	| "keep-deleted";

/** The actions that leave the path as it is, except its time. */
export const KEEPS: ReadonlySet<Action> = new Set(["keep", "keep-local", "keep-deleted"]);

/**
 * Decides what a restore does with each path from the disk, its base and the target. Pure: does not
 * access the disk.
 * @param base the tree the disk derives from; if undefined (unknown), nothing local counts as a
 * change, and what differs is quarantined
 * @param trustsDeletes the disk has the path in the very directory that was restored, so a missing
 * path was deleted
 */
export function planReconcile(
	disk: ReadonlyMap<Path, OnDisk>,
	base: Tree | undefined,
	target: Tree,
	trustsDeletes: (path: Path) => boolean,
): Map<Path, Action> {
	const plan = new Map<Path, Action>();
	for (const [path, entry] of target) {
		const there = disk.get(path);
		plan.set(
			path,
			there === undefined
				? missing(base?.get(path), entry, trustsDeletes(path))
				: present(there, base?.get(path), entry),
		);
	}
	for (const [path, there] of disk) {
		if (target.has(path)) continue;
		const before = base?.get(path);
		if (before === undefined) plan.set(path, "keep-local");
		else plan.set(path, there.likeBase ? "trash" : "quarantine");
	}
	giveWay(plan, disk);
	companionsGiveWay(plan, target);
	return plan;
}

/**
 * Keeps a WAL or journal of this disk only with this disk's database. SQLite would otherwise roll it
 * into the log's database.
 */
function companionsGiveWay(plan: Map<Path, Action>, target: Tree): void {
	for (const [path, action] of plan) {
		if (action !== "keep-local" || target.has(path)) continue;
		const suffix = COMPANIONS.find((each) => path.endsWith(each));
		if (suffix === undefined) continue;
		const database = path.slice(0, -suffix.length);
		const isNew = ["write", "quarantine-and-write"].includes(plan.get(database) ?? "");
		if (isNew && target.get(database)?.type === "file") plan.set(path, "quarantine");
	}
}

/**
 * Handles a file that replaced a directory here while something below that directory changed in the
 * log. Both sides changed, so the log wins.
 */
function giveWay(plan: Map<Path, Action>, disk: ReadonlyMap<Path, OnDisk>): void {
	const inTheWay = new Set<Path>();
	for (const [path, action] of plan) {
		if (action !== "write" && action !== "quarantine-and-write") continue;
		for (let parent = parentOf(path); parent !== ""; parent = parentOf(parent)) {
			const there = disk.get(parent);
			if (there !== undefined && there.type !== "dir" && plan.get(parent) === "keep-local")
				inTheWay.add(parent);
		}
	}
	for (const place of inTheWay) {
		plan.set(place, "quarantine-and-write");
		for (const [path, action] of plan)
			if (action === "keep-deleted" && path.startsWith(`${place}/`)) plan.set(path, "write");
	}
}

/** For `restore --at`: the disk must become exactly the target. */
export function planExact(disk: ReadonlyMap<Path, OnDisk>, target: Tree): Map<Path, Action> {
	const plan = new Map<Path, Action>();
	for (const path of target.keys()) {
		const there = disk.get(path);
		plan.set(
			path,
			there === undefined ? "write" : there.likeTarget ? "keep" : "quarantine-and-write",
		);
	}
	for (const path of disk.keys()) if (!target.has(path)) plan.set(path, "trash");
	return plan;
}

/**
 * Kept paths that get the target's time. A time that is not the base's was set here: it stays, and
 * is committed later.
 * @param timeOf the disk's time in the log's terms; undefined if nothing is there
 * @param base as in `planReconcile`; if undefined, the target's times win
 */
export function planTimes(
	plan: ReadonlyMap<Path, Action>,
	timeOf: (path: Path) => bigint | undefined,
	base: Tree | undefined,
	target: Tree,
): Set<Path> {
	const retimed = new Set<Path>();
	for (const [path, entry] of target) {
		if (plan.get(path) !== "keep") continue;
		const time = timeOf(path);
		if (time === undefined || sameTime(time, entry.mtimeNs)) continue;
		const before = base?.get(path);
		if (before === undefined || sameTime(time, before.mtimeNs)) retimed.add(path);
	}
	return retimed;
}

function missing(before: Entry | undefined, entry: Entry, trustDeletes: boolean): Action {
	return trustDeletes && before !== undefined && sameEntry(before, entry)
		? "keep-deleted"
		: "write";
}

function present(there: OnDisk, before: Entry | undefined, entry: Entry): Action {
	if (there.likeTarget) return "keep";
	if (before === undefined) return "quarantine-and-write";
	if (there.likeBase) return "write";
	return sameEntry(before, entry) ? "keep-local" : "quarantine-and-write";
}
