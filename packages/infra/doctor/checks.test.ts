import { describe, expect, test } from "vitest";
import { readConfig } from "../lib/settings/config.ts";
import { type Account, checkAccount } from "./account-checks.ts";
import { type Check, isAtLeast } from "./check.ts";
import { checkMachine, type Machine } from "./machine-checks.ts";
import { checkModel, type ModelAccess } from "./model-check.ts";
import { checkPlatform } from "./platform-check.ts";
import type { TrailAnswers } from "./trail-check.ts";
import { isPrivate, type VpcAnswers } from "./vpc-checks.ts";

const MACHINE: Machine = {
	nodeVersion: "24.22.3",
	cdkVersion: "2.1148.1",
	containerTool: { name: "docker", version: "Docker version 29.1.0" },
	architecture: "arm64",
	runsArm64: true,
};

const MAY_CALL = { agreement: "AVAILABLE", authorization: "AUTHORIZED", region: "AVAILABLE" };
const VPC_ANSWERS: VpcAnswers = {
	hasDnsSupport: true,
	hasDnsHostnames: true,
	endpoints: [],
	routeTables: [{ RouteTableId: "rtb-main", Associations: [{ Main: true }] }],
	subnets: [{ SubnetId: "subnet-a" }],
};

const ACCOUNT: Account = {
	whoAmI: async () => ({ account: "111111111111", arn: "arn:aws:iam::111111111111:user/anna" }),
	bootstrapVersion: async () => "30",
	zoneIds: async () => ["use1-az1", "use1-az2", "use1-az3"],
	subnetZoneIds: async () => ["use1-az1", "use1-az2"],
	modelAccess: async () => MAY_CALL,
	runtimePlatform: async () => "V2",
	vpc: async () => VPC_ANSWERS,
	trails: async () => [],
	logPolicies: async () => [],
	quotas: async (service): Promise<Readonly<Record<string, number>>> =>
		service === "lambda"
			? { "Concurrent executions": 1_000 }
			: { "Active session workloads": 5_000 },
};

const VPC = { "openclaw:network": "vpc", "openclaw:region": "us-east-1" };

async function outcomes(context: Record<string, unknown>, changes: Partial<Account> = {}) {
	const checks = await checkAccount(readConfig(context, {}), {
		...ACCOUNT,
		...changes,
	});
	return Object.fromEntries(checks.map(({ name, outcome }) => [name, outcome]));
}

test.each([
	["2.1148.1", "2.99.0", true],
	["2.99.0", "2.1148.1", false],
	["v24.22.3", "24", true],
	["22.20.0", "24.0.0", false],
	["30", "6", true],
	["3", "3.0.0", true],
])("version %s is at least %s: %s", (found, needed, verdict) => {
	expect(isAtLeast(found, needed)).toBe(verdict);
});

describe("the machine", () => {
	test("passes if it has everything", () => {
		expect(checkMachine(MACHINE, {}).map(({ outcome }) => outcome)).toEqual([
			"ok",
			"ok",
			"ok",
			"ok",
		]);
	});

	test.each([
		["Node", { nodeVersion: "22.1.0" }, "failed", /Node 24/],
		["fixes of Node", { nodeVersion: "24.22.2" }, "warning", /24\.22\.3/],
		["CDK CLI", { cdkVersion: undefined }, "failed", /pnpm install/],
		["CDK CLI", { cdkVersion: "2.99.0" }, "failed", /2\.1148\.1/],
		["CDK CLI", { cdkVersion: "3.0.0" }, "failed", /2\.1148\.1/],
		["container tool", { containerTool: undefined }, "failed", /CDK_DOCKER/],
		["arm64 images", { architecture: "x64", runsArm64: false }, "warning", /qemu-user-static/],
	])("lacks %s: %j", (what, changes, outcome, remedy) => {
		const name = what.split(" of ").at(-1);
		const check = checkMachine({ ...MACHINE, ...changes }, {}).find((one) => one.name === name);
		expect(check).toMatchObject({ outcome, remedy: expect.stringMatching(remedy) });
	});
});

