/**
 * The path from a chat to the user's machine and back. The webhook handler verifies and enqueues
 * within the channel's time limit. The worker asks the agent, however long that takes, and answers
 * in the channel. A user's messages are handled one at a time, in order (FIFO, group = namespace).
 * A message that fails each time stays in the dead-letter queue for 14 days and raises an alarm.
 */
import { Duration, RemovalPolicy } from "aws-cdk-lib";
import * as apigateway from "aws-cdk-lib/aws-apigateway";
import {
	PredefinedMetric,
	ScalableTarget,
	ServiceNamespace,
} from "aws-cdk-lib/aws-applicationautoscaling";
import * as dynamodb from "aws-cdk-lib/aws-dynamodb";
import type * as kms from "aws-cdk-lib/aws-kms";
import * as lambda from "aws-cdk-lib/aws-lambda";
import { SqsEventSource } from "aws-cdk-lib/aws-lambda-event-sources";
import * as sqs from "aws-cdk-lib/aws-sqs";
import { Construct } from "constructs";
import { ATTEMPTS } from "../../lambda/worker/attempts.ts";
import type { Issuer } from "../access/issuer.ts";
import type { AgentRuntime } from "../machines/agent-runtime.ts";
import { allow, BundledFunction } from "../parts/bundled-function.ts";
import type { Channel, Config } from "../settings/config.ts";
import type { ChannelSecrets } from "./channel-secrets.ts";
import { WebhookApi } from "./webhook-api.ts";

/** Lambda's longest, and AgentCore's limit for one answer. */
const TURN = Duration.minutes(15);

/** A request without these cannot be genuine. Feishu's challenge has no signature. */
const HEADERS: Readonly<Record<Channel, readonly string[]>> = {
	feishu: [],
	telegram: ["X-Telegram-Bot-Api-Secret-Token"],
	slack: ["X-Slack-Signature", "X-Slack-Request-Timestamp"],
};

export interface RouterProps {
	readonly config: Config;
	readonly webhookApi: WebhookApi;
	readonly issuer: Issuer;
	readonly runtime: AgentRuntime;
	readonly secrets: ChannelSecrets;
	readonly table: dynamodb.ITable;
	readonly key: kms.IKey;
}

export class Router extends Construct {
	readonly webhook: BundledFunction;
	readonly worker: BundledFunction;
	readonly queue: sqs.Queue;
	readonly deadLetters: sqs.Queue;
	/** Who may talk to the agent, one item for each sender. */
	readonly users: dynamodb.ITable;
	/** The target of the API: a published version with instances that are ready. */
	readonly alias: lambda.Alias;

	constructor(scope: Construct, id: string, props: RouterProps) {
		super(scope, id);
		const { config, key, table, secrets } = props;
		this.deadLetters = new sqs.Queue(this, "DeadLetters", {
			...queueProps(),
			retentionPeriod: Duration.days(14),
		});
		this.queue = new sqs.Queue(this, "Messages", {
			...queueProps(),
			visibilityTimeout: TURN.plus(Duration.seconds(30)),
			retentionPeriod: Duration.days(1),
			deadLetterQueue: { queue: this.deadLetters, maxReceiveCount: ATTEMPTS },
		});
		this.users = new dynamodb.Table(this, "Users", {
			partitionKey: { name: "id", type: dynamodb.AttributeType.STRING },
			billingMode: dynamodb.BillingMode.PAY_PER_REQUEST,
			encryption: dynamodb.TableEncryption.AWS_MANAGED,
			// It also makes DynamoDB keep a backup for 35 days if the table is deleted.
			pointInTimeRecoverySpecification: { pointInTimeRecoveryEnabled: true },
			removalPolicy: RemovalPolicy.DESTROY,
		}) as dynamodb.ITable;
		this.webhook = new BundledFunction(this, "Webhook", {
			entry: "webhook",
			description: "Verifies and queues the channels' messages",
			timeout: WebhookApi.integrationTimeout,
			memory: 1_024,
			environment: {
				STATE_TABLE: table.tableName,
				QUEUE_URL: this.queue.queueUrl,
				CHANNEL_SECRETS: secrets.arns,
				USERS_TABLE: this.users.tableName,
				FEISHU_API_URL: `https://${config.feishuHost}`,
			},
			key,
			logDays: config.logDays,
		});
		allow(this.webhook.role, "Enqueue", ["sqs:SendMessage"], [this.queue.queueArn]);
		allow(
			this.webhook.role,
			"RememberDeliveries",
			["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"],
			[table.tableArn],
		);
		this.worker = this.#makeWorker(props);
		for (const { role } of [this.webhook, this.worker])
			allow(role, "ReadUsers", ["dynamodb:GetItem"], [this.users.tableArn]);
		secrets.allowReading(this.webhook.role);
		secrets.allowReading(this.worker.role);
		this.alias = this.#keepWarm(config);
		this.#serve(props.webhookApi, config.channels);
	}

