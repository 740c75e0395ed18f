/** An installation as a CDK app, which `bin/app.ts` synthesises and the tests inspect. */
import { App, type AppProps } from "aws-cdk-lib";
import flags from "aws-cdk-lib/recommended-feature-flags.json" with { type: "json" };
import { acknowledge } from "./acknowledgements.ts";
import { type Config, readConfig } from "./settings/config.ts";
import { OpenClawStack } from "./stack.ts";

export interface Installation {
	readonly app: App;
	readonly stack: OpenClawStack;
	readonly config: Config;
}

/**
 * Makes the app, and acknowledges the findings of cdk-nag that we accept.
 * @throws Error that names the wrong setting
 */
export function makeInstallation(props: AppProps = {}, env?: NodeJS.ProcessEnv): Installation {
	const installation = makeStack(props, env);
	acknowledge(installation.stack, installation.config);
	return installation;
}

/** @param props its context is overridden by that of the CDK CLI */
export function makeStack(props: AppProps, env?: NodeJS.ProcessEnv): Installation {
	// CDK's behaviour follows its pinned version. What CloudFormation would refuse is an error, not a
	// warning.
	const context = { ...flags, "@aws-cdk/core:validateAgainstDefaultRules": true, ...props.context };
	const app = new App({ ...props, context });
	const config = readConfig(app.node.getAllContext(), env);
	const stack = new OpenClawStack(app, config);
	return { app, stack, config };
}
