/**
 * A session of an operator's role for one purpose: an inline policy narrows it to what that purpose
 * needs, and where there is one, to one namespace. A bug of a tool cannot reach other users.
 */
import { userInfo } from "node:os";
import { AssumeRoleCommand, GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import { ToolError } from "./tool-error.ts";

export interface Credentials {
	readonly accessKeyId: string;
	readonly secretAccessKey: string;
	readonly sessionToken?: string;
}

export interface Mfa {
	/** ARN or serial number of the device. */
	readonly serial: string;
	readonly code: string;
}

export interface Statement {
	readonly Action: string | readonly string[];
	readonly Resource: string | readonly string[];
	readonly Condition?: object;
}

/** Long enough for the largest workspace; IAM's longest for these roles. */
const SECONDS = 3_600;

/** @param mfa undefined if the current credentials were made with MFA */
export async function assume(
	region: string,
	roleArn: string,
	allowed: readonly Statement[],
	mfa?: Mfa,
): Promise<Credentials> {
	const { Credentials: made } = await new STSClient({ region }).send(
		new AssumeRoleCommand({
			RoleArn: roleArn,
			RoleSessionName:
				userInfo()
					.username.replace(/[^\w+=,.@-]/g, "-")
					.slice(0, 64) || "operator",
			DurationSeconds: SECONDS,
			Policy: JSON.stringify({
				Version: "2012-10-17",
				Statement: allowed.map((statement) => ({ Effect: "Allow", ...statement })),
			}),
			...(mfa !== undefined && { SerialNumber: mfa.serial, TokenCode: mfa.code }),
		}),
	);
	const { AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey, SessionToken } = made ?? {};
	if (accessKeyId === undefined || secretAccessKey === undefined)
		throw new ToolError("ACCESS_DENIED", `STS gave no session of ${roleArn}`, "try again");
	return {
		accessKeyId,
		secretAccessKey,
		...(SessionToken !== undefined && { sessionToken: SessionToken }),
	};
}

/** The ARN of a session; undefined: of the current credentials. It needs no right. */
export async function whoAmI(
	region: string,
	credentials: Credentials | undefined,
): Promise<string> {
	const client = new STSClient({ region, ...(credentials && { credentials }) });
	return (await client.send(new GetCallerIdentityCommand({}))).Arn ?? "";
}

/** What each purpose needs. `partition` is that of the role's ARN. */
export const manageUsers = (partition: string, tableName: string): readonly Statement[] => [
	{
		Action: ["PutItem", "DeleteItem", "GetItem", "Scan"].map((name) => `dynamodb:${name}`),
		Resource: `arn:${partition}:dynamodb:*:*:table/${tableName}`,
	},
];

export const endMachines = (runtimeArn: string): readonly Statement[] => [
	{
		Action: "bedrock-agentcore:StopRuntimeSession",
		Resource: [runtimeArn, `${runtimeArn}/runtime-endpoint/*`],
	},
];

/** Lists one namespace. */
const listing = (action: string, arn: string, namespace: string): Statement => ({
	Action: action,
	Resource: arn,
	Condition: { StringLike: { "s3:prefix": `users/${namespace}/*` } },
});

/** Names and versions of one namespace, and new audit records. No right to read an object. */
export const eraseNamespace = (
	partition: string,
	bucket: string,
	namespace: string,
): readonly Statement[] => {
	const arn = `arn:${partition}:s3:::${bucket}`;
	return [
		listing("s3:ListBucketVersions", arn, namespace),
		{
			Action: ["s3:DeleteObject", "s3:DeleteObjectVersion"],
			Resource: `${arn}/users/${namespace}/*`,
		},
		{ Action: "s3:PutObject", Resource: `${arn}/audit/*` },
		{ Action: "kms:GenerateDataKey", Resource: "*" },
	];
};

/** Packs hold content: `verify` reads them. */
export const repairNamespace = (
	partition: string,
	bucket: string,
	namespace: string,
): readonly Statement[] => {
	const arn = `arn:${partition}:s3:::${bucket}`;
	return [
		listing("s3:ListBucket", arn, namespace),
		{ Action: ["s3:GetObject", "s3:DeleteObject"], Resource: `${arn}/users/${namespace}/log/*` },
		{ Action: "s3:GetObject", Resource: `${arn}/users/${namespace}/packs/*` },
		{ Action: "kms:Decrypt", Resource: "*" },
	];
};
