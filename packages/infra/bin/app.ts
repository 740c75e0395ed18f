/**
 * The CDK app: one stack, configured by the context. CDK's validator and cdk-nag's AwsSolutions
 * check every synth.
 */
import { Validations } from "aws-cdk-lib";
import { AwsSolutionsChecks } from "cdk-nag";
import { makeInstallation } from "../lib/app.ts";

try {
	const { app } = makeInstallation();
	Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
} catch (error) {
	// The message says what is wrong; a stack trace of our code would not help.
	console.error(error instanceof Error ? error.message : error);
	process.exit(1);
}
