/**
 * The template of an installation, made in this process without bundling, validation or network
 * access. 0.4 s once CDK is loaded.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type AppProps, Validations } from "aws-cdk-lib";
import { Template } from "aws-cdk-lib/assertions";
import { AwsSolutionsChecks } from "cdk-nag";
import { makeInstallation, makeStack } from "../lib/app.ts";
import type { Config } from "../lib/settings/config.ts";
import type { OpenClawStack } from "../lib/stack.ts";

export type Mode = "public" | "new-vpc" | "existing-vpc" | "own-issuer" | "falco";

export interface Synthesised {
	readonly stack: OpenClawStack;
	readonly config: Config;
	readonly template: Template;
}

const made = new Map<string, Synthesised>();

/** The template of `examples/{mode}` with additional `context`. Files share it: do not change it. */
export function synthesise(
	mode: Mode,
	context: Readonly<Record<string, unknown>> = {},
): Synthesised {
	const key = JSON.stringify([mode, context]);
	const earlier = made.get(key);
	if (earlier !== undefined) return earlier;
	const synthesised = synthesiseNow(mode, context);
	made.set(key, synthesised);
	return synthesised;
}

function synthesiseNow(mode: Mode, context: Readonly<Record<string, unknown>>): Synthesised {
	return inScratch((outdir) => {
		const { stack, config } = makeInstallation(propsOf(mode, outdir, context), {});
		return { stack, config, template: Template.fromStack(stack) };
	});
}

/** The findings of cdk-nag without acknowledgements: `path rule`, with the path below the stack. */
export function nagFindings(
	mode: Mode,
	context: Readonly<Record<string, unknown>> = {},
): readonly string[] {
	return inScratch((outdir) => {
		const { app, stack } = makeStack(propsOf(mode, outdir, context), {});
		Validations.of(app).addPlugins(new AwsSolutionsChecks(app));
		try {
			app.synth();
		} catch {
			// Findings are expected here, so do not print them.
		}
		const report = JSON.parse(
			readFileSync(join(outdir, "validation-report.json"), "utf8"),
		) as ValidationReport;
		return report.pluginReports.flatMap(({ violations }) =>
			violations.flatMap(({ ruleName, violatingConstructs }) =>
				violatingConstructs.map(
					({ constructPath }) => `${constructPath.slice(stack.node.path.length + 1)} ${ruleName}`,
				),
			),
		);
	});
}

interface ValidationReport {
	readonly pluginReports: readonly {
		readonly violations: readonly {
			readonly ruleName: string;
			readonly violatingConstructs: readonly { readonly constructPath: string }[];
		}[];
	}[];
}

const UNBUNDLED = { "aws:cdk:bundling-stacks": [] };

function propsOf(mode: Mode, outdir: string, context: Readonly<Record<string, unknown>>): AppProps {
	return {
		outdir,
		builtinCloudFormationValidation: false,
		analyticsReporting: false,
		context: { ...contextOf(mode), ...UNBUNDLED, ...context },
	};
}

function inScratch<T>(work: (outdir: string) => T): T {
	const outdir = mkdtempSync(join(tmpdir(), "openclaw-infra-"));
	try {
		return work(outdir);
	} finally {
		rmSync(outdir, { recursive: true, force: true });
	}
}

/** The context as the CDK CLI passes it. */
export function contextOf(mode: Mode): Record<string, unknown> {
	const { context } = readJson(`${mode}/cdk.json`) as { readonly context: Record<string, unknown> };
	return {
		...context,
		...(mode === "existing-vpc" && (readJson(`${mode}/cdk.context.json`) as object)),
	};
}

function readJson(path: string): unknown {
	return JSON.parse(readFileSync(new URL(`../examples/${path}`, import.meta.url), "utf8"));
}

/**
 * Properties of the only resource of its type, or of the only one with this prefix of its logical
 * id.
 */
export function properties<T = Readonly<Record<string, unknown>>>(
	template: Template,
	type: string,
	idPrefix = "",
): T {
	const found = Object.entries(template.findResources(type)).filter(([id]) =>
		id.startsWith(idPrefix),
	);
	const [only, ...others] = found;
	if (only === undefined || others.length > 0)
		throw new Error(`${type}: ${found.map(([id]) => id).join(", ") || "none"}`);
	return (only[1] as { readonly Properties: T }).Properties;
}
