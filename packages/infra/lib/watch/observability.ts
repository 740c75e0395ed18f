/** Alarms with their topic, the dashboard, and the saved queries. */
import { Stack } from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import type * as kms from "aws-cdk-lib/aws-kms";
import * as sns from "aws-cdk-lib/aws-sns";
import { EmailSubscription } from "aws-cdk-lib/aws-sns-subscriptions";
import { Construct } from "constructs";
import { alarmSpecs, makeAlarms, type Watched } from "./alarms.ts";
import { makeDashboard } from "./dashboard.ts";
import { saveQueries } from "./queries.ts";

export interface ObservabilityProps {
	readonly watched: Watched;
	readonly topic: sns.ITopic;
	readonly platformVersion: "V1" | "V2";
}

export class Observability extends Construct {
	constructor(
		scope: Construct,
		id: string,
		{ watched, topic, platformVersion }: ObservabilityProps,
	) {
		super(scope, id);
		const alarms = makeAlarms(this, alarmSpecs(watched), topic);
		makeDashboard(this, "Dashboard", { watched, alarms, platformVersion });
		saveQueries(this, watched);
	}
}

/** Created before its publishers. */
export function makeTopic(
	scope: Construct,
	id: string,
	key: kms.IKey,
	email: string | undefined,
): sns.Topic {
	const topic = new sns.Topic(scope, id, {
		displayName: `${Stack.of(scope).stackName} alarms`,
		masterKey: key,
		enforceSSL: true,
	});
	topic.addToResourcePolicy(
		new iam.PolicyStatement({
			sid: "AlarmsOfThisAccount",
			principals: [new iam.ServicePrincipal("cloudwatch.amazonaws.com")],
			actions: ["sns:Publish"],
			resources: [topic.topicArn],
			conditions: { StringEquals: { "aws:SourceAccount": Stack.of(scope).account } },
		}),
	);
	if (email !== undefined) topic.addSubscription(new EmailSubscription(email));
	return topic;
}
