/**
 * Evaluates the policies instead of comparing their text. A simulator of IAM, which knows each
 * condition key, evaluates all of them. MinIO's engine also evaluates the role's own policy, with
 * real tokens and requests. Neither proves that AWS decides alike.
 */
import { runSimulation } from "@cloud-copilot/iam-simulate";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { tradeToken } from "../../sidecar/src/agentcore/assume-role.ts";
import { UserToken } from "../../sidecar/src/agentcore/user-token.ts";
import { openStore } from "../../sidecar/src/store/open.ts";
import type { ObjectStore } from "../../sidecar/src/store/port.ts";
import { type OidcS3Server, startOidcS3Server } from "../../testkit/store/oidc-s3-server.ts";
import { s3TestServer } from "../../testkit/store/s3-server.ts";
import { NAMESPACE } from "../lib/access/user-identity.ts";
import { ACCOUNT, Deployed, type PolicyDocument } from "./deployed.ts";
import { synthesise } from "./synth.ts";

const ANYTHING: PolicyDocument = {
	Version: "2012-10-17",
	Statement: [{ Effect: "Allow", Action: "s3:*", Resource: "*" }],
};
const CREATE_ONLY = { "s3:if-none-match": "*" };

let open: Deployed;
let closed: Deployed;
/** With a profile and a model of the region. */
let twoModels: Deployed;

beforeAll(() => {
	const models = { "openclaw:models": "global.anthropic.claude-opus-5,amazon.nova-pro" };
	twoModels = new Deployed(synthesise("public", models).template);
	open = new Deployed(synthesise("public").template);
	closed = new Deployed(synthesise("existing-vpc").template);
});

interface Caller {
	readonly arn: string;
	readonly policy: PolicyDocument;
	readonly context?: Readonly<Record<string, string>>;
}

interface Asked {
	readonly action: string;
	/** The key of an object, or the prefix of a listing. */
	readonly key: string;
	readonly context?: Readonly<Record<string, string>>;
}

const user = (place: Deployed, namespace: string | undefined, context = {}): Caller => ({
	arn: place.arnOf("AWS::IAM::Role", "UserIdentityWorkspaceRole"),
	policy: place.identityPolicy("UserIdentityWorkspaceRole"),
	context: {
		...(namespace !== undefined && { "aws:PrincipalTag/namespace": namespace }),
		...context,
	},
});
const sweeper = (place: Deployed): Caller => ({
	arn: place.arnOf("AWS::IAM::Role", "WorkspaceBucketSweeper"),
	policy: place.identityPolicy("WorkspaceBucketSweeper"),
});
const machine = (place: Deployed): Caller => ({
	arn: place.arnOf("AWS::IAM::Role", "AgentRuntimeExecutionRole"),
	policy: place.identityPolicy("AgentRuntimeExecutionRole"),
});
const administrator: Caller = {
	arn: `arn:aws:iam::${ACCOUNT}:role/Administrator`,
	policy: ANYTHING,
};

async function judge(
	place: Deployed,
	{ arn, policy, context }: Caller,
	asked: Asked,
): Promise<string> {
	const bucket = place.arnOf("AWS::S3::Bucket", "WorkspaceBucket");
	const isList = asked.action === "s3:ListBucket";
	const session = arn.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/");
	const answer = await runSimulation(
		{
			request: {
				action: asked.action,
				principal: `${session}/session`,
				resource: { accountId: ACCOUNT, resource: isList ? bucket : `${bucket}/${asked.key}` },
				contextVariables: {
					"aws:SecureTransport": "true",
					"s3:TlsVersion": "1.3",
					"aws:PrincipalArn": arn,
					...(asked.action === "s3:PutObject" && { "s3:ObjectCreationOperation": "true" }),
					...(isList && { "s3:prefix": asked.key }),
					...context,
					...asked.context,
				},
			},
			identityPolicies: [
				{
					name: "identity",
					policy: {
						...policy,
						Statement: policy.Statement.filter(({ Action }) => !touchesKms(Action)),
					},
				},
			],
			serviceControlPolicies: [],
			resourceControlPolicies: [],
			resourcePolicy: place.bucketPolicy("WorkspaceBucket"),
		},
		{},
	);
	if (answer.resultType === "error") throw new Error(JSON.stringify(answer.errors));
	return answer.overallResult;
}

