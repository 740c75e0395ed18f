/**
 * The role of EventBridge Scheduler: for schedules of this account only. CDK's own role could start
 * every version.
 */
import { Stack } from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import type { Construct } from "constructs";

export function makeSchedulerRole(scope: Construct, id: string, description: string): iam.Role {
	const { account } = Stack.of(scope);
	return new iam.Role(scope, id, {
		description,
		assumedBy: new iam.ServicePrincipal("scheduler.amazonaws.com", {
			conditions: { StringEquals: { "aws:SourceAccount": account } },
		}),
	});
}
