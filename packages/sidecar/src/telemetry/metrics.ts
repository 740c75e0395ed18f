/**
 * Metrics in CloudWatch's embedded format: one JSON line per event, from which CloudWatch Logs
 * makes metrics without a request from the sidecar.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
 *
 * One dimension with one value: each further value of a dimension is a separate, paid metric. A
 * namespace is therefore not a dimension.
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
} as const satisfies Record<string, "Seconds" | "Count" | "Bytes">;

export type MetricName = keyof typeof METRICS;
export type MetricValues = Readonly<Partial<Record<MetricName, number>>>;

export const METRIC_NAMESPACE = "OpenClawSidecar";
const SERVICE = "openclaw-sidecar";

/**
 * One line without its end; undefined if no value is left: CloudWatch would drop a line with an
 * invalid number.
 * @param nowMs since the epoch
 */
export function emfLine(nowMs: number, values: MetricValues): string | undefined {
	const given = Object.entries(values).filter(([, value]) => Number.isFinite(value));
	if (given.length === 0) return undefined;
	return JSON.stringify({
		_aws: {
			Timestamp: nowMs,
			CloudWatchMetrics: [
				{
					Namespace: METRIC_NAMESPACE,
					Dimensions: [["Service"]],
					Metrics: given.map(([Name]) => ({ Name, Unit: METRICS[Name as MetricName] })),
				},
			],
		},
		Service: SERVICE,
		...Object.fromEntries(given),
	});
}
