/** The doctor's questions to AWS, over HTTP, against moto; and the checks on its answers. */
import {
	CloudTrailClient,
	CreateTrailCommand,
	PutEventSelectorsCommand,
	StartLoggingCommand,
} from "@aws-sdk/client-cloudtrail";
import { CloudWatchLogsClient, PutResourcePolicyCommand } from "@aws-sdk/client-cloudwatch-logs";
import {
	CreateSubnetCommand,
	CreateVpcCommand,
	CreateVpcEndpointCommand,
	DescribeRouteTablesCommand,
	EC2Client,
	ModifySubnetAttributeCommand,
	ModifyVpcAttributeCommand,
} from "@aws-sdk/client-ec2";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startMoto } from "../../testkit/functions/moto.ts";
import { asInOwnProcess } from "../../testkit/functions/own-process.ts";
import { readConfig } from "../lib/settings/config.ts";
import { type Account, checkAccount } from "./account-checks.ts";
import { askAccount } from "./look-up.ts";

const REGION = "us-east-1";
asInOwnProcess();
const moto = await startMoto();

describe.skipIf(moto === undefined)("an account", () => {
	let account: Account;
	let vpcId: string;
	let routeTableId: string;
	let ec2: EC2Client;

	beforeAll(async () => {
		ec2 = new EC2Client({ region: REGION });
		account = askAccount(REGION, "openclaw");
		vpcId = (await ec2.send(new CreateVpcCommand({ CidrBlock: "10.0.0.0/16" }))).Vpc!.VpcId!;
		const { Subnet } = await ec2.send(
			new CreateSubnetCommand({
				VpcId: vpcId,
				CidrBlock: "10.0.0.0/24",
				AvailabilityZoneId: "use1-az1",
			}),
		);
		// moto makes the first subnet of a zone a public one.
		await ec2.send(
			new ModifySubnetAttributeCommand({
				SubnetId: Subnet!.SubnetId!,
				MapPublicIpOnLaunch: { Value: false },
			}),
		);
		const { RouteTables } = await ec2.send(
			new DescribeRouteTablesCommand({ Filters: [{ Name: "vpc-id", Values: [vpcId] }] }),
		);
		routeTableId = RouteTables![0]!.RouteTableId!;
	});
	afterAll(async () => await moto?.[Symbol.asyncDispose]());

	async function checks(context: Record<string, unknown> = {}) {
		const config = readConfig(
			{
				...{ "openclaw:network": "existing", "openclaw:vpcId": vpcId },
				...{ "openclaw:account": "123456789012", "openclaw:region": REGION },
				...context,
			},
			{},
		);
		const found = await checkAccount(config, account);
		return Object.fromEntries(found.map((check) => [check.name, check]));
	}

	test("without names for endpoints is refused, and what the remedy changes makes it pass", async () => {
		const before = (await checks())["DNS of the VPC"]!;
		expect(before).toMatchObject({ outcome: "failed" });
		expect(before.remedy).toContain("--enable-dns-hostnames");
		await ec2.send(
			new ModifyVpcAttributeCommand({ VpcId: vpcId, EnableDnsHostnames: { Value: true } }),
		);
		expect((await checks())["DNS of the VPC"]).toMatchObject({ outcome: "ok" });
	});

	test("shows endpoints and routes that are in the way", async () => {
		expect((await checks())["routes to S3"]).toMatchObject({ outcome: "ok" });
		const { VpcEndpoint } = await ec2.send(
			new CreateVpcEndpointCommand({
				VpcId: vpcId,
				ServiceName: `com.amazonaws.${REGION}.s3`,
				VpcEndpointType: "Gateway",
				RouteTableIds: [routeTableId],
			}),
		);
		const id = VpcEndpoint!.VpcEndpointId!;
		expect((await checks())["routes to S3"]).toMatchObject({
			outcome: "failed",
			remedy: expect.stringContaining(id),
		});
		expect((await checks({ "openclaw:s3EndpointId": id }))["routes to S3"]).toMatchObject({
			outcome: "ok",
		});
		await ec2.send(
			new CreateVpcEndpointCommand({
				VpcId: vpcId,
				ServiceName: `com.amazonaws.${REGION}.sts`,
				VpcEndpointType: "Interface",
				PrivateDnsEnabled: true,
			}),
		);
		expect((await checks())["endpoints of the VPC"]).toMatchObject({
			outcome: "failed",
			found: expect.stringContaining(`com.amazonaws.${REGION}.sts`),
		});
	});

	test("shows a trail once it records changes", async () => {
		const cloudtrail = new CloudTrailClient({ region: REGION });
		const existing = { "openclaw:auditTrail": "existing" };
		expect((await checks(existing))["audit trail"]).toMatchObject({ outcome: "failed" });
		// moto wants the bucket, and takes a plain request for it.
		expect((await fetch(`${moto!.url}/trails`, { method: "PUT" })).status).toBe(200);
		const Name = "everything";
		await cloudtrail.send(
			new CreateTrailCommand({ Name, S3BucketName: "trails", IsMultiRegionTrail: true }),
		);
		expect((await checks(existing))["audit trail"]).toMatchObject({ outcome: "failed" });
		await cloudtrail.send(new StartLoggingCommand({ Name }));
		await cloudtrail.send(
			new PutEventSelectorsCommand({
				TrailName: Name,
				EventSelectors: [{ IncludeManagementEvents: true, ReadWriteType: "WriteOnly" }],
			}),
		);
		expect((await checks(existing))["audit trail"]).toMatchObject({ outcome: "ok" });
		expect((await checks())["audit trail"]).toMatchObject({ outcome: "warning" });
	});

	test("shows its Logs resource policies, of which ten are too many", async () => {
		const logs = new CloudWatchLogsClient({ region: REGION });
		const put = async (policyName: string) =>
			await logs.send(
				new PutResourcePolicyCommand({
					policyName,
					policyDocument: JSON.stringify({ Version: "2012-10-17", Statement: [] }),
				}),
			);
		for (let index = 0; index < 9; index++) await put(`policy-${index}`);
		expect((await checks())["Logs resource policies"]).toMatchObject({
			outcome: "ok",
			found: "9 of 10",
		});
		await put("policy-9");
		expect((await checks())["Logs resource policies"]).toMatchObject({ outcome: "failed" });
	});
});
