/**
 * The findings of cdk-nag that we accept, each with its reason. A finding that is not listed fails
 * the synth, and an entry that nothing matches fails the test. docs/iam-wildcards.md prints the
 * reasons for wildcards in IAM (AwsSolutions-IAM5).
 */
import { type CfnElement, type Stack, Token, Validations } from "aws-cdk-lib";
import type { IConstruct } from "constructs";
import type { Config } from "./settings/config.ts";
import { modelOfProfile } from "./settings/models.ts";

export interface Acknowledgement {
	/** Path of the construct below the stack. */
	readonly at: string;
	/** The rule of cdk-nag; for IAM4 and IAM5 with the finding in brackets. */
	readonly id: string;
	readonly reason: string;
}

const WEBHOOKS =
	"a webhook is authenticated by the channel's signature, which no authorizer of API Gateway can compute over the body";
const PUBLIC_DOCUMENTS =
	"the issuer's documents are public: STS and every machine read them without credentials";

export function acknowledgements(stack: Stack, config: Config): readonly Acknowledgement[] {
	return [
		...storage(config),
		...sweeping(stack, config),
		...operating(stack, config),
		...identity(stack, config),
		...execution(stack, config),
		...(config.issuer === undefined ? webhookApi(config) : []),
		...(config.falco ? falco(stack) : []),
	];
}

export function acknowledge(stack: Stack, config: Config): void {
	for (const { at, id, reason } of acknowledgements(stack, config)) {
		Validations.of(find(stack, at)).acknowledge({ id, reason });
	}
}

function storage({ auditTrail, dataEvents, bucketName }: Config): readonly Acknowledgement[] {
	return [
		...(bucketName === undefined
			? [
					{
						at: "WorkspaceBucket/Bucket",
						id: "AwsSolutions-S1",
						reason:
							"server access logs are late and incomplete; CloudTrail data events (openclaw:dataEvents) are complete and name the role",
					},
				]
			: []),
		{
			at: "Nonces",
			id: "AwsSolutions-DDB3",
			reason: "its data is needed for two days at most, so a backup would be useless",
		},
		...(dataEvents || auditTrail === "own"
			? [
					{
						at: "Audit/TrailBucket",
						id: "AwsSolutions-S1",
						reason: "it is itself an access log; CloudTrail signs its files, which shows tampering",
					},
				]
			: []),
	];
}

function sweeping(stack: Stack, config: Config): readonly Acknowledgement[] {
	const bucket = shownBucket(stack, config);
	return ["log", "packs", "sweeps"].map((room) => ({
		at: "WorkspaceBucket/Sweeper",
		id: `AwsSolutions-IAM5[Resource::${bucket}/users/*/${room}/*]`,
		reason: `retention works on the ${room}/ of every user's log, and on no plain object of a workspace`,
	}));
}

function operating(stack: Stack, config: Config): readonly Acknowledgement[] {
	const bucket = shownBucket(stack, config);
	const { partition, region, account } = shown(stack);
	const found = (role: string, resource: string, reason: string) => ({
		at: `Operators/${role}`,
		id: `AwsSolutions-IAM5[Resource::${resource}]`,
		reason,
	});
	const ownStack = `arn:${partition}:cloudformation:${region}:${account}:stack/${config.stackName}/*`;
	return [
		...["Operator", "Repairer"].map((role) =>
			found(role, ownStack, "the ARN of this stack ends with an id that CloudFormation makes"),
		),
		found(
			"Operator",
			`${bucket}/users/*`,
			"erases any user, and reads none; each session of the tools is narrowed to one namespace",
		),
		found("Operator", `${bucket}/audit/*`, "creates audit records, which nobody can replace"),
		found(
			"Repairer",
			`${bucket}/users/*/log/*`,
			"repairs any log; each session of the tools is narrowed to one namespace",
		),
		found(
			"Repairer",
			`${bucket}/users/*/packs/*`,
			"verifies any user's packs; each session of the tools is narrowed to one namespace",
		),
	];
}

function identity(stack: Stack, config: Config): readonly Acknowledgement[] {
	const { models, modelUpstream } = config;
	const { partition, region, account } = shown(stack);
	const bucket = shownBucket(stack, config);
	return [
		{
			at: "UserIdentity/WorkspaceRole",
			id: `AwsSolutions-IAM5[Resource::${bucket}/users/<aws:PrincipalTag/namespace>/*]`,
			reason:
				"all objects of one user: IAM inserts the namespace from the token's tag, and without that tag nothing matches",
		},
		...(modelUpstream === "bedrock-mantle"
			? [
					{
						at: "UserIdentity/WorkspaceRole",
						id: `AwsSolutions-IAM5[Resource::arn:${partition}:bedrock-mantle:${region}:${account}:project/*]`,
						reason: "Mantle's projects; a condition names the models",
					},
				]
			: []),
		...models
			.map(modelOfProfile)
			.filter((model) => model !== undefined)
			.map((model) => ({
				at: "UserIdentity/WorkspaceRole",
				id: `AwsSolutions-IAM5[Resource::arn:${partition}:bedrock:*::foundation-model/${model}]`,
				reason: "the one model behind a profile, which selects the region",
			})),
	];
}

