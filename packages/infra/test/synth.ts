/** The template of an installation, made in this process: nothing bundled, nothing validated, no network. 0.4 s after CDK is loaded. */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Template } from "aws-cdk-lib/assertions";
import { makeInstallation } from "../lib/app.ts";
import type { Config } from "../lib/config.ts";
import type { OpenClawStack } from "../lib/stack.ts";

export type Mode = "public" | "new-vpc" | "existing-vpc" | "own-issuer";

export interface Synthesised {
	readonly stack: OpenClawStack;
	readonly config: Config;
	readonly template: Template;
}

/** What `examples/{mode}` gives, with `context` beside it. */
export function synthesise(mode: Mode, context: Readonly<Record<string, unknown>> = {}): Synthesised {
	const outdir = mkdtempSync(join(tmpdir(), "openclaw-infra-"));
	try {
		const { stack, config } = makeInstallation(
			{
				outdir,
				builtinCloudFormationValidation: false,
				analyticsReporting: false,
				context: { ...contextOf(mode), "aws:cdk:bundling-stacks": [], ...context },
			},
			{},
		);
		return { stack, config, template: Template.fromStack(stack) };
	} finally {
		rmSync(outdir, { recursive: true, force: true });
	}
}

/** As the CDK CLI would hand it over. */
function contextOf(mode: Mode): Record<string, unknown> {
	const { context } = readJson(`${mode}/cdk.json`) as { readonly context: Record<string, unknown> };
	return { ...context, ...(mode === "existing-vpc" && (readJson(`${mode}/cdk.context.json`) as object)) };
}

function readJson(path: string): unknown {
	return JSON.parse(readFileSync(new URL(`../examples/${path}`, import.meta.url), "utf8"));
}
