/**
 * What restores moved out of a workspace, on this disk: `trash/{restore id}/{path}`. Nothing empties
 * it but the user.
 *
 * Files in the journal (`displaced.ts`) are the only copy until a commit holds them. All others are
 * in the log, or left out of it by the user's rules, or were replaced outside of the workspace. What
 * is left out is an only copy too, and stays until the user deletes the file itself.
 */
import { lstatSync, readdirSync, rmdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { SidecarError } from "../errors.ts";
import { isRestoreId, restoreTimeMs } from "../log/restore-id.ts";
import { decodeName, fsPath, joinPath } from "../path.ts";
import { DisplacedJournal, displacedFiles, trashOf } from "./displaced.ts";

/** A file, a link or another entry that is no directory. */
export interface TrashEntry {
	/** Its path in the workspace; with a number appended if the restore moved several. */
	readonly path: string;
	/** Absolute. */
	readonly at: string;
	readonly bytes: number;
	/** True: no commit has it yet. It cannot be removed before. */
	readonly isOnlyCopy: boolean;
	/** True: it is excluded from the log, so no commit will have it. `emptyTrash` keeps it. */
	readonly isExcluded: boolean;
}

export interface TrashOfRestore {
	/** The restore's id. */
	readonly restore: string;
	/** When it began, by this machine's clock, ms since the epoch. */
	readonly timeMs: number;
	readonly entries: readonly TrashEntry[];
}

/** Oldest first. @throws SidecarError STATE_DIR_UNUSABLE */
export function readTrash(privateDir: string): readonly TrashOfRestore[] {
	const waiting = new Set(displacedFiles(privateDir).map(({ to }) => to));
	const excluded = new Set(DisplacedJournal.leftOut(privateDir).entries().map(keyOf));
	return explained(privateDir, () =>
		namesIn(join(privateDir, "trash"))
			.filter(isRestoreId)
			.sort()
			.map((restore) => {
				const top = trashOf(privateDir, restore);
				const entries: TrashEntry[] = [];
				const visit = (path: string, isAboveWaiting: boolean) => {
					const at = path === "" ? top : `${top}/${path}`;
					const stat = lstatSync(fsPath(top, path), { throwIfNoEntry: false });
					if (stat === undefined) return;
					const isOnlyCopy = isAboveWaiting || waiting.has(at);
					if (stat.isDirectory())
						for (const name of namesIn(fsPath(top, path))) visit(joinPath(path, name), isOnlyCopy);
					else {
						const isExcluded = excluded.has(keyOf({ restore, name: path }));
						entries.push({ path, at, bytes: stat.size, isOnlyCopy, isExcluded });
					}
				};
				visit("", false);
				return { restore, timeMs: restoreTimeMs(restore), entries };
			}),
	);
}

function keyOf({ restore, name }: { readonly restore: string; readonly name: string }): string {
	return `${restore}/${name}`;
}

/**
 * Deletes entries for good, and directories that are empty then.
 * @returns what was deleted
 * @throws SidecarError STATE_DIR_UNUSABLE
 */
export function emptyTrash(
	privateDir: string,
	chosen: readonly TrashOfRestore[],
): readonly TrashEntry[] {
	return explained(privateDir, () =>
		chosen.flatMap(({ restore, entries }) => {
			const top = trashOf(privateDir, restore);
			const gone = entries.filter(({ isOnlyCopy, isExcluded }) => !isOnlyCopy && !isExcluded);
			for (const { path } of gone) rmSync(fsPath(top, path), { force: true });
			removeEmpty(top);
			return gone;
		}),
	);
}

/** Directories that are empty, and those that are then. */
function removeEmpty(top: string, path = ""): void {
	const directory = fsPath(top, path);
	for (const name of namesIn(directory)) {
		const below = joinPath(path, name);
		if (lstatSync(fsPath(top, below), { throwIfNoEntry: false })?.isDirectory() === true)
			removeEmpty(top, below);
	}
	if (namesIn(directory).length === 0) rmdirSync(directory);
}

function namesIn(directory: string | Buffer): string[] {
	try {
		return readdirSync(directory, { encoding: "buffer" }).map(decodeName);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
		throw error;
	}
}

function explained<T>(privateDir: string, work: () => T): T {
	try {
		return work();
	} catch (cause) {
		if (cause instanceof SidecarError) throw cause;
		throw new SidecarError("STATE_DIR_UNUSABLE", {
			value: join(privateDir, "trash"),
			reason: (cause as NodeJS.ErrnoException).code ?? String(cause),
			cause,
		});
	}
}