function execution(stack: Stack, { stackName }: Config): readonly Acknowledgement[] {
	const { partition, region, account } = shown(stack);
	const logGroups = `arn:${partition}:logs:${region}:${account}:log-group:/aws/bedrock-agentcore/runtimes/${stackName}-*`;
	const found = (resource: string, reason: string) => ({
		at: "AgentRuntime/ExecutionRole",
		id: `AwsSolutions-IAM5[Resource::${resource}]`,
		reason,
	});
	return [
		found("*", "ecr:GetAuthorizationToken supports no resource"),
		found(
			`arn:${partition}:logs:${region}:${account}:log-group:*`,
			"logs:DescribeLogGroups lists the names of all groups, and AWS allows it on all only",
		),
		found(logGroups, "the name ends with the runtime's id, which is created after its role"),
		found(`${logGroups}:log-stream:*`, "streams of the runtime's own log groups: one per machine"),
	];
}

function webhookApi({ channels }: Config): readonly Acknowledgement[] {
	const methods = [
		...["openid-configuration", "jwks.json"].map((name) => ({
			at: `.well-known/${name}/GET`,
			reason: PUBLIC_DOCUMENTS,
		})),
		...channels.map((channel) => ({ at: `webhook/${channel}/POST`, reason: WEBHOOKS })),
	];
	return [
		{
			at: "WebhookApi/Api/CloudWatchRole",
			id: "AwsSolutions-IAM4[Policy::arn:<AWS::Partition>:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs]",
			reason:
				"API Gateway writes access logs with one role per account, and AWS provides this policy for it",
		},
		...methods.flatMap(({ at, reason }) =>
			["AwsSolutions-APIG4", "AwsSolutions-COG4"].map((id) => ({
				at: `WebhookApi/Api/Default/${at}`,
				id,
				reason,
			})),
		),
		...channels.map((channel) => ({
			at: `Secrets/${channel}`,
			id: "AwsSolutions-SMG4",
			reason:
				"rotated by EventBridge Scheduler, which calls RotateSecret: the schedule can be switched off, and reports failures",
		})),
	];
}

function falco(stack: Stack): readonly Acknowledgement[] {
	const trail = `<${logicalId(stack, "Audit/TrailBucket/Resource")}.Arn>`;
	return [
		{
			at: "Falco/Queue",
			id: "AwsSolutions-SQS3",
			reason: "Falco's plugin deletes each message before it reads the file, so none fails twice",
		},
		{
			at: "Falco/Cluster",
			id: "AwsSolutions-ECS4",
			reason: "one task, and an alarm on its queue that rings when it does not work",
		},
		{
			at: "Falco/Task",
			id: "AwsSolutions-ECS2",
			reason: "the variables hold the rules and names of this stack, and no secret",
		},
		{
			at: "Falco/TaskRole",
			id: `AwsSolutions-IAM5[Resource::${trail}/AWSLogs/${shown(stack).account}/CloudTrail/*]`,
			reason: "Falco reads every file of the trail",
		},
	];
}

function find(stack: Stack, path: string): IConstruct {
	return path.split("/").reduce<IConstruct>(({ node }, part) => node.findChild(part), stack);
}

/** As cdk-nag prints the ARN of the workspaces' bucket. */
function shownBucket(stack: Stack, { bucketName }: Config): string {
	return bucketName === undefined
		? `<${logicalId(stack, "WorkspaceBucket/Bucket/Resource")}.Arn>`
		: `arn:${shown(stack).partition}:s3:::${bucketName}`;
}

function logicalId(stack: Stack, path: string): string {
	return stack.getLogicalId(find(stack, path) as CfnElement);
}

/** cdk-nag prints `<AWS::Region>` for a value that is not known before the deployment. */
function shown({ partition, region, account }: Stack) {
	const text = (value: string, name: string) => (Token.isUnresolved(value) ? `<${name}>` : value);
	return {
		partition: text(partition, "AWS::Partition"),
		region: text(region, "AWS::Region"),
		account: text(account, "AWS::AccountId"),
	};
}
