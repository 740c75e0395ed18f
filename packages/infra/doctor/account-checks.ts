/**
 * The requirements on account and region. `Account` queries AWS. A query that AWS denies is a
 * warning, because it proves nothing.
 */
import type { Config } from "../lib/settings/config.ts";
import { REGIONS } from "../lib/settings/regions.ts";
import { type Check, failed, isAtLeast, ok, warning } from "./check.ts";
import { checkLogPolicies } from "./log-policies-check.ts";
import { checkModel, type ModelAccess } from "./model-check.ts";
import { checkPlatform } from "./platform-check.ts";
import { checkTrails, type TrailAnswers } from "./trail-check.ts";
import { checkVpc, type VpcAnswers } from "./vpc-checks.ts";

/** Queries to AWS; each throws the SDK's errors. */
export interface Account {
	/** The account has twelve digits. */
	whoAmI(): Promise<{ readonly account: string; readonly arn: string }>;
	/** The version of CDK's bootstrap stack; undefined if it is missing. */
	bootstrapVersion(): Promise<string | undefined>;
	/** Ids of the zones that this account sees. */
	zoneIds(): Promise<readonly string[]>;
	/** Zone ids of the private subnets of a VPC. */
	subnetZoneIds(vpcId: string): Promise<readonly string[]>;
	/** What the account may do with a foundation model. */
	modelAccess(modelId: string): Promise<ModelAccess>;
	/** Platform version of the runtime with this name, `V1` if it reports none; undefined: no runtime. */
	runtimePlatform(name: string): Promise<string | undefined>;
	vpc(vpcId: string): Promise<VpcAnswers>;
	/** CloudTrail's trails, with those that other regions and the organization have here. */
	trails(): Promise<readonly TrailAnswers[]>;
	/** Names of the resource policies of CloudWatch Logs. */
	logPolicies(): Promise<readonly string[]>;
	/** The quotas of a service, by name. */
	quotas(service: string): Promise<Readonly<Record<string, number>>>;
}

/** CDK refuses to deploy with an older one. */
const MIN_BOOTSTRAP = "6";

/** New accounts have 10. */
const MIN_LAMBDA_CONCURRENCY = 100;

export async function checkAccount(config: Config, account: Account): Promise<readonly Check[]> {
	const region = config.region;
	const support = checkRegion(region);
	if (region === undefined || support.outcome === "failed") return [support];
	const credentials = await attempt(
		"credentials",
		async () => checkIdentity(await account.whoAmI(), config),
		credentialsRemedy,
	);
	if (credentials.outcome === "failed") return [support, credentials];
	return [
		support,
		credentials,
		await attempt("bootstrap", async () =>
			checkBootstrap(await account.bootstrapVersion(), region),
		),
		await attempt("zones", async () => await checkZonesOf(config, region, account)),
		...(await Promise.all(
			config.models.map((id) => attempt(`model ${id}`, () => checkModel(id, config, account))),
		)),
		await attempt("platform version", () => checkPlatform(config, region, account)),
		...(config.network === "existing"
			? await attemptAll("VPC", async () =>
					checkVpc(config, region, await account.vpc(config.vpcId!)),
				)
			: []),
		await attempt("audit trail", async () => checkTrails(config, region, await account.trails())),
		await attempt("Logs resource policies", async () =>
			checkLogPolicies(config, await account.logPolicies()),
		),
		await attempt("Lambda concurrency", async () =>
			checkConcurrency(config, await account.quotas("lambda")),
		),
		await attempt("AgentCore sessions", async () =>
			checkSessions(await account.quotas("bedrock-agentcore")),
		),
	];
}

function checkRegion(region: string | undefined): Check {
	const name = "region";
	const supported = Object.keys(REGIONS).join(", ");
	if (region === undefined)
		return failed(name, "none", `set openclaw:region or AWS_REGION to one of ${supported}`);
	const support = REGIONS[region];
	if (support === undefined)
		return failed(
			name,
			`${region} has no AgentCore Runtime`,
			`set openclaw:region to one of ${supported}`,
		);
	return ok(name, region);
}

