/**
 * Deletes daily what is past retention, in every namespace. Failures and missed days raise alarms.
 */
import { Duration, TimeZone } from "aws-cdk-lib";
import type * as dynamodb from "aws-cdk-lib/aws-dynamodb";
import type * as kms from "aws-cdk-lib/aws-kms";
import { Schedule, ScheduleExpression } from "aws-cdk-lib/aws-scheduler";
import { LambdaInvoke } from "aws-cdk-lib/aws-scheduler-targets";
import { Construct } from "constructs";
import { allow, BundledFunction } from "./bundled-function.ts";
import { makeSchedulerRole } from "./schedule.ts";
import type { WorkspaceBucket } from "./workspace-bucket.ts";

export interface RetentionProps {
	readonly workspaces: WorkspaceBucket;
	/** The table in which a run that ran out of time records its place. */
	readonly table: dynamodb.ITable;
	readonly key: kms.IKey;
	readonly logDays: number;
}

export class Retention extends Construct {
	readonly handler: BundledFunction;

	constructor(scope: Construct, id: string, { workspaces, table, key, logDays }: RetentionProps) {
		super(scope, id);
		this.handler = new BundledFunction(this, "Handler", {
			entry: "retention",
			description: "Deletes objects past retention",
			// Lambda's longest. A run continues where the last one stopped.
			timeout: Duration.minutes(15),
			memory: 1_769,
			environment: {
				STORE_URL: `s3://${workspaces.bucket.bucketName}`,
				STATE_TABLE: table.tableName,
			},
			role: workspaces.sweeper,
			key,
			logDays,
		});
		// The next day's run repeats a failed one; there is no immediate retry.
		this.handler.fn.configureAsyncInvoke({ retryAttempts: 0 });
		allow(
			workspaces.sweeper,
			"RememberProgress",
			["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:DeleteItem"],
			[table.tableArn],
		);
		const role = makeSchedulerRole(this, "Starter", "Starts retention");
		allow(role, "Start", ["lambda:InvokeFunction"], [this.handler.fn.functionArn]);
		new Schedule(this, "Daily", {
			schedule: ScheduleExpression.cron({ hour: "3", minute: "17", timeZone: TimeZone.ETC_UTC }),
			target: new LambdaInvoke(this.handler.fn, {
				retryAttempts: 2,
				role: role.withoutPolicyUpdates(),
			}),
			description: "Retention of all workspaces",
		});
	}
}
