/**
 * Ends agents that outlived their sidecar. Two agents on one workspace overwrite each other's
 * files, and a restore below a running agent removes its files. So survivors end before anything of
 * the workspace is restored.
 *
 * How: a survivor is the recorded agent, or a process with the mark of a dead sidecar of this
 * workspace, or a descendant of either. All get SIGTERM, and SIGKILL after `GRACE_MS`. Before each
 * signal, the start time of the pid is compared.
 *
 * Does NOT find a process that has left the agent's tree and has emptied its environment, or
 * anything without /proc.
 */
import { setTimeout as delay } from "node:timers/promises";
import { SidecarError } from "../errors.ts";
import type { Logger } from "../telemetry/types.ts";
import { type AgentMark, directoryId, markOf, ownPidNamespace, parseMark } from "./agent-mark.ts";
import { type AgentRecord, isRecorded, readRecord, recordPath } from "./agent-record.ts";
import { descendantsOf, type ProcessEntry, readProcesses, startOf } from "./process-table.ts";

/** The same time that an agent's leftover processes get at a normal end. */
const GRACE_MS = 2_000;
/** A killed process may be in the middle of writing a page. */
const KILL_MS = 3_000;
const LOOK_MS = 50;
/** Maximum number of processes in the log line. */
const TOLD = 20;

export interface SurvivorOptions {
	readonly stateDir: string;
	readonly workspace: string;
	readonly logger: Logger;
	readonly signal?: AbortSignal | undefined;
}

/**
 * The caller holds the workspace's control socket, so that no other start does the same.
 * @throws SidecarError WORKSPACE_BUSY if the sidecar of a running agent is alive, and has another
 * state directory; AGENT_SURVIVES
 */
export async function endSurvivors({
	stateDir,
	workspace,
	logger,
	signal,
}: SurvivorOptions): Promise<void> {
	const directory = directoryId(workspace);
	const record = readRecord(recordPath(stateDir, workspace));
	const isOurs = (mark: AgentMark, text: string) =>
		text === record?.mark || mark.workspace === directory;
	const agents = () => {
		const { found, processes } = findAgents(isOurs, record);
		for (const agent of found) refuseBesideSidecar(agent, processes, workspace);
		return withDescendants(found, processes);
	};
	await endAll(agents, logger, signal);
}

/**
 * Ends what one sidecar started, after that sidecar has ended. @throws SidecarError AGENT_SURVIVES
 */
export async function endAgentsOf(sidecar: string, record: string, logger: Logger): Promise<void> {
	await endAll(
		() => {
			const recorded = readRecord(record);
			const { found, processes } = findAgents(
				(_, text) => text === sidecar,
				recorded?.mark === sidecar ? recorded : undefined,
			);
			return withDescendants(found, processes);
		},
		logger,
		undefined,
	);
}

interface Found {
	readonly agent: ProcessEntry;
	readonly mark: AgentMark | undefined;
}

function findAgents(
	isOurs: (mark: AgentMark, text: string) => boolean,
	record: AgentRecord | undefined,
): { readonly found: readonly Found[]; readonly processes: readonly ProcessEntry[] } {
	const processes = readProcesses().filter(({ isZombie }) => !isZombie);
	const namespace = ownPidNamespace();
	const found = processes.flatMap((agent): Found[] => {
		const text = markOf(agent.pid);
		const mark = text === undefined ? undefined : parseMark(text);
		const isMarked =
			mark !== undefined && mark.pidNamespace === namespace && isOurs(mark, text as string);
		if (isMarked) return [{ agent, mark }];
		return record !== undefined && isRecorded(record, agent)
			? [{ agent, mark: parseMark(record.mark) }]
			: [];
	});
	return { found, processes };
}

/**
 * An orphan below a living process is still a survivor: one program may start several runs in
 * sequence.
 */
