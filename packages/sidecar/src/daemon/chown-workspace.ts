import { type Dirent, lchownSync, lstatSync, readdirSync } from "node:fs";
import type { AgentUser } from "./agent.ts";

export interface HandedOver {
	/** Entries whose owner was changed. */
	readonly entries: number;
	/**
	 * Entries whose owner cannot be changed: no owners on the file system, a read-only mount, or no
	 * permission.
	 */
	readonly refused: number;
}

/**
 * Gives a restored workspace to the agent's user, who could not write another user's files.
 *
 * Links are not followed. A file with a second name is skipped: the other name may be outside the
 * workspace. An entry whose owner cannot be changed keeps its owner: the agent may still be able to
 * write it.
 * @param directories absolute: the workspace and its additional roots
 */
export function chownWorkspace(directories: readonly string[], user: AgentUser): HandedOver {
	let [entries, refused] = [0, 0];
	const give = (path: Buffer) => {
		try {
			const stat = lstatSync(path);
			if (stat.uid === user.uid && stat.gid === user.gid) return;
			if (stat.isFile() && stat.nlink > 1) return;
			lchownSync(path, user.uid, user.gid);
			entries++;
		} catch (error) {
			if (!isGone(error)) refused++;
		}
	};
	// Bytes throughout: a name need not be UTF-8.
	const walk = (directory: Buffer) => {
		for (const entry of namesIn(directory)) {
			const path = Buffer.concat([directory, Buffer.from("/"), entry.name]);
			give(path);
			if (entry.isDirectory()) walk(path);
		}
	};
	for (const directory of directories) {
		give(Buffer.from(directory));
		walk(Buffer.from(directory));
	}
	return { entries, refused };
}

/** Empty if it cannot be read, or is gone. */
function namesIn(directory: Buffer): Dirent<Buffer>[] {
	try {
		return readdirSync(directory, { withFileTypes: true, encoding: "buffer" });
	} catch {
		return [];
	}
}

function isGone(error: unknown): boolean {
	return (error as NodeJS.ErrnoException).code === "ENOENT";
}
