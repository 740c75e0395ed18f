/**
 * What an installation may choose, read from CDK context. Keys begin with `openclaw:`, so that a mistyped one is an error and not a
 * default: `-c openclaw:region=eu-west-1`, or in cdk.json. Lists may be written as JSON or joined by commas, as `-c` knows text only.
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
			.describe("Twelve digits. Default: the CLI's credentials, else none (a template for any account)."),
		region: z.string().min(1).optional().describe("Default: the CLI's, else none (a template for any region)."),
		stackName: z
			.string()
			.regex(/^[A-Za-z][A-Za-z0-9]{0,39}$/)
			.default("OpenClaw")
			.describe("Name of the stack, and the beginning of names that need one."),

		network: z
			.enum(["public", "vpc", "existing"])
			.default("public")
			.describe("Of the microVMs: the platform's own, a new VPC, or `vpcId`."),
		zones: whole(1, 3).default(2).describe("Of a new VPC: how many availability zones."),
		zoneIds: list(z.string()).default([]).describe("Availability zones by id; of an existing VPC, those of its subnets, to be checked."),
		natGateways: whole(0, 3).default(1).describe("Of a new VPC. 0 only with `issuer`: machines must be able to read the issuer's keys."),
		vpcId: z.string().startsWith("vpc-").optional().describe("An existing VPC, also one that another account shares."),
		s3EndpointId: z
			.string()
			.startsWith("vpce-")
			.optional()
			.describe("S3 gateway endpoint of an existing VPC. Given: no endpoints are made (those of a shared VPC are its owner's)."),
		endpoints: list(z.string()).default(["ecr.api", "ecr.dkr", "logs", "sts", "bedrock-runtime"]).describe("Interface endpoints."),

		platformVersion: z.enum(["V1", "V2"]).optional().describe("Default: V2 where the region is known to have it."),
		idleMinutes: whole(1, 480).default(15).describe("A machine without requests ends after this."),
		maxHours: whole(1, 8).default(8).describe("A machine ends after this in any case."),
		models: list(z.string())
			.default([])
			.describe("Bedrock models or inference profiles that the agent may call, by id; the first is the one that a new workspace uses."),

		issuer: z
			.url({ protocol: /^https$/ })
			.optional()
			.describe("Bring your own OpenID issuer: no router is made, users call the runtime with its tokens."),
		audience: z.string().regex(/^\S+$/).default("openclaw").describe("Whom tokens are for."),

		channels: list(z.enum(CHANNELS))
			.default([...CHANNELS])
			.describe("Chats that may call."),
		allowedUsers: z
			.union([list(z.string().regex(/^[a-z]+\../, "must look like telegram.4711")), z.record(z.string(), z.string())])
			.default([])
			.describe('Who may talk to the agent: `["telegram.4711"]`, or `{"telegram.4711": "anna"}` for one person on several channels.'),
		provisionedConcurrency: whole(0, 100).default(1).describe("Of the webhook's function; 0: cold starts of about a second."),
		maxProvisionedConcurrency: whole(0, 1_000).default(5).describe("As far as autoscaling may go."),
		turnsAtOnce: whole(2, 1_000).default(20).describe("How many messages are worked on at the same time."),
		requestsPerSecond: whole(1, 10_000).default(50).describe("The API's throttle; twice that in bursts."),
		requestsPerIp: whole(10, 20_000_000).default(2_000).describe("In 5 minutes, before WAF blocks an address."),

		rotationDays: whole(1, 365).default(30).describe("How often channel secrets are rotated."),
		rotationDryRun: onOff.default(false).describe("Rotation only says what it would do."),
		dataEvents: onOff.default(false).describe("CloudTrail data events of the bucket, $0.10 per 100,000."),
		logDays: z.coerce.number().default(90).describe("How long logs are kept: a number of days that CloudWatch knows."),
		alarmEmail: z.email().optional().describe("Who hears of alarms; more can subscribe to the topic."),
	})
	.superRefine((value, context) => {
		const say = (path: string, message: string) => context.addIssue({ code: "custom", path: [path], message });
		if (value.network === "existing" && value.vpcId === undefined) say("vpcId", "is needed with network=existing");
		if (value.network !== "existing" && value.vpcId !== undefined) say("network", "must be `existing` where vpcId is given");
		if (value.network === "existing" && (value.account === undefined || value.region === undefined))
			say("account", "and region are needed with network=existing: a VPC is looked up in them");
		if (value.network === "vpc" && value.natGateways === 0 && value.issuer === undefined)
			say("natGateways", "must be at least 1: without it a machine cannot read the keys of the issuer that this stack makes");
		if (value.idleMinutes > value.maxHours * 60) say("idleMinutes", "must not exceed maxHours");
		if (value.maxProvisionedConcurrency < value.provisionedConcurrency)
			say("maxProvisionedConcurrency", "must not be less than provisionedConcurrency");
	});

export type Config = z.output<typeof SCHEMA>;

/**
 * @param env where the CDK CLI says whose credentials it found
 * @throws Error that names each wrong key, its value and what would do
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
			return `${keys.map((key) => PREFIX + key).join(", ")}: no such setting; there are ${Object.keys(SCHEMA.shape).join(", ")}`;
		}
		const value = context[PREFIX + String(path[0])];
		return `${PREFIX}${path.join(".")}${value === undefined ? "" : ` (${JSON.stringify(value)})`}: ${message}`;
	});
	throw new Error(`The configuration is wrong:\n- ${problems.join("\n- ")}\ndocs/deploy.md describes every setting.`);
}

/** Name, default and meaning of every setting, for docs/deploy.md. */
export function settings(): readonly { readonly name: string; readonly default: string; readonly meaning: string }[] {
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
