/**
 * The Lambda function between falcosidekick and Security Hub. It turns an alert into a finding of
 * the account's own product.
 *
 * Build it with `pnpm exec esbuild falco/config/security-hub.ts --format=esm --outfile=index.mjs`,
 * and run it on nodejs24.x, whose runtime includes the SDK. Its role needs
 * securityhub:BatchImportFindings. The same alert in the same second is the same finding.
 */
import { createHash } from "node:crypto";

/** The message that falcosidekick sends. */
export interface FalcoAlert {
	readonly rule: string;
	readonly priority: string;
	readonly output: string;
	/** ISO 8601. */
	readonly time: string;
	readonly hostname?: string;
	readonly tags?: readonly string[];
	readonly output_fields?: Readonly<Record<string, unknown>>;
}

export interface Account {
	readonly id: string;
	readonly region: string;
	readonly partition: string;
}

const SEVERITIES: Readonly<Record<string, string>> = {
	emergency: "CRITICAL",
	alert: "CRITICAL",
	critical: "CRITICAL",
	error: "HIGH",
	warning: "MEDIUM",
	notice: "LOW",
};
const SDK = "@aws-sdk/client-securityhub";

/**
 * A finding in the AWS Security Finding Format. Its limits: a title of 256 characters, a
 * description of 1,024.
 */
export function findingOf(
	alert: FalcoAlert,
	{ id, region, partition }: Account,
): Readonly<Record<string, unknown>> {
	const { rule, priority, output, hostname = "unknown", output_fields: fields = {} } = alert;
	const time = new Date(alert.time).toISOString();
	const key = [rule, output, hostname, time.slice(0, 19)].join("\n");
	return {
		SchemaVersion: "2018-10-08",
		Id: `falco/${createHash("sha256").update(key).digest("hex")}`,
		ProductArn: `arn:${partition}:securityhub:${region}:${id}:product/${id}/default`,
		GeneratorId: `falco/${rule}`,
		AwsAccountId: id,
		Types: ["TTPs"],
		CreatedAt: time,
		UpdatedAt: time,
		Severity: { Label: SEVERITIES[priority.toLowerCase()] ?? "INFORMATIONAL", Original: priority },
		Title: rule.slice(0, 256),
		Description: output.slice(0, 1_024),
		Resources: [
			{
				Type: "Other",
				Id: String(fields["s3.bucket"] ?? hostname),
				Region: region,
				Partition: partition,
			},
		],
	};
}

export async function handler(
	alert: FalcoAlert,
	{ invokedFunctionArn }: { readonly invokedFunctionArn: string },
): Promise<void> {
	const [, partition = "aws", , region = "", id = ""] = invokedFunctionArn.split(":");
	const { SecurityHubClient, BatchImportFindingsCommand } = await import(SDK);
	const command = new BatchImportFindingsCommand({
		Findings: [findingOf(alert, { id, region, partition })],
	});
	const { FailedCount, FailedFindings } = await new SecurityHubClient({}).send(command);
	// The invocation fails, and Lambda retries it.
	if (FailedCount > 0)
		throw new Error(`Security Hub refused the finding: ${JSON.stringify(FailedFindings)}`);
}
