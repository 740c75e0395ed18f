import { expect, test } from "vitest";
import { partitionOf, sessionPolicy } from "./session-policy.ts";

const scope = { bucket: "b", prefix: "agents", namespace: "anna", partition: "aws" };

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
		prefix: "",
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
		bucket: "b".repeat(63),
		namespace: "n".repeat(128),
		kmsKeyArn: "k".repeat(100),
	};
	expect(sessionPolicy({ ...longest, prefix: "p".repeat(500) }).length).toBeLessThanOrEqual(2048);
	expect(() => sessionPolicy({ ...longest, prefix: "p".repeat(1000) })).toThrow(
		expect.objectContaining({ code: "USAGE" }),
	);
});
