/**
 * The settings of an installation, read from CDK context. Keys begin with `openclaw:`, so that a
 * mistyped one is an error rather than a default: `-c openclaw:region=eu-west-1`, or in cdk.json.
 * Lists can be JSON or comma-separated, because `-c` passes only text.
 */
import { existsSync } from "node:fs";
import { z } from "zod";
import { chooseEnvironment, type Settings } from "./environments.ts";
import { unreachableHosts } from "./hosts.ts";
import { checkModels, DEFAULT_MODEL, MODEL_UPSTREAMS } from "./models.ts";
import { usersFrom } from "./users.ts";

const PREFIX = "openclaw:";

export const CHANNELS = ["feishu", "telegram", "slack"] as const;
export type Channel = (typeof CHANNELS)[number];

/**
 * What AgentCore accepts, with a tag or a digest.
 * https://docs.aws.amazon.com/bedrock-agentcore-control/latest/APIReference/API_ContainerConfiguration.html
 */
export const IMAGE_URI =
	/^(\d{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?\/([a-z0-9._/-]+)(?::[^:@\s]+|@sha256:[0-9a-f]{64})$/;

/** What the Falco service runs: images, and plugins that falcoctl installs. */
const FALCO_IMAGES = ["falco", "falcosidekick", "falcoctl", "cloudtrail", "json"] as const;
export type FalcoImages = Readonly<Record<(typeof FALCO_IMAGES)[number], string>>;
const BY_DIGEST = /^[a-z0-9.-]+(?::\d+)?\/[a-z0-9._/-]+@sha256:[0-9a-f]{64}$/;

const list = <T extends z.ZodType<unknown, string>>(item: T) =>
	z.preprocess(
		(value) =>
			typeof value !== "string" ? value : value.trim().startsWith("[") ? json(value) : split(value),
		z.array(item),
	);
/** An object, as JSON, or as NAME=VALUE joined by commas. */
const pairs = z.preprocess(
	(value, context) => {
		if (typeof value !== "string") return value;
		try {
			if (value.trimStart().startsWith("{")) return JSON.parse(value);
		} catch {
			context.addIssue({ code: "custom", message: "is not JSON" });
			return z.NEVER;
		}
		return Object.fromEntries(
			split(value).map((part) => {
				const [name = "", ...rest] = part.split("=");
				return [name.trim(), rest.length > 0 ? rest.join("=").trim() : undefined];
			}),
		);
	},
	z.record(z.string().regex(/^\w+$/), z.string("must be NAME=VALUE")),
);
const split = (text: string) =>
	text
		.split(",")
		.map((part) => part.trim())
		.filter(Boolean);
/** The text itself if it is no JSON, which the schema then refuses. */
function json(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		return text;
	}
}
const users = z
	.unknown()
	.default([])
	.transform((value, context) => {
		try {
			return usersFrom(value);
		} catch (error) {
			context.addIssue({ code: "custom", message: (error as Error).message });
			return z.NEVER;
		}
	});
const onOff = z.union([z.boolean(), z.stringbool()]);
const whole = (min: number, max: number) => z.coerce.number().int().min(min).max(max);

const SCHEMA = z
	.strictObject({
		account: z
			.string()
			.regex(/^\d{12}$/)
			.optional()
			.describe(
				"Twelve digits. Default: the CLI's credentials, else none (a template for any account).",
			),
		region: z
			.string()
			.min(1)
			.optional()
			.describe("Default: the CLI's, else none (a template for any region)."),
		stackName: z
			.string()
			.regex(/^[A-Za-z][A-Za-z0-9]{0,39}$/)
			.default("OpenClaw")
			.describe("Name of the stack, and prefix of names that need one."),

		network: z
			.enum(["public", "vpc", "existing"])
			.default("public")
			.describe(
				"Network of the microVMs: the platform's own (`public`), a new VPC (`vpc`), or `vpcId` (`existing`).",
			),
		zones: whole(1, 3).default(2).describe("Number of availability zones of a new VPC."),
		zoneIds: list(z.string())
			.default([])
			.describe(
				"Availability zones by id. For an existing VPC: the zones of its subnets, which are checked.",
			),
		natGateways: whole(0, 3)
			.default(1)
			.describe(
				"NAT gateways of a new VPC. With 0, `endpoints` must reach every host that a machine needs, and the issuer must be your own.",
			),
		vpcId: z
			.string()
			.startsWith("vpc-")
			.optional()
			.describe("An existing VPC, which another account may share."),
		s3EndpointId: z
			.string()
			.startsWith("vpce-")
			.optional()
			.describe(
				"S3 gateway endpoint of an existing VPC. With it, the stack creates no endpoints; those of a shared VPC belong to its owner.",
			),
		endpoints: list(z.string())
			.default(["ecr.api", "ecr.dkr", "logs", "sts", "bedrock-runtime"])
			.describe(
				"Interface endpoints of the VPC: AWS's names of the services without `com.amazonaws.REGION.`.",
			),

		bucketName: z
			.string()
			.regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/)
			.optional()
			.describe("The bucket that an earlier stack left, to be adopted. Default: a new one."),
		bucketKeyArn: z
			.string()
			.regex(/^arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:key\/\S+$/)
			.optional()
			.describe("The KMS key of `bucketName`."),

		platformVersion: z
			.enum(["V1", "V2"])
			.optional()
			.describe("Default: V2 in regions that are known to have it."),
		idleMinutes: whole(1, 480)
			.default(15)
			.describe("A machine without requests ends after this time."),
		maxHours: whole(1, 8).default(8).describe("Every machine ends after this time."),
		imageUri: z
			.string()
			.regex(
				IMAGE_URI,
				"must be an image in ECR with a tag or digest: ACCOUNT.dkr.ecr.REGION.amazonaws.com/NAME@sha256:DIGEST",
			)
			.optional()
			.describe(
				"An arm64 image in ECR, by tag or digest, which is used instead of one built here. Its repository must allow this account to pull.",
			),
		containerfile: z
			.string()
			.refine(existsSync, "no such file; a path is relative to the directory of cdk.json")
			.optional()
			.describe(
				"Another Containerfile, such as `FROM` ours plus tools. Its directory is the build's context. Default: the repository's.",
			),
		imageBuildArgs: pairs
			.default({})
			.describe(
				"Build arguments of the image: `TOOLS=git curl`, or as JSON. docs/image.md lists them.",
			),
		imageBuildSecrets: pairs
			.default({})
			.describe(
				"Files that the build may read and that do not stay in the image: `ca=/path/of/ca.pem`.",
			),
		models: list(
			z
				.string()
				.regex(
					/^(?!arn:)[\w.:/-]+$/,
					"must be an id, not an ARN: the role also needs the model behind a profile",
				),
		)
			.default([DEFAULT_MODEL])
			.describe(
				"Bedrock models or inference profiles that the agent may call, by id. A new workspace uses the first.",
			),
		modelUpstream: z
			.enum(MODEL_UPSTREAMS)
			.default("bedrock-runtime")
			.describe(
				"Bedrock's endpoint for the models. `bedrock-mantle` takes ids without a prefix, in some regions only.",
			),
		modelDailyTokens: z
			.string()
			.regex(/^[1-9]\d{0,8}[KM]?$/)
			.optional()
			.describe(
				"Model tokens that one user may use in a day (UTC), such as 5M. Default: no limit.",
			),

		issuer: z
			.url({ protocol: /^https$/ })
			.optional()
			.describe(
				"Your own OpenID issuer. The stack then has no webhooks, and users call the runtime with its tokens.",
			),
		audience: z.string().regex(/^\S+$/).default("openclaw").describe("The audience of the tokens."),

		channels: list(z.enum(CHANNELS))
			.default([...CHANNELS])
			.describe("Channels whose webhooks are open."),
		allowedUsers: users.describe(
			'Users whom `pnpm infra:up` adds to the table of users of a new stack: `["telegram.4711"]`, or `{"telegram.4711": "anna"}` for one person on several channels. `pnpm infra:users` manages the table later.',
		),
		operators: list(
			z.string().regex(/^arn:[\w-]+:iam::\d{12}:role\/\S+$/, "must be the ARN of a role"),
		)
			.default([])
			.describe(
				"Roles of IAM Identity Center or another federation whose sign-in demands MFA. They may assume the operators' roles. Everybody else needs AWS's MFA key.",
			),
		feishuHost: z
			.enum(["open.feishu.cn", "open.larksuite.com"])
			.default("open.feishu.cn")
			.describe("Host of Feishu's API: `open.larksuite.com` for Lark, Feishu outside China."),
		provisionedConcurrency: whole(0, 100)
			.default(1)
			.describe(
				"Instances of the webhook handler that are always ready. 0 means cold starts of about a second.",
			),
		maxProvisionedConcurrency: whole(0, 1_000)
			.default(5)
			.describe("Upper limit of the automatic scaling of `provisionedConcurrency`."),
		turnsAtOnce: whole(2, 1_000)
			.default(20)
			.describe("Number of messages that are processed at the same time."),
		domainName: z
			.string()
			.regex(/^([a-z0-9-]+\.)+[a-z]{2,}$/)
			.optional()
			.describe(
				"Domain of the webhooks and the issuer, so that their URLs outlive the API. Default: the API's own.",
			),
		certificateArn: z
			.string()
			.regex(/^arn:aws[a-z-]*:acm:[a-z0-9-]+:\d{12}:certificate\/\S+$/)
			.optional()
			.describe("ACM certificate of `domainName`, in the stack's region."),
		hostedZoneId: z
			.string()
			.regex(/^Z[A-Z0-9]+$/)
			.optional()
			.describe("Route 53 zone in which the stack enters `domainName`."),
		requestsPerSecond: whole(1, 10_000)
			.default(50)
			.describe("Throttle of the API; bursts may have twice as many."),
		requestsPerIp: whole(10, 20_000_000)
			.default(2_000)
			.describe("Requests of one address in 5 minutes before WAF blocks it."),
		// https://core.telegram.org/bots/webhooks, "The short version", read on 2026-11-30.
		telegramRanges: list(z.cidrv4())
			.default(["149.154.160.0/20", "91.108.4.0/22"])
			.describe(
				"Addresses that Telegram publishes for its webhooks. WAF blocks others on its path. An empty list opens the path to all.",
			),

		rotationDays: whole(1, 365)
			.default(30)
			.describe("Days between two rotations of a channel's secret."),
		rotationDryRun: onOff.default(false).describe("Rotation only reports what it would do."),
		auditTrail: z
			.enum(["own", "existing"])
			.default("own")
			.describe(
				"CloudTrail trail that reports changes of the protection: the stack's `own`, or an `existing` one of the account or organization, which `pnpm infra:doctor` looks for. A second copy of the events costs $2 per 100,000.",
			),
		dataEvents: onOff
			.default(false)
			.describe("CloudTrail data events of the bucket, $0.10 per 100,000."),
		falco: onOff
			.default(false)
			.describe(
				"Falco reads the trail, on Fargate: docs/falco-deploy.md. Needs `dataEvents` and `falcoImages`.",
			),
		falcoImages: pairs
			.default({})
			.describe(
				`Public images of that service (${FALCO_IMAGES.slice(0, 3).join(", ")}) and its plugins (${FALCO_IMAGES.slice(3).join(", ")}), each by digest: \`falco=REGISTRY/NAME@sha256:DIGEST\`.`,
			),
		retentionAtOnce: whole(2, 1_000)
			.default(4)
			.describe(
				"Number of workspaces in which retention works at the same time. Four do 1,000 busy users in a quarter of an hour; docs/retention-at-scale.md has more.",
			),
		logDays: z.coerce
			.number()
			.default(90)
			.describe("Retention of the logs, in days that CloudWatch accepts."),
		alarmEmail: z
			.email()
			.optional()
			.describe("Address that gets the alarms. Others can subscribe to the topic."),
	})
	.superRefine((value, context) => {
		const say = (path: string, message: string) =>
			context.addIssue({ code: "custom", path: [path], message });
		if (value.network === "existing" && value.vpcId === undefined)
			say("vpcId", "is needed with network=existing");
		if (value.network !== "existing" && value.vpcId !== undefined)
			say("network", "must be `existing` if vpcId is set");
		if (value.network === "existing" && (value.account === undefined || value.region === undefined))
			say("account", "and region are needed with network=existing: a VPC is looked up in them");
		for (const { name, why, service } of unreachableHosts(value))
			say(
				"endpoints",
				`HOST_UNREACHABLE: a machine cannot reach ${name} (${why}): ${service === undefined ? "" : `add ${service}, or `}set openclaw:natGateways to 1 or more`,
			);
		for (const problem of checkModels(value)) say("models", problem);
		if (value.issuer === undefined && value.channels.length === 0)
			say(
				"channels",
				"NO_CHANNEL: nobody can send a message: name a channel, or set openclaw:issuer to let your application call the runtime",
			);
		const areTogether = (...names: (keyof typeof value)[]) => {
			const given = names.filter((name) => value[name] !== undefined);
			if (given.length > 0 && given.length < names.length)
				say(given[0]!, `needs ${names.filter((name) => !given.includes(name)).join(" and ")}`);
		};
		areTogether("bucketName", "bucketKeyArn");
		areTogether("domainName", "certificateArn", "hostedZoneId");
		if (value.domainName !== undefined && value.issuer !== undefined)
			say("domainName", "has no use with openclaw:issuer: the stack then serves nothing");
		const regionOfCertificate = value.certificateArn?.split(":")[3];
		if (
			regionOfCertificate !== undefined &&
			regionOfCertificate !== (value.region ?? regionOfCertificate)
		)
			say("certificateArn", `must be of ${value.region}, where the API is`);
		for (const key of ["containerfile", "imageBuildArgs", "imageBuildSecrets"] as const)
			if (value.imageUri !== undefined && Object.keys(value[key] ?? {}).length > 0)
				say(key, "builds an image, and imageUri names one that is built: set one of the two");
		if (value.falco && !value.dataEvents)
			say("falco", "needs openclaw:dataEvents: most of its rules read nothing else");
		for (const name of value.falco ? FALCO_IMAGES : [])
			if (!BY_DIGEST.test(value.falcoImages[name] ?? ""))
				say("falcoImages", `needs ${name}, by digest: REGISTRY/NAME@sha256:DIGEST`);
		for (const name of Object.keys(value.falcoImages))
			if (!FALCO_IMAGES.some((known) => known === name))
				say("falcoImages", `${name} is not one of ${FALCO_IMAGES.join(", ")}`);
		if (value.idleMinutes > value.maxHours * 60) say("idleMinutes", "must not exceed maxHours");
		if (value.maxProvisionedConcurrency < value.provisionedConcurrency)
			say("maxProvisionedConcurrency", "must not be less than provisionedConcurrency");
	});

