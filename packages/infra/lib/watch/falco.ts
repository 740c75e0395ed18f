/**
 * Falco over the trail (optional). Its rules compare each request to the bucket with the user in whose
 * name it was made, which no filter of CloudWatch can do.
 *
 * ```
 * trail's topic ─> Queue ─> Falco ─> falcosidekick ─> Alerts (topic) ─> people
 *                             └─> Logs                      └─> Findings ─> Security Hub
 * ```
 *
 * One small task on Fargate. The images and plugins are the Falco project's own, each by digest. A VPC
 * of its own, because the machines that it watches must not reach it, and `public` has no other.
 *
 * Guarantees: the trail's files wait in the queue for 14 days while no task runs. An alert is in `Logs`
 * even if it cannot be sent.
 * Does not guarantee: the plugin deletes a message before it reads the file. The alerts of a file that is
 * being read when a task ends are lost; the trail's bucket has the file.
 */
import { Duration, RemovalPolicy, Stack } from "aws-cdk-lib";
import { type Metric, Stats } from "aws-cdk-lib/aws-cloudwatch";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import * as ecs from "aws-cdk-lib/aws-ecs";
import * as iam from "aws-cdk-lib/aws-iam";
import type * as kms from "aws-cdk-lib/aws-kms";
import * as logs from "aws-cdk-lib/aws-logs";
import * as sns from "aws-cdk-lib/aws-sns";
import {
	EmailSubscription,
	LambdaSubscription,
	SqsSubscription,
} from "aws-cdk-lib/aws-sns-subscriptions";
import * as sqs from "aws-cdk-lib/aws-sqs";
import { Construct } from "constructs";
import { allow, allowKey, BundledFunction } from "../parts/bundled-function.ts";
import { makeLogGroup } from "../parts/keys.ts";
import { makeVpc } from "../parts/vpc.ts";
import type { Config, FalcoImages } from "../settings/config.ts";
import type { WorkspaceBucket } from "../storage/workspace-bucket.ts";
import type { TrailFiles } from "./audit.ts";
import { falcoConfig, RULES, siteSettings, TOKEN_RULE } from "./falco-files.ts";

export interface FalcoProps {
	readonly config: Config;
	readonly trail: TrailFiles;
	readonly workspaces: WorkspaceBucket;
	readonly userRole: iam.IRole;
	/** The endpoint through which machines reach S3, if there is one. */
	readonly s3EndpointId: string | undefined;
	readonly zoneIds: readonly string[];
	readonly key: kms.IKey;
}

/** Where Falco looks for its files, and for its plugins. Each is a volume. */
const FILES = "/etc/falco";
const PLUGINS = "/usr/share/falco/plugins";
const SCRATCH = "/tmp";

const START = [
	`printf %s "$CONFIG" >${FILES}/falco.yaml`,
	`printf %s "$RULES" >${FILES}/openclaw_cloudtrail_rules.yaml`,
	`printf %s "$SITE" >${FILES}/openclaw_cloudtrail_local.yaml`,
	"exec falco",
].join("\n");

export class Falco extends Construct {
	readonly queue: sqs.Queue;
	/** Gets each alert, as falcosidekick's JSON. */
	readonly alerts: sns.Topic;
	readonly logGroup: logs.LogGroup;
	/** Sends alerts to Security Hub. */
	readonly findings: BundledFunction;
	readonly refusedTokens: Metric;
	/** Alerts that falcosidekick could not send. */
	readonly lostAlerts: Metric;

