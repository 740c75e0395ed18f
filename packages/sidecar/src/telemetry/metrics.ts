/**
 * Metrics in CloudWatch's embedded format: one JSON line per event, from which CloudWatch Logs
 * makes metrics without a request from the sidecar.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
 *
 * Each value of a dimension is a separate, paid metric. So there is one dimension with one value, and
 * for the use of models a second one with the model's id. A namespace is not a dimension.
 */

/** Names and units are stable: dashboards and alarms depend on them. */
export const METRICS = {
	/** Age of the oldest change that is not durable; 0 if everything is. */
	DurabilityLag: "Seconds",
	DirtyFiles: "Count",
	DirtyBytes: "Bytes",
	RestoreTime: "Seconds",
	RestoreBytes: "Bytes",
	RestoreFiles: "Count",
	RestoreFailures: "Count",
	FlushTime: "Seconds",
	FlushBytes: "Bytes",
	FlushErrors: "Count",
	/** Requests sent to the store. */
	StoreRequests: "Count",
	/** Answered invocations, including refused ones. */
	Invocations: "Count",
	InvocationTime: "Seconds",
	/** Another writer took the workspace over. */
	FencedWriters: "Count",
	/** Files that could not be read. */
	SkippedFiles: "Count",
	/** Files with content that looks like a secret. */
	SecretsFound: "Count",
	/** Requests that proved no identity, or another user's. */
	RefusedIdentities: "Count",
	/** Answers of the model, and what they took. */
	ModelRequests: "Count",
	ModelTime: "Seconds",
	/** Input tokens without those that the provider read from its cache. */
	ModelInputTokens: "Count",
	ModelCachedTokens: "Count",
	ModelOutputTokens: "Count",
	/** Requests that the provider did not answer with a success. */
	ModelErrors: "Count",
	/** Requests after a user's tokens of the day were used up. */
	ModelBudgetRefusals: "Count",
} as const satisfies Record<string, "Seconds" | "Count" | "Bytes">;

export type MetricName = keyof typeof METRICS;
export type MetricValues = Readonly<Partial<Record<MetricName, number>>>;

export const METRIC_NAMESPACE = "OpenClawSidecar";
const SERVICE = "openclaw-sidecar";

/**
 * One line without its end; undefined if no value is left: CloudWatch would drop a line with an
 * invalid number.
 * @param nowMs since the epoch
 * @param model the values count for it, and in total
 */
export function emfLine(nowMs: number, values: MetricValues, model?: string): string | undefined {
	const given = Object.entries(values).filter(([, value]) => Number.isFinite(value));
	if (given.length === 0) return undefined;
	return JSON.stringify({
		_aws: {
			Timestamp: nowMs,
			CloudWatchMetrics: [
				{
					Namespace: METRIC_NAMESPACE,
					Dimensions: [["Service"], ...(model === undefined ? [] : [["Service", "Model"]])],
					Metrics: given.map(([Name]) => ({ Name, Unit: METRICS[Name as MetricName] })),
				},
			],
		},
		Service: SERVICE,
		...(model !== undefined && { Model: model }),
		...Object.fromEntries(given),
	});
}
