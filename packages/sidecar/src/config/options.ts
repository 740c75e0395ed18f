/**
 * Every option in one table. The command line, the environment, the config file and
 * docs/configuration.md all derive from it.
 */
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { ErrorCode } from "../errors.ts";
import { choice, duration, namedDirectories, onOff, path, text, type ValueKind } from "./values.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** Input of defaults. */
export interface DefaultContext {
	readonly homeDir: string;
	readonly env: Environment;
}

export interface Option<T> {
	/** Words joined by `-`; the flag, variable and file key are derived from it. */
	readonly name: string;
	readonly kind: ValueKind<NonNullable<T>>;
	/** Missing: the option may be absent. The text passes through the same schema as the user's. */
	readonly default?: string | boolean | ((context: DefaultContext) => string | boolean);
	/** The default for people, if it is not plain text. */
	readonly defaultText?: string;
	readonly example: string | boolean | Readonly<Record<string, string>>;
	readonly meaning: string;
	/**
	 * The commands whose help explains it; by default every command accepts it, and the program's own
	 * help explains it.
	 */
	readonly commands?: readonly string[];
	/** The error code for a wrong value; default USAGE. */
	readonly code?: ErrorCode;
}

export const LOG_LEVELS = ["debug", "info", "warn", "error", "silent"] as const;

