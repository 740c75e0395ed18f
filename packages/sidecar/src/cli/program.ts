/**
 * The command line: options common to all commands, one command per file, one place that handles
 * every end.
 */
import { Command as Commander, CommanderError, Help } from "commander";
import { commandLineOptions } from "../config/options.ts";
import { ERRORS } from "../errors.ts";
import { cat } from "./cat.ts";
import type { Command } from "./command.ts";
import { diff } from "./diff.ts";
import { doctor } from "./doctor.ts";
import { exportCommand } from "./export.ts";
import { fail } from "./fail.ts";
import { flush } from "./flush.ts";
import { gc } from "./gc.ts";
import { history } from "./history.ts";
import { importCommand } from "./import.ts";
import { ls } from "./ls.ts";
import { Output } from "./output.ts";
import { recover } from "./recover.ts";
import { repair } from "./repair.ts";
import { restore } from "./restore.ts";
import { rollback } from "./rollback.ts";
import { run } from "./run.ts";
import { status } from "./status.ts";
import { usageError } from "./usage.ts";
import { verify } from "./verify.ts";
import { why } from "./why.ts";

export const COMMANDS: readonly Command[] = [
	run,
	restore,
	flush,
	status,
	why,
	history,
	diff,
	ls,
	cat,
	recover,
	rollback,
	verify,
	gc,
	repair,
	exportCommand,
	importCommand,
	doctor,
];

const HELP_WIDTH = Math.min(process.stdout.columns || 120, 120);
const USAGE_STATUS = ERRORS.USAGE.exitStatus;

const AFTER_HELP = `
Every option is also a variable, OPENCLAW_SIDECAR_STORE for --store, and a key of the config file; docs/configuration.md lists them.

Exit status: 0 all durable, 2 usage or configuration, 3 something is not durable, 4 another writer owns the workspace,
5 integrity, 6 denied or refused by the store, 7 store unreachable, 1 a bug. \`run\` exits with the agent's own if everything is durable.

Examples:
  openclaw-sidecar run --store s3://my-bucket --namespace anna -- openclaw gateway
  openclaw-sidecar history --limit 5
  openclaw-sidecar cat openclaw.json --at 2h`;

/**
 * Runs one command line. Resolves when all of its output is written.
 * @param argv without the program
 * @returns the exit status
 */
export async function main(argv: readonly string[], version: string): Promise<number> {
	const out = new Output(process.stdout);
	process.stderr.on("error", () => {});
	const parsed = {
		json: wantsJson(argv, process.env),
		isVerbose: wantsStacks(argv, process.env),
		status: 0,
	};
	process.once("uncaughtException", async (error) =>
		process.exit(await fail(error, { ...parsed, out })),
	);
	try {
		const program = makeProgram(version, parsed.json, async (command, args, options, flags) => {
			const { makeContext } = await import("./context.ts");
			const context = makeContext(flags, out);
			parsed.json = context.config.json;
			parsed.isVerbose = context.config.logLevel === "debug";
			try {
				parsed.status = await command.run(context, args, options);
			} finally {
				context.clearProgress();
			}
			await out.flush();
		});
		await program.parseAsync([...argv], { from: "user" });
		return parsed.status;
	} catch (error) {
		if (!(error instanceof CommanderError)) return await fail(error, { ...parsed, out });
		// Requested help, or help shown because no command was given.
		if (error.exitCode === 0) return 0;
		if (error.code === "commander.help" && !parsed.json) return USAGE_STATUS;
		return await fail(usageError(error, commandOf(error)), { ...parsed, out });
	}
}

type Run = (
	command: Command,
	args: readonly string[],
	options: Readonly<Record<string, unknown>>,
	flags: Readonly<Record<string, unknown>>,
) => Promise<void>;

