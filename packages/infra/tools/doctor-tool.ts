/**
 * `pnpm infra:doctor`: whether this machine can deploy an installation, and into its account. It
 * changes nothing.
 */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import { checkAccount } from "../doctor/account-checks.ts";
import type { Check } from "../doctor/check.ts";
import { askAccount, lookAtMachine } from "../doctor/look-up.ts";
import { checkMachine } from "../doctor/machine-checks.ts";
import { qualifierOf } from "../lib/settings/bootstrap.ts";
import type { Config } from "../lib/settings/config.ts";
import { type Context, configOf, parseSettings, readContext } from "./installation.ts";
import { addCommonOptions, Command, type CommonOptions, type Io, runTool } from "./tool.ts";
import { ToolError } from "./tool-error.ts";

const MARKS = { ok: "ok      ", warning: "warning ", failed: "FAILED  " } as const;

export async function runDoctorTool(argv: readonly string[], io: Io): Promise<number> {
	const program = addCommonOptions(
		new Command("infra:doctor").description(
			"Checks whether this machine can deploy, and into this account. Changes nothing.",
		),
	)
		.argument("[DIRECTORY]", "As --dir.")
		.action(async (directory: string | undefined, { dir, context: given, json }: CommonOptions) => {
			const place = resolve(directory ?? dir);
			if (!existsSync(join(place, "cdk.json")))
				throw new ToolError(
					"USAGE",
					`${place} has no cdk.json`,
					"name the installation's directory",
				);
			const context = { ...readContext(place), ...parseSettings(given) };
			const checks = await examine(configOf(context), context);
			io.out(json === true ? JSON.stringify(checks, null, "\t") : checks.map(shown).join("\n"));
			refuse(checks);
		});
	return await runTool(program, argv, io);
}

export async function examine(config: Config, context: Context): Promise<readonly Check[]> {
	return [
		...checkMachine(lookAtMachine(), config),
		...(await checkAccount(config, askAccount(config.region ?? "us-east-1", qualifierOf(context)))),
	];
}

/** @throws ToolError DOCTOR_FAILED */
export function refuse(checks: readonly Check[]): void {
	const failed = checks.filter(({ outcome }) => outcome === "failed");
	if (failed.length > 0)
		throw new ToolError(
			"DOCTOR_FAILED",
			`this cannot be deployed: ${failed.map(({ name }) => name).join(", ")}`,
			"take the remedies above, then run it again",
		);
}

function shown({ name, outcome, found, remedy }: Check): string {
	return `${MARKS[outcome]}${name}: ${found}${remedy === undefined ? "" : `\n        -> ${remedy}`}`;
}
