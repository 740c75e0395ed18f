/** The role of a user, and who signs its tokens, in the templates of examples/. */
import type { Template } from "aws-cdk-lib/assertions";
import { beforeAll, describe, expect, test } from "vitest";
import { properties, synthesise } from "../synth.ts";

let publicMode: Template;
let ownIssuer: Template;

beforeAll(() => {
	publicMode = synthesise("public").template;
	ownIssuer = synthesise("own-issuer").template;
});

describe("the user's identity", () => {
	test("has credentials that last an hour longer than a machine", () => {
		expect(
			properties(publicMode, "AWS::IAM::Role", "UserIdentityWorkspaceRole").MaxSessionDuration,
		).toBe(9 * 3_600);
		const short = synthesise("public", { "openclaw:maxHours": 2 }).template;
		expect(
			properties(short, "AWS::IAM::Role", "UserIdentityWorkspaceRole").MaxSessionDuration,
		).toBe(3 * 3_600);
		expect(properties(short, "AWS::BedrockAgentCore::Runtime")).toMatchObject({
			EnvironmentVariables: { OPENCLAW_SIDECAR_ROLE_DURATION: "180m" },
		});
	});

	test("comes from our own issuer, whose asymmetric key only the worker may use", () => {
		publicMode.hasResourceProperties("AWS::KMS::Key", {
			KeySpec: "RSA_2048",
			KeyUsage: "SIGN_VERIFY",
		});
		const signers = Object.entries(publicMode.findResources("AWS::IAM::Policy")).filter(
			([, policy]) => JSON.stringify(policy).includes("kms:Sign"),
		);
		expect(signers.map(([id]) => id)).toEqual([expect.stringMatching(/^RouterWorkerRole/)]);
	});

	test("can come from an external issuer: the stack then has no API, queue or secret, and the runtime requires its tokens", () => {
		for (const type of ["ApiGateway::RestApi", "SecretsManager::Secret", "WAFv2::WebACL"])
			ownIssuer.resourceCountIs(`AWS::${type}`, 0);
		const queues = Object.keys(ownIssuer.findResources("AWS::SQS::Queue"));
		expect(queues.filter((id) => !id.startsWith("Retention"))).toEqual([]);
		expect(properties(ownIssuer, "AWS::IAM::OIDCProvider")).toMatchObject({
			Url: "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_example",
			ClientIdList: ["1example23456789"],
		});
		expect(properties(ownIssuer, "AWS::BedrockAgentCore::Runtime")).toMatchObject({
			AuthorizerConfiguration: { CustomJWTAuthorizer: { AllowedAudience: ["1example23456789"] } },
			RequestHeaderConfiguration: { RequestHeaderAllowlist: ["Authorization"] },
		});
	});
});
