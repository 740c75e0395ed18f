/**
 * Every action of every statement that allows something, in every policy of a template: the evaluator
 * grants it to the principal for whom it is meant, and to nobody else. The request is made from the
 * statement itself: its resource, and values that satisfy its conditions. The evaluator drops a
 * condition key that AWS does not list for the action, so a condition on such a key denies.
 */
import { runSimulation } from "@cloud-copilot/iam-simulate";
import { describe, expect, test } from "vitest";
import {
	ACCOUNT,
	Deployed,
	type PolicyDocument,
	type PolicyStatement,
	REGION,
} from "./deployed.ts";
import { synthesise } from "./synth.ts";

type Context = Readonly<Record<string, string | string[]>>;
interface Ask {
	/** Logical id and name of the statement. */
	readonly where: string;
	readonly action: string;
	readonly resource: string;
	readonly principal: string;
	readonly context: Context;
	/** Of the principal. */
	readonly identity?: PolicyDocument;
	/** Of the resource. */
	readonly onResource?: PolicyDocument;
	readonly onEndpoint?: PolicyDocument;
}

const ANYTHING: PolicyDocument = {
	Version: "2012-10-17",
	Statement: [{ Effect: "Allow", Action: "*", Resource: "*" }],
};
/** Of families such as `kms:ReEncrypt*`. */
const MEMBERS: Readonly<Record<string, readonly string[]>> = {
	"kms:ReEncrypt*": ["kms:ReEncryptFrom", "kms:ReEncryptTo"],
	"kms:GenerateDataKey*": ["kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext"],
	"kms:Describe*": ["kms:DescribeKey"],
	// Of an endpoint that is open for its whole service.
	"*": ["cognito-idp:DescribeUserPool"],
};
/** docs/iam-wildcards.md gives the reasons. */
const OPEN_THROUGH_ENDPOINTS = /^(ecr|sts|cognito-idp):/;

/** Values for the variables that IAM inserts, and for wildcards. */
function example(pattern: string): string {
	return pattern
		.replaceAll(/\$\{aws:(PrincipalTag|RequestTag)\/namespace\}/g, "anna")
		.replace("arn:aws:bedrock:*", `arn:aws:bedrock:${REGION}`)
		.replaceAll("*", "any")
		.replaceAll("?", "a");
}

/** A resource that the action is about, and that the pattern covers. */
function resourceFor(action: string, pattern: string): string {
	const [service = ""] = action.split(":");
	// The evaluator's data lists no resource for it. AWS documents that log groups are one.
	if (action === "logs:DescribeLogGroups") return "*";
	if (pattern === "*") return RESOURCES[action] ?? RESOURCES[service] ?? "*";
	if (service !== "logs") return example(pattern);
	const [group] = /^arn:aws:logs:[^:]*:\d*:log-group:[^:]*/.exec(
		example(pattern.replace(/\*$/, "")),
	)!;
	return /CreateLogStream|PutLogEvents/.test(action) ? `${group}:log-stream:any` : group;
}

/**
 * In terms that the evaluator knows. Of issuers, it knows a few. Of encryption contexts, none: a key
 * that AWS lists for the same actions stands for it. AWS writes `:*` for a log group and its streams,
 * which the evaluator takes for the streams only; `*` covers both.
 */
