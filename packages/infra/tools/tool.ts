/** What every tool has: its options, its output, and one place in which errors become text. */
import { Command, CommanderError, Option } from "commander";
import type { Config } from "../lib/settings/config.ts";
import type { Ask } from "./ask.ts";
import {
	configOf,
	HOME,
	type Outputs,
	parseSettings,
	readContext,
	readOutputs,
	regionOf,
} from "./installation.ts";
import { assume, type Credentials, type Statement } from "./session.ts";
import { asToolError, ToolError } from "./tool-error.ts";

export interface Io {
	/** The result. */
	readonly out: (line: string) => void;
	/** Progress and errors. */
	readonly err: (line: string) => void;
	/** Undefined without a terminal. */
	readonly ask: Ask | undefined;
}

export interface CommonOptions {
	readonly dir: string;
	readonly context: readonly string[];
	readonly json?: boolean;
}

export interface RoleOptions extends CommonOptions {
	readonly mfaSerial?: string;
	readonly mfaCode?: string;
	readonly currentCredentials?: boolean;
}

export function addCommonOptions(command: Command): Command {
	return command
		.addOption(
			new Option("--dir <DIRECTORY>", "Where the installation's cdk.json is.").default(
				HOME,
				"packages/infra",
			),
		)
		.option("-c, --context <KEY=VALUE>", "A setting, as for cdk; repeatable.", collect, [])
		.option("--json", "Print the result as JSON.");
}

export function addRoleOptions(command: Command): Command {
	return addCommonOptions(command)
		.option("--mfa-serial <ARN>", "Your MFA device, if your credentials were made without MFA.")
		.option("--mfa-code <CODE>", "Its code; asked for on a terminal.")
		.option(
			"--current-credentials",
			"Assume no role: the credentials already are a session of the operators' role.",
		);
}

export function collect(value: string, earlier: readonly string[]): readonly string[] {
	return [...earlier, value];
}

/** `1 user`, `2 users` */
export function counted(count: number, noun: string): string {
	return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

export interface Opened {
	readonly config: Config;
	readonly region: string;
	readonly outputs: Outputs;
}

/** @throws ToolError */
export async function open({ dir, context }: CommonOptions): Promise<Opened> {
	const config = configOf({ ...readContext(dir), ...parseSettings(context) });
	return { config, region: regionOf(config), outputs: await readOutputs(config) };
}

/** A narrowed session of a role; undefined means the current credentials. @throws ToolError */
export async function enter(
	{ region, outputs }: Opened,
	role: "operatorRole" | "repairerRole",
	statementsFor: (partition: string) => readonly Statement[],
	{ mfaSerial, mfaCode, currentCredentials }: RoleOptions,
	{ ask }: Io,
): Promise<Credentials | undefined> {
	if (currentCredentials === true) return undefined;
	const arn = outputs[role];
	const partition = arn.split(":")[1] ?? "aws";
	const code =
		mfaSerial === undefined
			? undefined
			: (mfaCode ?? (await ask?.text(`MFA code of ${mfaSerial}`)));
	if (mfaSerial !== undefined && code === undefined)
		throw new ToolError("ANSWER_MISSING", "the MFA code is missing", "add --mfa-code");
	return await assume(
		region,
		arn,
		statementsFor(partition),
		code === undefined ? undefined : { serial: mfaSerial!, code },
	);
}

/** Runs one command line. @returns the exit status */
export async function runTool(program: Command, argv: readonly string[], io: Io): Promise<number> {
	configure(program, io);
	try {
		await program.parseAsync([...argv], { from: "user" });
		return 0;
	} catch (thrown) {
		if (thrown instanceof CommanderError) {
			if (thrown.exitCode === 0) return 0;
			if (thrown.code !== "commander.help")
				io.err(
					`error [USAGE] ${thrown.message.replace(/^error: /, "")}\nwhat to do: \`pnpm ${program.name()} --help\` explains it`,
				);
			return 2;
		}
		const error = asToolError(thrown);
		if (error instanceof ToolError) {
			io.err(`error [${error.code}] ${error.message}\nwhat to do: ${error.remedy}`);
			return error.exitStatus;
		}
		io.err(`error ${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}`);
		return 1;
	}
}

function configure(command: Command, io: Io): void {
	command.exitOverride().configureOutput({
		writeOut: (text) => io.out(text.trimEnd()),
		writeErr: (text) => io.err(text.trimEnd()),
		outputError: () => {},
	});
	for (const sub of command.commands) configure(sub, io);
}

export { Command };
