/** The workspace bucket and retention, in the templates of examples/. */
import { Match, type Template } from "aws-cdk-lib/assertions";
import { beforeAll, describe, expect, test } from "vitest";
import { synthesise } from "../synth.ts";

let publicMode: Template;
let newVpc: Template;

beforeAll(() => {
	publicMode = synthesise("public").template;
	newVpc = synthesise("new-vpc").template;
});

describe("the workspace bucket", () => {
	test("is versioned, encrypted with its own key, closed to the public, and outlives the stack", () => {
		publicMode.hasResource("AWS::S3::Bucket", {
			DeletionPolicy: "RetainExceptOnCreate",
			UpdateReplacePolicy: "Retain",
			Properties: {
				VersioningConfiguration: { Status: "Enabled" },
				BucketEncryption: {
					ServerSideEncryptionConfiguration: [
						{
							BucketKeyEnabled: true,
							ServerSideEncryptionByDefault: {
								SSEAlgorithm: "aws:kms",
								KMSMasterKeyID: Match.anyValue(),
							},
						},
					],
				},
				OwnershipControls: { Rules: [{ ObjectOwnership: "BucketOwnerEnforced" }] },
				PublicAccessBlockConfiguration: {
					BlockPublicAcls: true,
					BlockPublicPolicy: true,
					IgnorePublicAcls: true,
					RestrictPublicBuckets: true,
				},
				LifecycleConfiguration: {
					Rules: [
						Match.objectLike({ AbortIncompleteMultipartUpload: { DaysAfterInitiation: 1 } }),
						Match.objectLike({
							NoncurrentVersionExpiration: { NoncurrentDays: 30 },
							ExpiredObjectDeleteMarker: true,
						}),
					],
				},
			},
		});
	});

	test("every key rotates and outlives the stack, except the signing key, which cannot rotate and is useless without the stack", () => {
		const keys = Object.entries(newVpc.findResources("AWS::KMS::Key"));
		for (const [id, key] of keys) {
			const isSigning = id.startsWith("IssuerSigningKey");
			expect([id, key.DeletionPolicy]).toEqual([id, isSigning ? "Delete" : "RetainExceptOnCreate"]);
			expect([id, key.Properties.EnableKeyRotation]).toEqual([id, isSigning ? undefined : true]);
		}
		expect(keys).toHaveLength(4);
	});
});

describe("retention", () => {
	test("runs daily, with the role that may delete", () => {
		publicMode.hasResourceProperties("AWS::Scheduler::Schedule", {
			ScheduleExpression: "cron(17 3 * * ? *)",
			Target: {
				Arn: { "Fn::GetAtt": [Match.stringLikeRegexp("^RetentionTasks"), "Arn"] },
				Input: '{"task":"start"}',
			},
		});
		publicMode.hasResourceProperties("AWS::Lambda::EventSourceMapping", {
			BatchSize: 1,
			EventSourceArn: { "Fn::GetAtt": [Match.stringLikeRegexp("^RetentionTasks"), "Arn"] },
			FunctionName: { Ref: Match.stringLikeRegexp("^RetentionHandler") },
			ScalingConfig: { MaximumConcurrency: 4 },
		});
		publicMode.hasResourceProperties("AWS::Lambda::Function", {
			Timeout: 900,
			Role: { "Fn::GetAtt": [Match.stringLikeRegexp("^WorkspaceBucketSweeper"), "Arn"] },
			Environment: { Variables: { STORE_URL: Match.anyValue(), QUEUE_URL: Match.anyValue() } },
		});
	});

	test("repeats a failed message after the function's longest run, and keeps it after three", () => {
		const [deadLetters] = Object.keys(publicMode.findResources("AWS::SQS::Queue")).filter((id) =>
			id.startsWith("RetentionDeadLetters"),
		);
		publicMode.hasResourceProperties("AWS::SQS::Queue", {
			VisibilityTimeout: 960,
			SqsManagedSseEnabled: true,
			RedrivePolicy: {
				deadLetterTargetArn: { "Fn::GetAtt": [deadLetters, "Arn"] },
				maxReceiveCount: 3,
			},
		});
	});

	test("lets the schedule only send, and only to this queue", () => {
		const [policy] = Object.entries(publicMode.findResources("AWS::IAM::Policy"))
			.filter(([id]) => id.startsWith("RetentionStarter"))
			.map(([, { Properties }]) => Properties.PolicyDocument.Statement);
		expect(policy).toEqual([
			expect.objectContaining({
				Action: "sqs:SendMessage",
				Resource: { "Fn::GetAtt": [expect.stringMatching(/^RetentionTasks/), "Arn"] },
			}),
		]);
	});
});
