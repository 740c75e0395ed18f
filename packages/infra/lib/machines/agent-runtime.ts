/**
 * The agent's machines: the image of the root Containerfile as an AgentCore runtime, and the
 * endpoint `live` that serves it.
 *
 * Any program in a machine can get the execution role's keys from the metadata service. So that
 * role only pulls the image and writes logs; it has no access to user data or models. CDK's own
 * role would also allow workload tokens of every agent in the account. Metrics and logs use our
 * endpoint, because we can create its log group, encrypted, before anything writes to it. The
 * service creates that of DEFAULT.
 */
import { ArnFormat, Duration, Stack } from "aws-cdk-lib";
import * as agentcore from "aws-cdk-lib/aws-bedrockagentcore";
import { type Metric, Stats } from "aws-cdk-lib/aws-cloudwatch";
import * as iam from "aws-cdk-lib/aws-iam";
import type * as kms from "aws-cdk-lib/aws-kms";
import * as logs from "aws-cdk-lib/aws-logs";
import { Construct } from "constructs";
import type { UserIdentity } from "../access/user-identity.ts";
import { allow } from "../parts/bundled-function.ts";
import { makeLogGroup } from "../parts/keys.ts";
import type { Config } from "../settings/config.ts";
import { supportOf } from "../settings/regions.ts";
import type { WorkspaceBucket } from "../storage/workspace-bucket.ts";
import { agentImage } from "./agent-image.ts";
import type { Network } from "./network.ts";

/** The platform's limit for all variables together: 4 KB, or 2.5 KB on V2. */
const MAX_ENVIRONMENT_BYTES = 2_500;

export interface AgentRuntimeProps {
	readonly config: Config;
	/** Begins with https://; may be a token. */
	readonly issuer: string;
	readonly identity: UserIdentity;
	readonly workspaces: WorkspaceBucket;
	readonly network: Network;
	readonly key: kms.IKey;
}

export class AgentRuntime extends Construct {
	readonly runtime: agentcore.Runtime;
	readonly endpointName = "live";
	readonly endpointArn: string;
	readonly executionRole: iam.Role;
	/** The endpoint's log group, to which machines write. */
	readonly logGroup: logs.LogGroup;
	/** Reports of this stack's machines. Their metrics are those of all stacks of the account. */
	readonly reports: Metric;