describe("the settings", () => {
	test("with an image that is already built, no container tool is needed", () => {
		const bare = { ...MACHINE, containerTool: undefined, architecture: "x64", runsArm64: false };
		const checks = checkMachine(bare, { imageUri: "1.dkr.ecr.us-east-1.amazonaws.com/a:b" });
		expect(checks.map(({ outcome }) => outcome)).toEqual(["ok", "ok", "ok"]);
	});

	test("a model of bedrock-mantle is not judged by what AWS reports of bedrock-runtime", async () => {
		const id = "amazon.nova-lite-v1:0";
		const modelAccess = async () => ({ ...MAY_CALL, region: "NOT_AVAILABLE" });
		const at = (modelUpstream: string) => ({
			...VPC,
			"openclaw:models": id,
			"openclaw:modelUpstream": modelUpstream,
		});
		expect((await outcomes(at("bedrock-mantle"), { modelAccess }))[`model ${id}`]).toBe("warning");
		expect((await outcomes(at("bedrock-runtime"), { modelAccess }))[`model ${id}`]).toBe("failed");
	});

	test("few Lambda functions at once are in the way of provisioned concurrency only", async () => {
		const quotas = async () => ({ "Concurrent executions": 10 });
		const context = { ...VPC, "openclaw:provisionedConcurrency": 0 };
		expect((await outcomes(context, { quotas }))["Lambda concurrency"]).toBe("warning");
	});
});

