/**
 * The conditions that people must know about, each with its threshold and the reason for it. Each
 * is an alarm; docs/alarms.md has the table.
 */
import { Duration } from "aws-cdk-lib";
import {
	type Alarm,
	ComparisonOperator,
	MathExpression,
	type Metric,
	Stats,
	TreatMissingData,
} from "aws-cdk-lib/aws-cloudwatch";
import { SnsAction } from "aws-cdk-lib/aws-cloudwatch-actions";
import type * as sns from "aws-cdk-lib/aws-sns";
import type { Construct } from "constructs";
import type { Issuer } from "../access/issuer.ts";
import type { ChannelSecrets } from "../chats/channel-secrets.ts";
import type { Router } from "../chats/router.ts";
import type { WebhookApi } from "../chats/webhook-api.ts";
import type { AgentRuntime } from "../machines/agent-runtime.ts";
import type { Retention } from "../storage/retention.ts";
import type { Audit } from "./audit.ts";
import type { Falco } from "./falco.ts";
import { blockedMetric, daemonMetric, runtimeMetric } from "./metrics.ts";

const PERIOD = Duration.minutes(5);
const SUM = { period: PERIOD, statistic: Stats.SUM };
const MOST = { period: PERIOD, statistic: Stats.MAXIMUM };

/** The constructs to watch. Without a router (an issuer of your own) the last four are missing. */
export interface Watched {
	readonly runtime: AgentRuntime;
	readonly retention: Retention;
	readonly audit?: Audit;
	readonly falco?: Falco;
	readonly webhookApi?: WebhookApi;
	readonly issuer?: Issuer;
	readonly router?: Router;
	readonly secrets?: ChannelSecrets;
}

export interface AlarmSpec {
	readonly name: string;
	readonly metric: Metric | MathExpression;
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
		...auditAlarms(watched),
		...falcoAlarms(watched),
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
			why: "Seconds. A change is durable after 1 to 5 s; 60 s twice in 15 minutes means that the store does not accept commits. The saved query `errors by code` shows the reason.",
		},
		{
			name: "RestoreFailures",
			metric: daemonMetric("RestoreFailures", Stats.SUM),
			threshold: 1,
			why: "A user has no agent: the machine refused to start on data that it could not verify. Each one counts; `openclaw-sidecar doctor` says what is wrong. The saved query `machines that did not start` names the users.",
		},
		{
			name: "FlushErrors",
			metric: daemonMetric("FlushErrors", Stats.SUM),
			threshold: 3,
			periods: { bad: 2, of: 2 },
			why: "A failed flush is repeated within seconds. The network causes one or two; three in each of two periods have another cause, which the saved query `errors by code` shows. DurabilityLag follows if it lasts.",
		},
		{
			name: "FencedWriters",
			metric: daemonMetric("FencedWriters", Stats.SUM),
			threshold: 1,
			why: "Two machines had one workspace. Nothing is lost: late changes are below .recovered/ (`openclaw-sidecar recover`). This should not happen, so look at each one: the saved query `fenced writers` names them.",
		},
		{
			name: "RefusedIdentities",
			metric: daemonMetric("RefusedIdentities", Stats.SUM),
			threshold: 5,
			why: "Requests without a valid token, or for another user's machine. A single one may be a token that expired in transit; five in 5 minutes are an attempt. The saved query `denied access` shows them.",
		},
		{
			name: "SecretsFound",
			metric: daemonMetric("SecretsFound", Stats.SUM),
			threshold: 1,
			why: "A file holds what looks like a secret where the profile expects none. The saved query `secrets found` names the file; `--on-secret exclude` keeps such files out.",
		},
	];
}

