/** Error codes of other systems that a sidecar's operator is likely to meet. */
export interface PlatformCode {
	readonly code: string;
	readonly meaning: string;
	readonly cause: string;
	readonly remedy: string;
	/** The systems' own words; recognised in a pasted message, in any case. */
	readonly said: readonly string[];
}

export const PLATFORM_CODES: readonly PlatformCode[] = [
	{
		code: "AgentCore.ProvisioningTimeout",
		meaning: "the platform gave up waiting for a microVM to become ready",
		cause:
			"no healthy /ping came within 120 s: the image starts too slowly, listens elsewhere than on 0.0.0.0:8080, or is not linux/arm64; in a VPC also a subnet whose availability zone has no room, or no route to the image, S3 or the logs",
		remedy:
			"look for the container's last line in the runtime's log group; run the image locally and ask /ping; check the architecture; in a VPC use subnets in at least two supported zones (by zone id) with endpoints or NAT; if all that is right, the zone has no room: leave it out, or ask AWS support",
		said: ["ProvisioningTimeout", "Runtime initialization time exceeded"],
	},
	{
		code: "IAM.ValidationError",
		meaning: "a role, a policy or a request was refused before it was tried",
		cause:
			"the trust policy does not name who assumes the role (bedrock-agentcore.amazonaws.com, with aws:SourceAccount and aws:SourceArn), a permissions boundary or session policy is malformed or too long, or an argument breaks a rule",
		remedy:
			"read the message behind the code: it names the element; validate the policy (aws accessanalyzer validate-policy); compare the role's trust policy and boundary with what `cdk synth` gives",
		said: ["ValidationError", "MalformedPolicyDocument", "PackedPolicyTooLarge"],
	},
	{
		code: "S3.AccessDenied",
		meaning: "S3 refused the request",
		cause:
			"one of: the role's policy lacks s3:ListBucket on the bucket or s3:GetObject / s3:PutObject below the namespace's prefix; the session policy is narrower than the role; the bucket's policy denies (another VPC endpoint, no If-None-Match, no TLS); the KMS key's policy does not let the role use it; the namespace is another user's",
		remedy:
			"run `openclaw-sidecar doctor` with the same credentials: it tries list, get and create-only put one by one; the policy must allow s3:ListBucket with the prefix condition, s3:GetObject and s3:PutObject, and kms:Decrypt and kms:GenerateDataKey for an encrypted bucket",
		said: ["AccessDenied", "is not authorized to perform: s3"],
	},
	{
		code: "Lambda.ENILimitExceeded",
		meaning: "a function in a VPC got no network interface",
		cause:
			"the subnets have no free addresses left, or the account's limit of network interfaces in the region is reached",
		remedy:
			"use larger subnets, or more of them; lower the function's concurrency; remove interfaces of functions that are gone; ask for a higher limit (Network interfaces per Region)",
		said: ["ENILimitReached", "ENILimitExceeded", "ENINotReady", "SubnetIPAddressLimitReached"],
	},
];