/** As the user anna. */
async function callModel(
	place: Deployed,
	action: string,
	resource: string,
	context: Readonly<Record<string, string>>,
): Promise<string> {
	const { arn, policy } = user(place, "anna");
	const session = arn.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/");
	const answer = await runSimulation(
		{
			request: {
				action,
				principal: `${session}/anna`,
				resource: { accountId: ACCOUNT, resource },
				contextVariables: { ...context },
			},
			identityPolicies: [{ name: "identity", policy }],
			serviceControlPolicies: [],
			resourceControlPolicies: [],
		},
		{},
	);
	if (answer.resultType === "error") throw new Error(JSON.stringify(answer.errors));
	return answer.overallResult;
}

/** A separate request evaluates the key. */
function touchesKms(action: string | readonly string[]): boolean {
	return [action].flat().every((name) => name.startsWith("kms:"));
}

const ALLOWED = "Allowed";
const DENIED = expect.stringMatching(/Denied$/);

describe.each(["anna", "ben"])("the policy for %s's machine", (namespace) => {
	const other = namespace === "anna" ? "ben" : "anna";
	const cases: readonly (readonly [string, Asked, unknown])[] = [
		[
			"read what is theirs",
			{ action: "s3:GetObject", key: `users/${namespace}/log/fffffffffffe` },
			ALLOWED,
		],
		[
			"create what is theirs",
			{ action: "s3:PutObject", key: `users/${namespace}/log/fffffffffffe`, context: CREATE_ONLY },
			ALLOWED,
		],
		[
			"replace what is theirs",
			{ action: "s3:PutObject", key: `users/${namespace}/log/fffffffffffe` },
			DENIED,
		],
		[
			"send a part of a multipart upload",
			{
				action: "s3:PutObject",
				key: `users/${namespace}/packs/a`,
				context: { "s3:ObjectCreationOperation": "false" },
			},
			ALLOWED,
		],
		["list their log", { action: "s3:ListBucket", key: `users/${namespace}/log/` }, ALLOWED],
		[
			"list all that is theirs, for adoption",
			{ action: "s3:ListBucket", key: `users/${namespace}/` },
			ALLOWED,
		],
		[
			"delete what is theirs",
			{ action: "s3:DeleteObject", key: `users/${namespace}/log/fffffffffffe` },
			DENIED,
		],
		[
			"delete a version",
			{ action: "s3:DeleteObjectVersion", key: `users/${namespace}/log/fffffffffffe` },
			DENIED,
		],
		[
			"read what is another's",
			{ action: "s3:GetObject", key: `users/${other}/log/fffffffffffe` },
			DENIED,
		],
		[
			"create what is another's",
			{ action: "s3:PutObject", key: `users/${other}/log/fffffffffffe`, context: CREATE_ONLY },
			DENIED,
		],
		["list what is another's", { action: "s3:ListBucket", key: `users/${other}/` }, DENIED],
		["list all users", { action: "s3:ListBucket", key: "users/" }, DENIED],
		[
			"list users whose names begin like theirs",
			{ action: "s3:ListBucket", key: `users/${namespace}` },
			DENIED,
		],
		[
			"read what is beside a name that begins like theirs",
			{ action: "s3:GetObject", key: `users/${namespace}2/log/f` },
			DENIED,
		],
		[
			"delete what is another's",
			{ action: "s3:DeleteObject", key: `users/${other}/log/fffffffffffe` },
			DENIED,
		],
	];
	test.each(cases)("decides whether it may %s", async (_, asked, verdict) => {
		expect(await judge(open, user(open, namespace), asked)).toEqual(verdict);
	});
});

