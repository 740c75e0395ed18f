import { expect, test } from "vitest";
import { findingOf } from "./security-hub.ts";

const ACCOUNT = { id: "123456789012", region: "eu-central-1", partition: "aws" };
const ALERT = {
	rule: "OpenClaw agent contacts the metadata service",
	priority: "Critical",
	output: "x".repeat(2_000),
	time: "2026-11-24T10:00:00.123456789Z",
	hostname: "host-1",
};

test("an alert becomes a finding within the format's limits", () => {
	const finding = findingOf(ALERT, ACCOUNT);
	expect(finding).toMatchObject({
		ProductArn: "arn:aws:securityhub:eu-central-1:123456789012:product/123456789012/default",
		CreatedAt: "2026-11-24T10:00:00.123Z",
		Severity: { Label: "CRITICAL" },
		Resources: [{ Id: "host-1" }],
	});
	expect(String(finding.Description)).toHaveLength(1_024);
});

test("a repeated alert is the same finding, and an alert for another file is another finding", () => {
	const id = (output: string) => findingOf({ ...ALERT, output }, ACCOUNT).Id;
	expect(id("a")).toBe(id("a"));
	expect(id("a")).not.toBe(id("b"));
});
