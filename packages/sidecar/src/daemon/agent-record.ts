import { hash } from "node:crypto";
import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bootId } from "../disk/base-marker.ts";
import { ownPidNamespace } from "./agent-mark.ts";
import { type ProcessEntry, startOf } from "./process-table.ts";

/**
 * Identifies the agent's process. Finds an agent whose environment cannot be read or was
 * overwritten.
 */
export interface AgentRecord {
	readonly boot: string;
	readonly pidNamespace: string;
	readonly pid: number;
	readonly startedAt: string;
	/** Of the sidecar that started it. */
	readonly mark: string;
}

/** One per workspace, whatever the store, like the control socket. */
export function recordPath(stateDir: string, workspace: string): string {
	return join(stateDir, `${hash("sha256", workspace, "hex").slice(0, 16)}.agent.json`);
}

/**
 * The record stays after the agent ends and then matches no process. @throws NodeJS.ErrnoException
 */
export function recordAgent(path: string, pid: number, mark: string): void {
	const startedAt = startOf(pid);
	const pidNamespace = ownPidNamespace();
	const boot = knownBoot();
	// The agent has ended already, or this boot could not be recognized later.
	if (startedAt === undefined || pidNamespace === undefined || boot === undefined) return;
	const record: AgentRecord = { boot, pidNamespace, pid, startedAt, mark };
	writeFileSync(`${path}.new`, JSON.stringify(record), { mode: 0o600 });
	renameSync(`${path}.new`, path);
}

/**
 * Undefined if there is no record of this boot and pid namespace: its pid may belong to any
 * process.
 */
export function readRecord(path: string): AgentRecord | undefined {
	try {
		const record = JSON.parse(readFileSync(path, "utf8")) as Partial<AgentRecord>;
		const { boot, pidNamespace, pid, startedAt, mark } = record;
		const isWhole =
			boot !== undefined &&
			Number.isSafeInteger(pid) &&
			typeof startedAt === "string" &&
			typeof mark === "string";
		return isWhole && boot === knownBoot() && pidNamespace === ownPidNamespace()
			? (record as AgentRecord)
			: undefined;
	} catch {
		return undefined;
	}
}

/** After a reboot, another process may have the same pid and the same start time. */
function knownBoot(): string | undefined {
	try {
		return /^[0-9a-f-]{36}$/.exec(bootId())?.[0];
	} catch {
		return undefined;
	}
}

/** The kernel reuses pids; a pid together with its start time stays unique. */
export function isRecorded(record: AgentRecord, { pid, startedAt }: ProcessEntry): boolean {
	return pid === record.pid && startedAt === record.startedAt;
}
