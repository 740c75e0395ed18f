/**
 * The CDK app: one stack, as the context says. Every synth is checked by CDK's validator and by
 * cdk-nag's AwsSolutions.
 */
import { Validations } from "aws-cdk-lib";
import { AwsSolutionsChecks } from "cdk-nag";
import { makeInstallation } from "../lib/app.ts";

try {
	const { app } = makeInstallation();
	Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
} catch (error) {
	// What is wrong is in the message; where in our code it was noticed helps nobody.
	console.error(error instanceof Error ? error.message : error);
	process.exit(1);
}
