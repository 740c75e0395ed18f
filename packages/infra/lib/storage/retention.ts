/**
 * Deletes daily what is past retention, in every namespace.
 *
 * A schedule puts one message into a queue, and the function makes of it a message for each
 * namespace; `lambda/retention.ts` describes the messages. The queue limits how many namespaces are
 * processed at once, repeats a failed one, and keeps what failed three times for a person.
 */
import { Duration, RemovalPolicy, Stack, TimeZone } from "aws-cdk-lib";
import { type Metric, Stats } from "aws-cdk-lib/aws-cloudwatch";
import type * as kms from "aws-cdk-lib/aws-kms";
import { SqsEventSource } from "aws-cdk-lib/aws-lambda-event-sources";
import * as logs from "aws-cdk-lib/aws-logs";
import { Schedule, ScheduleExpression, ScheduleTargetInput } from "aws-cdk-lib/aws-scheduler";
import { SqsSendMessage } from "aws-cdk-lib/aws-scheduler-targets";
import * as sqs from "aws-cdk-lib/aws-sqs";
import { Construct } from "constructs";
import type { RetentionTask } from "../../lambda/retention/task.ts";
import { allow, BundledFunction } from "../parts/bundled-function.ts";
import { makeSchedulerRole } from "../parts/schedule.ts";
import type { WorkspaceBucket } from "./workspace-bucket.ts";

/** Lambda's longest. A namespace must fit. */
const LONGEST_RUN = Duration.minutes(15);
const ATTEMPTS = 3;

export interface RetentionProps {
	readonly workspaces: WorkspaceBucket;
	/** The number of namespaces that are processed at the same time. */
	readonly atOnce: number;
	readonly key: kms.IKey;
	readonly logDays: number;
}

export class Retention extends Construct {
	readonly handler: BundledFunction;
	readonly queue: sqs.Queue;
	/** What failed three times. */
	readonly deadLetters: sqs.Queue;
	/** Days on which the round of an earlier day was still running. */
	readonly unfinishedRounds: Metric;

	constructor(scope: Construct, id: string, { workspaces, atOnce, key, logDays }: RetentionProps) {
		super(scope, id);
		this.deadLetters = this.#makeQueue("DeadLetters", { retentionPeriod: Duration.days(14) });
		this.queue = this.#makeQueue("Tasks", {
			// A failed message returns after this time.
			visibilityTimeout: LONGEST_RUN.plus(Duration.minutes(1)),
			retentionPeriod: Duration.days(14),
			deadLetterQueue: { queue: this.deadLetters, maxReceiveCount: ATTEMPTS },
		});
		this.handler = new BundledFunction(this, "Handler", {
			entry: "retention",
			description: "Deletes objects past retention",
			timeout: LONGEST_RUN,
			memory: 1_769,
			environment: {
				STORE_URL: `s3://${workspaces.bucket.bucketName}`,
				QUEUE_URL: this.queue.queueUrl,
			},
			role: workspaces.sweeper,
			key,
			logDays,
		});
		this.handler.fn.addEventSource(
			new SqsEventSource(this.queue, { batchSize: 1, maxConcurrency: atOnce }),
		);
		allow(
			workspaces.sweeper,
			"QueueNamespaces",
			["sqs:SendMessage", "sqs:GetQueueAttributes"],
			[this.queue.queueArn],
		);
		this.unfinishedRounds = this.#countUnfinishedRounds();
		this.#startDaily();
	}

	#makeQueue(id: string, props: sqs.QueueProps): sqs.Queue {
		return new sqs.Queue(this, id, {
			encryption: sqs.QueueEncryption.SQS_MANAGED,
			enforceSSL: true,
			removalPolicy: RemovalPolicy.DESTROY,
			...props,
		});
	}

	#startDaily(): void {
		const role = makeSchedulerRole(this, "Starter", "Starts retention");
		allow(role, "Start", ["sqs:SendMessage"], [this.queue.queueArn]);
		const start: RetentionTask = { task: "start" };
		new Schedule(this, "Daily", {
			schedule: ScheduleExpression.cron({ hour: "3", minute: "17", timeZone: TimeZone.ETC_UTC }),
			target: new SqsSendMessage(this.queue as sqs.IQueue, {
				input: ScheduleTargetInput.fromObject(start),
				retryAttempts: 2,
				role: role.withoutPolicyUpdates(),
			}),
			description: "Retention of all workspaces",
		});
	}

	#countUnfinishedRounds(): Metric {
		const filter = new logs.MetricFilter(this, "UnfinishedRounds", {
			logGroup: this.handler.logGroup,
			filterPattern: logs.FilterPattern.stringValue("$.event", "=", "retention.round-continues"),
			metricNamespace: `${Stack.of(this).stackName}/Retention`,
			metricName: "UnfinishedRounds",
			metricValue: "1",
		});
		return filter.metric({ statistic: Stats.SUM, period: Duration.days(1) });
	}
}
