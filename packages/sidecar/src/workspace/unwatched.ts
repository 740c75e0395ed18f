/**
 * Finds directories in which the kernel's notifications miss changes, so that only rescans find
 * them.
 *
 * How: by the kind of file system, and by a trial. On a network file system, FUSE or a folder
 * shared with a host, only changes made through this mount are announced, not those made on the
 * other side. No trial on this side can show that, so the kind decides. The trial sets a
 * directory's owner to its present owner, which changes only its ctime, and waits for the
 * notification.
 *
 * Proves that this kernel announces a change made here. Does NOT prove that it announces every
 * change, and does not try a directory that belongs to another user.
 */
import {
	chownSync,
	type FSWatcher,
	readFileSync,
	realpathSync,
	statfsSync,
	statSync,
	watch,
} from "node:fs";
import { setTimeout as delay, setImmediate as nextTurn } from "node:timers/promises";
import { joinPath, type Roots, rootPath } from "../path.ts";
import type { Filter } from "./filter.ts";

export interface Unwatched {
	/** Absolute. */
	readonly directory: string;
	readonly reason: string;
}

/**
 * By `f_type` of statfs(2). FUSE includes virtiofs, bindfs, sshfs, s3fs and most folders that
 * desktops share with containers.
 */
const SHARED: ReadonlyMap<number, string> = new Map([
	[0x65735546, "FUSE or virtiofs"],
	[0x6969, "NFS"],
	[0x01021997, "9p"],
	[0x517b, "SMB"],
	[0xff534d42, "CIFS"],
	[0xfe534d42, "SMB2"],
	[0x786f4256, "a VirtualBox shared folder"],
	[0xbacbacbc, "a VMware shared folder"],
	[0x00c36400, "Ceph"],
	[0x5346414f, "AFS"],
	[0x0bd00bd0, "Lustre"],
	[0x47504653, "GPFS"],
	[0x19830326, "BeeGFS"],
	[0x01161970, "GFS2"],
	[0x7461636f, "OCFS2"],
]);

/** Why the kernel grants no watch. Without EACCES: the rescan reports what cannot be read. */
const NO_WATCH: ReadonlySet<string> = new Set(["ENOSPC", "EMFILE", "ENFILE", "ENOMEM", "ENOSYS"]);

/** A notification takes less than 1 ms. */
const TRIAL_MS = 1_000;

export interface Trial {
	/** For tests. */
	readonly watch?: (directory: string, onEvent: () => void) => Pick<FSWatcher, "on" | "close">;
	readonly trialMs?: number;
}

/**
 * Checks the workspace, its additional roots, and the mounts in them that are kept. Never fails.
 */
export async function findUnwatched(
	roots: Roots,
	filter: Filter,
	trial: Trial = {},
): Promise<readonly Unwatched[]> {
	const mounts = mountPoints();
	const places = roots.directories.flatMap((directory, index) => {
		const name = index === 0 ? "" : rootPath([...roots.others.keys()][index - 1] as string);
		const place = realPath(directory);
		const isKept = (mount: string) =>
			filter(joinPath(name, mount.slice(place.length + 1)), "dir") === "keep";
		return [directory, ...mounts.filter((mount) => mount.startsWith(`${place}/`) && isKept(mount))];
	});
	const found = await Promise.all(
		[...new Set(places)].map(async (directory) => {
			const reason = sharedReason(directory) ?? (await tryOut(directory, trial));
			return reason === undefined ? [] : [{ directory, reason }];
		}),
	);
	return found.flat();
}

/** What a watcher's error code means for its directories; undefined if they are still watched. */
export function noWatchReason(code: string): string | undefined {
	if (!NO_WATCH.has(code)) return undefined;
	// One watch for each directory, of all processes of this user.
	const why =
		code === "ENOSPC" ? `: all of fs.inotify.max_user_watches${maxWatches()} are used` : "";
	return `${code}: the kernel refused the watch${why}`;
}

function maxWatches(): string {
	try {
		return ` (${readFileSync("/proc/sys/fs/inotify/max_user_watches", "utf8").trim()})`;
	} catch {
		return "";
	}
}

function sharedReason(directory: string): string | undefined {
	try {
		const kind = SHARED.get(statfsSync(directory).type >>> 0);
		return kind && `${kind}: changes made on another machine or on the host are not reported here`;
	} catch {
		return undefined;
	}
}

async function tryOut(
	directory: string,
	{ watch: start = startWatch, trialMs = TRIAL_MS }: Trial,
): Promise<string | undefined> {
	let watcher: Pick<FSWatcher, "on" | "close"> | undefined;
	let isSeen = false;
	const { promise: seen, resolve } = Promise.withResolvers<void>();
	const onEvent = () => {
		isSeen = true;
		resolve();
	};
	try {
		const stat = statSync(directory);
		if (!stat.isDirectory()) return undefined;
		watcher = start(directory, onEvent);
		watcher.on("error", () => {});
		chownSync(directory, stat.uid, stat.gid);
		const waiting = new AbortController();
		await Promise.race([
			seen,
			delay(trialMs, undefined, { signal: waiting.signal }).catch(() => {}),
		]);
		waiting.abort();
		// After a long turn of the event loop the timer fires before notifications that have arrived.
		for (let turn = 0; turn < 2 && !isSeen; turn++) await nextTurn();
		return isSeen ? undefined : `a change made here was not reported within ${trialMs} ms`;
	} catch (error) {
		// Most other errors concern the trial itself: the directory is read-only, belongs to another
		// user, or is gone.
		return noWatchReason((error as NodeJS.ErrnoException).code ?? "");
	} finally {
		watcher?.close();
	}
}

function startWatch(directory: string, onEvent: () => void): FSWatcher {
	return watch(directory, { persistent: false }, onEvent);
}

/** Mounts have no links in their paths. */
function realPath(directory: string): string {
	try {
		return realpathSync.native(directory);
	} catch {
		return directory;
	}
}

/** Absolute, as this process sees them. */
function mountPoints(): readonly string[] {
	try {
		const lines = readFileSync("/proc/self/mountinfo", "utf8").split("\n");
		const points = lines.flatMap((line) => line.split(" ")[4] ?? []);
		return points.map((point) =>
			point.replaceAll(/\\([0-7]{3})/g, (_, octal: string) =>
				String.fromCharCode(Number.parseInt(octal, 8)),
			),
		);
	} catch {
		return [];
	}
}