function known<T>(policy: T): T {
	const text = JSON.stringify(policy)
		.replaceAll(/"[^"]*:aud"/g, '"accounts.google.com:aud"')
		.replaceAll("kms:EncryptionContext:aws:logs:arn", "kms:EncryptionAlgorithm")
		.replaceAll(/("Resource":\[?)"arn:aws:logs:[^"]*:log-group:\*"/g, '$1"*"')
		.replaceAll(/(:log-group:[^":*]*)(:\*)?"/g, '$1*"');
	return JSON.parse(text) as T;
}

/** Where the policy names none. */
const RESOURCES: Readonly<Record<string, string>> = {
	"ecr:GetAuthorizationToken": "*",
	ecr: `arn:aws:ecr:${REGION}:${ACCOUNT}:repository/any`,
	bedrock: `arn:aws:bedrock:${REGION}::foundation-model/any`,
	kms: `arn:aws:kms:${REGION}:${ACCOUNT}:key/any`,
	"cognito-idp": `arn:aws:cognito-idp:${REGION}:${ACCOUNT}:userpool/any`,
};

/** Values with which the statement's conditions hold. */
function satisfying({ Condition = {} }: PolicyStatement): Context {
	const context: Record<string, string | string[]> = { "aws:PrincipalTag/namespace": "anna" };
	for (const [operator, keys] of Object.entries(Condition)) {
		for (const [key, values] of Object.entries(keys)) {
			const [first = ""] = [values as string | string[]].flat();
			if (/^(StringNot|ArnNot|Null$)/.test(operator)) continue;
			if (operator === "NumericLessThan") context[key] = String(Number(first) - 1);
			else context[key] = operator.startsWith("ForAllValues") ? [first] : example(first);
		}
	}
	if ("aws:RequestTag/namespace" in context) context["aws:RequestTag/namespace"] = "anna";
	return context;
}

function asks(place: Deployed): readonly Ask[] {
	return [...ofRoles(place), ...ofTrust(place), ...ofResources(place), ...ofEndpoints(place)];
}

function each(
	where: string,
	policy: PolicyDocument,
	make: (statement: PolicyStatement) => readonly Omit<Ask, "where" | "action" | "context">[],
): readonly Ask[] {
	const statements = known(policy).Statement.filter(({ Effect }) => Effect === "Allow");
	return statements.flatMap((statement) =>
		[statement.Action]
			.flat()
			.flatMap((action) => MEMBERS[action] ?? [action])
			.flatMap((action) =>
				make(statement).map((ask) => ({
					...ask,
					where: `${where} ${statement.Sid ?? ""}`,
					action,
					resource: resourceFor(action, ask.resource),
					context: satisfying(statement),
				})),
			),
	);
}

function ofRoles(place: Deployed): readonly Ask[] {
	return place.all("AWS::IAM::Role").flatMap(([id]) => {
		const identity = place.identityPolicy(id);
		const principal = `arn:aws:sts::${ACCOUNT}:assumed-role/${id}/session`;
		return each(id, identity, ({ Resource = [] }) =>
			[Resource].flat().map((resource) => {
				const onResource = policyOf(place, resource);
				return {
					resource,
					principal,
					identity,
					...(onResource && { onResource }),
				};
			}),
		);
	});
}

/** The policy of a bucket or a key of this template. */
function policyOf(place: Deployed, resource: string): PolicyDocument | undefined {
	for (const [id, { KeyPolicy }] of place.all("AWS::KMS::Key"))
		if (resource.endsWith(`:key/${id}`)) return place.resolve(KeyPolicy) as PolicyDocument;
	for (const [, { Bucket, PolicyDocument: policy }] of place.all("AWS::S3::BucketPolicy"))
		if (resource.startsWith(`arn:aws:s3:::${place.resolve(Bucket)}`))
			return place.resolve(policy) as PolicyDocument;
	return undefined;
}

function ofTrust(place: Deployed): readonly Ask[] {
	return place.all("AWS::IAM::Role").flatMap(([id]) => {
		const trust = place.trustPolicy(id);
		return each(`trust of ${id}`, trust, (statement) =>
			principalsOf(statement).map((principal) => ({
				resource: `arn:aws:iam::${ACCOUNT}:role/${id}`,
				onResource: trust,
				// An account's root in a trust policy leaves the choice to the policies of its users.
				...(principal.endsWith(":root")
					? { principal: `arn:aws:iam::${ACCOUNT}:user/anna`, identity: ANYTHING }
					: { principal }),
			})),
		);
	});
}

function principalsOf({ Principal }: PolicyStatement): readonly string[] {
	return Object.values(Principal as Record<string, string | string[]>).flat();
}

/** Policies on keys, buckets, topics and log groups, without what a key leaves to IAM. */
function ofResources(place: Deployed): readonly Ask[] {
	const on = (id: string, policy: unknown, resourceOf: (statement: PolicyStatement) => string[]) =>
		each(id, policy as PolicyDocument, (statement) =>
			JSON.stringify(statement.Principal).includes(":root")
				? []
				: principalsOf(statement).flatMap((principal) =>
						resourceOf(statement).map((resource) => ({
							resource,
							principal,
							onResource: policy as PolicyDocument,
						})),
					),
		);
	const itself = ({ Resource = [] }: PolicyStatement) => [Resource].flat();
	return [
		...place
			.all("AWS::KMS::Key")
			.flatMap(([id, { KeyPolicy }]) =>
				on(id, place.resolve(KeyPolicy), () => [place.arnOf("AWS::KMS::Key", id)]),
			),
		...["AWS::S3::BucketPolicy", "AWS::SNS::TopicPolicy", "AWS::SQS::QueuePolicy"].flatMap((type) =>
			place
				.all(type)
				.flatMap(([id, { PolicyDocument: policy }]) => on(id, place.resolve(policy), itself)),
		),
		...place
			.all("AWS::Logs::ResourcePolicy")
			.flatMap(([id, { PolicyDocument: policy }]) =>
				on(id, JSON.parse(place.resolve(policy) as string), itself),
			),
	];
}

function ofEndpoints(place: Deployed): readonly Ask[] {
	const principal = `arn:aws:sts::${ACCOUNT}:assumed-role/Machine/session`;
	return place.all("AWS::EC2::VPCEndpoint").flatMap(([id, { PolicyDocument: policy }]) => {
		const onEndpoint = place.resolve(policy) as PolicyDocument;
		return each(id, onEndpoint, ({ Resource = [] }) =>
			[Resource].flat().map((resource) => ({
				resource,
				principal,
				identity: ANYTHING,
				onEndpoint,
			})),
		);
	});
}

async function evaluate(ask: Ask): Promise<string> {
	const { action, principal, resource, context, identity, onResource, onEndpoint } = ask;
	// A bucket that denies every other way.
	const [, endpoint] = /"aws:SourceVpce":"([\w-]+)"/.exec(JSON.stringify(onResource ?? {})) ?? [];
	const isRole = principal.includes(":assumed-role/");
	const answer = await runSimulation(
		{
			request: {
				action,
				principal,
				resource: { accountId: ACCOUNT, resource },
				contextVariables: {
					"aws:SecureTransport": "true",
					"s3:TlsVersion": "1.3",
					...(action === "s3:PutObject" && {
						"s3:ObjectCreationOperation": "true",
						"s3:if-none-match": "*",
					}),
					...(isRole && {
						"aws:PrincipalArn": principal
							.replace(":sts:", ":iam:")
							.replace(/:assumed-role\/([^/]*)\/.*/, ":role/$1"),
						"aws:PrincipalAccount": principal.split(":")[4]!,
					}),
					...(endpoint !== undefined && { "aws:SourceVpce": endpoint }),
					...context,
				},
			},
			identityPolicies:
				identity === undefined ? [] : [{ name: "identity", policy: known(identity) }],
			serviceControlPolicies: [],
			resourceControlPolicies: [],
			...(onResource && { resourcePolicy: known(onResource) }),
			...(onEndpoint && { vpcEndpointPolicies: [{ name: "endpoint", policy: known(onEndpoint) }] }),
		},
		{},
	);
	if (answer.resultType === "error")
		throw new Error(`${ask.where} ${action} ${resource}: ${JSON.stringify(answer.errors)}`);
	return answer.overallResult;
}

/** The same request of somebody for whom the statement is not meant. */
function byStranger(ask: Ask): Ask {
	if (ask.onEndpoint !== undefined)
		return {
			...ask,
			principal: "arn:aws:sts::222222222222:assumed-role/Thief/session",
			resource: ask.resource.replace(/^arn:aws:s3:::[^/]*/, "arn:aws:s3:::thief"),
			context: { ...ask.context, "aws:PrincipalAccount": "222222222222" },
		};
	if (ask.identity !== undefined)
		return { ...ask, principal: `arn:aws:sts::${ACCOUNT}:assumed-role/Other/s`, identity: NOTHING };
	return {
		...ask,
		principal: ask.principal.includes(":oidc-provider/")
			? `arn:aws:iam::${ACCOUNT}:oidc-provider/thief.example`
			: "ec2.amazonaws.com",
	};
}
const NOTHING: PolicyDocument = {
	Version: "2012-10-17",
	Statement: [{ Effect: "Deny", Action: "iam:*", Resource: "*" }],
};

async function failures(
	all: readonly Ask[],
	isGood: (verdict: string) => boolean,
): Promise<readonly string[]> {
	const verdicts = await Promise.all(all.map(evaluate));
	return all.flatMap(({ where, action, resource, principal }, index) =>
		isGood(verdicts[index]!)
			? []
			: [`${where}: ${action} on ${resource} by ${principal}: ${verdicts[index]}`],
	);
}

const newVpc = new Deployed(synthesise("new-vpc").template);
const falco = new Deployed(synthesise("falco").template);

test("docs/iam-actions.md lists every action that a statement allows", async () => {
	const all = [...asks(newVpc), ...asks(falco).filter(({ where }) => /\bFalco/.test(where))];
	const verdicts = await Promise.all(all.map(evaluate));
	const rows = all.map(({ where, principal, action, resource }, index) => {
		const by = principal.replace(
			/^arn:aws:sts::\d+:assumed-role\/(\w+?)(?:[0-9A-F]{8})?\/session$/,
			"$1",
		);
		const name = where.replace(/[0-9A-F]{8}(?= )/, "").trim();
		return `| ${name} | ${by} | \`${action}\` | \`${resource}\` | ${verdicts[index]} |`;
	});
	const page = [
		"# Actions in IAM",
		"",
		"`packages/infra/test/every-action.test.ts` generates this page from the templates of `examples/new-vpc` and, for Falco, `examples/falco`. It lists every action of every statement that allows something, with a resource that the statement covers, and what an IAM simulator decides. The same test shows that a stranger is denied. `any` stands for a wildcard.",
		"",
		"| policy, statement | principal | action | resource | decision |",
		"|---|---|---|---|---|",
		...[...new Set(rows)].sort(),
		"",
	].join("\n");
	await expect(page).toMatchFileSnapshot("../../../docs/iam-actions.md");
});

describe.each([
	["new-vpc", newVpc],
	["falco", falco],
	...(["public", "existing-vpc", "own-issuer"] as const).map(
		(mode) => [mode, new Deployed(synthesise(mode).template)] as const,
	),
] as const)("every action in %s", (_, place) => {
	const all = asks(place);

	test("is granted to the principal for whom it is meant", async () => {
		expect(all.length).toBeGreaterThan(50);
		expect(await failures(all, (verdict) => verdict === "Allowed")).toEqual([]);
	});

	test("is denied to a stranger", async () => {
		const closed = all.filter(
			({ action, onEndpoint }) => onEndpoint === undefined || !OPEN_THROUGH_ENDPOINTS.test(action),
		);
		expect(await failures(closed.map(byStranger), (verdict) => verdict.endsWith("Denied"))).toEqual(
			[],
		);
	});

	test("is denied to its principal where the statement's conditions do not hold", async () => {
		const conditional = all
			.filter(({ context, onEndpoint }) => Object.keys(context).length > 1 && !onEndpoint)
			// CDK lets EventBridge use the key of a topic without a condition.
			.filter(({ principal }) => principal !== "events.amazonaws.com")
			.map((ask) => ({ ...ask, context: {} }));
		expect(conditional.length).toBeGreaterThan(10);
		expect(await failures(conditional, (verdict) => verdict.endsWith("Denied"))).toEqual([]);
	});
});
