/**
 * One secret per channel, and its rotation. EventBridge Scheduler asks Secrets Manager to rotate,
 * which calls the channel's function for the four steps. Nothing rotates at deployment, and an
 * empty secret keeps its channel closed.
 */
import { Duration } from "aws-cdk-lib";
import type * as dynamodb from "aws-cdk-lib/aws-dynamodb";
import * as iam from "aws-cdk-lib/aws-iam";
import type * as kms from "aws-cdk-lib/aws-kms";
import * as lambda from "aws-cdk-lib/aws-lambda";
import { Schedule, ScheduleExpression, ScheduleTargetInput } from "aws-cdk-lib/aws-scheduler";
import { Universal } from "aws-cdk-lib/aws-scheduler-targets";
import * as secretsmanager from "aws-cdk-lib/aws-secretsmanager";
import { Construct } from "constructs";
import { allow, allowKey, BundledFunction } from "../parts/bundled-function.ts";
import { makeKey } from "../parts/keys.ts";
import { makeSchedulerRole } from "../parts/schedule.ts";
import type { Channel } from "../settings/config.ts";
import { Firewall } from "./firewall.ts";

export interface ChannelSecretsProps {
	readonly channels: readonly Channel[];
	readonly rotationDays: number;
	readonly dryRun: boolean;
	readonly feishuHost: string;
	/** The URL to which Telegram sends updates; each rotation sets it again. */
	readonly webhookUrl: string;
	readonly table: dynamodb.ITable;
	/** The key of the logs. */
	readonly logKey: kms.IKey;
	readonly logDays: number;
}

export class ChannelSecrets extends Construct {
	readonly key: kms.Key;
	readonly secrets: Readonly<Partial<Record<Channel, secretsmanager.Secret>>>;
	readonly rotations: readonly BundledFunction[];

	constructor(scope: Construct, id: string, props: ChannelSecretsProps) {
		super(scope, id);
		this.key = makeKey(this, "Key", "Channel secrets of OpenClaw");
		const made = props.channels.map((channel) => {
			const secret = new secretsmanager.Secret(this, channel, {
				description: `${channel}: see docs/deploy.md for its keys`,
				encryptionKey: this.key,
				generateSecretString: { secretStringTemplate: "{}", generateStringKey: "unused" },
			});
			return { channel, secret, rotation: this.#rotate(channel, secret, props) };
		});
		this.secrets = Object.fromEntries(made.map(({ channel, secret }) => [channel, secret]));
		this.rotations = made.map(({ rotation }) => rotation);
	}

	/** The value of the handlers' `CHANNEL_SECRETS`. */
	get arns(): string {
		return JSON.stringify(
			Object.fromEntries(
				Object.entries(this.secrets).map(([channel, secret]) => [channel, secret.secretArn]),
			),
		);
	}

	allowReading(role: iam.Role): void {
		const arns = Object.values(this.secrets).map(({ secretArn }) => secretArn);
		if (arns.length === 0) return;
		allow(role, "ReadChannelSecrets", ["secretsmanager:GetSecretValue"], arns);
		allowKey(role, this.key, "secretsmanager", ["kms:Decrypt"]);
	}

	#rotate(
		channel: Channel,
		secret: secretsmanager.Secret,
		{ rotationDays, dryRun, feishuHost, webhookUrl, table, logKey, logDays }: ChannelSecretsProps,
	): BundledFunction {
		const handler = new BundledFunction(this, `${channel}-rotation`, {
			entry: "rotation",
			description: `Rotates the secret of ${channel}`,
			timeout: Duration.minutes(2),
			memory: 512,
			environment: {
				CHANNEL: channel,
				DRY_RUN: String(dryRun),
				STATE_TABLE: table.tableName,
				WEBHOOK_URL: `${webhookUrl}/${channel}`,
				PROBE_KEY: Firewall.probeKey,
				FEISHU_API_URL: `https://${feishuHost}`,
			},
			key: logKey,
			logDays,
		});
		allow(
			handler.role,
			"RotateOwnSecret",
			["DescribeSecret", "GetSecretValue", "PutSecretValue", "UpdateSecretVersionStage"].map(
				(action) => `secretsmanager:${action}`,
			),
			[secret.secretArn],
		);
		allow(handler.role, "ReadWhatWasSeen", ["dynamodb:GetItem"], [table.tableArn]);
		allowKey(handler.role, this.key, "secretsmanager", ["kms:Decrypt", "kms:GenerateDataKey"]);
		// Secrets Manager calls the function when the schedule is created, so the permission comes
		// first. `secret.addRotationSchedule` orders them too, but lets every secret of every account
		// call the function, and adds families of KMS actions and GetRandomPassword to its role.
		const permission = new lambda.CfnPermission(handler.fn, "SecretsManager", {
			action: "lambda:InvokeFunction",
			functionName: handler.fn.functionArn,
			principal: "secretsmanager.amazonaws.com",
			sourceArn: secret.secretArn,
		});
		new secretsmanager.CfnRotationSchedule(this, `${channel}-rotation-function`, {
			secretId: secret.secretArn,
			rotationLambdaArn: handler.fn.functionArn,
			rotateImmediatelyOnUpdate: false,
		}).addResourceDependency(permission);
		const role = makeSchedulerRole(this, `${channel}-starter`, `Starts the rotation of ${channel}`);
		new Schedule(this, `${channel}-rotation-schedule`, {
			description: `Rotates the secret of ${channel}`,
			schedule: ScheduleExpression.rate(Duration.days(rotationDays)),
			target: new Universal({
				service: "secretsmanager",
				action: "rotateSecret",
				input: ScheduleTargetInput.fromObject({ SecretId: secret.secretArn }),
				retryAttempts: 2,
				role,
				policyStatements: [
					new iam.PolicyStatement({
						actions: ["secretsmanager:RotateSecret"],
						resources: [secret.secretArn],
					}),
					new iam.PolicyStatement({
						actions: ["lambda:InvokeFunction"],
						resources: [handler.fn.functionArn],
					}),
				],
			}),
		});
		return handler;
	}
}