function machineAlarms({ runtime }: Watched): readonly AlarmSpec[] {
	const period = Duration.minutes(15);
	return [
		{
			name: "MetricsMissing",
			metric: new MathExpression({
				expression: "IF(FILL(calls, 0) > 0 AND FILL(reports, 0) == 0, 1, 0)",
				label: "Calls, and no metric of a machine",
				period,
				usingMetrics: {
					calls: runtimeMetric(runtime, "Invocations").with({ period }),
					reports: runtime.reports.with({ period }),
				},
			}),
			threshold: 1,
			// FILL also has to fill a metric that never had a value. CloudWatch's documentation does not
			// say so in words, and nobody has tried it on AWS.
			// A call in the last seconds of a quarter is answered by a machine that reports in the next.
			periods: { bad: 2, of: 8 },
			why: "Machines are called and report nothing, so every alarm on their metrics is blind. A machine reports each minute. Look for its lines in the runtime's log group: no lines mean that the execution role cannot write logs, lines without `_aws` that OPENCLAW_SIDECAR_METRICS is off.",
		},
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
			why: "Failures of the platform itself. The queue repeats a message for 5 minutes, so fewer than three affect no user. If it lasts, look at the AWS Health Dashboard; nothing here can be repaired.",
		},
	];
}

function keepingAlarms({ retention, secrets }: Watched): readonly AlarmSpec[] {
	const { fn } = retention.handler;
	return [
		{
			name: "RetentionFailed",
			metric: retention.deadLetters.metricApproximateNumberOfMessagesVisible(MOST),
			threshold: 1,
			why: "A workspace failed three times. Nothing is lost, and what cannot be read is not deleted. The saved query `failed retention` names the workspace and the reason. The usual one is a log that cannot be read: run `openclaw-sidecar verify`. The next round tries again by itself; purge the queue RetentionDeadLetters when the cause is fixed, and the alarm ends.",
		},
		{
			name: "RetentionStuck",
			metric: retention.queue.metricApproximateAgeOfOldestMessage(MOST),
			threshold: 21_600,
			periods: { bad: 2, of: 2 },
			why: "Seconds. A page of 1,000 workspaces waits about a quarter of an hour. Six hours mean that nobody takes messages: the function's event source is disabled, or the account's concurrency is exhausted.",
		},
		{
			name: "RetentionBehind",
			metric: retention.unfinishedRounds,
			threshold: 1,
			periods: { bad: 5, of: 5 },
			why: "A round takes longer than five days, so what is past retention stays longer. The saved query `progress of retention` shows how far it is. Raise openclaw:retentionAtOnce as docs/retention-at-scale.md says.",
		},
		{
			name: "RetentionMissing",
			// Without FILL, CloudWatch looks further back for days that have data, and alarms days late.
			metric: new MathExpression({
				expression: "FILL(runs, 0)",
				label: "Runs a day",
				period: Duration.days(1),
				usingMetrics: {
					runs: fn.metricInvocations({ period: Duration.days(1), statistic: Stats.SUM }),
				},
			}),
			threshold: 1,
			periods: { bad: 2, of: 2 },
			isBelow: true,
			why: "It runs daily. Two days without a run mean that the schedule RetentionDaily is disabled (EventBridge Scheduler), and history grows. A new stack raises it until its first run, at 03:17 UTC.",
		},
		...(secrets?.rotations ?? []).map(({ fn, node }) => ({
			name: `RotationFailed-${node.id.replace(/-rotation$/, "")}`,
			metric: fn.metricErrors(SUM),
			threshold: 1,
			why: "The secret in use is unchanged. The saved query `failed rotations` names the step and the reason: a staged value was refused, or the channel no longer accepts the current secret. A rotation with nothing to change does not fail.",
		})),
	];
}

function auditAlarms({ audit }: Watched): readonly AlarmSpec[] {
	if (audit?.changesSeenByTrail === undefined) return [];
	return [
		{
			name: "ProtectionChanged",
			metric: audit.changesSeenByTrail,
			threshold: 1,
			why: "A role, the trusted issuer, the trail, or what reports changes was changed; other changes arrive as messages of their own. Expected after a deployment that changes them. The saved query `changes of the protection` says who did it. If nobody knows why, revoke that principal's sessions first.",
		},
	];
}

