/**
 * Sends alerts of Falco to Security Hub, as findings of the account's own product. SNS calls it with
 * each alert of falcosidekick, and three times if it fails.
 *
 * Its role needs securityhub:BatchImportFindings. The same alert in the same second is the same
 * finding.
 */
import { createHash } from "node:crypto";
import {
	type AwsSecurityFinding,
	BatchImportFindingsCommand,
	type Partition,
	SecurityHubClient,
} from "@aws-sdk/client-securityhub";
import type { Context, SNSEvent } from "aws-lambda";
import { isRecord, once, parseJson } from "./shared/environment.ts";
import { logger } from "./shared/log.ts";

/** The message that falcosidekick publishes with `rawjson`. */
export interface FalcoAlert {
	readonly rule: string;
	readonly priority: string;
	readonly output: string;
	/** ISO 8601. */
	readonly time: string;
	readonly hostname?: string;
	readonly output_fields?: Readonly<Record<string, unknown>>;
}

export interface Account {
	readonly id: string;
	readonly region: string;
	readonly partition: string;
}

const SEVERITIES = {
	emergency: "CRITICAL",
	alert: "CRITICAL",
	critical: "CRITICAL",
	error: "HIGH",
	warning: "MEDIUM",
	notice: "LOW",
} as const;

const client = once(() => new SecurityHubClient());

/** @throws Error if the alert is not in Security Hub */
export async function handler(
	{ Records }: SNSEvent,
	{ invokedFunctionArn }: Pick<Context, "invokedFunctionArn">,
): Promise<void> {
	const [, partition = "", , region = "", id = ""] = invokedFunctionArn.split(":");
	for (const { Sns } of Records) {
		const alert = parseJson(Sns.Message);
		try {
			if (!isAlert(alert)) throw new Error("the message is not an alert of falcosidekick");
			const Findings = [findingOf(alert, { id, region, partition })];
			const { FailedFindings = [] } = await client().send(
				new BatchImportFindingsCommand({ Findings }),
			);
			const [failed] = FailedFindings;
			if (failed !== undefined) throw new Error(`${failed.ErrorCode}: ${failed.ErrorMessage}`);
		} catch (error) {
			logger.error("falco.finding-failed", {
				rule: isAlert(alert) ? alert.rule : undefined,
				error,
			});
			throw error;
		}
	}
}

/**
 * A finding in the AWS Security Finding Format. Its limits: a title of 256 characters, a
 * description of 1,024.
 */
export function findingOf(
	alert: FalcoAlert,
	{ id, region, partition }: Account,
): AwsSecurityFinding {
	const { rule, priority, output, hostname = "unknown", output_fields: fields = {} } = alert;
	const time = new Date(alert.time).toISOString();
	const key = [rule, output, hostname, time.slice(0, 19)].join("\n");
	const severity = SEVERITIES[priority.toLowerCase() as keyof typeof SEVERITIES];
	return {
		SchemaVersion: "2018-10-08",
		Id: `falco/${createHash("sha256").update(key).digest("hex")}`,
		ProductArn: `arn:${partition}:securityhub:${region}:${id}:product/${id}/default`,
		GeneratorId: `falco/${rule}`,
		AwsAccountId: id,
		Types: ["TTPs"],
		CreatedAt: time,
		UpdatedAt: time,
		Severity: { Label: severity ?? "INFORMATIONAL", Original: priority },
		Title: rule.slice(0, 256),
		Description: output.slice(0, 1_024),
		Resources: [
			{
				Type: "Other",
				Id: String(fields["s3.bucket"] ?? hostname),
				Region: region,
				Partition: partition as Partition,
			},
		],
	};
}

function isAlert(value: unknown): value is FalcoAlert {
	return (
		isRecord(value) &&
		["rule", "priority", "output", "time"].every((name) => typeof value[name] === "string")
	);
}