describe("every other principal", () => {
	const theirs = "users/anna/log/fffffffffffe";

	test("has no access as a session without the tag, even with a user's session name", async () => {
		expect(
			await judge(open, user(open, undefined), { action: "s3:GetObject", key: theirs }),
		).toEqual(DENIED);
		expect(
			await judge(open, user(open, undefined), { action: "s3:ListBucket", key: "users/" }),
		).toEqual(DENIED);
	});

	test.each([
		["s3:GetObject", theirs, {}],
		["s3:PutObject", theirs, CREATE_ONLY],
		["s3:ListBucket", "users/anna/", {}],
	])("the machine's own role has no right to data: %s", async (action, key, context) => {
		expect(await judge(open, machine(open), { action, key, context })).toEqual(DENIED);
	});

	test("has no action of S3, KMS, STS or Bedrock's models as the machine's own role", () => {
		const actions = open
			.identityPolicy("AgentRuntimeExecutionRole")
			.Statement.flatMap(({ Action }) => Action);
		expect(
			actions.filter((action) => /^(s3|kms|sts|secretsmanager|bedrock:|\*)/.test(action)),
		).toEqual([]);
	});

	test("calls models only as a user, and only those of the configuration", () => {
		const callsModels = (role: string) =>
			twoModels
				.identityPolicy(role)
				.Statement.filter(({ Action }) => [Action].flat().some((name) => /^bedrock:/.test(name)));
		expect(callsModels("AgentRuntimeExecutionRole")).toEqual([]);
		expect(callsModels("UserIdentityWorkspaceRole")).toEqual([
			expect.objectContaining({
				Effect: "Allow",
				Action: ["bedrock:InvokeModel", "bedrock:InvokeModelWithResponseStream"],
				Resource: expect.toSatisfy((arns: string[]) =>
					[
						/:inference-profile\/global\.anthropic\.claude-opus-5$/,
						/^arn:aws:bedrock:\*::foundation-model\/anthropic\.claude-opus-5$/,
						/^arn:aws:bedrock:[\w-]+::foundation-model\/amazon\.nova-pro$/,
					].every((arn) => arns.filter((each) => arn.test(each)).length === 1 && arns.length === 3),
				),
			}),
		]);
	});

	test.each([
		["eu-north-1", "anthropic.claude-opus-5", ALLOWED],
		["eu-west-1", "anthropic.claude-opus-5-5", DENIED],
		["eu-west-1", "amazon.nova-pro", ALLOWED],
		["us-east-1", "amazon.nova-pro", DENIED],
	])("decides on calls in %s of %s, behind a profile or not", async (region, model, verdict) => {
		const arn = `arn:aws:bedrock:${region}::foundation-model/${model}`;
		expect(await callModel(twoModels, "bedrock:InvokeModel", arn, {})).toEqual(verdict);
	});

	test("calls Mantle with the models of the configuration only", async () => {
		const place = new Deployed(
			synthesise("public", {
				"openclaw:modelUpstream": "bedrock-mantle",
				"openclaw:models": "anthropic.claude-opus-5,openai.gpt-oss-120b",
			}).template,
		);
		const call = async (model: string) =>
			await callModel(
				place,
				"bedrock-mantle:CreateInference",
				`arn:aws:bedrock-mantle:eu-west-1:${ACCOUNT}:project/default`,
				{ "bedrock-mantle:Model": model },
			);
		expect(await call("openai.gpt-oss-120b")).toBe(ALLOWED);
		expect(await call("anthropic.claude-opus-5-5")).toEqual(DENIED);
		expect(
			await callModel(
				place,
				"bedrock:InvokeModel",
				"arn:aws:bedrock:eu-west-1::foundation-model/anthropic.claude-opus-5",
				{},
			),
		).toEqual(DENIED);
	});

	test("calls models from the VPC only, if there is an endpoint for Bedrock", () => {
		const statement = new Deployed(synthesise("new-vpc").template)
			.identityPolicy("UserIdentityWorkspaceRole")
			.Statement.find(({ Action }) => [Action].flat().includes("bedrock:InvokeModel"));
		expect(statement).toMatchObject({
			Condition: { StringEquals: { "aws:SourceVpc": expect.any(String) } },
		});
	});

	test("cannot delete, except for retention, and then only parts of a log", async () => {
		expect(await judge(open, sweeper(open), { action: "s3:DeleteObject", key: theirs })).toBe(
			ALLOWED,
		);
		expect(
			await judge(open, sweeper(open), { action: "s3:DeleteObject", key: "users/anna/MEMORY.md" }),
		).toEqual(DENIED);
		// A tag's key says all that retention needs.
		const tag = "users/anna/tags/before-upgrade/00000001-000000000029";
		for (const action of ["s3:GetObject", "s3:DeleteObject"])
			expect(await judge(open, sweeper(open), { action, key: tag })).toEqual(DENIED);
		expect(
			await judge(open, sweeper(open), { action: "s3:ListBucket", key: "users/anna/tags/" }),
		).toBe(ALLOWED);
		expect(
			await judge(open, sweeper(open), { action: "s3:DeleteObjectVersion", key: theirs }),
		).toEqual(DENIED);
		expect(
			await judge(open, sweeper(open), {
				action: "s3:PutObject",
				key: "users/anna/sweeps/a",
				context: CREATE_ONLY,
			}),
		).toBe(ALLOWED);
		expect(
			await judge(open, sweeper(open), {
				action: "s3:PutObject",
				key: theirs,
				context: CREATE_ONLY,
			}),
		).toEqual(DENIED);
		expect(await judge(open, sweeper(open), { action: "s3:ListBucket", key: "users/" })).toBe(
			ALLOWED,
		);
	});

	test("cannot replace, delete, or connect without TLS, not even as an administrator", async () => {
		expect(await judge(open, administrator, { action: "s3:GetObject", key: theirs })).toBe(ALLOWED);
		expect(await judge(open, administrator, { action: "s3:PutObject", key: theirs })).toEqual(
			DENIED,
		);
		expect(await judge(open, administrator, { action: "s3:DeleteObject", key: theirs })).toEqual(
			DENIED,
		);
		const plain = { "aws:SecureTransport": "false" };
		expect(
			await judge(open, administrator, { action: "s3:GetObject", key: theirs, context: plain }),
		).toEqual(DENIED);
	});

	test("must use the endpoint of the VPC, if there is one", async () => {
		const asked = { action: "s3:GetObject", key: theirs };
		const through = (endpoint: string) => ({ "aws:SourceVpce": endpoint });
		expect(
			await judge(closed, user(closed, "anna", through("vpce-0123456789abcdef0")), asked),
		).toBe(ALLOWED);
		expect(await judge(closed, user(closed, "anna", through("vpce-somebodyelses")), asked)).toEqual(
			DENIED,
		);
		expect(await judge(closed, user(closed, "anna"), asked)).toEqual(DENIED);
		expect(await judge(closed, administrator, asked)).toEqual(DENIED);
		expect(await judge(closed, sweeper(closed), asked)).toBe(ALLOWED);
	});
});

