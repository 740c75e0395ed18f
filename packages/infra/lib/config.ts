/**
 * The settings of an installation, read from CDK context. Keys begin with `openclaw:`, so that a
 * mistyped one is an error rather than a default: `-c openclaw:region=eu-west-1`, or in cdk.json.
 * Lists can be JSON or comma-separated, because `-c` passes only text.
 */
import type { Node } from "constructs";
import { z } from "zod";

const PREFIX = "openclaw:";

export const CHANNELS = ["feishu", "telegram", "slack"] as const;
export type Channel = (typeof CHANNELS)[number];

const list = <T extends z.ZodType<unknown, string>>(item: T) =>
	z.preprocess(
		(value) =>
			typeof value === "string"
				? value
						.split(",")
						.map((part) => part.trim())
						.filter(Boolean)
				: value,
		z.array(item),
	);
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
				"NAT gateways of a new VPC. 0 needs `issuer`: machines must be able to read the issuer's keys.",
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
			.describe("Interface endpoints of the VPC."),

		platformVersion: z
			.enum(["V1", "V2"])
			.optional()
			.describe("Default: V2 in regions that are known to have it."),
		idleMinutes: whole(1, 480)
			.default(15)
			.describe("A machine without requests ends after this time."),
		maxHours: whole(1, 8).default(8).describe("Every machine ends after this time."),
		models: list(z.string())
			.default([])
			.describe(
				"Bedrock models or inference profiles that the agent may call, by id. A new workspace uses the first.",
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
		allowedUsers: z
			.union([
				list(z.string().regex(/^[a-z]+\../, "must look like telegram.4711")),
				z.record(z.string(), z.string()),
			])
			.default([])
			.describe(
				'Users who may talk to the agent: `["telegram.4711"]`, or `{"telegram.4711": "anna"}` for one person on several channels.',
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
		dataEvents: onOff
			.default(false)
			.describe("CloudTrail data events of the bucket, $0.10 per 100,000."),
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
		if (value.network === "vpc" && value.natGateways === 0 && value.issuer === undefined)
			say(
				"natGateways",
				"must be at least 1: without it a machine cannot read the keys of the stack's own issuer",
			);
		if (value.idleMinutes > value.maxHours * 60) say("idleMinutes", "must not exceed maxHours");
		if (value.maxProvisionedConcurrency < value.provisionedConcurrency)
			say("maxProvisionedConcurrency", "must not be less than provisionedConcurrency");
	});

export type Config = z.output<typeof SCHEMA>;

/**
 * @param env the account and region of the CDK CLI's credentials
 * @throws Error that names each wrong key, its value and the accepted values
 */
export function readConfig(node: Node, env: NodeJS.ProcessEnv = process.env): Config {
	const context = node.getAllContext() as Record<string, unknown>;
	const given = Object.entries(context).filter(([key]) => key.startsWith(PREFIX));
	const parsed = SCHEMA.safeParse({
		...(env.CDK_DEFAULT_ACCOUNT !== undefined && { account: env.CDK_DEFAULT_ACCOUNT }),
		...(env.CDK_DEFAULT_REGION !== undefined && { region: env.CDK_DEFAULT_REGION }),
		...Object.fromEntries(given.map(([key, value]) => [key.slice(PREFIX.length), value])),
	});
	if (parsed.success) return parsed.data;
	const problems = parsed.error.issues.map(({ path, message, code, ...issue }) => {
		if (code === "unrecognized_keys") {
			const { keys } = issue as unknown as { readonly keys: readonly string[] };
			return `${keys.map((key) => PREFIX + key).join(", ")}: unknown setting; the settings are ${Object.keys(SCHEMA.shape).join(", ")}`;
		}
		const value = context[PREFIX + String(path[0])];
		return `${PREFIX}${path.join(".")}${value === undefined ? "" : ` (${JSON.stringify(value)})`}: ${message}`;
	});
	throw new Error(
		`The configuration is invalid:\n- ${problems.join("\n- ")}\ndocs/deploy.md describes every setting.`,
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
	return Array.isArray(value) ? value.join(",") || "none" : String(value);
}