describe("the account", () => {
	test("passes if it has everything", async () => {
		expect(new Set(Object.values(await outcomes(VPC)))).toEqual(new Set(["ok"]));
	});

	test("is not queried without a region or in one without AgentCore", async () => {
		const whoAmI = async () => await Promise.reject(new Error("asked"));
		expect(await outcomes({ "openclaw:region": "eu-central-2" }, { whoAmI })).toEqual({
			region: "failed",
		});
		expect(await outcomes({}, { whoAmI })).toEqual({ region: "failed" });
	});

	test("is not queried further without credentials, and reports those of another account", async () => {
		const nobody = {
			whoAmI: async () => await Promise.reject(new Error("Could not load credentials")),
		};
		expect(await outcomes(VPC, nobody)).toEqual({ region: "ok", credentials: "failed" });
		expect(await outcomes({ ...VPC, "openclaw:account": "222222222222" })).toEqual({
			region: "ok",
			credentials: "failed",
		});
	});

	test.each([
		["bootstrap", { bootstrapVersion: async () => undefined }],
		["bootstrap", { bootstrapVersion: async () => "5" }],
		["zones", { zoneIds: async () => ["use1-az1", "use1-az3", "use1-az6"] }],
		["Lambda concurrency", { quotas: async () => ({ "Concurrent executions": 10 }) }],
	] satisfies [string, Partial<Account>][])("%s is in the way: %o", async (name, changes) => {
		expect((await outcomes(VPC, changes))[name]).toBe("failed");
	});

	test("is told how to get access to a model that it cannot call yet", async () => {
		const check = async (id: string, changes: Partial<ModelAccess>) =>
			await checkModel(
				id,
				{ modelUpstream: "bedrock-runtime" },
				{ ...ACCOUNT, modelAccess: async () => ({ ...MAY_CALL, ...changes }) },
			);
		const profile = "global.anthropic.claude-opus-5";
		expect(await check(profile, { agreement: "NOT_AVAILABLE" })).toMatchObject({
			outcome: "failed",
			remedy: expect.stringContaining("--model-id anthropic.claude-opus-5`"),
		});
		expect(await check(profile, { authorization: "NOT_AUTHORIZED" })).toMatchObject({
			outcome: "failed",
		});
		expect(await check(profile, { region: "NOT_AVAILABLE" })).toMatchObject({ outcome: "ok" });
		expect(await check("amazon.nova-pro-v1:0", { region: "NOT_AVAILABLE" })).toMatchObject({
			outcome: "failed",
		});
	});

	test.each([
		[
			"us-east-1",
			undefined,
			undefined,
			"ok",
			/^V2, by the table of \d{4}-.*nothing is deployed yet$/,
		],
		["us-east-1", undefined, "V2", "ok", /^V2 is deployed$/],
		["us-east-1", undefined, "V1", "warning", /^V1 is deployed.*asks for V2/],
		["eu-central-1", undefined, "V2", "warning", /^V2 is deployed.*asks for V1/],
		["eu-central-1", undefined, "V1", "ok", /set openclaw:platformVersion to V2 to try/],
		["eu-central-1", "V2", "V2", "ok", /^V2 is deployed$/],
	] as const)(
		"in %s with the setting %s and %s deployed: platform version is %s",
		async (region, platformVersion, deployed, outcome, found) => {
			const runtimePlatform = async () => deployed;
			const settings = { platformVersion, stackName: "OpenClaw" };
			expect(await checkPlatform(settings, region, { ...ACCOUNT, runtimePlatform })).toMatchObject({
				outcome,
				found: expect.stringMatching(found),
			});
		},
	);

	test("fails if a subnet of an existing VPC is in an unsupported zone", async () => {
		const existing = {
			"openclaw:network": "existing",
			"openclaw:vpcId": "vpc-1",
			"openclaw:account": "111111111111",
			"openclaw:region": "us-east-1",
		};
		expect((await outcomes(existing)).zones).toBe("ok");
		expect(
			(await outcomes(existing, { subnetZoneIds: async () => ["use1-az1", "use1-az3"] })).zones,
		).toBe("failed");
		expect((await outcomes(existing, { subnetZoneIds: async () => [] })).zones).toBe("failed");
	});

	test("gets a warning for each denied query", async () => {
		const denied = async () => await Promise.reject(new Error("AccessDenied"));
		expect(
			await outcomes(VPC, {
				...{ bootstrapVersion: denied, zoneIds: denied, quotas: denied },
				...{ modelAccess: denied, runtimePlatform: denied },
				...{ trails: denied, logPolicies: denied },
			}),
		).toMatchObject({
			"model global.anthropic.claude-opus-5": "warning",
			"platform version": "warning",
			"audit trail": "warning",
			"Logs resource policies": "warning",
			bootstrap: "warning",
			zones: "warning",
			"Lambda concurrency": "warning",
			"AgentCore sessions": "warning",
		});
	});
});

const EXISTING = {
	"openclaw:network": "existing",
	"openclaw:vpcId": "vpc-1",
	"openclaw:account": "111111111111",
	"openclaw:region": "us-east-1",
};

async function checkOf(
	name: string,
	context: Record<string, unknown>,
	changes: Partial<Account>,
): Promise<Check | undefined> {
	const checks = await checkAccount(readConfig(context, {}), {
		...ACCOUNT,
		...changes,
	});
	return checks.find((check) => check.name === name);
}

