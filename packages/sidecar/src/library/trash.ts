import {
	constants,
	copyFileSync,
	existsSync,
	lstatSync,
	lutimesSync,
	mkdirSync,
	readdirSync,
	readlinkSync,
	symlinkSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { newRestoreId, thisEnvironment } from "../commit/environment.ts";
import { trashOf } from "../disk/displaced.ts";
import {
	readTrash,
	emptyTrash as removeEntries,
	type TrashEntry,
	type TrashOfRestore,
} from "../disk/trash.ts";
import { SidecarError } from "../errors.ts";
import { restoreTimeMs } from "../log/restore-id.ts";
import { fsPath } from "../path.ts";
import { makeDirectories } from "../workspace/make-directories.ts";
import { ask, withControl } from "./control.ts";
import { type WorkspaceOptions, withWorkspace } from "./options.ts";
import { outsideDirectory } from "./outside-directory.ts";

/** A restore that runs in a daemon may want its files back for this long. */
const DAEMON_GRACE_MS = 60 * 60_000;

export interface TrashOptions extends WorkspaceOptions {
	/** Only this path, or everything below it. Default: everything. */
	readonly path?: string | undefined;
}

/**
 * Lists what restores moved out of this workspace, on this disk. The oldest restore comes first.
 * @throws SidecarError STATE_DIR_UNUSABLE, and for a wrong option
 */
export async function listTrash(options: TrashOptions = {}): Promise<readonly TrashOfRestore[]> {
	return await withWorkspace(options, async ({ privateDir }) =>
		selected(readTrash(privateDir), options.path),
	);
}

export interface TrashToOptions extends TrashOptions {
	/** A directory that is empty or does not exist; a relative path starts at the working directory. */
	readonly to: string;
}

/**
 * Copies from the trash to `{to}/{restore}/{path}`, with modes, times and links. The trash stays.
 * @throws SidecarError TARGET_NOT_EMPTY, PATH_NOT_FOUND, USAGE (a directory that cannot be written),
 * STATE_DIR_UNUSABLE, and for a wrong option
 */
export async function trashTo(options: TrashToOptions): Promise<{
	readonly directories: readonly string[];
	readonly files: number;
	readonly bytes: number;
	/** Sockets, FIFOs and devices, which are not copied: absolute, in the trash. */
	readonly skipped: readonly string[];
}> {
	return await withWorkspace(options, async (opened) => {
		const { privateDir } = opened;
		const to = outsideDirectory(opened, resolve(options.to));
		const chosen = selected(readTrash(privateDir), options.path);
		if (options.path !== undefined && chosen.length === 0)
			throw new SidecarError("PATH_NOT_FOUND", {
				value: options.path,
				reason: "not in the trash of this workspace",
				remedy: "`openclaw-sidecar recover --trash` lists it",
			});
		if (existsSync(to) && readdirSync(to).length > 0)
			throw new SidecarError("TARGET_NOT_EMPTY", { value: to, reason: "it is not empty" });
		const copied: TrashEntry[] = [];
		const skipped: string[] = [];
		for (const { restore, entries } of chosen)
			for (const entry of entries) {
				const isCopied = copy(trashOf(privateDir, restore), join(to, restore), entry.path);
				if (isCopied) copied.push(entry);
				else skipped.push(entry.at);
			}
		return {
			directories: chosen.map(({ restore }) => join(to, restore)),
			files: copied.length,
			bytes: copied.reduce((sum, { bytes }) => sum + bytes, 0),
			skipped,
		};
	});
}

export interface EmptyTrashOptions extends WorkspaceOptions {
	/** Only what restores moved before that, ms since the epoch. Default: everything. */
	readonly beforeMs?: number | undefined;
}

export interface EmptiedTrash {
	/** Deleted for good. */
	readonly files: number;
	readonly bytes: number;
	/** Kept: no commit has these files yet. The next flush keeps them below `.recovered/`. */
	readonly onlyCopies: number;
	/**
	 * Kept: excluded files, which no commit will have. Delete them by hand, at the places that
	 * `listTrash` names.
	 */
	readonly excluded: number;
	/** Kept: a running daemon moved them within the last hour, or they are younger than asked for. */
	readonly younger: number;
}

/**
 * Deletes what restores moved out of this workspace, for good. Keeps files that no commit has yet,
 * and excluded files, which no commit will have.
 * @throws SidecarError WORKSPACE_BUSY if another command works on the workspace, STATE_DIR_UNUSABLE,
 * and for a wrong option
 */
export async function emptyTrash(options: EmptyTrashOptions = {}): Promise<EmptiedTrash> {
	return await withWorkspace(options, async ({ privateDir, settings }) => {
		const { stateDir, workspace } = settings;
		const empty = (beforeMs: number): EmptiedTrash => {
			const all = readTrash(privateDir);
			const old = all.filter(({ timeMs }) => timeMs < beforeMs);
			const gone = removeEntries(privateDir, old);
			const count = (of: readonly TrashOfRestore[], which = (_: TrashEntry) => true) =>
				of.reduce((sum, { entries }) => sum + entries.filter(which).length, 0);
			const excluded = count(old, ({ isOnlyCopy, isExcluded }) => !isOnlyCopy && isExcluded);
			return {
				files: gone.length,
				bytes: gone.reduce((sum, { bytes }) => sum + bytes, 0),
				onlyCopies: count(old) - gone.length - excluded,
				excluded,
				younger: count(all) - count(old),
			};
		};
		const { beforeMs = Number.POSITIVE_INFINITY } = options;
		const daemon = await ask<{ readonly phase: string }>(stateDir, workspace, "status");
		if (daemon === undefined)
			return await withControl(stateDir, workspace, "recovering", async () => empty(beforeMs));
		const nowMs = restoreTimeMs(newRestoreId(thisEnvironment));
		return empty(Math.min(beforeMs, nowMs - DAEMON_GRACE_MS));
	});
}

function selected(
	trash: readonly TrashOfRestore[],
	path: string | undefined,
): readonly TrashOfRestore[] {
	const plain = path?.replace(/^(\.\/+)+/, "").replace(/\/+$/, "");
	return trash.flatMap((each) => {
		const entries = each.entries.filter(
			(entry) => plain === undefined || entry.path === plain || entry.path.startsWith(`${plain}/`),
		);
		return entries.length === 0 ? [] : [{ ...each, entries }];
	});
}

/** @returns false for a socket, a FIFO or a device: reading it could block for ever */
function copy(trash: string, base: string, path: string): boolean {
	const from = fsPath(trash, path);
	const to = join(base, path);
	try {
		const stat = lstatSync(from);
		if (!stat.isFile() && !stat.isSymbolicLink()) return false;
		makeParents(base, path);
		const place = fsPath(base, path);
		if (stat.isSymbolicLink()) symlinkSync(readlinkSync(from, { encoding: "buffer" }), place);
		else copyFileSync(from, place, constants.COPYFILE_EXCL);
		lutimesSync(place, stat.atimeMs / 1000, stat.mtimeMs / 1000);
		return true;
	} catch (cause) {
		throw new SidecarError("USAGE", {
			value: to,
			reason: `it cannot be written: ${(cause as NodeJS.ErrnoException).code ?? String(cause)}`,
			remedy: "name another directory with --to",
			cause,
		});
	}
}

/** Names need not be UTF-8. @throws NodeJS.ErrnoException */
function makeParents(base: string, path: string): void {
	makeDirectories(base);
	for (let end = path.indexOf("/"); end >= 0; end = path.indexOf("/", end + 1))
		try {
			mkdirSync(fsPath(base, path.slice(0, end)), { mode: 0o700 });
		} catch (error) {
			if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
		}
}