function falcoAlarms({ falco }: Watched): readonly AlarmSpec[] {
	if (falco === undefined) return [];
	return [
		{
			name: "FalcoBehind",
			metric: falco.queue.metricApproximateAgeOfOldestMessage(MOST),
			threshold: 1_800,
			periods: { bad: 2, of: 2 },
			why: "Seconds; with openclaw:falco. CloudTrail writes a file about every five minutes, and Falco reads it at once. Half an hour means that no task runs. The events of the service in Amazon ECS say why: an image that cannot be pulled, or a task that ends. Nothing is lost for 14 days, and the next task goes on where this one stopped.",
		},
		{
			name: "FalcoAlertsLost",
			metric: falco.lostAlerts,
			threshold: 1,
			why: "falcosidekick could not publish an alert, and does not try again. The saved query `alerts of Falco` has it.",
		},
		{
			name: "RefusedTokens",
			metric: falco.refusedTokens,
			threshold: 10,
			why: "STS refused ten tokens for the users' role in 5 minutes; one alone has expired in transit. From many addresses it is an attack. From one machine, its clock is wrong, or the issuer changed a key. The saved query `alerts of Falco` names the addresses.",
		},
		{
			name: "FindingsFailed",
			metric: falco.findings.fn.metricErrors(SUM),
			threshold: 1,
			why: "Security Hub refused an alert of Falco. After three attempts, the alert is in the topic and in the log only. The saved query `failed findings` shows the reason; the usual one is that Security Hub is not enabled in this region.",
		},
	];
}

function webhookApiAlarms({ webhookApi, issuer, router }: Watched): readonly AlarmSpec[] {
	if (webhookApi === undefined || issuer === undefined || router === undefined) return [];
	return [
		{
			name: "WebhookApiServerErrors",
			metric: webhookApi.api.metricServerError(SUM),
			threshold: 3,
			why: "Channels repeat a failed webhook, so one or two are harmless; three in 5 minutes mean a broken function. The saved query `failed webhooks` shows the errors.",
		},
		{
			name: "WebhookApiClientErrors",
			metric: webhookApi.api.metricClientError(SUM),
			threshold: 100,
			why: "Mostly wrong signatures. Scanners find every address and cause a few dozen; a hundred in 5 minutes mean an attack, or a channel whose secret is wrong here. The saved query `refused webhooks` counts the reasons by channel.",
		},
		{
			name: "Blocked",
			metric: blockedMetric(webhookApi, webhookApi.firewall.name),
			threshold: 500,
			why: "WAF blocked this many requests in 5 minutes. Check whether it blocks a channel: the saved query `blocked requests` names the rules, paths and addresses.",
		},
		{
			name: "WebhookSlow",
			metric: router.webhook.fn.metricDuration({ period: PERIOD, statistic: "p99" }),
			threshold: 2_000,
			periods: { bad: 2, of: 3 },
			why: "Milliseconds. Slack and Feishu give up after 3 s and send again; 2 s leave one second for the network. More provisioned concurrency (openclaw:provisionedConcurrency) avoids cold starts.",
		},
		{
			name: "WebhookThrottles",
			metric: router.webhook.fn.metricThrottles(SUM),
			threshold: 1,
			why: "Lambda refused an invocation: the account's concurrency is exhausted. Channels send again, for minutes to hours. Request more (Service Quotas, AWS Lambda, Concurrent executions).",
		},
		{
			name: "IssuerFailed",
			metric: issuer.keysMethod.metricServerError(webhookApi.api.deploymentStage, SUM),
			threshold: 1,
			why: "Without the issuer's keys no machine starts. They are requested rarely, so each failure counts. The saved query `failed issuer` shows the error; a disabled signing key is the usual one.",
		},
	];
}

function queueAlarms({ router }: Watched): readonly AlarmSpec[] {
	if (router === undefined) return [];
	return [
		{
			name: "DeadLetters",
			metric: router.deadLetters.metricApproximateNumberOfMessagesVisible(MOST),
			threshold: 1,
			why: "A message failed in each attempt for 5 minutes, and its user was informed. The saved query `failed turns` shows the reasons. The queue keeps it for 14 days: fix the cause, then redrive.",
		},
		{
			name: "QueueAge",
			metric: router.queue.metricApproximateAgeOfOldestMessage(MOST),
			threshold: 1_800,
			periods: { bad: 2, of: 2 },
			why: "Seconds. A turn may take 15 minutes, and the next message of that user waits for it. Half an hour means two turns, or too few concurrent turns (openclaw:turnsAtOnce).",
		},
		{
			name: "WorkerErrors",
			metric: router.worker.fn.metricErrors(SUM),
			threshold: 3,
			why: "The worker itself failed, not one message. A single late machine does not cause three in 5 minutes. The saved query `failed turns` shows the errors.",
		},
	];
}
