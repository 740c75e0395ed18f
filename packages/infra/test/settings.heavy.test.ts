/** Settings that no example has: cdk-nag finds nothing in them but what is acknowledged. */
import { expect, test } from "vitest";
import { acknowledgements } from "../lib/acknowledgements.ts";
import { nagFindings, synthesise } from "./synth.ts";

test.each([
	{
		"openclaw:bucketName": "openclaw-workspaces",
		"openclaw:bucketKeyArn": "arn:aws:kms:eu-west-1:111111111111:key/1234",
	},
	{
		"openclaw:domainName": "chat.example.com",
		"openclaw:certificateArn": "arn:aws:acm:eu-west-1:111111111111:certificate/abc",
		"openclaw:hostedZoneId": "Z0123456789",
	},
	{
		"openclaw:modelUpstream": "bedrock-mantle",
		"openclaw:models": "anthropic.claude-opus-5",
		"openclaw:endpoints": "ecr.api,ecr.dkr,logs,sts,bedrock-mantle,monitoring",
	},
])("cdk-nag accepts %j", (context) => {
	const { stack, config } = synthesise("new-vpc", context);
	const acknowledged = acknowledgements(stack, config);
	const findings = nagFindings("new-vpc", context).filter((one) => !one.includes(" Annotation::"));
	const isCovered = (finding: string) =>
		acknowledged.some(({ at, id }) => finding.startsWith(`${at}/`) && finding.endsWith(` ${id}`));
	expect(findings.length).toBeGreaterThan(10);
	expect(findings.filter((finding) => !isCovered(finding))).toEqual([]);
});
