import { App } from "aws-cdk-lib";
import { describe, expect, test } from "vitest";
import { readConfig } from "../config.ts";
import { type Account, checkAccount } from "./account-checks.ts";
import { isAtLeast } from "./check.ts";
import { checkMachine, type Machine } from "./machine-checks.ts";
import { checkModel, type ModelAccess } from "./model-check.ts";
import { checkPlatform } from "./platform-check.ts";

const MACHINE: Machine = {
	nodeVersion: "24.21.0",
	cdkVersion: "2.1148.1",
	containerTool: { name: "docker", version: "Docker version 29.1.0" },
	architecture: "arm64",
	runsArm64: true,
};

const MAY_CALL = { agreement: "AVAILABLE", authorization: "AUTHORIZED", region: "AVAILABLE" };

const ACCOUNT: Account = {
	whoAmI: async () => ({ account: "111111111111", arn: "arn:aws:iam::111111111111:user/anna" }),
	bootstrapVersion: async () => "30",
	zoneIds: async () => ["use1-az1", "use1-az2", "use1-az3"],
	subnetZoneIds: async () => ["use1-az1", "use1-az2"],
	modelAccess: async () => MAY_CALL,
	runtimePlatform: async () => "V2",
	quotas: async (service): Promise<Readonly<Record<string, number>>> =>
		service === "lambda"
			? { "Concurrent executions": 1_000 }
			: { "Active session workloads": 5_000 },
};

const VPC = { "openclaw:network": "vpc", "openclaw:region": "us-east-1" };

async function outcomes(context: Record<string, unknown>, changes: Partial<Account> = {}) {
	const checks = await checkAccount(readConfig(new App({ context }).node, {}), {
		...ACCOUNT,
		...changes,
	});
	return Object.fromEntries(checks.map(({ name, outcome }) => [name, outcome]));
}

test.each([
	["2.1148.1", "2.99.0", true],
	["2.99.0", "2.1148.1", false],
	["v24.21.0", "24", true],
	["22.20.0", "24.0.0", false],
	["30", "6", true],
	["3", "3.0.0", true],
])("version %s is at least %s: %s", (found, needed, verdict) => {
	expect(isAtLeast(found, needed)).toBe(verdict);
});

describe("the machine", () => {
	test("passes if it has everything", () => {
		expect(checkMachine(MACHINE).map(({ outcome }) => outcome)).toEqual(["ok", "ok", "ok", "ok"]);
	});

	test.each([
		["Node", { nodeVersion: "22.1.0" }, "failed", /Node 24/],
		["CDK CLI", { cdkVersion: undefined }, "failed", /pnpm install/],
		["CDK CLI", { cdkVersion: "2.99.0" }, "failed", /2\.1148\.1/],
		["CDK CLI", { cdkVersion: "3.0.0" }, "failed", /2\.1148\.1/],
		["container tool", { containerTool: undefined }, "failed", /CDK_DOCKER/],
		["arm64 images", { architecture: "x64", runsArm64: false }, "warning", /qemu-user-static/],
	])("lacks %s: %j", (name, changes, outcome, remedy) => {
		const check = checkMachine({ ...MACHINE, ...changes }).find((one) => one.name === name);
		expect(check).toMatchObject({ outcome, remedy: expect.stringMatching(remedy) });
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
			await checkModel(id, { ...ACCOUNT, modelAccess: async () => ({ ...MAY_CALL, ...changes }) });
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
				bootstrapVersion: denied,
				zoneIds: denied,
				quotas: denied,
				modelAccess: denied,
				runtimePlatform: denied,
			}),
		).toMatchObject({
			"model global.anthropic.claude-opus-5": "warning",
			"platform version": "warning",
			bootstrap: "warning",
			zones: "warning",
			"Lambda concurrency": "warning",
			"AgentCore sessions": "warning",
		});
	});
});
