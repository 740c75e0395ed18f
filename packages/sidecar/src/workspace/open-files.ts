/**
 * Which processes have files of a workspace open, from /proc. Best effort: processes of other users
 * are visible to root only, and without /proc nothing is. A process may open a file right after.
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import type { Root } from "../path.ts";
import { lstatPath } from "./stat.ts";

export interface OpenElsewhere {
	readonly path: string;
	readonly pid: number;
	/** The program's name, as the kernel has it. */
	readonly name: string;
	readonly isWriting: boolean;
}

/** O_WRONLY or O_RDWR. */
const WRITE_BITS = 0o3;

/** @returns regular files among `paths` that another process has open */
export function openElsewhere(root: Root, paths: Iterable<string>): OpenElsewhere[] {
	const wanted = new Map<string, string>();
	for (const path of paths) {
		const stat = lstatPath(root, path);
		if (stat?.type === "file") wanted.set(`${stat.dev}:${stat.ino}`, path);
	}
	if (wanted.size === 0) return [];
	const found: OpenElsewhere[] = [];
	for (const pid of names("/proc").filter((name) => /^\d+$/.test(name))) {
		if (Number(pid) === process.pid) continue;
		for (const fd of names(`/proc/${pid}/fd`)) {
			const file = attempt(() => statSync(`/proc/${pid}/fd/${fd}`, { bigint: true }));
			const path = file?.isFile() === true ? wanted.get(`${file.dev}:${file.ino}`) : undefined;
			if (path === undefined) continue;
			const info = attempt(() => readFileSync(`/proc/${pid}/fdinfo/${fd}`, "latin1")) ?? "";
			const flags = Number.parseInt(/^flags:\s*([0-7]+)/m.exec(info)?.[1] ?? "2", 8);
			const name = attempt(() => readFileSync(`/proc/${pid}/comm`, "utf8").trim()) ?? "?";
			found.push({ path, pid: Number(pid), name, isWriting: (flags & WRITE_BITS) !== 0 });
		}
	}
	return found;
}

function names(directory: string): string[] {
	return attempt(() => readdirSync(directory)) ?? [];
}

/** Undefined if the process is gone or belongs to another user. */
function attempt<T>(read: () => T): T | undefined {
	try {
		return read();
	} catch {
		return undefined;
	}
}
