/**
 * Endpoints of the VPC, each with a policy that allows only what machines and operators need. Keys of another
 * account that get into a machine cannot send data to a foreign bucket through our endpoint.
 *
 * KMS is in the table but not a default, because S3 itself calls it for a machine's objects. A
 * service that is not in the table is open to callers of this account.
 */
import { Stack } from "aws-cdk-lib";
import * as ec2 from "aws-cdk-lib/aws-ec2";
import * as iam from "aws-cdk-lib/aws-iam";
import { Construct } from "constructs";
import { AUDIT_PREFIX, type Operators } from "../access/operators.ts";
import type { Network } from "./network.ts";

export interface EndpointsProps {
	readonly network: Network;
	readonly names: readonly string[];
}

type Statement = Pick<iam.PolicyStatementProps, "actions" | "resources" | "conditions">;
type Allowed = (stack: Stack) => Statement | readonly Statement[];

const ofThisAccount = ({ account }: Stack) => ({
	StringEquals: { "aws:PrincipalAccount": account },
});

/** For callers of this account. */
const only =
	(...actions: string[]): Allowed =>
	(stack) => ({ actions, resources: ["*"], conditions: ofThisAccount(stack) });

const images: Allowed = () => ({
	actions: ["ecr:GetAuthorizationToken", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
	resources: ["*"],
});

/** The statements that each service's policy allows. */
const INTERFACES: Readonly<Record<string, Allowed>> = {
	"ecr.api": images,
	"ecr.dkr": images,
	logs: ({ partition, region, account }) => [
		{
			actions: ["CreateLogGroup", "CreateLogStream", "DescribeLogStreams", "PutLogEvents"].map(
				(name) => `logs:${name}`,
			),
			resources: [`arn:${partition}:logs:${region}:${account}:log-group:/aws/bedrock-agentcore/*`],
		},
		{
			actions: ["logs:DescribeLogGroups"],
			resources: [`arn:${partition}:logs:${region}:${account}:log-group:*`],
		},
	],
	// A call with a web identity is unsigned and so has no account; the role decides which tokens it
	// trusts.
	sts: ({ partition, account }) => ({
		actions: ["sts:AssumeRoleWithWebIdentity", "sts:TagSession"],
		resources: [`arn:${partition}:iam::${account}:role/*`],
	}),
	"bedrock-runtime": only("bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"),
	"bedrock-mantle": only("bedrock-mantle:CreateInference"),
	// The keys of an issuer are read without a signature, and so without an account.
	"cognito-idp": () => ({ actions: ["*"], resources: ["*"] }),
	kms: only("kms:Decrypt", "kms:GenerateDataKey"),
	secretsmanager: only("secretsmanager:GetSecretValue"),
	"bedrock-agentcore": only(
		"bedrock-agentcore:InvokeAgentRuntime",
		"bedrock-agentcore:StopRuntimeSession",
	),
};

/** `"*"`, the form that endpoint policies accept; CDK's AnyPrincipal is `{"AWS": "*"}`. */
const ANYBODY = [new iam.StarPrincipal()];

export class Endpoints extends Construct {
	readonly s3EndpointId: string;
	readonly #s3: ec2.GatewayVpcEndpoint;
	#sts: ec2.InterfaceVpcEndpoint | undefined;

	constructor(scope: Construct, id: string, { network, names }: EndpointsProps) {
		super(scope, id);
		const vpc = network.vpc!;
		this.#s3 = new ec2.GatewayVpcEndpoint(this, "S3", {
			vpc,
			service: ec2.GatewayVpcEndpointAwsService.S3,
			subnets: [network.subnets],
		});
		this.s3EndpointId = this.#s3.vpcEndpointId;
		const group = new ec2.SecurityGroup(this, "Group", {
			vpc,
			description: "Endpoints of OpenClaw",
			allowAllOutbound: false,
		});
		for (const name of names) {
			const allowed = INTERFACES[name] ?? only("*");
			const endpoint = new ec2.InterfaceVpcEndpoint(this, name, {
				vpc,
				service: new ec2.InterfaceVpcEndpointAwsService(name),
				subnets: network.subnets,
				securityGroups: [group],
				open: false,
			});
			if (name === "sts") this.#sts = endpoint;
			for (const statement of [allowed(Stack.of(this))].flat())
				endpoint.addToPolicy(new iam.PolicyStatement({ principals: ANYBODY, ...statement }));
		}
		group.addIngressRule(network.machines!, ec2.Port.tcp(443), "HTTPS of machines");
	}

	/** Opens the endpoints to the tools of operators who work from inside the VPC. */
	allowOperators({ operator, repairer }: Operators, bucketArn: string): void {
		const roles = [operator.roleArn, repairer.roleArn];
		for (const [action, resources] of [
			["AssumeRole", roles],
			["GetCallerIdentity", ["*"]],
		] as const)
			this.#sts?.addToPolicy(
				new iam.PolicyStatement({
					principals: ANYBODY,
					actions: [`sts:${action}`],
					resources: [...resources],
					conditions: ofThisAccount(Stack.of(this)),
				}),
			);
		const grant = (
			{ roleArn }: iam.Role,
			sid: string,
			actions: readonly string[],
			resource: string,
		) =>
			this.#s3.addToPolicy(
				new iam.PolicyStatement({
					sid,
					principals: ANYBODY,
					actions: [...actions],
					resources: [resource],
					conditions: { ArnEquals: { "aws:PrincipalArn": roleArn } },
				}),
			);
		const versions = ["s3:DeleteObject", "s3:DeleteObjectVersion"];
		grant(repairer, "Repair", ["s3:DeleteObject"], `${bucketArn}/users/*/log/*`);
		grant(operator, "ListVersions", ["s3:ListBucketVersions"], bucketArn);
		grant(operator, "Erase", versions, `${bucketArn}/users/*`);
		grant(operator, "Audit", ["s3:PutObject"], `${bucketArn}/${AUDIT_PREFIX}*`);
	}

	/** Opens the S3 endpoint to one bucket, and to the layers of images. */
	allowBucket(bucketArn: string): void {
		const { partition, region } = Stack.of(this);
		const statement = (sid: string, actions: string[], resources: string[]) =>
			new iam.PolicyStatement({ sid, principals: ANYBODY, actions, resources });
		this.#s3.addToPolicy(
			statement("Workspaces", ["s3:GetObject", "s3:PutObject"], [`${bucketArn}/users/*`]),
		);
		this.#s3.addToPolicy(statement("ListWorkspaces", ["s3:ListBucket"], [bucketArn]));
		this.#s3.addToPolicy(
			statement(
				"ImageLayers",
				["s3:GetObject"],
				[`arn:${partition}:s3:::prod-${region}-starport-layer-bucket/*`],
			),
		);
	}
}
