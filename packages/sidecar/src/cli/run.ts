import { isTypedInterrupt, ToldByTerminal } from "../daemon/terminal.ts";
import type { RunOptions, RunResult } from "../library/run.ts";
import type { ServeResult } from "../library/serve.ts";
import type { StartReceipt } from "../library/start-receipt.ts";
import { metered } from "../telemetry/event-metrics.ts";
import { emfLine, type MetricValues } from "../telemetry/metrics.ts";
import type { Logger } from "../telemetry/types.ts";
import type { Command } from "./command.ts";
import { durableEnding, type Ending } from "./ending.ts";
import { count, deferredWords, shownPath } from "./format.ts";
import { coverageRows, everything, exceptions, receiptLine } from "./format-coverage.ts";
import { movedLines } from "./restore.ts";

export const run: Command = {
	name: "run",
	args: "[COMMAND...]",
	isDaemon: true,
	summary: "Restore the workspace, start the agent, commit until it ends.",
	notes: [
		"The agent's command goes after --. Without one, run until SIGTERM, SIGINT or SIGHUP.",
		"With --listen, all this waits for the first request at /invocations, whose token names the user.",
		"Signals go to the agent. When it ends, the rest is committed. The exit status is the agent's own only if everything is durable.",
	],
	async run({ config, logger, progress, out }, command) {
		const stop = stopOnSignal(logger);
		// Printed before the store's client is loaded: a sign of life, with its subject.
		logger.info("run.started", {
			pid: process.pid,
			workspace: config.workspace,
			namespace: config.namespace,
		});
		const options = {
			settings: config,
			logger: config.metrics ? metered(logger, writeMetrics) : logger,
			progress,
			signal: stop,
			command,
			ownsProcess: true,
			onReceipt: (receipt: StartReceipt) => {
				if (!config.json) process.stderr.write(`${receiptLine(receipt)}\n`);
			},
		};
		const result = await runOrServe({ ...options, agentToStderr: config.json }, config.listen);
		if (config.json) await out.json(forProgram(result));
		else {
			// Stdout belongs to the agent if there is one.
			for (const line of shown(result)) {
				if (command.length > 0) process.stderr.write(`${line}\n`);
				else await out.line(line);
			}
		}
		return endingOf(result);
	},
};

function forProgram(result: Result): object {
	if (result.kind === "ended") return result;
	const { kind, exitStatus } = result;
	return { kind, exitStatus };
}

function endingOf(result: Result): Ending {
	const { exitStatus } = result;
	if (result.kind === "not-started")
		return ("failure" in result ? result.failure : undefined) ?? exitStatus;
	const { isDurable, superseded, lost, deferredDeletions } = result;
	if (isDurable && !superseded) return { agentStatus: exitStatus };
	return durableEnding({ exitStatus, paths: lost.length, deferredDeletions });
}

type Result = RunResult | ServeResult;

async function runOrServe(options: RunOptions, listen: string | undefined): Promise<Result> {
	if (listen !== undefined)
		return await (await import("../library/serve.ts")).serve({ ...options, listen });
	return await (await import("../library/run.ts")).run(options);
}

/** Next to the log lines: CloudWatch reads both. */
function writeMetrics(values: MetricValues, model?: string): void {
	const line = emfLine(Date.now(), values, model);
	if (line !== undefined) process.stderr.write(`${line}\n`);
}

const SHOWN_PATHS = 20;

/** The first signal drains. The drain has its own deadline, so no second signal is needed. */
function stopOnSignal(logger: Logger): AbortSignal {
	const stop = new AbortController();
	const onSignal = (signal: NodeJS.Signals) => {
		logger.info(stop.signal.aborted ? "run.signal-ignored" : "run.signal", { signal });
		stop.abort(isTypedInterrupt(signal) ? new ToldByTerminal() : undefined);
	};
	for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, onSignal);
	return stop.signal;
}

function shown(result: Result): string[] {
	if (result.kind === "not-started")
		return ["stopped before the workspace was restored; nothing was committed"];
	const {
		isDurable,
		superseded,
		lost,
		deferredDeletions,
		excluded,
		moved,
		headSeq,
		agentStatus,
		coverage,
	} = result;
	const outside = coverageRows(coverage).map(([label, text]) => `  ${label}  ${text}`);
	const agent = agentStatus === undefined ? [] : [`the agent ended with status ${agentStatus}`];
	if (superseded) return agent;
	const leftOut = excluded.map(({ path, reason }) => `  ${shownPath(path)}: ${reason}`);
	if (isDurable) {
		const moves = movedLines(moved.filter(({ isInLog }) => !isInLog));
		const durable = `${everything(coverage, leftOut.length > 0)} is durable: commit ${headSeq}${exceptions(coverage)}`;
		return [...agent, durable, ...leftOut, ...moves, ...outside];
	}
	const left = lost.length - SHOWN_PATHS;
	return [
		...agent,
		...lost.slice(0, SHOWN_PATHS).map(({ path, reason }) => `  ${shownPath(path)}: ${reason}`),
		...(left > 0 ? [`  and ${count(left, "more", "more")}`] : []),
		...(deferredDeletions > 0 ? [`  deferred  ${deferredWords(deferredDeletions)}`] : []),
		...outside,
	];
}
