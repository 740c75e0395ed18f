/**
 * The conditions that people must know about, each with its threshold and the reason for it. Each
 * is an alarm; docs/deploy.md has the table.
 */
import { Duration } from "aws-cdk-lib";
import {
	type Alarm,
	ComparisonOperator,
	type Metric,
	Stats,
	TreatMissingData,
} from "aws-cdk-lib/aws-cloudwatch";
import { SnsAction } from "aws-cdk-lib/aws-cloudwatch-actions";
import type * as sns from "aws-cdk-lib/aws-sns";
import type { Construct } from "constructs";
import type { AgentRuntime } from "../agent-runtime.ts";
import type { ChannelSecrets } from "../channel-secrets.ts";
import type { Issuer } from "../issuer.ts";
import type { Retention } from "../retention.ts";
import type { Router } from "../router.ts";
import type { WebhookApi } from "../webhook-api.ts";
import { blockedMetric, daemonMetric, runtimeMetric } from "./metrics.ts";

const PERIOD = Duration.minutes(5);

/** The constructs to watch. Without a router (an issuer of your own) the last four are missing. */
export interface Watched {
	readonly runtime: AgentRuntime;
	readonly retention: Retention;
	readonly webhookApi?: WebhookApi;
	readonly issuer?: Issuer;
	readonly router?: Router;
	readonly secrets?: ChannelSecrets;
}

export interface AlarmSpec {
	readonly name: string;
	readonly metric: Metric;
	readonly threshold: number;
	/** The number of periods out of `of` that must reach the threshold. Default 1 of 1. */
	readonly periods?: { readonly bad: number; readonly of: number };
	/** Default: the metric must reach the threshold. */
	readonly isBelow?: true;
	/** The reason for the threshold, and what to do. */
	readonly why: string;
}

export function alarmSpecs(watched: Watched): readonly AlarmSpec[] {
	return [
		...dataAlarms(),
		...machineAlarms(watched),
		...keepingAlarms(watched),
		...webhookApiAlarms(watched),
		...queueAlarms(watched),
	];
}

export function makeAlarms(
	scope: Construct,
	specs: readonly AlarmSpec[],
	topic: sns.ITopic,
): readonly Alarm[] {
	return specs.map(({ name, metric, threshold, periods, isBelow, why }) => {
		const alarm = metric.createAlarm(scope, name, {
			alarmDescription: why,
			threshold,
			evaluationPeriods: periods?.of ?? 1,
			datapointsToAlarm: periods?.bad ?? 1,
			comparisonOperator: isBelow
				? ComparisonOperator.LESS_THAN_THRESHOLD
				: ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
			// Without machines there are no metrics, as on any night. A missing run is a problem.
			treatMissingData: isBelow ? TreatMissingData.BREACHING : TreatMissingData.NOT_BREACHING,
		});
		alarm.addAlarmAction(new SnsAction(topic));
		return alarm;
	});
}

function dataAlarms(): readonly AlarmSpec[] {
	return [
		{
			name: "DurabilityLag",
			metric: daemonMetric("DurabilityLag", Stats.MAXIMUM),
			threshold: 60,
			periods: { bad: 2, of: 3 },
			why: "Seconds. A change is durable after 1 to 5 s; 60 s twice in 15 minutes means that the store does not accept commits. See errors by code in the saved queries.",
		},
		{
			name: "RestoreFailures",
			metric: daemonMetric("RestoreFailures", Stats.SUM),
			threshold: 1,
			why: "A user has no agent: the machine refused to start on data that it could not verify. Each one counts; `openclaw-sidecar doctor` says what is wrong.",
		},
		{
			name: "FlushErrors",
			metric: daemonMetric("FlushErrors", Stats.SUM),
			threshold: 3,
			periods: { bad: 2, of: 2 },
			why: "A failed flush is repeated within seconds. The network causes one or two; three in each of two periods have another cause.",
		},
		{
			name: "FencedWriters",
			metric: daemonMetric("FencedWriters", Stats.SUM),
			threshold: 1,
			why: "Two machines had one workspace. Nothing is lost: late changes are below .recovered/ (`openclaw-sidecar recover`). This should not happen, so look at each one.",
		},
		{
			name: "RefusedIdentities",
			metric: daemonMetric("RefusedIdentities", Stats.SUM),
			threshold: 5,
			why: "Requests without a valid token, or for another user's machine. A single one may be a token that expired in transit; five in 5 minutes are an attempt.",
		},
		{
			name: "SecretsFound",
			metric: daemonMetric("SecretsFound", Stats.SUM),
			threshold: 1,
			why: "A file holds what looks like a secret where the profile expects none. The log line names the file; `--on-secret exclude` keeps such files out.",
		},
	];
}

