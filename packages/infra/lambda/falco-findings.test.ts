import { once as onceEvent } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { json } from "node:stream/consumers";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { findingOf, handler } from "./falco-findings.ts";

const ACCOUNT = { id: "123456789012", region: "eu-central-1", partition: "aws" };
const ALERT = {
	rule: "OpenClaw session tries to delete",
	priority: "Critical",
	output: "x".repeat(2_000),
	time: "2026-11-24T10:00:00.123456789Z",
	hostname: "host-1",
	output_fields: { "s3.bucket": "workspaces", "s3.key": null },
};

describe("an alert", () => {
	test("becomes a finding within the format's limits", () => {
		const finding = findingOf(ALERT, ACCOUNT);
		expect(finding).toMatchObject({
			ProductArn: "arn:aws:securityhub:eu-central-1:123456789012:product/123456789012/default",
			CreatedAt: "2026-11-24T10:00:00.123Z",
			Severity: { Label: "CRITICAL" },
			Resources: [{ Id: "workspaces" }],
		});
		expect(finding.Description).toHaveLength(1_024);
	});

	test("of a host is about the host", () => {
		const { output_fields: _, ...alert } = ALERT;
		expect(findingOf(alert, ACCOUNT).Resources).toMatchObject([{ Id: "host-1" }]);
	});

	test("that is repeated is the same finding, and one for another file is another", () => {
		const id = (output: string) => findingOf({ ...ALERT, output }, ACCOUNT).Id;
		expect(id("a")).toBe(id("a"));
		expect(id("a")).not.toBe(id("b"));
	});
});

describe("a message of the topic", () => {
	const requests: { readonly Findings: readonly { readonly Title: string }[] }[] = [];
	let answer: object;
	let server: Server;

	beforeAll(async () => {
		server = createServer(async (request, response) => {
			requests.push((await json(request)) as (typeof requests)[number]);
			response.setHeader("content-type", "application/json");
			response.end(JSON.stringify(answer));
		}).listen(0, "127.0.0.1");
		await onceEvent(server, "listening");
	});
	afterAll(() => server.close());
	beforeEach(() => {
		requests.length = 0;
		answer = { FailedCount: 0, SuccessCount: 1 };
		const { port } = server.address() as AddressInfo;
		vi.stubEnv("AWS_ENDPOINT_URL_SECURITYHUB", `http://127.0.0.1:${port}`);
		vi.stubEnv("AWS_REGION", "eu-central-1");
		vi.stubEnv("AWS_ACCESS_KEY_ID", "test");
		vi.stubEnv("AWS_SECRET_ACCESS_KEY", "test");
	});

	const send = (Message: string) =>
		handler({ Records: [{ Sns: { Message } }] } as never, {
			invokedFunctionArn: "arn:aws:lambda:eu-central-1:123456789012:function:findings",
		});

	test("is imported into Security Hub", async () => {
		await send(JSON.stringify(ALERT));
		expect(requests).toMatchObject([{ Findings: [{ Title: ALERT.rule }] }]);
	});

	test("that Security Hub refuses fails with its reason, so that it is tried again", async () => {
		answer = {
			FailedCount: 1,
			SuccessCount: 0,
			FailedFindings: [{ Id: "a", ErrorCode: "InvalidInput", ErrorMessage: "too long" }],
		};
		await expect(send(JSON.stringify(ALERT))).rejects.toThrow("InvalidInput: too long");
	});

	test.each(["hello", "{}", '{"rule": "a"}'])("that is no alert fails: %s", async (text) => {
		await expect(send(text)).rejects.toThrow("not an alert of falcosidekick");
		expect(requests).toEqual([]);
	});
});
