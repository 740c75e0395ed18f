import { homedir } from "node:os";
import { resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { type Config, defaultConfigFile } from "../config/options.ts";
import { SidecarError } from "../errors.ts";
import { humanBytes } from "../telemetry/format.ts";
import type { Ask } from "./ask.ts";
import type { Command, Context } from "./command.ts";
import { diagnosisEnding, diagnosisLines } from "./doctor.ts";
import { count, shownPath } from "./format.ts";
import { ownCommand, shellWord } from "./own-command.ts";

export const initCommand: Command = {
	name: "init",
	summary: "Set this machine up: three questions, a config file, and a test of the store.",
	notes: [
		"The questions are which agent (--workspace, --profile), which store (--store), and what to exclude (--exclude, --no-exclude).",
		"--yes accepts what is proposed. Options given as flags are written as well.",
		"An existing file keeps its comments. Its values are replaced only with your consent, or --overwrite.",
		"Exit status as that of `doctor`, which runs at the end.",
	],
	options: [
		{ flags: "--yes", description: "Ask nothing: accept what is proposed." },
		{
			flags: "--exclude <PATTERN...>",
			description: "Lines to add to the workspace's ignore file, in the syntax of .gitignore.",
		},
		{ flags: "--no-exclude", description: "Add nothing to the ignore file." },
		{ flags: "--overwrite", description: "Replace values that the config file already has." },
	],
	writesConfig: true,
	async run(context, _args, options) {
		const library = await import("../library/init.ts");
		const { config, sources, configFile, out } = context;
		const ask = await whoAnswers(context, options);
		const agent = await whichAgent(context, ask, library);
		const store = await whichStore(context, ask, library);
		const chosen: Config = { ...config, ...agent, store };
		const exclude = await whatToExclude(options.exclude, chosen, ask, library);
		const values = library.asFileValues(chosen, (key) => {
			const source = sources[key as keyof Config];
			if (source.startsWith("flag ")) return !ONLY_THIS_RUN.has(key);
			const isAnswer = key === "workspace" || key === "profile" || key === "store";
			return isAnswer && !(source.startsWith("file ") && chosen[key] === config[key]);
		});
		const overwrite =
			options.overwrite === true || (await mayReplace(context, values, ask, library));
		const result = await library.init({ configFile, values, exclude, overwrite });
		if (ask !== undefined) await out.line("");
		const next = nextCommands(context, result.settings);
		if (config.json) {
			const { settings: _, ...rest } = result;
			await out.json({ ...rest, next });
		} else for (const line of shown(result, next)) await out.line(line);
		return diagnosisEnding(result.diagnosis);
	},
};

type Library = typeof import("../library/init.ts");
type Result = Awaited<ReturnType<Library["init"]>>;

/** These flags are about the output of `init` itself. */
const ONLY_THIS_RUN: ReadonlySet<string> = new Set(["json", "logLevel"]);

/**
 * Undefined if what is proposed is accepted, and if every question is answered by a flag.
 * @throws SidecarError USAGE without a terminal
 */
async function whoAnswers(
	context: Context,
	{ yes, exclude }: Readonly<Record<string, unknown>>,
): Promise<Ask | undefined> {
	const open = [
		...(isSet(context, "workspace") ? [] : ["--workspace DIR (and --profile openclaw|plain)"]),
		...(isSet(context, "store") ? [] : ["--store URL"]),
		...(isExcludeGiven(exclude) ? [] : ["--exclude PATTERN or --no-exclude"]),
	];
	if (yes === true || open.length === 0) return undefined;
	const { isTerminal, terminal } = await import("./ask.ts");
	if (isTerminal() && !context.config.json) return terminal;
	throw new SidecarError("USAGE", {
		value: "init",
		reason: context.config.json
			? "it asks questions, which --json does not show"
			: "it asks questions, and there is no terminal",
		remedy: `add --yes to accept what is proposed, or answer with ${open.join(", ")}`,
	});
}

/** By a flag or the environment: the config file and the default are proposals. */
function isSet({ sources }: Context, key: keyof Config): boolean {
	return /^(?:flag|env) /.test(sources[key]);
}

/** Commander sets it to true if neither flag was given. */
function isExcludeGiven(exclude: unknown): boolean {
	return exclude === false || Array.isArray(exclude);
}

async function whichAgent(
	context: Context,
	ask: Ask | undefined,
	{ findAgents }: Library,
): Promise<Pick<Config, "workspace" | "profile">> {
	const { config, sources } = context;
	const agents = findAgents(process.env);
	const hasAgent = (place: string) => agents.some(({ workspace }) => workspace === place);
	const proposed =
		(sources.workspace.startsWith("default") ? agents[0]?.workspace : undefined) ??
		config.workspace;
	if (ask === undefined || isSet(context, "workspace")) {
		// The default place is where OpenClaw will be.
		const isGuess = sources.profile.startsWith("default") && isSet(context, "workspace");
		const profile = isGuess && !hasAgent(proposed) ? "plain" : config.profile;
		return { workspace: proposed, profile };
	}
	const places = [...new Set([proposed, ...agents.map(({ workspace }) => workspace)])];
	const answer = await ask.one(
		"Which agent's directory do you want to keep?",
		[
			...places.map((value) => ({
				value,
				label: shownPath(value),
				hint: hasAgent(value) ? "OpenClaw is here" : "nothing of OpenClaw is here yet",
			})),
			{ value: OTHER, label: "another directory" },
		],
		proposed,
	);
	if (answer !== OTHER) return { workspace: answer, profile: config.profile };
	const workspace = absolute(await ask.text("Its directory", "", checkPath));
	const isOpenclaw = await ask.confirm(
		"Is it OpenClaw's? Then its caches, locks and logs are left out.",
		hasAgent(workspace),
	);
	return { workspace, profile: isOpenclaw ? "openclaw" : "plain" };
}

function checkPath(text: string): string | undefined {
	return text.trim() === "" ? "a path, absolute, relative or below ~/" : undefined;
}

const OTHER = "another";

async function whichStore(
	context: Context,
	ask: Ask | undefined,
	{ findStores }: Library,
): Promise<string> {
	const { config } = context;
	if (ask === undefined || isSet(context, "store")) return config.store;
	const signs = findStores(process.env);
	const isS3 = config.store.startsWith("s3:");
	const kind = await ask.one(
		"Where do you want to keep its history?",
		[
			{
				value: "directory",
				label: "in a directory",
				hint: "another disk survives the loss of this one",
			},
			{
				value: "s3",
				label: "in S3, or a server like it",
				hint:
					signs.length === 0
						? "no credentials found; the AWS SDK looks in the usual places"
						: `found: ${[...new Set(signs.map(({ by }) => by))].join(", ")}`,
			},
		],
		isS3 || signs.length > 0 ? "s3" : "directory",
	);
	if (kind === "s3")
		return await ask.text(
			"Bucket, and a prefix if you like",
			isS3 ? config.store : "s3://",
			(text) =>
				/^s3:\/\/[^/?#@\s]+(\/[^?#]*)?$/.test(text)
					? undefined
					: "s3://bucket or s3://bucket/prefix",
		);
	const directory = await ask.text("Directory", isS3 ? "" : fileURLToPath(config.store), checkPath);
	return pathToFileURL(absolute(directory.replace(/^file:\/\//, ""))).href;
}

async function whatToExclude(
	given: unknown,
	chosen: Config,
	ask: Ask | undefined,
	{ largestDirectories }: Library,
): Promise<readonly string[]> {
	if (isExcludeGiven(given)) return given === false ? [] : (given as readonly string[]);
	const found = largestDirectories(chosen);
	const caches = found.filter(({ isCache }) => isCache).map(({ pattern }) => pattern);
	if (ask === undefined || found.length === 0) return caches;
	return await ask.several(
		"What do you want to leave out?",
		found.map(({ pattern, bytes, files, isCache, isComplete }) => ({
			value: pattern,
			label: `${shownPath(pattern)}  ${isComplete ? "" : "at least "}${humanBytes(bytes)}, ${count(files, "file")}`,
			hint: isCache ? "a cache, which fills itself again" : "a restore would not bring it back",
		})),
		caches,
	);
}

async function mayReplace(
	{ configFile }: Context,
	values: Readonly<Record<string, unknown>>,
	ask: Ask | undefined,
	{ differingKeys }: Library,
): Promise<boolean> {
	const differing = differingKeys(configFile, values);
	return (
		ask !== undefined &&
		differing.length > 0 &&
		(await ask.confirm(
			`${shownPath(configFile)} has other values for ${differing.join(", ")}. Replace them?`,
			false,
		))
	);
}

/** `~` and relative paths as a shell would. */
function absolute(typed: string): string {
	return resolve(typed.trim().replace(/^~(?=\/|$)/, homedir()));
}

interface Next {
	readonly command: string;
	readonly why: string;
}

function nextCommands({ configFile }: Context, { profile }: Config): readonly Next[] {
	const isFound = configFile === defaultConfigFile(process.env, homedir());
	const own = `${ownCommand()}${isFound ? "" : ` --config ${shellWord(configFile)}`}`;
	const agent = profile === "openclaw" ? "openclaw gateway run" : "YOUR-AGENT";
	return [
		{ command: `${own} run -- ${agent}`, why: "start the agent, and keep what it changes" },
		{
			command: `${own} service install -- ${agent}`,
			why: "the same, at every start of the machine",
		},
	];
}

function shown(
	{ configFile, written, excluded, settings, diagnosis }: Result,
	next: readonly Next[],
): string[] {
	const { workspace, profile, store } = settings;
	const wrote =
		written.length === 0 ? "unchanged: it says so already" : `wrote ${written.join(", ")}`;
	return [
		`${shownPath(configFile)}: ${wrote}`,
		`  ${shownPath(workspace)} (profile ${profile}) is kept in ${shownPath(store)}`,
		...(excluded.length === 0
			? []
			: [`  left out from now on: ${excluded.map(shownPath).join(" ")}`]),
		"",
		"tried the store and this machine, as `doctor` does:",
		...diagnosisLines(diagnosis, { onlyFindings: true }).map((line) => line && `  ${line}`),
		"",
		...(diagnosis.isHealthy ? ["next:"] : ["when the problems above are solved:"]),
		...next.flatMap(({ command, why }) => [`  # ${why}`, `  ${command}`]),
	];
}
