/** The CDK app: one stack, as the context says. Every synth is checked by cdk-nag's AwsSolutions and CDK's own validator. */
import { App, Validations } from "aws-cdk-lib";
import { AwsSolutionsChecks } from "cdk-nag";
import { acknowledge } from "../lib/acknowledgements.ts";
import { readConfig } from "../lib/config.ts";
import { OpenClawStack } from "../lib/stack.ts";

const app = new App();
try {
	const stack = new OpenClawStack(app, readConfig(app.node));
	acknowledge(stack);
	Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
} catch (error) {
	// What is wrong is in the message; where in our code it was noticed helps nobody.
	console.error(error instanceof Error ? error.message : error);
	process.exit(1);
}