describe("an existing VPC", () => {
	const interfaceTo = (service: string, PrivateDnsEnabled = true) => ({
		VpcEndpointId: `vpce-${service}`,
		VpcEndpointType: "Interface" as const,
		ServiceName: `com.amazonaws.us-east-1.${service}`,
		PrivateDnsEnabled,
	});
	const gateway = (...RouteTableIds: string[]) => ({
		VpcEndpointId: "vpce-s3",
		VpcEndpointType: "Gateway" as const,
		ServiceName: "com.amazonaws.us-east-1.s3",
		RouteTableIds,
	});
	const twoTables = {
		routeTables: [
			{ RouteTableId: "rtb-main", Associations: [{ Main: true }] },
			{ RouteTableId: "rtb-b", Associations: [{ SubnetId: "subnet-b" }] },
		],
		subnets: [{ SubnetId: "subnet-a" }, { SubnetId: "subnet-b" }],
	};
	const withEndpoint = { ...EXISTING, "openclaw:s3EndpointId": "vpce-s3" };

	const cases: readonly (readonly [
		string,
		Record<string, unknown>,
		Partial<VpcAnswers>,
		string,
		RegExp | undefined,
	])[] = [
		["without conflicts", EXISTING, {}, "DNS of the VPC", undefined],
		["without conflicts", EXISTING, {}, "endpoints of the VPC", undefined],
		["without conflicts", EXISTING, {}, "routes to S3", undefined],
		["with DNS off", EXISTING, { hasDnsSupport: false }, "DNS of the VPC", /--enable-dns-support/],
		[
			"without names",
			EXISTING,
			{ hasDnsHostnames: false },
			"DNS of the VPC",
			/--enable-dns-hostnames/,
		],
		[
			"with an endpoint whose private name the stack needs",
			EXISTING,
			{ endpoints: [interfaceTo("sts")] },
			"endpoints of the VPC",
			/openclaw:endpoints to ecr\.api,ecr\.dkr,logs,bedrock-runtime, and let the security group of sts /,
		],
		[
			"with an endpoint without a private name",
			EXISTING,
			{ endpoints: [interfaceTo("sts", false)] },
			"endpoints of the VPC",
			undefined,
		],
		[
			"with an endpoint of a service with a similar name",
			EXISTING,
			{ endpoints: [interfaceTo("bedrock-agent-runtime")] },
			"endpoints of the VPC",
			undefined,
		],
		[
			"with S3 routes in the machines' table",
			EXISTING,
			{ endpoints: [gateway("rtb-main")] },
			"routes to S3",
			/openclaw:s3EndpointId to vpce-s3/,
		],
		[
			"with S3 routes in another table",
			EXISTING,
			{ endpoints: [gateway("rtb-other")] },
			"routes to S3",
			undefined,
		],
		[
			"whose S3 endpoint reaches every subnet",
			withEndpoint,
			{ ...twoTables, endpoints: [gateway("rtb-main", "rtb-b")] },
			"routes to S3",
			undefined,
		],
		[
			"whose S3 endpoint misses a subnet",
			withEndpoint,
			{ ...twoTables, endpoints: [gateway("rtb-main")] },
			"routes to S3",
			/--vpc-endpoint-id vpce-s3 --add-route-table-ids rtb-b$/,
		],
		[
			"without the named S3 endpoint",
			withEndpoint,
			{},
			"routes to S3",
			/remove openclaw:s3EndpointId/,
		],
	];
	test.each(cases)("%s: %j %j", async (_, context, changes, name, remedy) => {
		const check = await checkOf(name, context, {
			vpc: async () => ({ ...VPC_ANSWERS, ...changes }),
		});
		expect(check).toMatchObject(
			remedy === undefined
				? { outcome: "ok" }
				: { outcome: "failed", remedy: expect.stringMatching(remedy) },
		);
	});

	test.each([
		["with its own route to an internet gateway", "subnet-b", false, false],
		["with the main table, which has no such route", "subnet-a", false, true],
		["that gives public addresses", "subnet-a", true, false],
	])("has a subnet %s: %s", (_, SubnetId, MapPublicIpOnLaunch, expected) => {
		const tables = [
			{
				Associations: [{ Main: true }],
				Routes: [{ GatewayId: "local" }, { NatGatewayId: "nat-1" }],
			},
			{ Associations: [{ SubnetId: "subnet-b" }], Routes: [{ GatewayId: "igw-1" }] },
		];
		expect(isPrivate({ SubnetId, MapPublicIpOnLaunch }, tables)).toBe(expected);
	});

	test("gets one warning if it cannot be read, and is not read for another network", async () => {
		const vpc = async () => await Promise.reject(new Error("AccessDenied"));
		expect(await checkOf("VPC", EXISTING, { vpc })).toMatchObject({ outcome: "warning" });
		expect(await checkOf("VPC", VPC, { vpc })).toBeUndefined();
	});
});

