/** Tests what synth refuses, and that each message says what to change. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { readConfig, settings } from "../lib/settings/config.ts";
import { checkZones, REGIONS } from "../lib/settings/regions.ts";
import { withSettings } from "../pages/settings-table.ts";
import { synthesise } from "./synth.ts";

const config = (context: Record<string, unknown>, env = {}) => readConfig(context, env);

describe("settings", () => {
	test("come from context, also as text from the command line", () => {
		expect(
			config({
				"openclaw:idleMinutes": "30",
				"openclaw:channels": "slack, telegram",
				"openclaw:dataEvents": "true",
			}),
		).toMatchObject({
			idleMinutes: 30,
			channels: ["slack", "telegram"],
			dataEvents: true,
		});
	});

	test.each([
		["telegram.1,slack.T1.U1", { "telegram.1": "telegram.1", "slack.T1.U1": "slack.T1.U1" }],
		['["telegram.1"]', { "telegram.1": "telegram.1" }],
		[
			'{"telegram.1": "anna", "slack.T1.U1": "anna"}',
			{ "telegram.1": "anna", "slack.T1.U1": "anna" },
		],
		[["telegram.1"], { "telegram.1": "telegram.1" }],
		[{ "telegram.1": "anna" }, { "telegram.1": "anna" }],
		["", {}],
		[undefined, {}],
	])("take users as text or JSON: %j", (given, allowedUsers) => {
		const context = given === undefined ? {} : { "openclaw:allowedUsers": given };
		expect(config(context).allowedUsers).toEqual(allowedUsers);
	});

	test("take every list as JSON in text, because `-c` passes only text", () => {
		expect(
			config({ "openclaw:channels": '["slack", "telegram"]', "openclaw:models": ' ["a.b"]' }),
		).toMatchObject({ channels: ["slack", "telegram"], models: ["a.b"] });
	});

	test("default to the region of the CLI's credentials", () => {
		expect(
			config({}, { CDK_DEFAULT_ACCOUNT: "111111111111", CDK_DEFAULT_REGION: "eu-west-1" }),
		).toMatchObject({ region: "eu-west-1" });
		expect(
			config({ "openclaw:region": "us-east-1" }, { CDK_DEFAULT_REGION: "eu-west-1" }).region,
		).toBe("us-east-1");
	});

	test.each([
		[
			{ "openclaw:idleMinuts": 5 },
			/openclaw:idleMinuts: unknown setting; the settings are .*idleMinutes/,
		],
		[{ "openclaw:idleMinutes": 500 }, /openclaw:idleMinutes \(500\)/],
		[{ "openclaw:account": "123" }, /openclaw:account \("123"\)/],
		[{ "openclaw:channels": "whatsapp" }, /openclaw:channels/],
		[{ "openclaw:network": "existing" }, /openclaw:vpcId: is needed with network=existing/],
		[
			{ "openclaw:network": "vpc", "openclaw:natGateways": 0 },
			/HOST_UNREACHABLE: a machine cannot reach .*\(the issuer's keys\)/,
		],
		[{ "openclaw:idleMinutes": 90, "openclaw:maxHours": 1 }, /must not exceed maxHours/],
		[
			{ "openclaw:models": "arn:aws:bedrock:eu-west-1:1:application-inference-profile/a" },
			/must be an id, not an ARN/,
		],
		[{ "openclaw:channels": "[slack]" }, /openclaw:channels \("\[slack\]"\)/],
		[
			{ "openclaw:allowedUsers": "4711" },
			/openclaw:allowedUsers \("4711"\): "4711" is no user of a channel; it must look like telegram\.4711/,
		],
		[{ "openclaw:allowedUsers": "telegram.@anna" }, /like telegram\.4711 \(the number/],
		[{ "openclaw:allowedUsers": ["slack.U061F7AUR"] }, /like slack\.T012AB3CD\.U061F7AUR/],
		[{ "openclaw:allowedUsers": '["telegram.1"' }, /is not JSON/],
		[{ "openclaw:allowedUsers": '{"telegram.1": 2}' }, /telegram\.1: 2 is no name of a person/],
		[{ "openclaw:allowedUsers": { "telegram.1": "" } }, /telegram\.1: "" is no name/],
		[{ "openclaw:allowedUsers": 4711 }, /must be a list or an object of users, not 4711/],
		[{ "openclaw:telegramRanges": "149.154.160.0" }, /openclaw:telegramRanges/],
		[{ "openclaw:feishuHost": "feishu.example" }, /feishuHost.*open\.larksuite\.com/],
		[{ "openclaw:falco": true }, /openclaw:falco \(true\): needs openclaw:dataEvents/],
		[
			{ "openclaw:falco": true, "openclaw:falcoImages": "falco=falcosecurity/falco:0.44.1" },
			/needs falco, by digest.*\n.*needs falcosidekick.*\n.*needs falcoctl.*\n.*needs cloudtrail.*\n.*needs json/,
		],
		[{ "openclaw:falcoImages": "falcon=a" }, /falcon is not one of falco, falcosidekick/],
	])("%j is refused", (context, message) => {
		expect(() => config(context)).toThrow(message);
	});

	test("are all in docs/deploy.md, which `pnpm docs:write` writes", () => {
		const document = readFileSync(new URL("../../../docs/deploy.md", import.meta.url), "utf8");
		expect(document).toBe(withSettings(document));
	});

	test("name the host of Feishu or Lark to every function that calls it or tells its language", () => {
		const { template } = synthesise("public", { "openclaw:feishuHost": "open.larksuite.com" });
		const told = Object.entries(template.findResources("AWS::Lambda::Function")).flatMap(
			([id, { Properties }]) => {
				const url = Properties.Environment?.Variables?.FEISHU_API_URL;
				return url === undefined ? [] : [[id.replace(/Function\w+$/, ""), url]];
			},
		);
		const expected = ["RouterWebhook", "RouterWorker", "Secretsfeishurotation"];
		expect(Object.fromEntries(told)).toMatchObject(
			Object.fromEntries(expected.map((name) => [name, "https://open.larksuite.com"])),
		);
	});

	test("each have a description", () => {
		expect(settings().filter(({ meaning }) => meaning.length < 10)).toEqual([]);
	});
});

describe("environments", () => {
	const context = {
		"openclaw:logDays": 30,
		"openclaw:environments": {
			dev: { region: "eu-west-1", logDays: 7 },
			prod: { region: "us-east-1", stackName: "Production" },
		},
	};

	test("take their own settings first, then the common ones, and have a stack each", () => {
		expect(config({ ...context, "openclaw:env": "dev" })).toMatchObject({
			stackName: "OpenClawDev",
			region: "eu-west-1",
			logDays: 7,
		});
		expect(config(context, { OPENCLAW_ENV: "prod" })).toMatchObject({
			stackName: "Production",
			region: "us-east-1",
			logDays: 30,
		});
		expect(config({ ...context, "openclaw:env": "dev" }, { OPENCLAW_ENV: "prod" }).logDays).toBe(7);
	});

	test.each([
		[{}, /ENVIRONMENT_UNKNOWN: choose one of dev, prod: -c openclaw:env=dev/],
		[{ "openclaw:env": "test" }, /openclaw:env \("test"\): ENVIRONMENT_UNKNOWN: choose one of/],
		[{ "openclaw:env": "constructor" }, /ENVIRONMENT_UNKNOWN/],
		[
			{ "openclaw:env": "dev", "openclaw:environments": {} },
			/ENVIRONMENT_UNKNOWN: openclaw:environments in cdk.json has no block/,
		],
		[
			{ "openclaw:env": "dev", "openclaw:environments": { dev: { idleMinuts: 5 } } },
			/openclaw:idleMinuts: unknown setting/,
		],
		[
			{ "openclaw:env": "dev", "openclaw:environments": { dev: { idleMinutes: 500 } } },
			/openclaw:idleMinutes \(500\)/,
		],
	])("%j is refused", (changes, message) => {
		expect(() => config({ ...context, ...changes })).toThrow(message);
	});

	test("have their stack's name in every name, so that two fit into one account and region", () => {
		const { template } = synthesise("public", {
			"openclaw:environments": { dev: { region: "eu-west-1", account: "111111111111" } },
			"openclaw:env": "dev",
		});
		const text = JSON.stringify(template.toJSON());
		const names = [...text.matchAll(/"\w*Name":"([^"]*openclaw[^"]*)"/gi)].map(([, name]) => name!);
		expect(names.length).toBeGreaterThan(3);
		expect(names.filter((name) => !/openclawdev|^x-/i.test(name))).toEqual([]);
	});
});

describe("regions", () => {
	test("are refused by name without AgentCore, and the message lists those that have it", () => {
		expect(() =>
			synthesise("public", {
				"openclaw:region": "eu-central-2",
				"openclaw:account": "111111111111",
			}),
		).toThrow(
			/not available in eu-central-2\. Set openclaw:region to one of .*eu-central-1.*us-west-2/,
		);
	});

	test("that are not known before the deployment are accepted, and CloudFormation looks them up", () => {
		const { template } = synthesise("public", { "openclaw:network": "vpc" });
		const [table] = Object.values(template.findMappings("AgentCoreRegions"));
		expect(table!["us-east-1"]).toEqual({
			zone0: "use1-az1",
			zone1: "use1-az2",
			zone2: "use1-az4",
		});
		const zones = Object.values(template.findResources("AWS::EC2::Subnet")).map(
			({ Properties }) => Properties.AvailabilityZoneId,
		);
		expect(zones[0]).toEqual({
			"Fn::FindInMap": ["AgentCoreRegions", { Ref: "AWS::Region" }, "zone0"],
		});
	});

	test("have zones that AgentCore lacks refused, and the message lists the supported ones", () => {
		expect(() => checkZones("us-east-1", ["use1-az1", "use1-az3"])).toThrow(
			"AgentCore Runtime is not available in use1-az3. Zones of us-east-1 that it supports: use1-az1, use1-az2, use1-az4.",
		);
		expect(() => synthesise("existing-vpc", { "openclaw:zoneIds": "use1-az6" })).toThrow(
			/use1-az6/,
		);
	});

	test("without published zones need zones from the user", () => {
		const inCalifornia = {
			"openclaw:region": "us-west-1",
			"openclaw:account": "111111111111",
			"openclaw:network": "vpc",
		};
		expect(() => synthesise("public", inCalifornia)).toThrow(/not published.*openclaw:zoneIds/);
		expect(() =>
			synthesise("public", { ...inCalifornia, "openclaw:zoneIds": "usw1-az1,usw1-az3" }),
		).not.toThrow();
	});

	test("accept only their own zone ids", () => {
		expect(Object.keys(REGIONS)).toHaveLength(22);
		for (const [region, { zoneIds }] of Object.entries(REGIONS)) {
			const [area = "", direction = "", number = ""] = region.replace("us-gov-", "usg-").split("-");
			const begin = `${area}${direction.replace(/^(north|south)?(east|west|central)?.*$/, (_, a = "", b = "") => a.slice(0, 1) + b.slice(0, 1))}${number}-az`;
			expect(zoneIds.filter((id) => !id.startsWith(begin))).toEqual([]);
		}
	});
});
