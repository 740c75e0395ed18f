/** One page: data safety, answers to users, refused requests, cost. */
import { Duration, Stack } from "aws-cdk-lib";
import {
	AlarmStatusWidget,
	Dashboard,
	GraphWidget,
	type IAlarm,
	type IMetric,
	type IWidget,
	MathExpression,
	Stats,
} from "aws-cdk-lib/aws-cloudwatch";
import type { Construct } from "constructs";
import type { Watched } from "./alarms.ts";
import { blockedMetric, daemonMetric, runtimeMetric, usageMetric } from "./metrics.ts";

/**
 * $ per vCPU-hour and GB-hour. https://aws.amazon.com/bedrock/agentcore/pricing/ (November 2026)
 */
const PRICES = {
	V1: { cpu: 0.0895, memory: 0.00945 },
	V2: { cpu: 0.1276, memory: 0.0169 },
} as const;

export interface DashboardProps {
	readonly watched: Watched;
	readonly alarms: readonly IAlarm[];
	readonly platformVersion: keyof typeof PRICES;
}

export function makeDashboard(
	scope: Construct,
	id: string,
	{ watched, alarms, platformVersion }: DashboardProps,
): Dashboard {
	const { runtime, retention, webhookApi, router } = watched;
	const dashboard = new Dashboard(scope, id, {
		dashboardName: `${Stack.of(scope).stackName}-overview`,
		defaultInterval: Duration.hours(12),
	});
	dashboard.addWidgets(
		new AlarmStatusWidget({ title: "Alarms", alarms: [...alarms], width: 24, height: 4 }),
	);
	dashboard.addWidgets(
		graph(
			"Durability lag (s)",
			daemonMetric("DurabilityLag", Stats.MAXIMUM),
			daemonMetric("DurabilityLag", "p90"),
		),
		graph(
			"Restore time (s)",
			...["p50", "p90", Stats.MAXIMUM].map((statistic) => daemonMetric("RestoreTime", statistic)),
		),
		graph(
			"Failures",
			...(["FlushErrors", "RestoreFailures", "FencedWriters", "RefusedIdentities"] as const).map(
				(name) => daemonMetric(name, Stats.SUM),
			),
		),
	);
	dashboard.addWidgets(
		graph(
			"Sessions",
			runtimeMetric(runtime, "SessionCount"),
			runtimeMetric(runtime, "Invocations"),
		),
		graph(
			"Refused by the platform",
			...["Throttles", "SystemErrors", "UserErrors"].map((name) => runtimeMetric(runtime, name)),
		),
		costs(watched, platformVersion),
	);
	dashboard.addWidgets(
		graph(
			"Retention",
			retention.queue.metricApproximateNumberOfMessagesVisible(),
			retention.deadLetters.metricApproximateNumberOfMessagesVisible(),
			retention.handler.fn.metricDuration({ statistic: Stats.MAXIMUM }),
		),
	);
	if (webhookApi !== undefined && router !== undefined) {
		dashboard.addWidgets(
			graph(
				"Webhook API",
				webhookApi.api.metricCount(),
				webhookApi.api.metricClientError(),
				webhookApi.api.metricServerError(),
			),
			graph("WAF blocks", blockedMetric(scope, webhookApi.firewall.name)),
			graph(
				"Queue",
				router.queue.metricApproximateNumberOfMessagesVisible(),
				router.deadLetters.metricApproximateNumberOfMessagesVisible(),
				router.worker.fn.metricErrors(),
			),
		);
	}
	return dashboard;
}

function graph(title: string, ...left: IMetric[]): IWidget {
	return new GraphWidget({ title, left, width: 8, height: 6 });
}

/** The cost of machines only, from the usage that the platform reports up to an hour late. */
function costs({ runtime }: Watched, platformVersion: keyof typeof PRICES): IWidget {
	const { cpu, memory } = PRICES[platformVersion];
	const dollars = new MathExpression({
		label: "$ a day",
		expression: `cpu * ${cpu} + memory * ${memory}`,
		usingMetrics: {
			cpu: usageMetric(runtime, "CPUUsed-vCPUHours"),
			memory: usageMetric(runtime, "MemoryUsed-GBHours"),
		},
		period: Duration.days(1),
	});
	return graph(`Machines, estimated ($ a day, ${platformVersion})`, dollars);
}