function refuseBesideSidecar(
	{ agent, mark }: Found,
	processes: readonly ProcessEntry[],
	workspace: string,
): void {
	if (mark === undefined || mark.pid === process.pid) return;
	if (!processes.some(({ pid, startedAt }) => pid === mark.pid && startedAt === mark.startedAt))
		return;
	if (!descendantsOf(mark.pid, processes).some(({ pid }) => pid === agent.pid)) return;
	throw new SidecarError("WORKSPACE_BUSY", {
		value: workspace,
		reason: `process ${mark.pid} runs on it with another state directory`,
		remedy: "stop that process, or give this command the same --state-dir",
	});
}

/** @throws SidecarError AGENT_SURVIVES if this very process runs inside the agent */
function withDescendants(
	found: readonly Found[],
	processes: readonly ProcessEntry[],
): readonly ProcessEntry[] {
	const all = new Map<number, ProcessEntry>();
	for (const { agent } of found)
		for (const each of [agent, ...descendantsOf(agent.pid, processes)]) all.set(each.pid, each);
	// The agent may have started this process and left it behind.
	for (const { pid } of descendantsOf(process.pid, processes)) all.delete(pid);
	all.delete(process.pid);
	const parents = new Map(processes.map(({ pid, parent }) => [pid, parent]));
	for (
		let above = parents.get(process.pid);
		above !== undefined && above !== 0;
		above = parents.get(above)
	) {
		const outer = all.get(above);
		if (outer !== undefined) throw survives([outer], "this command runs inside it");
	}
	return [...all.values()];
}

async function endAll(
	agents: () => readonly ProcessEntry[],
	logger: Logger,
	signal: AbortSignal | undefined,
): Promise<void> {
	const startedMs = performance.now();
	/** Includes processes that lost their parent meanwhile, and with it their link to the agent. */
	const known = new Map<string, ProcessEntry>();
	const told = new Set<string>();
	let isKilled = false;
	for (;;) {
		for (const agent of agents()) known.set(nameOf(agent), agent);
		const left = [...known.values()].filter(isRunning);
		if (left.length === 0) break;
		requireAllowed(left);
		const waitedMs = performance.now() - startedMs;
		if (waitedMs > GRACE_MS + KILL_MS) throw survives(left, "SIGKILL did not end it");
		isKilled = waitedMs > GRACE_MS;
		for (const each of left) {
			if (isKilled) send("SIGKILL", each);
			else if (!told.has(nameOf(each))) send("SIGTERM", each);
			told.add(nameOf(each));
		}
		await delay(LOOK_MS, undefined, { signal });
	}
	if (known.size === 0) return;
	const pids = [...known.values()].map(({ pid }) => pid);
	const ms = Math.round(performance.now() - startedMs);
	logger.warn("agent.survivor-ended", {
		processes: pids.length,
		pids: pids.slice(0, TOLD),
		killed: isKilled,
		ms,
	});
}

/** Checked before the first signal, so that an agent is ended completely or not at all. */
function requireAllowed(processes: readonly ProcessEntry[]): void {
	const foreign = processes.filter(({ pid }) => {
		try {
			process.kill(pid, 0);
			return false;
		} catch (error) {
			return (error as NodeJS.ErrnoException).code === "EPERM";
		}
	});
	if (foreign.length > 0) throw survives(foreign, "it belongs to another user");
}

function send(signal: NodeJS.Signals, target: ProcessEntry): void {
	if (!isRunning(target)) return;
	try {
		process.kill(target.pid, signal);
	} catch {
		// It has ended.
	}
}

function isRunning({ pid, startedAt }: ProcessEntry): boolean {
	return startOf(pid) === startedAt;
}

function survives(processes: readonly ProcessEntry[], reason: string): SidecarError {
	const pids = processes.slice(0, TOLD).map(({ pid }) => pid);
	return new SidecarError("AGENT_SURVIVES", { value: `process ${pids.join(", ")}`, reason });
}

const nameOf = ({ pid, startedAt }: ProcessEntry) => `${pid}:${startedAt}`;
