/**
 * A Lambda function from `lambda/{entry}.ts`, bundled by esbuild at synth, without network access.
 * At first, its role may only write its own log.
 */
import { fileURLToPath } from "node:url";
import { type Duration, Stack } from "aws-cdk-lib";
import * as iam from "aws-cdk-lib/aws-iam";
import type * as kms from "aws-cdk-lib/aws-kms";
import * as lambda from "aws-cdk-lib/aws-lambda";
import { NodejsFunction, OutputFormat } from "aws-cdk-lib/aws-lambda-nodejs";
import type * as logs from "aws-cdk-lib/aws-logs";
import { Construct } from "constructs";
import { makeLogGroup } from "./keys.ts";

const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));

export interface HandlerProps {
	/** Name of a file in `lambda/`, without `.ts`. */
	readonly entry: string;
	readonly description: string;
	readonly timeout: Duration;
	/** MiB; CPU grows in proportion, with one CPU at 1,769. */
	readonly memory: number;
	readonly environment: Readonly<Record<string, string>>;
	readonly key: kms.IKey;
	readonly logDays: number;
	/** Default: a new one. */
	readonly role?: iam.Role;
}

export class BundledFunction extends Construct {
	readonly fn: lambda.Function;
	readonly role: iam.Role;
	readonly logGroup: logs.LogGroup;

	constructor(scope: Construct, id: string, props: HandlerProps) {
		super(scope, id);
		const { entry, description, timeout, memory, environment, key, logDays } = props;
		this.role = props.role ?? makeLambdaRole(this, "Role", description);
		const logGroup = makeLogGroup(this, "Logs", { key, days: logDays });
		this.logGroup = logGroup;
		allow(
			this.role,
			"WriteOwnLog",
			["logs:CreateLogStream", "logs:PutLogEvents"],
			[logGroup.logGroupArn],
		);
		this.fn = new NodejsFunction(this, "Function", {
			entry: `${ROOT}packages/infra/lambda/${entry}.ts`,
			projectRoot: ROOT,
			depsLockFilePath: `${ROOT}pnpm-lock.yaml`,
			runtime: lambda.Runtime.NODEJS_24_X,
			architecture: lambda.Architecture.ARM_64,
			description,
			timeout,
			memorySize: memory,
			environment,
			role: this.role,
			logGroup,
			loggingFormat: lambda.LoggingFormat.JSON,
			bundling: {
				format: OutputFormat.ESM,
				target: "node24",
				minify: true,
				sourceMap: false,
				mainFields: ["module", "main"],
				// The SDK in Lambda lacks AgentCore's newest calls.
				bundleAwsSDK: true,
				// CommonJS packages in the bundle load Node's own modules with `require`.
				banner:
					"import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
			},
		});
	}
}

export function makeLambdaRole(scope: Construct, id: string, description: string): iam.Role {
	return new iam.Role(scope, id, {
		assumedBy: new iam.ServicePrincipal("lambda.amazonaws.com"),
		description,
	});
}

/**
 * Grants actions by name. The `grant*` methods of CDK allow whole families
 * (`kms:GenerateDataKey*`).
 */
export function allow(
	role: iam.Role,
	sid: string,
	actions: readonly string[],
	resources: readonly string[],
	conditions?: Record<string, Record<string, unknown>>,
): void {
	role.addToPolicy(
		new iam.PolicyStatement({
			sid,
			actions: [...actions],
			resources: [...resources],
			...(conditions !== undefined && { conditions }),
		}),
	);
}

/** Allows the use of `key`, but only through `service` of this region. */
export function allowKey(
	role: iam.Role,
	key: kms.IKey,
	service: string,
	actions: readonly string[],
): void {
	const { region, urlSuffix } = Stack.of(role);
	allow(role, "UseKey", actions, [key.keyArn], {
		StringEquals: { "kms:ViaService": `${service}.${region}.${urlSuffix}` },
	});
}
