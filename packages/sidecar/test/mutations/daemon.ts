import type { Mutation } from "./table.ts";

const survivors = "src/cli/survivors.test.ts";
const unwatched = "src/cli/unwatched.test.ts";

/** Agents that outlive their sidecar, and file systems without notifications. */
export const DAEMON: readonly Mutation[] = [
	{
		rule: "a survivor ends before anything is restored",
		file: "src/daemon/daemon.ts",
		find: "			await endSurvivors({ stateDir, workspace, log: this.#log, signal: stop });",
		replace: "			void [stateDir, workspace, endSurvivors];",
		test: { file: survivors, name: "that ends when it is told to is ended before the next start restores anything" },
	},
	{
		rule: "a survivor is the recorded process, not another one with its pid",
		file: "src/daemon/agent-record.ts",
		find: "	return pid === record.pid && startedAt === record.startedAt;",
		replace: "	return pid === record.pid && startedAt !== undefined;",
		test: { file: survivors, name: "a process that has the pid of an earlier agent is never ended" },
	},
	{
		rule: "a survivor that does not hear SIGTERM is killed",
		file: "src/daemon/survivors.ts",
		find: '			if (isKilled) send("SIGKILL", each);',
		replace: '			if (isKilled) send("SIGTERM", each);',
		test: { file: survivors, name: "that does not hear SIGTERM is ended before the next start restores anything" },
	},
	{
		rule: "no survivor is an agent whose sidecar is alive",
		file: "src/daemon/survivors.ts",
		find: "		for (const agent of found) refuseBesideSidecar(agent, processes, workspace);",
		replace: "		void [refuseBesideSidecar, workspace];",
		test: {
			file: survivors,
			name: "whose sidecar is stopped is not a survivor: a start with another state directory is refused",
		},
	},
	{
		rule: "the death of the sidecar ends the agent",
		file: "src/daemon/death-watch.ts",
		find: 'read -r line || exec "$@"',
		replace: "read -r line || exit 0",
		test: { file: survivors, name: "that ends when it is told to, and all it started" },
	},
	{
		rule: "unwatched: sweeps come every few seconds where the kernel gives no watch",
		file: "src/daemon/daemon.ts",
		find: "		if (!session.isWatchedInPart) return sweepDelayMs(sweepIntervalMs, lastCostMs);",
		replace: "		if (!session.isWatchedInPart || lastCostMs >= 0) return sweepDelayMs(sweepIntervalMs, lastCostMs);",
		test: {
			file: unwatched,
			name: "the next sweep finds a change seconds later, and its lag counts from the previous sweep",
		},
	},
	{
		rule: "unwatched: the lag of a change that nothing announced counts from the sweep before",
		file: "src/daemon/cadence.ts",
		find: "	return Math.min(announcedMs ?? lastSweepMs, lastSweepMs);",
		replace: "	return announcedMs;",
		test: {
			file: unwatched,
			name: "the next sweep finds a change seconds later, and its lag counts from the previous sweep",
		},
	},
	{
		rule: "unwatched: a directory without notifications is found by trying",
		file: "src/workspace/unwatched.ts",
		find: "		return isSeen ? undefined :",
		replace: "		return isSeen || trialMs > 0 ? undefined :",
		test: { file: "src/workspace/unwatched.test.ts", name: "names a directory in which no notification comes" },
	},
];