	constructor(scope: Construct, id: string, props: FalcoProps) {
		super(scope, id);
		const { config, trail, key } = props;
		this.queue = new sqs.Queue(this, "Queue", {
			encryption: sqs.QueueEncryption.SQS_MANAGED,
			enforceSSL: true,
			removalPolicy: RemovalPolicy.DESTROY,
			retentionPeriod: Duration.days(14),
			// The plugin asks again at once, and 20 s make that 4,320 requests a day.
			receiveMessageWaitTime: Duration.seconds(20),
		});
		trail.topic.addSubscription(new SqsSubscription(this.queue as sqs.IQueue));
		this.logGroup = makeLogGroup(this, "Logs", { key, days: config.logDays });
		this.alerts = this.#makeAlerts(props);
		this.findings = this.#makeFindings(props);
		this.#run(this.#makeTask(props), props);
		this.refusedTokens = this.#count(
			"RefusedTokens",
			logs.FilterPattern.stringValue("$.rule", "=", TOKEN_RULE),
		);
		this.lostAlerts = this.#count("LostAlerts", logs.FilterPattern.literal('"[ERROR] : AWS"'));
	}

	#makeAlerts({ config, key }: FalcoProps): sns.Topic {
		const topic = new sns.Topic(this, "Alerts", {
			displayName: `${Stack.of(this).stackName}: alerts of Falco`,
			masterKey: key,
			enforceSSL: true,
		});
		if (config.alarmEmail !== undefined)
			topic.addSubscription(new EmailSubscription(config.alarmEmail));
		return topic;
	}

	#makeFindings({ config, key }: FalcoProps): BundledFunction {
		const { partition, region, account } = Stack.of(this);
		const findings = new BundledFunction(this, "Findings", {
			entry: "falco-findings",
			description: "Sends alerts of Falco to Security Hub",
			timeout: Duration.seconds(30),
			memory: 256,
			environment: {},
			key,
			logDays: config.logDays,
		});
		allow(
			findings.role,
			"ImportFindings",
			["securityhub:BatchImportFindings"],
			[`arn:${partition}:securityhub:${region}:${account}:product/${account}/default`],
		);
		this.alerts.addSubscription(new LambdaSubscription(findings.fn));
		return findings;
	}

	#makeTask(props: FalcoProps): ecs.FargateTaskDefinition {
		const { region } = Stack.of(this);
		// The settings have checked that each is there.
		const images = props.config.falcoImages as FalcoImages;
		const task = new ecs.FargateTaskDefinition(this, "Task", {
			cpu: 256,
			memoryLimitMiB: 1_024,
			runtimePlatform: {
				cpuArchitecture: ecs.CpuArchitecture.ARM64,
				operatingSystemFamily: ecs.OperatingSystemFamily.LINUX,
			},
			taskRole: this.#makeTaskRole(props),
			executionRole: this.#makeRole("ExecutionRole", "Starts Falco: writes its log"),
			volumes: ["files", "plugins", "scratch"].map((name) => ({ name })),
		});
		const add = (
			name: keyof FalcoImages,
			volumes: Readonly<Record<string, string>>,
			options: Omit<ecs.ContainerDefinitionOptions, "image">,
		) => {
			const container = task.addContainer(name, {
				image: ecs.ContainerImage.fromRegistry(images[name]),
				readonlyRootFilesystem: true,
				logging: ecs.LogDrivers.awsLogs({ streamPrefix: "falco", logGroup: this.logGroup }),
				...options,
			});
			for (const [sourceVolume, containerPath] of Object.entries(volumes))
				container.addMountPoints({ sourceVolume, containerPath, readOnly: false });
			return container;
		};
		const install = add(
			"falcoctl",
			{ plugins: PLUGINS, scratch: SCRATCH },
			{
				essential: false,
				// A new volume belongs to root.
				user: "0",
				// It would first fetch the Falco project's index, of which digests have no need.
				environment: { HOME: SCRATCH, FALCOCTL_INDEXES: "none,file:///dev/null" },
				command: [
					...["artifact", "install", "--config", `${SCRATCH}/falcoctl.yaml`],
					...["--plugins-dir", PLUGINS, "--state-dir", SCRATCH],
					...["--allowed-types", "plugin", "--resolve-deps=false", images.cloudtrail, images.json],
				],
			},
		);
		const sidekick = add(
			"falcosidekick",
			{},
			{
				environment: {
					AWS_REGION: region,
					LISTENADDRESS: "127.0.0.1",
					// A failed check of its identity at the start would switch off all outputs, in silence.
					AWS_CHECKIDENTITY: "false",
					AWS_SNS_TOPICARN: this.alerts.topicArn,
					// Otherwise fields are attributes, and SNS refuses a name such as json.value./a.
					AWS_SNS_RAWJSON: "true",
					AWS_SNS_MINIMUMPRIORITY: "notice",
				},
				healthCheck: { command: ["CMD-SHELL", "wget -qO- http://127.0.0.1:2801/ping"] },
			},
		);
		const falco = add(
			"falco",
			{ files: FILES, plugins: PLUGINS },
			{
				entryPoint: ["/bin/sh", "-ec"],
				command: [START],
				environment: {
					AWS_REGION: region,
					CONFIG: falcoConfig(this.queue.queueName),
					RULES,
					SITE: this.#site(props),
				},
				healthCheck: { command: ["CMD-SHELL", "curl -fsS http://127.0.0.1:8766/healthz"] },
			},
		);
		falco.addContainerDependencies(
			{ container: install, condition: ecs.ContainerDependencyCondition.SUCCESS },
			{ container: sidekick, condition: ecs.ContainerDependencyCondition.HEALTHY },
		);
		return task;
	}

	/** JSON, which is YAML. */
	#site({ config, trail, workspaces, userRole, s3EndpointId }: FalcoProps): string {
		const stack = Stack.of(this);
		const { account, region, synthesizer } = stack;
		return stack.toJsonString(
			siteSettings({
				buckets: [workspaces.bucket.bucketName, trail.bucket.bucketName],
				userRole: userRole.roleName,
				deployRole: `cdk-${synthesizer.bootstrapQualifier}-cfn-exec-role-${account}-${region}`,
				s3EndpointId,
				hasManagementEvents: config.auditTrail === "own",
			}),
		);
	}

	#makeTaskRole({ trail, key }: FalcoProps): iam.Role {
		const role = this.#makeRole("TaskRole", "Falco: reads the trail, and publishes alerts");
		allow(
			role,
			"TakeMessages",
			["sqs:DeleteMessage", "sqs:GetQueueUrl", "sqs:ReceiveMessage"],
			[this.queue.queueArn],
		);
		allow(
			role,
			"ReadTrail",
			["s3:GetObject"],
			[trail.bucket.arnForObjects(`AWSLogs/${Stack.of(this).account}/CloudTrail/*`)],
		);
		allow(role, "Alert", ["sns:Publish"], [this.alerts.topicArn]);
		allowKey(role, key, "sns", ["kms:Decrypt", "kms:GenerateDataKey"]);
		return role;
	}

	/** A role for tasks of this account. */
	#makeRole(id: string, description: string): iam.Role {
		const { partition, region, account } = Stack.of(this);
		return new iam.Role(this, id, {
			description,
			assumedBy: new iam.ServicePrincipal("ecs-tasks.amazonaws.com", {
				conditions: {
					StringEquals: { "aws:SourceAccount": account },
					ArnLike: { "aws:SourceArn": `arn:${partition}:ecs:${region}:${account}:*` },
				},
			}),
		});
	}

	#run(taskDefinition: ecs.FargateTaskDefinition, { config, zoneIds, key }: FalcoProps): void {
		const subnetType = ec2.SubnetType.PUBLIC;
		const subnets = [{ name: "falco", subnetType, cidrMask: 28, mapPublicIpOnLaunch: false }];
		const { logDays } = config;
		const vpc = makeVpc(this, { zoneIds, natGateways: 0, subnets, key, logDays }) as ec2.IVpc;
		const group = new ec2.SecurityGroup(this, "Group", {
			vpc,
			description: "Falco: outbound HTTPS, nothing inbound",
			allowAllOutbound: false,
		});
		group.addEgressRule(ec2.Peer.anyIpv4(), ec2.Port.tcp(443), "AWS, images and plugins");
		const cluster = new ecs.Cluster(this, "Cluster", {
			vpc,
			containerInsightsV2: ecs.ContainerInsights.DISABLED,
		}) as ecs.ICluster;
		const service = new ecs.FargateService(this, "Service", {
			cluster,
			taskDefinition,
			desiredCount: 1,
			minHealthyPercent: 100,
			assignPublicIp: true,
			vpcSubnets: { subnetType },
			securityGroups: [group],
			// Otherwise CloudFormation waits for three hours for an image that cannot be pulled.
			circuitBreaker: { rollback: true },
		});
		service.node.addDependency(taskDefinition.executionRole!);
	}

	#count(metricName: string, filterPattern: logs.IFilterPattern): Metric {
		const filter = new logs.MetricFilter(this, metricName, {
			logGroup: this.logGroup,
			filterPattern,
			metricNamespace: `${Stack.of(this).stackName}/Falco`,
			metricName,
			metricValue: "1",
		});
		return filter.metric({ statistic: Stats.SUM, period: Duration.minutes(5) });
	}
}
