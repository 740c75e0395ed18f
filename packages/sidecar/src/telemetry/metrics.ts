/**
 * Metrics in CloudWatch's embedded format: one JSON line per event, from which CloudWatch Logs
 * makes metrics without any request of ours.
 * https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
 *
 * One dimension with one value: each further value of a dimension is a metric of its own, and is
 * paid for as one. A namespace is none.
 */

/** Names and units are stable: dashboards and alarms depend on them. */
export const METRICS = {
	/** Age of the oldest change that is not durable; 0: everything is. */
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
	/** Invocations answered, refused ones among them. */
	Invocations: "Count",
	InvocationTime: "Seconds",
	/** Another writer took the workspace over. */
	FencedWriters: "Count",
	/** Files that could not be taken. */
	SkippedFiles: "Count",
	/** Files that hold what looks like a secret. */
	SecretsFound: "Count",
	/** Requests that proved no identity, or another user's. */
	RefusedIdentities: "Count",
} as const satisfies Record<string, "Seconds" | "Count" | "Bytes">;

export type MetricName = keyof typeof METRICS;
export type MetricValues = Readonly<Partial<Record<MetricName, number>>>;

export const METRIC_NAMESPACE = "OpenClawSidecar";
const SERVICE = "openclaw-sidecar";

/**
 * One line without its end; undefined where nothing is left to say: CloudWatch would drop a line
 * with a number that is none.
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
