/**
 * `pnpm infra:down`: deletes the stack, and says what stays, why, and how to remove it. Nothing here
 * removes a workspace.
 */
import { resolve } from "node:path";
import {
	CloudFormationClient,
	DescribeStacksCommand,
	paginateListStackResources,
	type StackResourceSummary,
} from "@aws-sdk/client-cloudformation";
import { type Cdk, cdkCommand } from "./cdk.ts";
import { configOf, parseSettings, readContext, regionOf } from "./installation.ts";
import { addCommonOptions, Command, type CommonOptions, type Io, runTool } from "./tool.ts";
import { ToolError } from "./tool-error.ts";

/** The beginning of its logical id. */
const WORKSPACES_KEY = "WorkspaceBucketKey";

interface DownOptions extends CommonOptions {
	readonly yes?: string;
}

interface Kept {
	readonly type: string;
	readonly id: string;
	readonly logicalId: string;
	readonly why: string;
	readonly remove: readonly string[];
}

export async function runDownTool(
	argv: readonly string[],
	io: Io,
	cdk: Cdk = cdkCommand(),
): Promise<number> {
	const program = addCommonOptions(
		new Command("infra:down").description("Deletes the stack. Workspaces and keys stay."),
	)
		.option("--yes <STACK>", "Confirm without a terminal: the stack's name.")
		.action(async (options: DownOptions) => {
			const directory = resolve(options.dir);
			const config = configOf({ ...readContext(directory), ...parseSettings(options.context) });
			const region = regionOf(config);
			const { stackName } = config;
			const client = new CloudFormationClient({ region });
			const id = await stackId(client, stackName, region);
			io.err(
				"Users and channels are gone with the stack. To keep the list of users: `pnpm infra:users list --json > users.json`.",
			);
			const typed =
				options.yes ?? (await io.ask?.text(`Type ${stackName} to delete the stack in ${region}`));
			if (typed !== stackName)
				throw new ToolError(
					"NOT_CONFIRMED",
					typed === undefined
						? "nothing was deleted"
						: `${JSON.stringify(typed)} is not ${stackName}`,
					`repeat with --yes ${stackName}`,
				);
			const args = ["destroy", "--force", ...options.context.flatMap((one) => ["-c", one])];
			const status = await cdk(args, { directory, region });
			const kept = await keptResources(client, id);
			if (options.json === true) io.out(JSON.stringify({ kept }, null, "\t"));
			else for (const line of shown(kept, id)) io.out(line);
			if (status !== 0)
				throw new ToolError(
					"DEPLOY_FAILED",
					`cdk destroy ended with ${status}`,
					"in a VPC, the platform keeps its network interfaces for up to 8 hours: run this again later; else read its message above",
				);
		});
	return await runTool(program, argv, io);
}

/** A deleted stack is found by its id only. @throws ToolError STACK_NOT_FOUND */
async function stackId(
	client: CloudFormationClient,
	stackName: string,
	region: string,
): Promise<string> {
	const { Stacks = [] } = await client
		.send(new DescribeStacksCommand({ StackName: stackName }))
		.catch((error: Error) => {
			if (error.name === "ValidationError") return { Stacks: [] };
			throw error;
		});
	const id = Stacks[0]?.StackId;
	if (id !== undefined) return id;
	throw new ToolError(
		"STACK_NOT_FOUND",
		`${region} has no stack ${stackName}`,
		"set openclaw:region and openclaw:stackName",
	);
}

/** What CloudFormation did not delete, because the stack says so. */
async function keptResources(client: CloudFormationClient, id: string): Promise<readonly Kept[]> {
	const kept: Kept[] = [];
	for await (const { StackResourceSummaries = [] } of paginateListStackResources(
		{ client },
		{ StackName: id },
	))
		for (const resource of StackResourceSummaries)
			if (resource.ResourceStatus === "DELETE_SKIPPED") kept.push(describe(resource));
	return kept;
}

function describe({
	ResourceType: type = "",
	PhysicalResourceId: id = "",
	LogicalResourceId: logicalId = "",
}: StackResourceSummary): Kept {
	const isTrail = logicalId.startsWith("Audit");
	const resource = { type, id, logicalId };
	if (type === "AWS::S3::Bucket")
		return {
			...resource,
			why: isTrail
				? "who accessed what, for 400 days"
				: "every workspace, and the records of erasures",
			remove: [
				`aws s3api delete-bucket-policy --bucket ${id}`,
				`empty it in the console with all versions (S3, ${id}, Empty)`,
				`aws s3api delete-bucket --bucket ${id}`,
			],
		};
	if (type === "AWS::KMS::Key")
		return {
			...resource,
			why: `${KEYS.find(([prefix]) => logicalId.startsWith(prefix))?.[1] ?? "what it encrypted"} cannot be read without it`,
			remove: [`aws kms schedule-key-deletion --key-id ${id} --pending-window-in-days 30`],
		};
	if (/^AWS::(ApiGateway::Account|IAM::Role)$/.test(type))
		return {
			...resource,
			why: "API Gateway writes logs of every API of this account and region with it: leave it",
			remove: [],
		};
	if (type === "AWS::S3::BucketPolicy")
		return { ...resource, why: "protects the bucket while it is there", remove: [] };
	return { ...resource, why: "the stack says that it stays", remove: ["delete it in the console"] };
}

/** What each key encrypted, by the beginning of its logical id. */
const KEYS: readonly (readonly [string, string])[] = [
	[WORKSPACES_KEY, "every workspace"],
	["Secrets", "the channels' secrets"],
	["OperationsKey", "logs, also exported ones,"],
];

/** The settings with which a new stack adopts the workspaces. */
function adoption(kept: readonly Kept[], keyArnOf: (id: string) => string): readonly string[] {
	const of = (type: string, prefix: string) =>
		kept.find((one) => one.type === type && one.logicalId.startsWith(prefix))?.id;
	const bucket = of("AWS::S3::Bucket", "WorkspaceBucket");
	const key = of("AWS::KMS::Key", WORKSPACES_KEY);
	if (bucket === undefined || key === undefined) return [];
	return [
		"A new stack adopts the workspaces with these settings (docs/deploy.md, Tear down):",
		`    "openclaw:bucketName": "${bucket}", "openclaw:bucketKeyArn": "${keyArnOf(key)}"`,
	];
}

function shown(kept: readonly Kept[], stackId: string): readonly string[] {
	if (kept.length === 0) return ["nothing of the stack is left"];
	return [
		"These stay on purpose. To delete them and their data for good:",
		...kept.flatMap(({ type, id, logicalId, why, remove }) => [
			`${type} ${id} (${logicalId}): ${why}`,
			...remove.map((line) => `    ${line}`),
		]),
		...adoption(kept, (key) => {
			const [, partition, , region, account] = stackId.split(":");
			return `arn:${partition}:kms:${region}:${account}:key/${key}`;
		}),
		"Log groups that a service made again after the deletion: /aws/lambda/, /aws/bedrock-agentcore/runtimes/",
	];
}