export type Config = z.output<typeof SCHEMA>;

/**
 * @param context the app's; keys without the prefix are of others
 * @param env the account and region of the CDK CLI's credentials, and OPENCLAW_ENV
 * @throws Error that names each wrong key, its value and the accepted values
 */
export function readConfig(context: Settings, env: NodeJS.ProcessEnv = process.env): Config {
	const chosen = chooseEnvironment(settingsIn(context), env);
	const parsed = SCHEMA.safeParse({
		...(env.CDK_DEFAULT_ACCOUNT !== undefined && { account: env.CDK_DEFAULT_ACCOUNT }),
		...(env.CDK_DEFAULT_REGION !== undefined && { region: env.CDK_DEFAULT_REGION }),
		...chosen,
	});
	if (parsed.success) return parsed.data;
	const problems = parsed.error.issues.map(({ path, message, code, ...issue }) => {
		if (code === "unrecognized_keys") {
			const { keys } = issue as unknown as { readonly keys: readonly string[] };
			return `${keys.map((key) => PREFIX + key).join(", ")}: unknown setting; the settings are ${Object.keys(SCHEMA.shape).join(", ")}`;
		}
		const value = chosen[String(path[0])];
		return `${PREFIX}${path.join(".")}${value === undefined ? "" : ` (${JSON.stringify(value)})`}: ${message}`;
	});
	throw new Error(
		`The configuration is invalid:\n- ${problems.join("\n- ")}\ndocs/deploy.md describes every setting.`,
	);
}

/** The settings of a context, without their prefix. */
export function settingsIn(context: Settings): Settings {
	return Object.fromEntries(
		Object.entries(context)
			.filter(([key]) => key.startsWith(PREFIX))
			.map(([key, value]) => [key.slice(PREFIX.length), value]),
	);
}

/** Name, default and meaning of every setting, for docs/deploy.md. */
export function settings(): readonly {
	readonly name: string;
	readonly default: string;
	readonly meaning: string;
}[] {
	const defaults = SCHEMA.parse({}) as Record<string, unknown>;
	return Object.entries(SCHEMA.shape).map(([name, field]) => ({
		name: PREFIX + name,
		default: shown(defaults[name]),
		meaning: field.description ?? "",
	}));
}

function shown(value: unknown): string {
	if (value === undefined) return "";
	if (Array.isArray(value)) return value.join(",") || "none";
	return typeof value === "object" ? "none" : String(value);
}