function makeProgram(version: string, json: boolean, runCommand: Run): Commander {
	const program = new Commander("openclaw-sidecar")
		.description(
			"Keeps an agent's workspace durable: restores it at the start, commits changes, drains at the end.",
		)
		.version(version)
		.helpCommand("help [COMMAND]", "Explain a command.")
		.configureHelp({ showGlobalOptions: true, helpWidth: HELP_WIDTH, formatHelp: commandsFirst })
		// Only `fail` writes errors. Help that was not requested goes to stderr, where programs expect
		// log lines.
		.configureOutput({ outputError: () => {}, ...(json && { writeErr: () => {} }) })
		.addHelpText("after", AFTER_HELP);
	overrideExit(program, undefined);
	// On the program alone they are accepted before and after the command's name.
	const options = commandLineOptions();
	for (const { flags, description, repeats } of options) {
		if (repeats)
			program.option(flags, description, (value: string, earlier: readonly string[] = []) => [
				...earlier,
				value,
			]);
		else program.option(flags, description);
	}
	const common = options.flatMap(({ flags, commands }) =>
		commands === undefined && !flags.startsWith("--no-") ? [flags.split(" ")[0]] : [],
	);
	for (const command of COMMANDS) {
		const sub = program.command(
			`${command.name}${command.args === undefined ? "" : ` ${command.args}`}`,
		);
		sub
			.summary(command.summary)
			.description([command.summary, ...(command.notes ?? [])].join("\n"));
		overrideExit(sub, command.name);
		for (const { flags, description } of command.options ?? []) sub.option(flags, description);
		const explained = new Set(
			options.flatMap(({ flags, commands }) => (commands?.includes(command.name) ? [flags] : [])),
		);
		const visibleGlobalOptions = (globals: Commander) =>
			Help.prototype.visibleGlobalOptions
				.call(sub.createHelp(), globals)
				.filter(({ flags }) => explained.has(flags));
		sub.configureHelp({ ...program.configureHelp(), visibleGlobalOptions });
		const also = `Every command also takes ${common.join(", ")}: see \`openclaw-sidecar --help\`.`;
		sub.addHelpText("after", `\n${new Help().boxWrap(also, HELP_WIDTH)}`);
		sub.action(async () => runCommand(command, sub.args, sub.opts(), program.opts()));
	}
	return program;
}

/** The options fill a screen, so the commands come first. */
function commandsFirst(command: Commander, helper: Help): string {
	const sections = Help.prototype.formatHelp.call(helper, command, helper).split("\n\n");
	const isCommands = (section: string) => section.startsWith("Commands:");
	const isOptions = (section: string) => section.startsWith("Options:");
	const commands = sections.filter(isCommands);
	const rest = sections.filter((section) => !isCommands(section));
	return rest
		.flatMap((section) =>
			isOptions(section) ? [...commands.map((text) => text.trimEnd()), section] : [section],
		)
		.join("\n\n")
		.trimEnd()
		.concat("\n");
}

/** A note on an error object; it holds nothing once the error is gone. */
const COMMAND_OF_ERROR = new WeakMap<CommanderError, string>();

function overrideExit(commander: Commander, name: string | undefined): void {
	commander.exitOverride((error) => {
		if (name !== undefined) COMMAND_OF_ERROR.set(error, name);
		throw error;
	});
}

function commandOf(error: CommanderError): string | undefined {
	return COMMAND_OF_ERROR.get(error);
}

/** Called before the settings are known: an error in them needs an output format too. */
function wantsJson(argv: readonly string[], env: NodeJS.ProcessEnv): boolean {
	const own = ownArguments(argv);
	const last = own.findLast((argument) => argument === "--json" || argument === "--no-json");
	return last === undefined ? env.OPENCLAW_SIDECAR_JSON === "true" : last === "--json";
}

function wantsStacks(argv: readonly string[], env: NodeJS.ProcessEnv): boolean {
	return (
		/--log-level[= ]debug\b/.test(ownArguments(argv).join(" ")) ||
		env.OPENCLAW_SIDECAR_LOG_LEVEL === "debug"
	);
}

/** Arguments after `--` belong to the agent. */
function ownArguments(argv: readonly string[]): readonly string[] {
	const end = argv.indexOf("--");
	return end < 0 ? argv : argv.slice(0, end);
}
