import { runSimulation } from "@cloud-copilot/iam-simulate";
import { expect, test } from "vitest";
import { partitionOf, sessionPolicy } from "./session-policy.ts";

const bucket = { bucket: "b", prefix: "agents" };
const scope = { bucket, namespace: "anna", partition: "aws" };

test("grants list, get and put below the user's prefix, and nothing else", () => {
	expect(JSON.parse(sessionPolicy(scope))).toEqual({
		Version: "2012-10-17",
		Statement: [
			{
				Effect: "Allow",
				Action: ["s3:GetObject", "s3:PutObject"],
				Resource: "arn:aws:s3:::b/agents/users/anna/*",
			},
			{
				Effect: "Allow",
				Action: "s3:ListBucket",
				Resource: "arn:aws:s3:::b",
				Condition: { StringLike: { "s3:prefix": "agents/users/anna/*" } },
			},
		],
	});
});

test("begins at the bucket's root without a prefix, and supports the other partitions", () => {
	const policy = sessionPolicy({
		...scope,
		bucket: { ...bucket, prefix: "" },
		partition: partitionOf("arn:aws-cn:iam::1:role/r"),
	});
	expect(policy).toContain('"arn:aws-cn:s3:::b/users/anna/*"');
	expect(partitionOf("arn:minio:iam:::role/r")).toBe("aws");
});

test("allows the use of the bucket's key if it has one", () => {
	const { Statement } = JSON.parse(
		sessionPolicy({ ...scope, kmsKeyArn: "arn:aws:kms:eu-west-1:1:key/k" }),
	);
	expect(Statement[2]).toEqual({
		Effect: "Allow",
		Action: ["kms:Decrypt", "kms:GenerateDataKey"],
		Resource: "arn:aws:kms:eu-west-1:1:key/k",
	});
});

test("fits into STS's limit with the longest names, and reports if it does not", () => {
	const longest = {
		...scope,
		namespace: "n".repeat(128),
		kmsKeyArn: "k".repeat(100),
	};
	const withPrefix = (prefix: string, ids: string[] | undefined) =>
		sessionPolicy({
			...longest,
			bucket: { bucket: "b".repeat(63), prefix },
			model: { service: "bedrock", ids },
		});
	expect(withPrefix("p".repeat(300), undefined).length).toBeLessThanOrEqual(2048);
	expect(withPrefix("p", Array(6).fill("global.anthropic.claude-opus-5")).length).toBeLessThan(
		2048,
	);
	for (const tooLong of [
		() => withPrefix("p".repeat(1000), undefined),
		() =>
			withPrefix(
				"p",
				Array.from({ length: 12 }, (_, i) => `global.anthropic.claude-${i}`),
			),
	])
		expect(tooLong).toThrow(expect.objectContaining({ code: "USAGE" }));
});

const MODEL_ACTIONS = ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"];
const modelOf = (policy: string) => JSON.parse(policy).Statement.at(-1);

test("allows no model unless the sidecar signs the agent's requests", () => {
	expect(sessionPolicy(scope)).not.toContain("bedrock");
});

// @id model-rights-of-the-session
test("allows the models of the list and their inference profiles, by signed requests only", () => {
	const ids = ["global.anthropic.claude-opus-5", "openai.gpt-oss-120b", "anthropic.claude-*"];
	const arn = "arn:aws:bedrock:*:";
	expect(modelOf(sessionPolicy({ ...scope, model: { service: "bedrock", ids } }))).toEqual({
		Effect: "Allow",
		Action: MODEL_ACTIONS,
		Resource: [
			`${arn}:foundation-model/anthropic.claude-opus-5`,
			`${arn}*:inference-profile/global.anthropic.claude-opus-5`,
			`${arn}:foundation-model/openai.gpt-oss-120b`,
			`${arn}*:inference-profile/openai.gpt-oss-120b`,
			`${arn}:foundation-model/anthropic.claude-*`,
			`${arn}*:inference-profile/anthropic.claude-*`,
		],
	});
	const own = "arn:aws:bedrock:eu-west-1:123456789012:application-inference-profile/abc";
	expect(
		modelOf(sessionPolicy({ ...scope, model: { service: "bedrock", ids: [own] } })).Resource,
	).toEqual([own]);
});

