/** An installation as a CDK app: what `bin/app.ts` synthesises, and the tests look at. */
import { App, type AppProps } from "aws-cdk-lib";
import flags from "aws-cdk-lib/recommended-feature-flags.json" with { type: "json" };
import { acknowledge } from "./acknowledgements.ts";
import { type Config, readConfig } from "./config.ts";
import { OpenClawStack } from "./stack.ts";

export interface Installation {
	readonly app: App;
	readonly stack: OpenClawStack;
	readonly config: Config;
}

/**
 * With the findings of cdk-nag that stay acknowledged. @throws Error that says which setting is
 * wrong
 */
export function makeInstallation(props: AppProps = {}, env?: NodeJS.ProcessEnv): Installation {
	const installation = makeStack(props, env);
	acknowledge(installation.stack, installation.config);
	return installation;
}

/** @param props its context is overridden by that of the CDK CLI */
export function makeStack(props: AppProps, env?: NodeJS.ProcessEnv): Installation {
	// How CDK behaves goes with its version, which is pinned; what CloudFormation would refuse is an
	// error and no warning.
	const context = { ...flags, "@aws-cdk/core:validateAgainstDefaultRules": true, ...props.context };
	const app = new App({ ...props, context });
	const config = readConfig(app.node, env);
	const stack = new OpenClawStack(app, config);
	return { app, stack, config };
}
