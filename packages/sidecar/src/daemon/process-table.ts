/** The processes of this machine and their parents, from /proc. Empty without /proc. */
import { readdirSync, readFileSync } from "node:fs";

export interface ProcessEntry {
	readonly pid: number;
	readonly parent: number;
	/** Ended, and not yet waited for. */
	readonly isZombie: boolean;
	/** Clock ticks since boot. With the pid it identifies one process, since pids are reused. */
	readonly startedAt: string;
}

/** About 15 us each. */
export function readProcesses(): readonly ProcessEntry[] {
	return pids().flatMap((pid) => {
		try {
			return parseStat(readFileSync(`/proc/${pid}/stat`, "latin1")) ?? [];
		} catch {
			// Gone meanwhile.
			return [];
		}
	});
}

/** Start time of a running process; undefined if no process has that pid. */
export function startOf(pid: number): string | undefined {
	try {
		const entry = parseStat(readFileSync(`/proc/${pid}/stat`, "latin1"));
		return entry?.isZombie === true ? undefined : entry?.startedAt;
	} catch {
		return undefined;
	}
}

/**
 * The text of /proc/PID/stat. A program's name may contain anything, brackets and line ends
 * included.
 */
export function parseStat(text: string): ProcessEntry | undefined {
	const nameEnd = text.lastIndexOf(") ");
	const pid = Number.parseInt(text, 10);
	const [state, parent, ...rest] = text.slice(nameEnd + 2).split(" ");
	const startedAt = rest[17];
	if (nameEnd < 0 || Number.isNaN(pid) || parent === undefined || startedAt === undefined)
		return undefined;
	return { pid, parent: Number(parent), isZombie: state === "Z" || state === "X", startedAt };
}

/** Children, their children and so on, in no particular order. */
export function descendantsOf(
	ancestor: number,
	processes: readonly ProcessEntry[],
): readonly ProcessEntry[] {
	const children = Map.groupBy(processes, ({ parent }) => parent);
	const found: ProcessEntry[] = [];
	const queue = [ancestor];
	for (let pid = queue.pop(); pid !== undefined; pid = queue.pop()) {
		for (const child of children.get(pid) ?? []) {
			found.push(child);
			queue.push(child.pid);
		}
		// A table that changed while it was read may name a process twice.
		children.delete(pid);
	}
	return found;
}

function pids(): readonly string[] {
	try {
		return readdirSync("/proc").filter((name) => /^\d+$/.test(name));
	} catch {
		return [];
	}
}
