/**
 * Names the sidecar and the workspace of an agent in a variable of its environment. Every process
 * that the agent starts inherits the variable, even if it leaves the agent's session and outlives
 * its parents.
 *
 * Does NOT reach a process that starts with an emptied environment: only its ancestry identifies
 * it.
 */
import { readFileSync, readlinkSync, statSync } from "node:fs";
import { startOf } from "./process-table.ts";

/** Every agent gets it; it is not a setting of the sidecar. */
export const MARK_VARIABLE = "AGENT_OF_OPENCLAW_SIDECAR";

export interface AgentMark {
	/** Process ids mean nothing in another namespace. */
	readonly pidNamespace: string;
	readonly pid: number;
	/** Clock ticks since boot, which distinguish the sidecar from a later process with its pid. */
	readonly startedAt: string;
	/** Device and inode: two mount namespaces may have different directories at one path. */
	readonly workspace: string;
}

const FORM = /^(\d+)-(\d+)-(\d+)-(\d+:\d+)$/;

/**
 * The mark of this process's own agents. Undefined without /proc: survivors can then not be found.
 */
export function ownMark(workspace: string): AgentMark | undefined {
	const pidNamespace = ownPidNamespace();
	const startedAt = startOf(process.pid);
	const directory = directoryId(workspace);
	if (pidNamespace === undefined || startedAt === undefined || directory === undefined)
		return undefined;
	return { pidNamespace, pid: process.pid, startedAt, workspace: directory };
}

export function markText({ pidNamespace, pid, startedAt, workspace }: AgentMark): string {
	return `${pidNamespace}-${pid}-${startedAt}-${workspace}`;
}

export function parseMark(text: string): AgentMark | undefined {
	const [, pidNamespace, pid, startedAt, workspace] = FORM.exec(text) ?? [];
	if (
		pidNamespace === undefined ||
		pid === undefined ||
		startedAt === undefined ||
		workspace === undefined
	)
		return undefined;
	return { pidNamespace, pid: Number(pid), startedAt, workspace };
}

/**
 * Undefined if the process has no mark, is gone, or hides its environment from this user. Takes
 * about 20 us.
 */
export function markOf(pid: number): string | undefined {
	let environment: string;
	try {
		environment = readFileSync(`/proc/${pid}/environ`, "latin1");
	} catch {
		return undefined;
	}
	const start = `\0${environment}`.indexOf(`\0${MARK_VARIABLE}=`);
	return start < 0
		? undefined
		: environment.slice(start + MARK_VARIABLE.length + 1).split("\0", 1)[0];
}

export function ownPidNamespace(): string | undefined {
	try {
		return /\d+/.exec(readlinkSync("/proc/self/ns/pid"))?.[0];
	} catch {
		return undefined;
	}
}

/** Follows links; undefined if there is no such directory. */
export function directoryId(path: string): string | undefined {
	try {
		const { dev, ino } = statSync(path, { bigint: true });
		return `${dev}:${ino}`;
	} catch {
		return undefined;
	}
}
