import { App } from "aws-cdk-lib";
import { describe, expect, test } from "vitest";
import { readConfig } from "../config.ts";
import { type Account, checkAccount } from "./account-checks.ts";
import { isAtLeast } from "./check.ts";
import { checkMachine, type Machine } from "./machine-checks.ts";

const MACHINE: Machine = {
	nodeVersion: "24.22.3",
	cdkVersion: "2.1148.1",
	containerTool: { name: "docker", version: "Docker version 29.1.0" },
	architecture: "arm64",
	runsArm64: true,
};

const ACCOUNT: Account = {
	whoAmI: async () => ({ account: "111111111111", arn: "arn:aws:iam::111111111111:user/anna" }),
	bootstrapVersion: async () => "30",
	zoneIds: async () => ["use1-az1", "use1-az2", "use1-az3"],
	subnetZoneIds: async () => ["use1-az1", "use1-az2"],
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
	["v24.22.3", "24", true],
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
		["fixes of Node", { nodeVersion: "24.22.2" }, "warning", /24\.22\.3/],
		["CDK CLI", { cdkVersion: undefined }, "failed", /pnpm install/],
		["CDK CLI", { cdkVersion: "2.99.0" }, "failed", /2\.1148\.1/],
		["CDK CLI", { cdkVersion: "3.0.0" }, "failed", /2\.1148\.1/],
		["container tool", { containerTool: undefined }, "failed", /CDK_DOCKER/],
		["arm64 images", { architecture: "x64", runsArm64: false }, "warning", /qemu-user-static/],
	])("lacks %s: %j", (what, changes, outcome, remedy) => {
		const name = what.split(" of ").at(-1);
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
			await outcomes(VPC, { bootstrapVersion: denied, zoneIds: denied, quotas: denied }),
		).toMatchObject({
			bootstrap: "warning",
			zones: "warning",
			"Lambda concurrency": "warning",
			"AgentCore sessions": "warning",
		});
	});
});