/** The session name for a namespace that STS does not accept as a name. */
const HASHED = `=session-${"0a".repeat(16)}`;
/** The simulator knows the condition keys of a few issuers only, so one of them stands for ours. */
const AUDIENCE = "accounts.google.com:aud";

describe("the trust policy for tokens", () => {
	const token = {
		[AUDIENCE]: "openclaw",
		"aws:RequestTag/namespace": "anna",
		"aws:TagKeys": ["namespace"],
		"sts:RoleSessionName": "anna",
	};
	const cases: readonly (readonly [
		string,
		Readonly<Record<string, string | string[] | undefined>>,
		unknown,
	])[] = [
		["ours", {}, ALLOWED],
		["one for another audience", { [AUDIENCE]: "somebody-else" }, DENIED],
		[
			"one without the tag",
			{ "aws:RequestTag/namespace": undefined, "aws:TagKeys": undefined },
			DENIED,
		],
		["one with an empty tag", { "aws:RequestTag/namespace": "" }, DENIED],
		[
			"one that reaches into another's place",
			{ "aws:RequestTag/namespace": "ben/log", "sts:RoleSessionName": HASHED },
			DENIED,
		],
		["one under another's name", { "sts:RoleSessionName": "ben" }, DENIED],
		[
			"one under the hash of a name that STS does not take",
			{ "sts:RoleSessionName": HASHED },
			ALLOWED,
		],
		[
			"one with further tags",
			{ "aws:TagKeys": ["namespace", "admin"], "aws:RequestTag/admin": "true" },
			DENIED,
		],
	];
	test.each(cases)("decides on %s", async (_, changes, verdict) => {
		const role = open.arnOf("AWS::IAM::Role", "UserIdentityWorkspaceRole");
		const trust = open.trustPolicy("UserIdentityWorkspaceRole");
		const contextVariables = Object.fromEntries(
			Object.entries({ ...token, ...changes }).filter(([, value]) => value !== undefined),
		) as Record<string, string | string[]>;
		const known = JSON.parse(
			JSON.stringify(trust).replace(/"[^"]*:aud"/, `"${AUDIENCE}"`),
		) as PolicyDocument;
		const answer = await runSimulation(
			{
				request: {
					action: "sts:AssumeRoleWithWebIdentity",
					principal: open.arnOf("AWS::IAM::OIDCProvider", "UserIdentityProvider"),
					resource: { accountId: ACCOUNT, resource: role },
					contextVariables,
				},
				identityPolicies: [],
				serviceControlPolicies: [],
				resourceControlPolicies: [],
				resourcePolicy: known,
			},
			{},
		);
		if (answer.resultType === "error") throw new Error(JSON.stringify(answer.errors));
		expect(answer.overallResult).toEqual(verdict);
	});

	test("has conditions named after the issuer", () => {
		expect(JSON.stringify(open.trustPolicy("UserIdentityWorkspaceRole"))).toMatch(
			/"StringEquals":\{"\w+\.execute-api\.eu-west-1\.amazonaws\.com\/v1:aud":"openclaw"\}/,
		);
	});
});