function machineAlarms({ runtime }: Watched): readonly AlarmSpec[] {
	return [
		{
			name: "RuntimeThrottles",
			metric: runtimeMetric(runtime, "Throttles"),
			threshold: 1,
			why: "The platform refused a call: a quota of the account (25 new machines a second, 2,500 to 5,000 at once) is reached. The worker tries again; request a higher quota.",
		},
		{
			name: "RuntimeSystemErrors",
			metric: runtimeMetric(runtime, "SystemErrors"),
			threshold: 3,
			why: "Failures of the platform itself. The queue repeats a message for 5 minutes, so fewer than three affect no user.",
		},
	];
}

function keepingAlarms({ retention, secrets }: Watched): readonly AlarmSpec[] {
	const { fn } = retention.handler;
	return [
		{
			name: "RetentionFailed",
			metric: fn.metricErrors({ period: PERIOD, statistic: Stats.SUM }),
			threshold: 1,
			why: "A daily run failed. Nothing is lost, and nothing is deleted. The usual reason is a log that cannot be read: run `openclaw-sidecar verify`.",
		},
		{
			name: "RetentionMissing",
			metric: fn.metricInvocations({ period: Duration.days(1), statistic: Stats.SUM }),
			threshold: 1,
			periods: { bad: 2, of: 2 },
			isBelow: true,
			why: "It runs daily. Two days without a run mean that the schedule is disabled and history grows.",
		},
		...(secrets?.rotations ?? []).map(({ fn, node }) => ({
			name: `RotationFailed-${node.id.replace(/-rotation$/, "")}`,
			metric: fn.metricErrors({ period: PERIOD, statistic: Stats.SUM }),
			threshold: 1,
			why: "The secret in use is unchanged. The function's log names the failed step and the reason: a staged value was refused, or the channel no longer accepts the current secret. A rotation with nothing to change does not fail.",
		})),
	];
}

function webhookApiAlarms({ webhookApi, issuer, router }: Watched): readonly AlarmSpec[] {
	if (webhookApi === undefined || issuer === undefined || router === undefined) return [];
	return [
		{
			name: "WebhookApiServerErrors",
			metric: webhookApi.api.metricServerError({ period: PERIOD, statistic: Stats.SUM }),
			threshold: 3,
			why: "Channels repeat a failed webhook, so one or two are harmless; three in 5 minutes mean a broken function.",
		},
		{
			name: "WebhookApiClientErrors",
			metric: webhookApi.api.metricClientError({ period: PERIOD, statistic: Stats.SUM }),
			threshold: 100,
			why: "Mostly wrong signatures. Scanners find every address and cause a few dozen; a hundred in 5 minutes mean an attack, or a channel whose secret is wrong here.",
		},
		{
			name: "Blocked",
			metric: blockedMetric(webhookApi, webhookApi.firewall.name),
			threshold: 500,
			why: "WAF blocked this many requests in 5 minutes. Check whether it blocks a channel: the saved query on blocked requests names the rules.",
		},
		{
			name: "WebhookSlow",
			metric: router.webhook.fn.metricDuration({ period: PERIOD, statistic: "p99" }),
			threshold: 2_000,
			periods: { bad: 2, of: 3 },
			why: "Milliseconds. Slack and Feishu give up after 3 s and send again; 2 s leave one second for the network. More provisioned concurrency avoids cold starts.",
		},
		{
			name: "WebhookThrottles",
			metric: router.webhook.fn.metricThrottles({ period: PERIOD, statistic: Stats.SUM }),
			threshold: 1,
			why: "Lambda refused an invocation: the account's concurrency is exhausted.",
		},
		{
			name: "IssuerFailed",
			metric: issuer.keysMethod.metricServerError(webhookApi.api.deploymentStage, {
				period: PERIOD,
				statistic: Stats.SUM,
			}),
			threshold: 1,
			why: "Without the issuer's keys no machine starts. They are requested rarely, so each failure counts.",
		},
	];
}

function queueAlarms({ router }: Watched): readonly AlarmSpec[] {
	if (router === undefined) return [];
	return [
		{
			name: "DeadLetters",
			metric: router.deadLetters.metricApproximateNumberOfMessagesVisible({
				period: PERIOD,
				statistic: Stats.MAXIMUM,
			}),
			threshold: 1,
			why: "A message failed in each attempt for 5 minutes, and its user was informed. The queue keeps it for 14 days: fix the cause, then redrive.",
		},
		{
			name: "QueueAge",
			metric: router.queue.metricApproximateAgeOfOldestMessage({
				period: PERIOD,
				statistic: Stats.MAXIMUM,
			}),
			threshold: 1_800,
			periods: { bad: 2, of: 2 },
			why: "Seconds. A turn may take 15 minutes, and the next message of that user waits for it. Half an hour means two turns, or too few concurrent turns (openclaw:turnsAtOnce).",
		},
		{
			name: "WorkerErrors",
			metric: router.worker.fn.metricErrors({ period: PERIOD, statistic: Stats.SUM }),
			threshold: 3,
			why: "The worker itself failed, not one message. A single late machine does not cause three in 5 minutes.",
		},
	];
}