	#makeWorker({ config, issuer, runtime, secrets, table, key }: RouterProps): BundledFunction {
		const worker = new BundledFunction(this, "Worker", {
			entry: "worker",
			description: "Asks the user's agent and answers in the channel",
			timeout: TURN,
			memory: 512,
			environment: {
				RUNTIME_ARN: runtime.arn,
				RUNTIME_QUALIFIER: runtime.endpointName,
				SIGNING_KEY_ID: issuer.signingKey.keyId,
				ISSUER: issuer.url,
				AUDIENCE: config.audience,
				CHANNEL_SECRETS: secrets.arns,
				STATE_TABLE: table.tableName,
				USERS_TABLE: this.users.tableName,
				QUEUE_URL: this.queue.queueUrl,
				MAX_RECEIVES: String(ATTEMPTS),
				FEISHU_API_URL: `https://${config.feishuHost}`,
			},
			key,
			logDays: config.logDays,
		});
		worker.fn.addEventSource(
			new SqsEventSource(this.queue, {
				batchSize: 1,
				reportBatchItemFailures: true,
				maxConcurrency: config.turnsAtOnce,
			}),
		);
		issuer.allowSigning(worker.role);
		allow(
			worker.role,
			"RememberAnswers",
			["dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"],
			[table.tableArn],
		);
		allow(
			worker.role,
			"AskAgent",
			["bedrock-agentcore:InvokeAgentRuntime"],
			[runtime.arn, runtime.endpointArn],
		);
		return worker;
	}

	#keepWarm({ provisionedConcurrency: min, maxProvisionedConcurrency: max }: Config): lambda.Alias {
		const alias = new lambda.Alias(this, "Live", {
			aliasName: "live",
			version: this.webhook.fn.currentVersion as lambda.IVersion,
			...(min > 0 && { provisionedConcurrentExecutions: min }),
		});
		if (min > 0 && max > min) {
			const target = new ScalableTarget(this, "Scaling", {
				serviceNamespace: ServiceNamespace.LAMBDA,
				scalableDimension: "lambda:function:ProvisionedConcurrency",
				resourceId: `function:${this.webhook.fn.functionName}:${alias.aliasName}`,
				minCapacity: min,
				maxCapacity: max,
			});
			target.node.addDependency(alias);
			target.scaleToTrackMetric("Utilization", {
				// AWS's recommendation; above it, a burst causes cold starts before capacity has grown.
				targetValue: 0.7,
				predefinedMetric: PredefinedMetric.LAMBDA_PROVISIONED_CONCURRENCY_UTILIZATION,
			});
		}
		return alias;
	}

	#serve({ api }: WebhookApi, channels: readonly Channel[]): void {
		const object = api.addModel("JsonObject", {
			contentType: "application/json",
			schema: {
				schema: apigateway.JsonSchemaVersion.DRAFT4,
				type: apigateway.JsonSchemaType.OBJECT,
			},
		});
		const validator = api.addRequestValidator("Complete", {
			validateRequestBody: true,
			validateRequestParameters: true,
		});
		const integration = new apigateway.LambdaIntegration(this.alias as lambda.IFunction, {
			timeout: WebhookApi.integrationTimeout,
			allowTestInvoke: false,
		});
		const webhooks = api.root.addResource("webhook");
		for (const channel of channels) {
			webhooks.addResource(channel).addMethod("POST", integration, {
				requestValidator: validator,
				requestModels: { "application/json": object },
				requestParameters: Object.fromEntries(
					HEADERS[channel].map((name) => [`method.request.header.${name}`, true]),
				),
			});
		}
	}
}

/**
 * Deliveries, answers until they are sent, and pieces of long texts. If it is lost, messages in work
 * may be asked or answered twice, or lose their pieces. All of it expires within a month.
 */
export function makeDeliveriesTable(scope: Construct, id: string): dynamodb.ITable {
	return new dynamodb.Table(scope, id, {
		partitionKey: { name: "id", type: dynamodb.AttributeType.STRING },
		timeToLiveAttribute: "expiresAt",
		billingMode: dynamodb.BillingMode.PAY_PER_REQUEST,
		encryption: dynamodb.TableEncryption.AWS_MANAGED,
		removalPolicy: RemovalPolicy.DESTROY,
	}) as dynamodb.ITable;
}

function queueProps(): sqs.QueueProps {
	return {
		fifo: true,
		encryption: sqs.QueueEncryption.SQS_MANAGED,
		enforceSSL: true,
		removalPolicy: RemovalPolicy.DESTROY,
	};
}
