/**
 * The names of metrics and their sources. The daemon's metrics:
 * packages/sidecar/src/telemetry/metrics.ts.
 */
import { Duration, Stack } from "aws-cdk-lib";
import { Metric, Stats } from "aws-cdk-lib/aws-cloudwatch";
import type { Construct } from "constructs";
import {
	METRIC_NAMESPACE,
	type METRICS,
	type MetricName,
} from "../../../sidecar/src/telemetry/metrics.ts";
import type { AgentRuntime } from "../machines/agent-runtime.ts";

const PERIOD = Duration.minutes(5);

/**
 * Metrics of the daemons of all machines together. A dimension per user would create a billed
 * metric for each user.
 */
export function daemonMetric(name: MetricName, statistic: string): Metric {
	// The table makes an unknown metric name a type error.
	return new Metric({
		namespace: METRIC_NAMESPACE,
		metricName: name satisfies keyof typeof METRICS,
		dimensionsMap: { Service: "openclaw-sidecar" },
		statistic,
		period: PERIOD,
	});
}

/**
 * Metrics of calls through the endpoint.
 * https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/observability-runtime-metrics.html
 */
export function runtimeMetric(
	{ runtime, endpointName }: AgentRuntime,
	name: string,
	statistic: string = Stats.SUM,
): Metric {
	return new Metric({
		namespace: "AWS/Bedrock-AgentCore",
		metricName: name,
		dimensionsMap: {
			Operation: "InvokeAgentRuntime",
			Name: `${runtime.agentRuntimeName}::${endpointName}`,
			Resource: runtime.agentRuntimeArn,
		},
		statistic,
		period: PERIOD,
	});
}

/** The usage of machines. It arrives up to an hour late, and in a burst when a machine ends. */
export function usageMetric(
	{ runtime }: AgentRuntime,
	name: "CPUUsed-vCPUHours" | "MemoryUsed-GBHours",
): Metric {
	return new Metric({
		namespace: "AWS/Bedrock-AgentCore",
		metricName: name,
		dimensionsMap: { Service: "AgentCore.Runtime", Resource: runtime.agentRuntimeArn },
		statistic: Stats.SUM,
		period: PERIOD,
	});
}

export function blockedMetric(scope: Construct, webAcl: string): Metric {
	return new Metric({
		namespace: "AWS/WAFV2",
		metricName: "BlockedRequests",
		dimensionsMap: { WebACL: webAcl, Rule: "ALL", Region: Stack.of(scope).region },
		statistic: Stats.SUM,
		period: PERIOD,
	});
}
