import { lchownSync, lstatSync, readdirSync } from "node:fs";
import type { AgentUser } from "./agent.ts";

/**
 * Gives a restored workspace to the agent's user: what another user restored, it could not write.
 *
 * Links are not followed. A file with a second name is left alone: the other may lie outside, where nobody handed anything over.
 * @param directories absolute: the workspace, and its additional roots
 * @returns how many entries changed hands
 */
export function handOver(directories: readonly string[], user: AgentUser): number {
	let count = 0;
	const give = (path: Buffer) => {
		const stat = lstatSync(path);
		if (stat.uid === user.uid && stat.gid === user.gid) return;
		if (stat.isFile() && stat.nlink > 1) return;
		lchownSync(path, user.uid, user.gid);
		count++;
	};
	// Bytes all along: a name need not be UTF-8.
	const walk = (directory: Buffer) => {
		for (const entry of readdirSync(directory, { withFileTypes: true, encoding: "buffer" })) {
			const path = Buffer.concat([directory, Buffer.from("/"), entry.name]);
			give(path);
			if (entry.isDirectory()) walk(path);
		}
	};
	for (const directory of directories) {
		give(Buffer.from(directory));
		walk(Buffer.from(directory));
	}
	return count;
}
