import type { Mutation } from "./table.ts";

/** Agents that outlive their sidecar, and file systems without notifications. */
export const DAEMON: readonly Mutation[] = [
	{
		id: "survivor-before-restore",
		rule: "a survivor ends before anything is restored",
		file: "src/daemon/daemon.ts",
		find: "			await endSurvivors({ stateDir, workspace, log: this.#log, signal: stop });",
		replace: "			void [stateDir, workspace, endSurvivors];",
		test: "survivor-ends-when-told",
	},
	{
		id: "survivor-identity",
		rule: "a survivor is the recorded process, not another one with its pid",
		file: "src/daemon/agent-record.ts",
		find: "	return pid === record.pid && startedAt === record.startedAt;",
		replace: "	return pid === record.pid && startedAt !== undefined;",
		test: "recycled-pid",
	},
	{
		id: "survivor-killed",
		rule: "a survivor that ignores SIGTERM is killed",
		file: "src/daemon/survivors.ts",
		find: '			if (isKilled) send("SIGKILL", each);',
		replace: '			if (isKilled) send("SIGTERM", each);',
		test: "survivor-deaf",
	},
	{
		id: "live-sidecar-no-survivor",
		rule: "an agent whose sidecar runs is not a survivor",
		file: "src/daemon/survivors.ts",
		find: "		for (const agent of found) refuseBesideSidecar(agent, processes, workspace);",
		replace: "		void [refuseBesideSidecar, workspace];",
		test: "stopped-sidecar-no-survivor",
	},
	{
		id: "agent-dies-with-sidecar",
		rule: "the agent ends when its sidecar dies",
		file: "src/daemon/death-watch.ts",
		find: 'read -r line || exec "$@"',
		replace: "read -r line || exit 0",
		test: "agent-ends-with-sidecar-when-told",
	},
	{
		id: "unwatched-sweeps",
		rule: "unwatched: sweeps come every few seconds where the kernel refuses the watch",
		file: "src/daemon/daemon.ts",
		find: "		if (!session.isWatchedInPart) return sweepDelayMs(sweepIntervalMs, lastCostMs);",
		replace:
			"		if (!session.isWatchedInPart || lastCostMs >= 0) return sweepDelayMs(sweepIntervalMs, lastCostMs);",
		test: "unwatched-change",
	},
	{
		id: "unwatched-lag",
		rule: "unwatched: the lag of an unannounced change counts from the previous sweep",
		file: "src/daemon/cadence.ts",
		find: "	return Math.min(announcedMs ?? lastSweepMs, lastSweepMs);",
		replace: "	return announcedMs;",
		test: "unwatched-change",
	},
	{
		id: "unwatched-found",
		rule: "unwatched: a trial finds a directory without notifications",
		file: "src/workspace/unwatched.ts",
		find: "		return isSeen ? undefined :",
		replace: "		return isSeen || trialMs > 0 ? undefined :",
		test: "no-notification",
	},
];
