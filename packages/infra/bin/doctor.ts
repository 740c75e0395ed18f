/**
 * `pnpm infra:doctor [DIRECTORY] [--json]` checks whether this machine can deploy what
 * DIRECTORY/cdk.json describes (default: packages/infra). It changes nothing. Exit status 1 if
 * something prevents a deployment.
 */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { App } from "aws-cdk-lib";
import { qualifierOf } from "../lib/bootstrap.ts";
import { readConfig } from "../lib/config.ts";
import { checkAccount } from "../lib/doctor/account-checks.ts";
import type { Check } from "../lib/doctor/check.ts";
import { askAccount, lookAtMachine } from "../lib/doctor/look-up.ts";
import { checkMachine } from "../lib/doctor/machine-checks.ts";

const MARKS = { ok: "ok      ", warning: "warning ", failed: "FAILED  " } as const;

const args = process.argv.slice(2);
const directory =
	args.find((arg) => !arg.startsWith("--")) ?? fileURLToPath(new URL("..", import.meta.url));
try {
	const { context = {} } = JSON.parse(readFileSync(resolve(directory, "cdk.json"), "utf8")) as {
		readonly context?: Record<string, unknown>;
	};
	const { AWS_REGION, AWS_DEFAULT_REGION, OPENCLAW_ENV } = process.env;
	const region = AWS_REGION ?? AWS_DEFAULT_REGION;
	const config = readConfig(new App({ context }).node, {
		OPENCLAW_ENV,
		...(region !== undefined && { CDK_DEFAULT_REGION: region }),
	});
	const checks = [
		...checkMachine(lookAtMachine(), config),
		...(await checkAccount(config, askAccount(config.region ?? "us-east-1", qualifierOf(context)))),
	];
	console.log(
		args.includes("--json") ? JSON.stringify(checks, null, "\t") : checks.map(line).join("\n"),
	);
	process.exitCode = checks.some(({ outcome }) => outcome === "failed") ? 1 : 0;
} catch (error) {
	console.error(error instanceof Error ? error.message : error);
	process.exitCode = 1;
}

function line({ name, outcome, found, remedy }: Check): string {
	return `${MARKS[outcome]}${name}: ${found}${remedy === undefined ? "" : `\n        -> ${remedy}`}`;
}