export const OPTIONS = {
	workspace: needed({
		name: "workspace",
		kind: path("DIR"),
		default: "~/.openclaw",
		example: "~/.openclaw",
		meaning: "The directory that is restored, watched and committed.",
	}),
	store: needed({
		name: "store",
		kind: text(
			"URL",
			/^(file:\/\/\/|s3:\/\/[^/?#@\s]+(\/[^?#]*)?$)/,
			"file:///absolute/dir or s3://bucket[/prefix], without credentials",
		),
		default: defaultStore,
		defaultText:
			"file://$XDG_DATA_HOME/openclaw-sidecar/store (XDG_DATA_HOME is ~/.local/share unless set)",
		example: "s3://my-bucket/agents",
		meaning:
			"Where the log is stored. Store and workspace must be different directories, and neither may be inside the other.",
		code: "STORE_URL_INVALID",
	}),
	namespace: needed({
		name: "namespace",
		kind: text(
			"NAME",
			/^[A-Za-z0-9_=@+-][A-Za-z0-9._=@+-]{0,127}$/,
			"1-128 characters of A-Z a-z 0-9 . _ - = @ +, not starting with a dot",
		),
		default: "default",
		example: "anna",
		meaning: "Name of the workspace in the store. One namespace holds one workspace.",
		code: "NAMESPACE_INVALID",
	}),
	profile: needed({
		name: "profile",
		kind: choice("openclaw", "plain"),
		default: "openclaw",
		example: "plain",
		meaning:
			"The kind of workspace. `openclaw` leaves out what OpenClaw recreates at each start; `plain` stores everything.",
	}),
	json: needed({
		name: "json",
		kind: onOff,
		default: false,
		example: true,
		meaning: "Print the result as JSON on stdout, and nothing else.",
	}),
	color: needed({
		name: "color",
		commands: ["history", "find", "ls", "diff"],
		kind: choice("auto", "always", "never"),
		default: "auto",
		example: "never",
		meaning:
			"Whether to colour the result. `auto` colours it on a terminal, unless NO_COLOR is set; FORCE_COLOR colours it anywhere.",
	}),
	pager: needed({
		name: "pager",
		commands: ["history", "find", "ls", "diff"],
		kind: onOff,
		default: true,
		example: false,
		meaning:
			"Show a result on a terminal with the program that PAGER names, by default `less`; --no-pager only prints it.",
	}),
	logLevel: needed({
		name: "log-level",
		kind: choice(...LOG_LEVELS),
		default: "info",
		example: "debug",
		meaning: "Minimum level of the log lines on stderr.",
	}),
	stateDir: needed({
		name: "state-dir",
		kind: path("DIR"),
		default: ({ homeDir, env }) =>
			join(xdg(env.XDG_STATE_HOME, homeDir, ".local/state"), "openclaw-sidecar"),
		defaultText: "$XDG_STATE_HOME/openclaw-sidecar (XDG_STATE_HOME is ~/.local/state unless set)",
		example: "/var/lib/openclaw-sidecar",
		meaning:
			"Private directory of the sidecar for caches, locks and the control socket. It must be outside the workspace.",
	}),
	expect: needed({
		name: "expect",
		commands: ["run", "restore"],
		kind: choice("new", "existing", "any"),
		default: "any",
		example: "existing",
		meaning:
			"What the log must contain at the start: nothing (`new`), something (`existing`), or either (`any`). `existing` protects against a mistyped store.",
	}),
	drainTimeoutMs: needed({
		name: "drain-timeout",
		commands: ["run"],
		kind: duration("0ms", "60m"),
		default: "8s",
		example: "20s",
		meaning: "Time limit for all last flushes together after SIGTERM, SIGINT or SIGHUP.",
	}),
	quietMs: needed({
		name: "quiet-period",
		commands: ["run"],
		kind: duration("0ms", "60m"),
		default: "1s",
		example: "500ms",
		meaning: "Commit a change when nothing has changed for this long.",
	}),
	maxDelayMs: needed({
		name: "max-delay",
		commands: ["run"],
		kind: duration("0ms", "60m"),
		default: "5s",
		example: "10s",
		meaning:
			"Commit at the latest this long after the first change, even if changes do not stop. Not less than the quiet period.",
	}),
	handoverWaitMs: needed({
		name: "handover-wait",
		commands: ["run", "flush", "rollback", "undo", "recover"],
		kind: duration("0ms", "60m"),
		default: "5s",
		example: "2s",
		meaning:
			"How long a new writer waits for the previous one to end cleanly, if it seems to be running.",
	}),
	sweepIntervalMs: needed({
		name: "sweep-interval",
		commands: ["run"],
		kind: duration("1s", "60m"),
		default: "60s",
		example: "5m",
		meaning:
			"How often to compare the whole workspace with what is committed, in case a watch event was lost. A deferred deletion is committed one to two of these intervals later.",
	}),
	onSecret: needed({
		name: "on-secret",
		commands: ["run", "restore", "flush", "rollback", "undo", "recover", "import"],
		kind: choice("warn", "exclude", "fail"),
		default: "warn",
		example: "exclude",
		meaning:
			"What to do with a file that seems to hold a secret where the profile expects none. `warn` stores it and logs an event, `exclude` leaves it out of the log, `fail` commits nothing until the secret is gone. docs/operations.md lists what is recognised.",
	}),
	create: needed({
		name: "create",
		commands: ["run", "restore", "flush", "import", "doctor"],
		kind: onOff,
		default: false,
		example: true,
		meaning:
			"Create the directory of a `file://` store even if the directory above it is missing. Without it a mistyped path is an error; the default store is always created.",
	}),
	listen: optional({
		name: "listen",
		commands: ["run"],
		kind: text(
			"HOST:PORT",
			/^(\[[0-9a-fA-F:.]+\]|[^:\s/[\]]+):\d{1,5}$/,
			"HOST:PORT, such as 0.0.0.0:8080",
		),
		defaultText: "none: the workspace is restored and the agent started at once",
		example: "0.0.0.0:8080",
		meaning:
			"Answer AgentCore's contract (/ping, /invocations) at this address. Restore and start the agent only when the first request arrives.",
	}),
	identity: needed({
		name: "identity",
		commands: ["run"],
		kind: choice("web-identity", "assume-role", "ambient"),
		default: "ambient",
		example: "web-identity",
		meaning:
			"With --listen: the credentials that open the store. `web-identity` exchanges the request's token for them, `assume-role` narrows this machine's own role to the user, `ambient` uses what the AWS SDK finds.",
	}),
	issuer: optional({
		name: "issuer",
		commands: ["run"],
		kind: text("URL", /^https?:\/\/[^?#@\s]+$/, "an issuer's URL, exactly as in its tokens"),
		defaultText: "none: requests need no token, and all use --namespace",
		example: "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_example",
		meaning:
			"The OpenID Connect issuer that signs the users' tokens. The namespace then comes from the token.",
	}),
	audience: optional({
		name: "audience",
		commands: ["run"],
		kind: text("NAME", /^\S{1,1024}$/, "a name without spaces"),
		defaultText: "none; needed with --issuer",
		example: "1example23456789",
		meaning: "The audience that tokens must name in `aud`.",
	}),
	userClaim: needed({
		name: "user-claim",
		commands: ["run"],
		kind: text("NAME", /^\S{1,256}$/, "a claim's name"),
		default: "sub",
		example: "sub",
		meaning: "The claim of a token that names the user.",
	}),
	roleArn: optional({
		name: "role-arn",
		commands: ["run"],
		kind: text("ARN", /^arn:[a-z-]+:iam::\d*:role\/\S{1,512}$/, "a role's ARN"),
		defaultText: "none; needed with --identity web-identity and assume-role",
		example: "arn:aws:iam::123456789012:role/openclaw-user",
		meaning: "The role that opens the store for a user.",
	}),
	roleDurationMs: needed({
		name: "role-duration",
		commands: ["run"],
		kind: duration("15m", "720m"),
		default: "60m",
		example: "30m",
		meaning:
			"How long a user's credentials are valid. They are renewed while the sidecar has a valid token.",
	}),
	kmsKey: optional({
		name: "kms-key",
		commands: ["run"],
		kind: text("ARN", /^arn:[a-z-]+:kms:[\w-]+:\d{12}:key\/\S{1,128}$/, "a key's ARN"),
		defaultText: "none: S3's own key encrypts the bucket",
		example: "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
		meaning: "The KMS key of the bucket. A user's credentials are then allowed to use it.",
	}),
	agentUrl: needed({
		name: "agent-url",
		commands: ["run"],
		kind: text("URL", /^http:\/\/[^/?#@\s]+$/, "http://HOST:PORT"),
		default: "http://127.0.0.1:18789",
		example: "http://127.0.0.1:9001",
		meaning:
			"With --listen: where the agent answers /v1/chat/completions and /v1/responses. Its token is in its OPENCLAW_GATEWAY_TOKEN.",
	}),
	interruptedTurns: needed({
		name: "interrupted-turns",
		commands: ["run"],
		kind: choice("resume", "end"),
		default: "resume",
		example: "end",
		meaning:
			"With --listen and OpenClaw: how to treat a turn that still runs when the machine ends. The next machine takes it up (`resume`), or it is aborted (`end`).",
	}),
	agentReadyPath: needed({
		name: "agent-ready-path",
		commands: ["run"],
		kind: text("PATH", /^\/[^\s#]*$/, "a path, such as /readyz"),
		default: "/readyz",
		example: "/health",
		meaning:
			"With --listen: the path at which the agent answers 200 with JSON as soon as it is ready.",
	}),
	agentEnv: optional({
		name: "agent-env",
		commands: ["run"],
		kind: text("NAMES", /^[\w*]+(,[\w*]+)*$/, "names, or prefixes followed by *, joined by commas"),
		defaultText: "`*`: all; with --listen none",
		example: "GITHUB_TOKEN,MY_*",
		meaning:
			"Variables that the agent gets from the sidecar's environment, besides those that any program, OpenClaw and model providers need. It never gets `OPENCLAW_SIDECAR_*`, nor `AWS_*` except `AWS_REGION` and `AWS_DEFAULT_REGION`.",
	}),
	agentUser: optional({
		name: "agent-user",
		commands: ["run"],
		kind: text("UID:GID", /^\d{1,9}:\d{1,9}$/, "two numbers joined by a colon"),
		defaultText: "the same as the sidecar's",
		example: "1000:1000",
		meaning:
			"Run the agent as another user, who cannot read the sidecar's memory and files. The workspace will belong to that user. Needs root.",
	}),
	agentOutput: optional({
		name: "agent-output",
		commands: ["run"],
		kind: choice("log", "inherit"),
		defaultText: "`log` with --listen, otherwise `inherit`",
		example: "log",
		meaning:
			"Where the agent's output goes: to events in the sidecar's log, limited in length and rate (`log`), or to the sidecar's own stdout and stderr (`inherit`). Use `log` if you read metrics or alarms from these streams; see docs/security.md.",
	}),
	modelUpstream: optional({
		name: "model-upstream",
		commands: ["run"],
		kind: text(
			"NAME|URL",
			/^(off|bedrock-runtime|bedrock-mantle|https?:\/\/[^/?#@\s]+(\/[^?#@\s]*)?)$/,
			"off, bedrock-runtime, bedrock-mantle, or a provider's URL as its clients are given it",
		),
		defaultText:
			"`bedrock-runtime` with --listen, --profile openclaw and no OPENCLAW_MODEL_BASE_URL; else `off`",
		example: "https://api.anthropic.com",
		meaning:
			"Give the agent its model at an address of this machine, and forward its requests there with a credential that the agent never has: for Amazon Bedrock the user's own session, else --model-key. See docs/model.md.",
	}),
	modelPort: needed({
		name: "model-port",
		commands: ["run"],
		kind: text("PORT", /^\d{1,5}$/, "a port, such as 18787"),
		default: "18787",
		example: "18788",
		meaning: "The port of the model endpoint on the loopback interface.",
	}),
	modelKey: optional({
		name: "model-key",
		commands: ["run"],
		kind: text(
			"SOURCE",
			/^(env:[A-Za-z_]\w{0,127}|file:\/[^\0]+)$/,
			"env:NAME or file:/absolute/path, where the key is",
		),
		defaultText: "none",
		example: "env:ANTHROPIC_API_KEY",
		meaning:
			"With a URL in --model-upstream: where its key is. The agent does not get this variable. A file is read for each request; keep it where the agent's user cannot read it.",
	}),
	modelIds: optional({
		name: "model-ids",
		commands: ["run"],
		kind: text(
			"IDS",
			/^[\w.:/@-]+\*?(,[\w.:/@-]+\*?)*$/,
			"ids of models, or their beginnings followed by *, joined by commas",
		),
		defaultText: "every model that the credential may use",
		example: "global.anthropic.claude-opus-5,openai.gpt-oss-*",
		meaning:
			"The models that the agent may use through the model endpoint. A user's session is given the right to these only.",
	}),
	modelDailyTokens: optional({
		name: "model-daily-tokens",
		commands: ["run"],
		kind: text("TOKENS", /^[1-9]\d{0,8}[KM]?$/, "a number, or one followed by K or M"),
		defaultText: "no limit",
		example: "5M",
		meaning:
			"Tokens that a user may use in a day (UTC) through the model endpoint: input, cached input included, and output. Then requests get 429 until midnight.",
	}),
	maxBody: needed({
		name: "max-body",
		commands: ["run"],
		kind: text("SIZE", /^[1-9]\d{0,3}(KB|MB)$/, "1KB to 9999MB"),
		default: "100MB",
		example: "10MB",
		meaning:
			"With --listen: the maximum size of a request body. The platform itself accepts 100 MB.",
	}),
	turnLabels: needed({
		name: "turn-labels",
		commands: ["run", "flush", "rollback", "undo", "recover", "import"],
		kind: onOff,
		default: true,
		example: false,
		meaning:
			"Keep the first 60 characters of the message that began a turn of the agent with the commits of that turn, for `history`. Secrets that are recognised are masked; docs/history.md says how. --no-turn-labels keeps none of the text.",
	}),
	metrics: needed({
		name: "metrics",
		commands: ["run"],
		kind: onOff,
		default: false,
		example: true,
		meaning: "Write metrics in CloudWatch's embedded format among the log lines of `run`.",
	}),
	roots: optional({
		name: "root",
		kind: namedDirectories,
		defaultText: "none",
		example: { notes: "/data/notes" },
		meaning:
			"A directory outside the workspace to store with it, such as an agent's `workspace` that openclaw.json names by an absolute path. The same commits hold both; the log has this root below `.roots/NAME/`. Repeat the flag for more roots. A root must not be inside another one, the workspace, the store or the state directory, and belongs to one workspace. Files in a root obey the workspace's ignore file as `.roots/NAME/...`. A root that is not given stays in the log.",
	}),
	region: optional({
		name: "region",
		kind: text("NAME", /^[A-Za-z0-9-]{1,64}$/, "a region's name, such as eu-central-1"),
		defaultText: "what the AWS SDK finds (AWS_REGION, the shared config file)",
		example: "eu-central-1",
		meaning: "The region of the bucket.",
	}),
	endpoint: optional({
		name: "endpoint",
		kind: text(
			"URL",
			/^https?:\/\/[^/?#@\s]+(\/[^?#@\s]*)?$/,
			"http://host[:port] or https://host[:port], without credentials",
		),
		defaultText:
			"what the AWS SDK finds (AWS_ENDPOINT_URL_S3, AWS_ENDPOINT_URL, the shared config file), else AWS",
		example: "http://127.0.0.1:9000",
		meaning: "The URL of an S3 server other than AWS.",
	}),
	forcePathStyle: optional({
		name: "force-path-style",
		kind: onOff,
		defaultText:
			"`addressing_style` of the AWS profile, else on for endpoints outside AWS and off for AWS",
		example: true,
		meaning: "Put the bucket's name into the path of a request instead of the host name.",
	}),
	sse: optional({
		name: "sse",
		kind: choice("AES256", "aws:kms", "aws:kms:dsse"),
		defaultText: "none: the bucket's own encryption",
		example: "aws:kms",
		meaning:
			"Request this server-side encryption with every PUT, for buckets whose policy demands the header.",
	}),
	sseKmsKeyId: optional({
		name: "sse-kms-key-id",
		kind: text("KEY", /^[\w:/-]{1,2048}$/, "the id, ARN or alias of a KMS key"),
		defaultText: "the bucket's key, else the account's AWS managed key",
		example: "arn:aws:kms:eu-central-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890ab",
		meaning: "Encrypt with this KMS key. Needs --sse aws:kms or aws:kms:dsse.",
	}),
};

export type OptionKey = keyof typeof OPTIONS;

type ValueOf<K extends OptionKey> = (typeof OPTIONS)[K] extends Option<infer T> ? T : never;
type OptionalKey = { [K in OptionKey]: undefined extends ValueOf<K> ? K : never }[OptionKey];

/**
 * All options, resolved: paths absolute, durations in ms. An option without a default is absent
 * unless it was given.
 */
export type Config = { readonly [K in Exclude<OptionKey, OptionalKey>]: ValueOf<K> } & {
	readonly [K in OptionalKey]?: NonNullable<ValueOf<K>>;
};

export const OPTION_LIST = Object.entries(OPTIONS) as readonly (readonly [
	OptionKey,
	Option<unknown>,
])[];

/** Names the config file; it is not a key of the file itself. */
export const CONFIG_FILE_OPTION = { name: "config" } as const;

export const ENV_PREFIX = "OPENCLAW_SIDECAR_";

interface Named {
	readonly name: string;
}

/** `--drain-timeout` */
export const flagOf = ({ name }: Named) => `--${name}`;

/** `OPENCLAW_SIDECAR_DRAIN_TIMEOUT` */
export const envOf = ({ name }: Named) => `${ENV_PREFIX}${name.toUpperCase().replaceAll("-", "_")}`;

/** `drainTimeout`: the key in the config file, and commander's name for the flag's value. */
export const fileKeyOf = ({ name }: Named) =>
	name.replace(/-(.)/g, (_, letter: string) => letter.toUpperCase());

/** The text of the default, for help and documentation. */
export const defaultTextOf = (option: Option<unknown>) =>
	option.defaultText ?? String(option.default);

/** The URL of the store if none is named. */
export function defaultStore({ homeDir, env }: DefaultContext): string {
	const directory = join(xdg(env.XDG_DATA_HOME, homeDir, ".local/share"), "openclaw-sidecar/store");
	return pathToFileURL(directory).href;
}

/** The config file if none is named; it need not exist. */
export function defaultConfigFile(env: Environment, homeDir: string): string {
	return join(xdg(env.XDG_CONFIG_HOME, homeDir, ".config"), "openclaw-sidecar/config.json");
}

/** Data for a command line parser: usage in commander's syntax, and a description. */
export interface CommandLineOption {
	readonly flags: string;
	readonly meaning: string;
	/** Undefined for `--no-…`. */
	readonly defaultText: string | undefined;
	/** The accepted values, if there are only a few. */
	readonly choices: readonly string[] | undefined;
	readonly repeats: boolean;
	/** See `Option.commands`. */
	readonly commands: readonly string[] | undefined;
}

export function commandLineOptions(): readonly CommandLineOption[] {
	const file = {
		flags: `${flagOf(CONFIG_FILE_OPTION)} <FILE>`,
		meaning: "A JSON file of options.",
		defaultText: "$XDG_CONFIG_HOME/openclaw-sidecar/config.json, if it exists",
		choices: undefined,
		repeats: false,
		commands: undefined,
	};
	return [
		file,
		...OPTION_LIST.flatMap(([, option]) => {
			const { placeholder, repeats = false, choices } = option.kind;
			const { meaning, commands } = option;
			const defaultText = defaultTextOf(option);
			const both = { choices, repeats, commands };
			if (placeholder !== undefined)
				return [{ flags: `${flagOf(option)} <${placeholder}>`, meaning, defaultText, ...both }];
			return [
				{ flags: flagOf(option), meaning, defaultText, ...both },
				{
					flags: `--no-${option.name}`,
					meaning: `Undo ${flagOf(option)} of the environment or the config file.`,
					defaultText: undefined,
					...both,
				},
			];
		}),
	];
}

function needed<T>(option: Option<T> & Required<Pick<Option<T>, "default">>): Option<T> {
	return option;
}

function optional<T>(
	option: Omit<Option<T>, "default"> & { readonly defaultText: string },
): Option<T | undefined> {
	return option as Option<T | undefined>;
}

/** By the XDG base directory specification, version 0.8: a relative path is invalid and ignored. */
function xdg(value: string | undefined, homeDir: string, fallback: string): string {
	return value?.startsWith("/") ? value : join(homeDir, fallback);
}