describe("the audit trail", () => {
	const CHANGES = {
		EventSelectors: [{ IncludeManagementEvents: true, ReadWriteType: "All" as const }],
	};
	const trail = (
		changes: Partial<TrailAnswers["trail"]> = {},
		rest: Partial<NonNullable<TrailAnswers["state"]>> = {},
	): TrailAnswers => ({
		trail: { Name: "everything", HomeRegion: "eu-west-1", IsMultiRegionTrail: true, ...changes },
		state: { isLogging: true, selectors: CHANGES, ...rest },
	});
	const hidden = { trail: trail({ IsOrganizationTrail: true }).trail };
	const advanced = (...FieldSelectors: { Field: string; Equals: string[] }[]) => ({
		selectors: { AdvancedEventSelectors: [{ FieldSelectors }] },
	});
	const management = { Field: "eventCategory", Equals: ["Management"] };
	const local = { IsMultiRegionTrail: false, HomeRegion: "us-east-1" };

	const cases: readonly (readonly [
		string,
		"own" | "existing",
		readonly TrailAnswers[],
		"ok" | "warning" | "failed",
	])[] = [
		["no trail", "own", [], "ok"],
		["no trail", "existing", [], "failed"],
		["a trail of all regions", "own", [trail()], "warning"],
		["a trail of all regions", "existing", [trail()], "ok"],
		["the organization's, whose settings are hidden", "existing", [hidden], "warning"],
		["the organization's, whose settings are hidden", "own", [hidden], "warning"],
		["one that fits beside a hidden one", "existing", [hidden, trail()], "ok"],
		["the organization's", "existing", [trail({ IsOrganizationTrail: true })], "ok"],
		["one that is switched off", "existing", [trail({}, { isLogging: false })], "failed"],
		["one of this region only", "existing", [trail(local)], "warning"],
		["one of this region only", "own", [trail(local)], "ok"],
		["one of another region only", "existing", [trail({ IsMultiRegionTrail: false })], "failed"],
		[
			"one of data events only",
			"existing",
			[trail({}, advanced({ Field: "eventCategory", Equals: ["Data"] }))],
			"failed",
		],
		[
			"one of reads only",
			"existing",
			[trail({}, advanced(management, { Field: "readOnly", Equals: ["true"] }))],
			"failed",
		],
		[
			"one of reads only",
			"existing",
			[trail({}, { selectors: { EventSelectors: [{ ReadWriteType: "ReadOnly" }] } })],
			"failed",
		],
		[
			"one of changes",
			"existing",
			[trail({}, advanced(management, { Field: "readOnly", Equals: ["false"] }))],
			"ok",
		],
		[
			"the stack's own, after a deployment",
			"own",
			[trail({ Name: "OpenClaw-AuditTrail0A1B-X" })],
			"ok",
		],
	];
	test.each(cases)("%s, with openclaw:auditTrail=%s", async (_, auditTrail, trails, outcome) => {
		const check = await checkOf(
			"audit trail",
			{ ...VPC, "openclaw:auditTrail": auditTrail },
			{ trails: async () => trails },
		);
		expect(check).toMatchObject({ outcome });
		expect(check?.remedy === undefined).toBe(outcome === "ok");
	});
});

describe("resource policies of CloudWatch Logs", () => {
	const policies = (count: number) =>
		Array.from({ length: count }, (_, index) => `policy-${index}`);
	test.each([
		[policies(9), "ok"],
		[policies(10), "failed"],
		[[...policies(9), "OpenClaw-log-delivery"], "ok"],
	] as const)("%j: %s", async (names, outcome) => {
		const check = await checkOf("Logs resource policies", VPC, { logPolicies: async () => names });
		expect(check).toMatchObject({ outcome });
		if (outcome === "failed") expect(check?.found).toContain("policy-9");
	});
});
