/** Evaluates WAF's own rules, as deployed, on requests. The managed rules of AWS are left out. */
import { BlockList, isIPv4 } from "node:net";
import type { Template } from "aws-cdk-lib/assertions";
import { describe, expect, test } from "vitest";
import { pauseAfterS } from "../lambda/worker/attempts.ts";
import { synthesise } from "./synth.ts";

interface Request {
	readonly path: string;
	readonly ip?: string;
	readonly bodyBytes?: number;
	readonly headers?: Readonly<Record<string, string>>;
}

type Node = Readonly<Record<string, unknown>>;

const deployed = synthesise("public").template;

/** The first of our rules that blocks the request. */
function blockedBy(template: Template, request: Request): string | undefined {
	const [acl] = Object.values(template.findResources("AWS::WAFv2::WebACL"));
	const rules: readonly { Name: string; Priority: number; Action?: Node; Statement: Node }[] =
		acl!.Properties.Rules;
	return rules
		.toSorted((a, b) => a.Priority - b.Priority)
		.filter(({ Action }) => Action?.Block !== undefined)
		.find(({ Statement }) => matches(template, Statement, request))?.Name;
}

function matches(template: Template, statement: Node, request: Request): boolean {
	const [[kind, value]] = Object.entries(statement) as [[string, never]];
	const given = value as Node & { Statements: Node[]; Statement: Node };
	switch (kind) {
		case "RateBasedStatement":
			return false;
		case "AndStatement":
			return given.Statements.every((one) => matches(template, one, request));
		case "NotStatement":
			return !matches(template, given.Statement, request);
		case "SizeConstraintStatement":
			expect(given).toMatchObject({
				ComparisonOperator: "GE",
				FieldToMatch: { Body: { OversizeHandling: "MATCH" } },
			});
			return (request.bodyBytes ?? 0) >= (given.Size as number);
		case "ByteMatchStatement":
			return isByteMatch(given, request);
		case "IPSetReferenceStatement":
			return isInSet(template, given, request.ip ?? "198.51.100.7");
		default:
			throw new Error(`the test cannot evaluate ${kind}`);
	}
}

function isByteMatch(
	{ FieldToMatch, SearchString, PositionalConstraint, TextTransformations }: Node,
	{ path, headers = {} }: Request,
): boolean {
	const field = FieldToMatch as { UriPath?: object; SingleHeader?: { Name: string } };
	const raw = field.UriPath === undefined ? headers[field.SingleHeader!.Name] : path;
	const isDecoded = JSON.stringify(TextTransformations).includes("URL_DECODE");
	const text = isDecoded ? decodeURIComponent(raw ?? "") : (raw ?? "");
	const wanted = typeof SearchString === "string" ? SearchString : PROBE;
	if (PositionalConstraint === "CONTAINS") return text.includes(wanted);
	if (PositionalConstraint === "ENDS_WITH") return text.endsWith(wanted);
	expect(PositionalConstraint).toBe("EXACTLY");
	return text === wanted;
}

function isInSet(template: Template, { Arn }: Node, ip: string): boolean {
	const [id] = (Arn as { "Fn::GetAtt": [string, string] })["Fn::GetAtt"];
	const { Addresses } = template.findResources("AWS::WAFv2::IPSet")[id]!.Properties;
	const list = new BlockList();
	for (const range of Addresses as string[]) {
		const [net, bits] = range.split("/") as [string, string];
		list.addSubnet(net, Number(bits));
	}
	return isIPv4(ip) && list.check(ip);
}

/** What CloudFormation makes of the only text that is no literal: a part of the stack's ARN. */
const PROBE = "6f1c2c50-0d5e-11ef-9b2e-0a58a9feac02";
const TELEGRAM = { path: "/v1/webhook/telegram" };

describe("WAF", () => {
	test.each<[string, Request, string | undefined]>([
		["Telegram's first address", { ...TELEGRAM, ip: "149.154.160.0" }, undefined],
		["Telegram's last address", { ...TELEGRAM, ip: "91.108.7.255" }, undefined],
		["a stranger's address", { ...TELEGRAM, ip: "91.108.8.0" }, "NotFromTelegram"],
		["a stranger who encodes the path", { path: "/v1/webhook/telegra%6D" }, "NotFromTelegram"],
		["a stranger who extends the path", { path: "/v1/webhook/telegram/" }, "NotFromTelegram"],
		["a wrong probe", { ...TELEGRAM, headers: { "x-openclaw-probe": "x" } }, "NotFromTelegram"],
		["this deployment", { ...TELEGRAM, headers: { "x-openclaw-probe": PROBE } }, undefined],
		["Slack", { path: "/v1/webhook/slack" }, undefined],
		["the issuer's caller", { path: "/v1/.well-known/jwks.json" }, undefined],
	])("treats Telegram's path by address: %s", (_who, request, rule) => {
		expect(blockedBy(deployed, request)).toBe(rule);
	});

	test.each<[string, number, string | undefined]>([
		["/v1/webhook/feishu", 250_000, undefined],
		["/v1/webhook/slack", 240_000, undefined],
		["/v1/webhook/feishu/x", 65_536, "BodyTooLarge"],
		["/v1/.well-known/jwks.json", 65_536, "BodyTooLarge"],
		["/v1/.well-known/jwks.json", 65_535, undefined],
	])("passes long messages of channels that have them: %s, %i bytes", (path, bodyBytes, rule) => {
		expect(blockedBy(deployed, { path, bodyBytes })).toBe(rule);
	});

	test("limits Telegram's bodies too", () => {
		const request = { ...TELEGRAM, ip: "149.154.160.0", bodyBytes: 65_536 };
		expect(blockedBy(deployed, request)).toBe("BodyTooLarge");
	});

	test("leaves Telegram's path open to all with an empty list, and no path to long messages that no channel has", () => {
		const context = { "openclaw:telegramRanges": "", "openclaw:channels": "telegram" };
		const { template } = synthesise("public", context);
		expect(blockedBy(template, TELEGRAM)).toBeUndefined();
		template.resourceCountIs("AWS::WAFv2::IPSet", 0);
		const long = { path: "/v1/webhook/feishu", bodyBytes: 70_000 };
		expect(blockedBy(template, long)).toBe("BodyTooLarge");
	});

	test("knows the function that proves Telegram's secret by the id of the stack", () => {
		const [rotation] = Object.values(deployed.findResources("AWS::Lambda::Function")).filter(
			({ Properties }) => Properties.Environment?.Variables?.CHANNEL === "telegram",
		);
		const key = rotation!.Properties.Environment.Variables.PROBE_KEY;
		expect(key).toEqual({ "Fn::Select": [2, { "Fn::Split": ["/", { Ref: "AWS::StackId" }] }] });
		const [acl] = Object.values(deployed.findResources("AWS::WAFv2::WebACL"));
		expect(JSON.stringify(acl)).toContain(JSON.stringify(key));
	});
});

test("the attempts of the queue outlast an update of the runtime, which refuses for 204 s", () => {
	const fifo = { Properties: { FifoQueue: true } };
	const receives = Object.values(deployed.findResources("AWS::SQS::Queue", fifo)).flatMap(
		({ Properties }) => Properties.RedrivePolicy?.maxReceiveCount ?? [],
	);
	expect(receives).toHaveLength(1);
	let pausesS = 0;
	for (let receive = 1; receive < receives[0]; receive++) pausesS += pauseAfterS(receive);
	expect(pausesS).toBeGreaterThan(204);
	expect(pausesS).toBeLessThan(600);
});