describe("the key that signs tokens", () => {
	const sign = async (role: string, policy: PolicyDocument, action = "kms:Sign") => {
		const key = open.arnOf("AWS::KMS::Key", "IssuerSigningKey");
		const answer = await runSimulation(
			{
				request: {
					action,
					principal: role.replace(":iam:", ":sts:").replace(/:role\/(.*)/, ":assumed-role/$1/s"),
					resource: { accountId: ACCOUNT, resource: key },
					contextVariables: { "aws:PrincipalArn": role },
				},
				identityPolicies: [{ name: "identity", policy }],
				serviceControlPolicies: [],
				resourceControlPolicies: [],
				resourcePolicy: open.keyPolicy("IssuerSigningKey"),
			},
			{},
		);
		if (answer.resultType === "error") throw new Error(JSON.stringify(answer.errors));
		return answer.overallResult;
	};
	const everything: PolicyDocument = {
		Version: "2012-10-17",
		Statement: [{ Effect: "Allow", Action: "kms:*", Resource: "*" }],
	};

	test("signs for the worker only, and for no administrator", async () => {
		const worker = open.arnOf("AWS::IAM::Role", "RouterWorkerRole");
		expect(await sign(worker, open.identityPolicy("RouterWorkerRole"))).toBe(ALLOWED);
		expect(await sign(administrator.arn, everything)).toEqual(DENIED);
	});

	test("lets an administrator replace its policy, which is the way around it", async () => {
		expect(await sign(administrator.arn, everything, "kms:PutKeyPolicy")).toBe(ALLOWED);
	});
});

/** MinIO names the token's own claim, AWS the tag made from it. MinIO knows S3 only. */
function asMinio(policy: PolicyDocument, bucket: string, ownBucket: string): object {
	const statements = policy.Statement.filter(({ Action }) =>
		[Action].flat().every((name) => name.startsWith("s3:")),
	);
	return JSON.parse(
		JSON.stringify({ ...policy, Statement: statements })
			.replaceAll(NAMESPACE, "$" + "{jwt:sub}")
			.replaceAll(ownBucket, bucket),
	) as object;
}

async function keysBelow(store: ObjectStore, prefix: string): Promise<readonly string[]> {
	const keys: string[] = [];
	for await (const { objects } of store.list(prefix)) keys.push(...objects.map(({ key }) => key));
	return keys;
}

describe.skipIf(s3TestServer() === undefined)("the role's policy in MinIO's engine", () => {
	let place: OidcS3Server;
	beforeAll(async () => {
		place = await startOidcS3Server((bucket) =>
			asMinio(
				open.identityPolicy("UserIdentityWorkspaceRole"),
				bucket,
				open.arnOf("AWS::S3::Bucket", "WorkspaceBucket").split(":::")[1]!,
			),
		);
	});
	afterAll(async () => await place?.[Symbol.asyncDispose]());

	async function storeOf(namespace: string) {
		const { bucket, issuer, roleArn, server } = place;
		const token = new UserToken(await issuer.token({ sub: namespace }), 0, 0);
		const role = {
			roleArn,
			namespace,
			policy: JSON.stringify(ANYTHING),
			durationS: 900,
			region: server.region,
			stsEndpoint: server.endpoint,
		};
		const credentials = await tradeToken(role, token);
		return await openStore(`s3://${bucket}`, {
			endpoint: server.endpoint,
			region: server.region,
			credentials,
		});
	}

	test.each([
		["anna", "ben"],
		["ben", "anna"],
	])("%s gets, puts and lists their own, and nothing of %s's", async (namespace, other) => {
		const store = await storeOf(namespace);
		const denied = expect.objectContaining({ code: "STORE_ACCESS_DENIED" });
		const key = `users/${namespace}/log/fffffffffffe`;
		const bytes = Buffer.from("commit");
		expect(await store.putIfAbsent(key, bytes)).toMatchObject({ kind: "created" });
		expect((await store.get(key)).body).toEqual(bytes);
		expect(await keysBelow(store, `users/${namespace}/`)).toEqual([key]);
		await expect(store.delete(key)).rejects.toEqual(denied);

		for (const theirs of [
			`users/${other}/log/fffffffffffe`,
			`users/${namespace}2/log/fffffffffffe`,
		]) {
			await expect(store.get(theirs)).rejects.toEqual(denied);
			await expect(store.putIfAbsent(theirs, bytes)).rejects.toEqual(denied);
			await expect(store.delete(theirs)).rejects.toEqual(denied);
		}
		for (const prefix of [`users/${other}/`, "users/", `users/${namespace}`])
			await expect(keysBelow(store, prefix)).rejects.toEqual(denied);
		await store.close();
	});
});