function checkIdentity(
	{ account, arn }: { readonly account: string; readonly arn: string },
	config: Config,
): Check {
	if (config.account === undefined || config.account === account) return ok("credentials", arn);
	return failed(
		"credentials",
		`${arn}, but openclaw:account is ${config.account}`,
		"choose the profile of that account (AWS_PROFILE)",
	);
}

function checkBootstrap(version: string | undefined, region: string): Check {
	const remedy = `run \`pnpm --filter @openclaw-sidecar/infra exec cdk bootstrap\` for ${region}`;
	if (version === undefined) return failed("bootstrap", "none", remedy);
	return isAtLeast(version, MIN_BOOTSTRAP)
		? ok("bootstrap", `version ${version}`)
		: failed("bootstrap", `version ${version}`, remedy);
}

async function checkZonesOf(
	{ network, vpcId, zones }: Config,
	region: string,
	account: Account,
): Promise<Check> {
	const name = "zones";
	const supported = REGIONS[region]?.zoneIds ?? [];
	if (network === "public") return ok(name, "not needed in PUBLIC mode");
	const inUse =
		network === "existing" ? await account.subnetZoneIds(vpcId!) : await account.zoneIds();
	const good = [...new Set(inUse)].filter((id) => supported.includes(id));
	const found = `${[...new Set(inUse)].sort().join(", ") || "none"}; AgentCore supports ${supported.join(", ") || "unknown ones"}`;
	if (supported.length === 0)
		return warning(name, found, "AWS publishes no zones of this region: a deployment will show");
	if (network === "existing") {
		const isAll = good.length === new Set(inUse).size && good.length > 0;
		return isAll
			? ok(name, found)
			: failed(name, found, `use private subnets in ${supported.join(", ")} only`);
	}
	return good.length >= zones
		? ok(name, found)
		: failed(name, found, "lower openclaw:zones, or choose another region");
}

function checkConcurrency(
	{ provisionedConcurrency }: Config,
	quotas: Readonly<Record<string, number>>,
): Check {
	const name = "Lambda concurrency";
	const value = quotas["Concurrent executions"];
	if (value === undefined)
		return warning(
			name,
			"not reported",
			"look at Service Quotas, AWS Lambda, Concurrent executions",
		);
	if (value >= MIN_LAMBDA_CONCURRENCY) return ok(name, String(value));
	const remedy = `ask Service Quotas for ${MIN_LAMBDA_CONCURRENCY} or more`;
	return provisionedConcurrency > 0
		? failed(
				name,
				String(value),
				`${remedy}, or set openclaw:provisionedConcurrency to 0: provisioned concurrency needs it`,
			)
		: warning(name, String(value), remedy);
}

function checkSessions(quotas: Readonly<Record<string, number>>): Check {
	const name = "AgentCore sessions";
	const [quota] = Object.entries(quotas).filter(([title]) => /active session/i.test(title));
	if (quota === undefined)
		return warning(
			name,
			"not told",
			"the documentation says 2,500 to 5,000 active sessions, by region",
		);
	return ok(name, `${quota[0]}: ${quota[1]}`);
}

async function attempt(name: string, check: () => Promise<Check>, remedy?: string): Promise<Check> {
	const [only] = await attemptAll(name, async () => [await check()], remedy);
	return only!;
}

async function attemptAll(
	name: string,
	checks: () => Promise<readonly Check[]>,
	remedy?: string,
): Promise<readonly Check[]> {
	try {
		return await checks();
	} catch (error) {
		const reason = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
		return [
			remedy === undefined
				? warning(
						name,
						`could not be read: ${reason}`,
						"allow these credentials to read it, or look in the console",
					)
				: failed(name, reason, remedy),
		];
	}
}

const credentialsRemedy =
	"log in (`aws sso login`, `aws configure`) or set AWS_PROFILE, then check that `aws sts get-caller-identity` succeeds";
