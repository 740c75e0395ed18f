/**
 * Derives metrics from logged events: a logger that forwards each event, and emits the metrics that
 * it carries. The rooms that do the work know nothing of metrics, and both always show the same
 * numbers.
 */
import type { MetricValues } from "./metrics.ts";
import type { EventName, LogFields, Logger } from "./types.ts";

type Meter = (fields: LogFields) => MetricValues;

/** The only event whose metrics are also kept for each model: an unknown id has no answers. */
const MODEL_ANSWERED = "model.answered";

const METERS: Readonly<Record<EventName, Meter>> = {
	"restore.finished": ({ files, bytes, ms }) => ({
		RestoreFiles: number(files),
		RestoreBytes: number(bytes),
		RestoreTime: seconds(ms),
	}),
	"invocation.ended": ({ ms }) => ({ Invocations: 1, InvocationTime: seconds(ms) }),
	"durability.measured": ({ lagMs, dirtyFiles, dirtyBytes, storeRequests }) => ({
		DurabilityLag: seconds(lagMs),
		DirtyFiles: number(dirtyFiles),
		DirtyBytes: number(dirtyBytes),
		StoreRequests: number(storeRequests),
	}),
	"machine.not-started": () => ({ RestoreFailures: 1 }),
	"flush.committed": ({ bytes, ms, lagMs }) => ({
		FlushBytes: number(bytes),
		FlushTime: seconds(ms),
		...(typeof lagMs === "number" && { DurabilityLag: seconds(lagMs) }),
	}),
	"drain.committed": ({ bytes }) => ({ FlushBytes: number(bytes) }),
	"flush.failed": () => ({ FlushErrors: 1 }),
	"flush.transfer-failed": () => ({ FlushErrors: 1 }),
	"flush.undecided": () => ({ FlushErrors: 1 }),
	"flush.not-taken": () => ({ SkippedFiles: 1 }),
	"writer.superseded": () => ({ FencedWriters: 1 }),
	"fence.lost": () => ({ FencedWriters: 1 }),
	"security.secret-found": () => ({ SecretsFound: 1 }),
	"security.identity-refused": () => ({ RefusedIdentities: 1 }),
	"security.namespace-refused": () => ({ RefusedIdentities: 1 }),
	[MODEL_ANSWERED]: ({ ms, inputTokens, cachedTokens, outputTokens }) => ({
		ModelRequests: 1,
		ModelTime: seconds(ms),
		ModelInputTokens: number(inputTokens),
		ModelCachedTokens: number(cachedTokens),
		ModelOutputTokens: number(outputTokens),
	}),
	"model.failed": () => ({ ModelErrors: 1 }),
	"model.budget-spent": () => ({ ModelBudgetRefusals: 1 }),
};

/** Each is logged somewhere under exactly this name. */
export const METERED_EVENTS: readonly string[] = Object.keys(METERS);

/** @param emit called with the metrics of an event, right after the event was written */
export function metered(
	logger: Logger,
	emit: (values: MetricValues, model?: string) => void,
): Logger {
	const wrap = (inner: Logger): Logger => {
		const at =
			(level: "error" | "warn" | "info" | "debug") =>
			(event: EventName, fields: LogFields = {}) => {
				inner[level](event, fields);
				const meter = Object.hasOwn(METERS, event) ? METERS[event] : undefined;
				if (meter === undefined) return;
				if (event === MODEL_ANSWERED) emit(meter(fields), String(fields.model));
				else emit(meter(fields));
			};
		return {
			error: at("error"),
			warn: at("warn"),
			info: at("info"),
			debug: at("debug"),
			child: (fields) => wrap(inner.child(fields)),
		};
	};
	return wrap(logger);
}

const number = (value: unknown) => (typeof value === "number" ? value : Number.NaN);
const seconds = (ms: unknown) => number(ms) / 1000;