test("allows every model without a list, and on Mantle inference in any project", () => {
	const all = sessionPolicy({
		...scope,
		bucket: undefined,
		model: { service: "bedrock", ids: undefined },
	});
	expect(JSON.parse(all).Statement).toEqual([
		{
			Effect: "Allow",
			Action: MODEL_ACTIONS,
			Resource: [
				"arn:aws:bedrock:*::foundation-model/*",
				"arn:aws:bedrock:*:*:inference-profile/*",
			],
		},
	]);
	const mantle = sessionPolicy({
		...scope,
		partition: "aws-us-gov",
		model: { service: "bedrock-mantle", ids: ["a"] },
	});
	expect(modelOf(mantle)).toEqual({
		Effect: "Allow",
		Action: "bedrock-mantle:CreateInference",
		Resource: "arn:aws-us-gov:bedrock-mantle:*:*:project/*",
	});
	expect(mantle).not.toContain("BearerToken");
});

/** By a simulator of IAM, which knows the resources and condition keys of each action. */
async function judged(policy: string, action: string, resource: string): Promise<string> {
	const answer = await runSimulation(
		{
			request: {
				action,
				principal: `arn:aws:sts::${ACCOUNT}:assumed-role/user/anna`,
				resource: { accountId: ACCOUNT, resource },
				contextVariables: {},
			},
			identityPolicies: [{ name: "session", policy: JSON.parse(policy) }],
			serviceControlPolicies: [],
			resourceControlPolicies: [],
		},
		{},
	);
	if (answer.resultType === "error") throw new Error(JSON.stringify(answer.errors));
	return answer.overallResult;
}

const ACCOUNT = "123456789012";

test("lets a session invoke the listed model in any region, by its id and by its profile, and do nothing else", async () => {
	const ids = ["global.anthropic.claude-opus-5"];
	const policy = sessionPolicy({ ...scope, model: { service: "bedrock", ids } });
	const profile = `arn:aws:bedrock:eu-central-1:${ACCOUNT}:inference-profile`;
	const model = "arn:aws:bedrock:us-west-2::foundation-model";
	for (const action of MODEL_ACTIONS) {
		expect(await judged(policy, action, `${profile}/global.anthropic.claude-opus-5`)).toBe(
			"Allowed",
		);
		expect(await judged(policy, action, `${model}/anthropic.claude-opus-5`)).toBe("Allowed");
		for (const other of [
			`${profile}/global.anthropic.claude-opus-5-5`,
			`${model}/anthropic.claude-haiku-4-5`,
			`${model}/amazon.nova-pro`,
		])
			expect([other, await judged(policy, action, other)]).toEqual([other, "ImplicitlyDenied"]);
	}
	for (const [action, resource] of [
		["bedrock:CallWithBearerToken", "*"],
		["bedrock:GetFoundationModel", `${model}/anthropic.claude-opus-5`],
		["bedrock:CreateGuardrail", "*"],
		[
			"bedrock-mantle:CreateInference",
			`arn:aws:bedrock-mantle:us-east-1:${ACCOUNT}:project/default`,
		],
	] as const)
		expect([action, await judged(policy, action, resource)]).toEqual([action, "ImplicitlyDenied"]);
	const mantle = sessionPolicy({ ...scope, model: { service: "bedrock-mantle", ids } });
	const project = `arn:aws:bedrock-mantle:us-east-1:${ACCOUNT}:project/default`;
	expect(await judged(mantle, "bedrock-mantle:CreateInference", project)).toBe("Allowed");
	expect(await judged(mantle, "bedrock-mantle:CallWithBearerToken", "*")).toBe("ImplicitlyDenied");
	expect(await judged(mantle, MODEL_ACTIONS[0]!, `${model}/anthropic.claude-opus-5`)).toBe(
		"ImplicitlyDenied",
	);
});
