/**
 * The resources whose replacement loses something: data, keys, URLs that others have entered, names
 * that others know. Compared between two releases, by what CloudFormation replaces them for.
 */
import type { Template } from "aws-cdk-lib/assertions";

/**
 * Properties whose change replaces the resource, or is refused: "Update requires: Replacement" in
 * CloudFormation's reference.
 */
const REPLACED_FOR: Readonly<Record<string, readonly string[]>> = {
	"AWS::S3::Bucket": ["BucketName", "BucketNamePrefix"],
	"AWS::KMS::Key": ["KeySpec", "KeyUsage", "MultiRegion", "Origin"],
	"AWS::DynamoDB::Table": ["TableName", "KeySchema"],
	"AWS::SecretsManager::Secret": ["Name"],
	"AWS::SQS::Queue": ["QueueName", "FifoQueue"],
	"AWS::SNS::Topic": ["TopicName", "FifoTopic"],
	"AWS::Logs::LogGroup": ["LogGroupName"],
	"AWS::IAM::OIDCProvider": ["Url"],
	"AWS::ApiGateway::RestApi": [],
	"AWS::ApiGateway::Stage": ["StageName", "RestApiId"],
	"AWS::ApiGateway::DomainName": ["DomainName"],
	"AWS::BedrockAgentCore::Runtime": ["AgentRuntimeName"],
	"AWS::BedrockAgentCore::RuntimeEndpoint": ["Name", "AgentRuntimeId"],
	"AWS::EC2::VPC": ["CidrBlock", "InstanceTenancy"],
	"AWS::EC2::Subnet": ["CidrBlock", "AvailabilityZoneId", "VpcId"],
};

export interface Stateful {
	readonly type: string;
	/** `Retain`: it outlives the stack. A creation that fails may take it away again. */
	readonly deletion: string;
	readonly properties: Readonly<Record<string, unknown>>;
}

export type StatefulById = Readonly<Record<string, Stateful>>;

interface Resource {
	readonly Type: string;
	readonly DeletionPolicy?: string;
	readonly Properties?: Readonly<Record<string, unknown>>;
}

export function statefulOf(template: Template): StatefulById {
	const resources = Object.entries(template.toJSON().Resources as Record<string, Resource>);
	return Object.fromEntries(
		resources
			.filter(([, { Type }]) => Type in REPLACED_FOR)
			.sort(([a], [b]) => (a < b ? -1 : 1))
			.map(([id, { Type, DeletionPolicy = "Delete", Properties = {} }]) => {
				const relevant = REPLACED_FOR[Type]!.filter((name) => Properties[name] !== undefined);
				const properties = Object.fromEntries(relevant.map((name) => [name, Properties[name]]));
				const deletion = DeletionPolicy.startsWith("Retain") ? "Retain" : DeletionPolicy;
				return [id, { type: Type, deletion, properties }];
			}),
	);
}

/** What an update from `previous` to `next` would lose. New resources lose nothing. */
export function losses(previous: StatefulById, next: StatefulById): readonly string[] {
	return Object.entries(previous).flatMap(([id, before]) => {
		const after = next[id];
		if (after === undefined) return [`${id} (${before.type}) is deleted, or has another id`];
		if (after.type !== before.type) return [`${id} becomes ${after.type}`];
		if (before.deletion === "Retain" && after.deletion !== "Retain")
			return [`${id} (${before.type}) no longer outlives the stack`];
		const names = new Set([...Object.keys(before.properties), ...Object.keys(after.properties)]);
		return [...names]
			.filter((name) => !isEqual(before.properties[name], after.properties[name]))
			.map((name) => `${id} (${before.type}) is replaced, because ${name} changes`);
	});
}

function isEqual(a: unknown, b: unknown): boolean {
	return JSON.stringify(a) === JSON.stringify(b);
}
