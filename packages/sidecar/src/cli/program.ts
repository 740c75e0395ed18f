/**
 * The command line: options common to all commands, one command per file, one place that handles
 * every end.
 */
import { Command as Commander, CommanderError } from "commander";
import { commandLineOptions } from "../config/options.ts";
import { cat } from "./cat.ts";
import type { Command } from "./command.ts";
import { completion } from "./completion.ts";
import { diff } from "./diff.ts";
import { doctor } from "./doctor.ts";
import type { Ending } from "./ending.ts";
import { exportCommand } from "./export.ts";
import { end, fail } from "./fail.ts";
import { find } from "./find.ts";
import { flush } from "./flush.ts";
import { gc } from "./gc.ts";
import { commandHelp, programHelp } from "./help.ts";
import { history } from "./history.ts";
import { importCommand } from "./import.ts";
import { initCommand } from "./init.ts";
import { ls } from "./ls.ts";
import { Output } from "./output.ts";
import { recover } from "./recover.ts";
import { repair } from "./repair.ts";
import { restore } from "./restore.ts";
import { rollback } from "./rollback.ts";
import { run } from "./run.ts";
import { service } from "./service.ts";
import { status } from "./status.ts";
import { tag } from "./tag.ts";
import { ui } from "./ui.ts";
import { undo } from "./undo.ts";
import { usageError } from "./usage.ts";
import { verify } from "./verify.ts";
import { why } from "./why.ts";

export const COMMANDS: readonly Command[] = [
	initCommand,
	service,
	run,
	restore,
	flush,
	status,
	why,
	history,
	find,
	diff,
	ls,
	cat,
	ui,
	recover,
	rollback,
	undo,
	tag,
	verify,
	gc,
	repair,
	exportCommand,
	importCommand,
	doctor,
	completion,
];

const HELP_ALL = "--help-all";

export const ABOUT =
	"Keeps an agent's workspace durable: restores it at the start, commits changes, drains at the end.";

/** Lines that are longer are hard to read. */
const MAX_HELP_WIDTH = 100;

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
	const onUncaught = async (error: unknown) => process.exit(await fail(error, { ...parsed, out }));
	process.once("uncaughtException", onUncaught);
	try {
		const isFull = ownArguments(argv).includes(HELP_ALL);
		const program = makeProgram(
			version,
			parsed.json,
			isFull,
			async (command, args, options, flags) => {
				const { makeContext } = await import("./context.ts");
				const context = makeContext(flags, out, command);
				parsed.json = context.config.json;
				parsed.isVerbose = context.config.logLevel === "debug";
				const { askToCreate, mayCreate, tellNewStore } = await import("./new-store.ts");
				const config = mayCreate(command) ? await askToCreate(context.config) : context.config;
				const tell = tellNewStore(config);
				let ending: Ending;
				try {
					ending = await command.run({ ...context, config }, args, options);
				} finally {
					context.clearProgress();
					tell();
				}
				parsed.status = await end(ending, { ...parsed, out });
			},
		);
		await program.parseAsync(withHelpFlag(argv), { from: "user" });
		return parsed.status;
	} catch (error) {
		if (!(error instanceof CommanderError)) return await fail(error, { ...parsed, out });
		// Requested help.
		if (error.exitCode === 0) return 0;
		return await fail(usageError(error, commandOf(error), COMMANDS), { ...parsed, out });
	} finally {
		process.off("uncaughtException", onUncaught);
	}
}

type Run = (
	command: Command,
	args: readonly string[],
	options: Readonly<Record<string, unknown>>,
	flags: Readonly<Record<string, unknown>>,
) => Promise<void>;

function makeProgram(version: string, json: boolean, isFull: boolean, runCommand: Run): Commander {
	const style = { width: Math.min(process.stdout.columns || 80, MAX_HELP_WIDTH), isFull };
	const program = new Commander("openclaw-sidecar")
		.version(version)
		.helpCommand("help [COMMAND]", "Explain a command.")
		.configureHelp({ formatHelp: () => programHelp(ABOUT, COMMANDS, style) })
		// Only `fail` writes errors. Help that was not requested goes to stderr, where programs expect
		// log lines.
		.configureOutput({ outputError: () => {}, ...(json && { writeErr: () => {} }) });
	overrideExit(program, undefined);
	// On the program alone they are accepted before and after the command's name.
	for (const { flags, meaning, repeats } of commandLineOptions()) {
		if (repeats)
			program.option(flags, meaning, (value: string, earlier: readonly string[] = []) => [
				...earlier,
				value,
			]);
		else program.option(flags, meaning);
	}
	for (const command of COMMANDS) {
		const sub = program.command(
			`${command.name}${command.args === undefined ? "" : ` ${command.args}`}`,
		);
		if (command.alias !== undefined) sub.alias(command.alias);
		overrideExit(sub, command.name);
		for (const { flags, description } of command.options ?? []) sub.option(flags, description);
		sub.configureHelp({ formatHelp: () => commandHelp(command, style) });
		sub.action(async () => runCommand(command, sub.args, sub.opts(), program.opts()));
	}
	return program;
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

/**
 * The arguments for commander: `help COMMAND` is `COMMAND --help`, and an unknown command is an error
 * whatever follows it, also `--help`.
 */
function withHelpFlag(argv: readonly string[]): string[] {
	const [first, second] = argv;
	const name = first === "help" ? second : first;
	const isKnown = COMMANDS.some((command) => command.name === name || command.alias === name);
	if (name !== undefined && !name.startsWith("-") && !isKnown && name !== "help") return [name];
	if (first === "help") return name === undefined ? ["--help"] : [name, "--help"];
	const all = ownArguments(argv).indexOf(HELP_ALL);
	return all < 0 ? [...argv] : argv.with(all, "--help");
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