	constructor(scope: Construct, id: string, props: AgentRuntimeProps) {
		super(scope, id);
		const { config, network, key } = props;
		const { region, account, partition } = Stack.of(this);
		this.executionRole = this.#makeRole(config);
		const image = agentImage(this, config);
		allow(
			this.executionRole,
			"PullImage",
			["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
			[image.repositoryArn],
		);
		const isOwnIssuer = config.issuer === undefined;
		this.runtime = new agentcore.Runtime(this, "Runtime", {
			runtimeName: config.stackName,
			description: "OpenClaw, one machine per user",
			agentRuntimeArtifact: image.artifact,
			// Leaves out what CDK would add to the role: see above.
			executionRole: this.executionRole.withoutPolicyUpdates(),
			networkConfiguration: network.runtimeNetwork,
			protocolConfiguration: agentcore.ProtocolType.HTTP,
			platformVersion: agentcore.PlatformVersion.of(platformVersion(this, config)),
			lifecycleConfiguration: {
				idleRuntimeSessionTimeout: Duration.minutes(config.idleMinutes),
				maxLifetime: Duration.hours(config.maxHours),
			},
			// The router signs its calls and sends the token in the body, so no header is passed on.
			// Callers with an issuer of their own send it as a header.
			...(isOwnIssuer
				? { authorizerConfiguration: agentcore.RuntimeAuthorizerConfiguration.usingIAM() }
				: {
						authorizerConfiguration: agentcore.RuntimeAuthorizerConfiguration.usingJWT(
							`${config.issuer}/.well-known/openid-configuration`,
							undefined,
							[config.audience],
						),
						requestHeaderConfiguration: { allowlistedHeaders: ["Authorization"] },
					}),
			environmentVariables: checkEnvironment(this.#environment(props)),
		});
		this.logGroup = makeLogGroup(this, "Logs", {
			key,
			days: config.logDays,
			name: `/aws/bedrock-agentcore/runtimes/${this.runtime.agentRuntimeId}-${this.endpointName}`,
		});
		const endpoint = this.runtime.addEndpoint(this.endpointName, {
			description: "The endpoint that users call",
		});
		endpoint.node.addDependency(this.logGroup);
		this.reports = new logs.MetricFilter(this, "Reports", {
			logGroup: this.logGroup,
			filterPattern: logs.FilterPattern.literal(
				'{ ($.Service = "openclaw-sidecar") && ($._aws.Timestamp > 0) }',
			),
			metricNamespace: `${config.stackName}/Machines`,
			metricName: "Reports",
		}).metric({ statistic: Stats.SUM });
		this.endpointArn = endpoint.agentRuntimeEndpointArn;
		const logGroups = `arn:${partition}:logs:${region}:${account}:log-group:/aws/bedrock-agentcore/runtimes/${config.stackName}-*`;
		allow(
			this.executionRole,
			"WriteOwnLogs",
			["logs:CreateLogGroup", "logs:DescribeLogStreams"],
			[logGroups],
		);
		// The service looks for its group by listing all, and AWS allows that only on all groups.
		// https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/runtime-permissions.html
		allow(
			this.executionRole,
			"FindOwnLogs",
			["logs:DescribeLogGroups"],
			[`arn:${partition}:logs:${region}:${account}:log-group:*`],
		);
		allow(
			this.executionRole,
			"WriteOwnLogStreams",
			["logs:CreateLogStream", "logs:PutLogEvents"],
			[`${logGroups}:log-stream:*`],
		);
	}

	get arn(): string {
		return this.runtime.agentRuntimeArn;
	}

	#makeRole({ stackName }: Config): iam.Role {
		const { account } = Stack.of(this);
		const runtimes = Stack.of(this).formatArn({
			service: "bedrock-agentcore",
			resource: "runtime",
			resourceName: `${stackName}*`,
			arnFormat: ArnFormat.SLASH_RESOURCE_NAME,
		});
		const role = new iam.Role(this, "ExecutionRole", {
			description: "OpenClaw's machines: image and logs; no data, no models",
			assumedBy: new iam.ServicePrincipal("bedrock-agentcore.amazonaws.com", {
				conditions: {
					StringEquals: { "aws:SourceAccount": account },
					ArnLike: { "aws:SourceArn": runtimes },
				},
			}),
		});
		allow(role, "LogInToRegistry", ["ecr:GetAuthorizationToken"], ["*"]);
		return role;
	}

	#environment({
		config,
		issuer,
		identity,
		workspaces,
	}: AgentRuntimeProps): Record<string, string> {
		return {
			OPENCLAW_SIDECAR_STORE: `s3://${workspaces.bucket.bucketName}`,
			OPENCLAW_SIDECAR_REGION: Stack.of(this).region,
			OPENCLAW_SIDECAR_KMS_KEY: workspaces.key.keyArn,
			OPENCLAW_SIDECAR_IDENTITY: "web-identity",
			OPENCLAW_SIDECAR_ISSUER: issuer,
			OPENCLAW_SIDECAR_AUDIENCE: config.audience,
			OPENCLAW_SIDECAR_ROLE_ARN: identity.role.roleArn,
			OPENCLAW_SIDECAR_ROLE_DURATION: `${identity.sessionDuration.toMinutes()}m`,
			OPENCLAW_SIDECAR_METRICS: "true",
			// The first configuration of a workspace names the model.
			OPENCLAW_MODEL_ID: config.models[0]!,
			OPENCLAW_SIDECAR_MODEL_IDS: config.models.join(","),
			...(config.modelUpstream !== "bedrock-runtime" && {
				OPENCLAW_SIDECAR_MODEL_UPSTREAM: config.modelUpstream,
			}),
			...(config.modelDailyTokens !== undefined && {
				OPENCLAW_SIDECAR_MODEL_DAILY_TOKENS: config.modelDailyTokens,
			}),
			...(platformVersion(this, config) === "V2" && { OPENCLAW_IMAGE_WARM_UP: "1" }),
			// The platform does not set it, but every SDK needs it.
			AWS_REGION: Stack.of(this).region,
		};
	}
}

/** V2 if the region is known to have it; a region that is not known yet may lack it. */
export function platformVersion(scope: Construct, config: Config): "V1" | "V2" {
	return config.platformVersion ?? (supportOf(Stack.of(scope).region)?.hasV2 ? "V2" : "V1");
}

/**
 * A placeholder for a value that is known only at deployment counts as 100 bytes, which is more
 * than any ARN here.
 */
function checkEnvironment(environment: Record<string, string>): Record<string, string> {
	const bytes = Object.entries(environment).reduce(
		(sum, [name, value]) =>
			sum + name.length + value.replace(/\$\{Token\[[^\]]*\]\}/g, "x".repeat(100)).length,
		0,
	);
	if (bytes > MAX_ENVIRONMENT_BYTES)
		throw new Error(
			`The runtime's variables have ${bytes} bytes, and the platform takes ${MAX_ENVIRONMENT_BYTES}.`,
		);
	return environment;
}
