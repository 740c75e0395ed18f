/** Evaluates what the operators' roles can do, alone and in the narrowed sessions of the tools. */
import { runSimulation } from "@cloud-copilot/iam-simulate";
import { beforeAll, describe, expect, test } from "vitest";
import {
	endMachines,
	eraseNamespace,
	manageUsers,
	repairNamespace,
	type Statement,
} from "../tools/session.ts";
import { ACCOUNT, Deployed, type PolicyDocument, REGION } from "./deployed.ts";
import { synthesise } from "./synth.ts";

const OTHERS = `arn:aws:iam::${ACCOUNT}:role/aws-reserved/sso.amazonaws.com/AWSReservedSSO_Ops_0a`;

let open: Deployed;
let closed: Deployed;
let bucket: string;
let usersTable: string;
let stateTable: string;

beforeAll(() => {
	open = new Deployed(synthesise("public", { "openclaw:operators": OTHERS }).template);
	closed = new Deployed(synthesise("existing-vpc").template);
	bucket = open.arnOf("AWS::S3::Bucket", "WorkspaceBucket");
	[usersTable, stateTable] = ["RouterUsers", "Nonces"].map((prefix) =>
		open.idOf("AWS::DynamoDB::Table", prefix),
	) as [string, string];
});

type Role = "Operator" | "Repairer";

interface Asked {
	readonly action: string;
	readonly resource: string;
	readonly context?: Readonly<Record<string, string | string[]>>;
	readonly session?: readonly Statement[] | undefined;
	/** Service of the endpoint through which the request goes. */
	readonly through?: "s3" | "sts";
}

async function judge(place: Deployed, role: Role | "Administrator", asked: Asked): Promise<string> {
	const isAdministrator = role === "Administrator";
	const arn = isAdministrator
		? `arn:aws:iam::${ACCOUNT}:role/Administrator`
		: place.arnOf("AWS::IAM::Role", `Operators${role}`);
	const policy: PolicyDocument = isAdministrator
		? { Version: "2012-10-17", Statement: [{ Effect: "Allow", Action: "*", Resource: "*" }] }
		: place.identityPolicy(`Operators${role}`);
	const isS3 = asked.action.startsWith("s3:");
	const answer = await runSimulation(
		{
			request: {
				action: asked.action,
				principal: `${arn.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/")}/anna`,
				resource: { accountId: ACCOUNT, resource: asked.resource },
				contextVariables: {
					"aws:SecureTransport": "true",
					"aws:PrincipalArn": arn,
					"aws:PrincipalAccount": ACCOUNT,
					...(isS3 && { "s3:TlsVersion": "1.3" }),
					...(asked.through && {
						"aws:SourceVpce": place.idOf("AWS::EC2::VPCEndpoint", "EndpointsS3"),
					}),
					...asked.context,
				},
			},
			identityPolicies: [{ name: "identity", policy }],
			serviceControlPolicies: [],
			resourceControlPolicies: [],
			...(asked.through && { vpcEndpointPolicies: [endpointPolicy(place, asked.through)] }),
			...(isS3 && { resourcePolicy: place.bucketPolicy("WorkspaceBucket") }),
			...(asked.session !== undefined && {
				sessionPolicy: {
					Version: "2012-10-17",
					Statement: asked.session.map((statement) => ({ Effect: "Allow", ...statement })),
				},
			}),
		},
		{},
	);
	if (answer.resultType === "error") throw new Error(JSON.stringify(answer.errors));
	return answer.overallResult;
}

function endpointPolicy(place: Deployed, service: "s3" | "sts") {
	const id = place.idOf("AWS::EC2::VPCEndpoint", `Endpoints${service === "s3" ? "S3" : service}`);
	const [, { PolicyDocument: policy }] = place
		.all("AWS::EC2::VPCEndpoint")
		.find(([one]) => one === id)!;
	return { name: service, policy: place.resolve(policy) as PolicyDocument };
}

const ALLOWED = "Allowed";
const DENIED = expect.stringMatching(/Denied$/);
const NEW = { "s3:if-none-match": "*", "s3:ObjectCreationOperation": "true" };
const REPLACED = { "s3:ObjectCreationOperation": "true" };

const COMMIT = "users/anna/log/fffffffffffe";

/** Action, object's key or listing's prefix, verdicts for operator and repairer. */
type Row = [
	action: string,
	key: string,
	operator: boolean,
	repairer: boolean,
	context: Readonly<Record<string, string>> | undefined,
];

const ROWS: readonly Row[] = [
	["s3:GetObject", COMMIT, false, true, undefined],
	["s3:GetObject", "users/anna/packs/a", false, true, undefined],
	["s3:GetObject", "users/anna/MEMORY.md", false, false, undefined],
	["s3:GetObjectVersion", COMMIT, false, false, undefined],
	["s3:GetObject", "audit/erasures/a.json", false, false, undefined],
	["s3:PutObject", COMMIT, false, false, NEW],
	["s3:PutObject", "audit/erasures/a.json", true, false, NEW],
	["s3:PutObject", "audit/erasures/a.json", false, false, REPLACED],
	["s3:DeleteObject", COMMIT, true, true, undefined],
	["s3:DeleteObject", "users/anna/packs/a", true, false, undefined],
	["s3:DeleteObject", "users/anna/MEMORY.md", true, false, undefined],
	["s3:DeleteObject", "audit/erasures/a.json", false, false, undefined],
	["s3:DeleteObjectVersion", COMMIT, true, false, undefined],
	["s3:DeleteObjectVersion", "users/anna/MEMORY.md", true, false, undefined],
	["s3:DeleteObjectVersion", "audit/erasures/a.json", false, false, undefined],
];

describe("an operator's role", () => {
	test.each<Row>([...ROWS])(
		"%s on %s: operator %s, repairer %s",
		async (action, key, first, second, context) => {
			const asked = { action, resource: `${bucket}/${key}`, ...(context && { context }) };
			expect(await judge(open, "Operator", asked)).toEqual(first ? ALLOWED : DENIED);
			expect(await judge(open, "Repairer", asked)).toEqual(second ? ALLOWED : DENIED);
		},
	);

	test("lists versions as operator, and objects as repairer, of users only", async () => {
		const list = (action: string, prefix: string) => ({
			action,
			resource: bucket,
			context: { "s3:prefix": prefix },
		});
		const versions = "s3:ListBucketVersions";
		expect(await judge(open, "Operator", list(versions, "users/anna/"))).toBe(ALLOWED);
		expect(await judge(open, "Operator", list(versions, "audit/"))).toEqual(DENIED);
		expect(await judge(open, "Operator", list("s3:ListBucket", "users/anna/"))).toEqual(DENIED);
		expect(await judge(open, "Repairer", list("s3:ListBucket", "users/anna/log/"))).toBe(ALLOWED);
		expect(await judge(open, "Repairer", list(versions, "users/anna/"))).toEqual(DENIED);
	});

	test("changes neither policy nor versioning, and no secret, key or agent", async () => {
		for (const role of ["Operator", "Repairer"] as const) {
			for (const action of ["PutBucketPolicy", "PutBucketVersioning", "PutLifecycleConfiguration"])
				expect(await judge(open, role, { action: `s3:${action}`, resource: bucket })).toEqual(
					DENIED,
				);
			const actions = open
				.identityPolicy(`Operators${role}`)
				.Statement.flatMap(({ Action }) => Action);
			expect(
				actions.filter((action) =>
					/^(iam|sts|secretsmanager|lambda|sqs|logs|\*)|Invoke|\*/.test(action),
				),
			).toEqual([]);
		}
	});

	test("ends machines and manages users as operator, and touches no other table", async () => {
		const table = (name: string) => `arn:aws:dynamodb:${REGION}:${ACCOUNT}:table/${name}`;
		const statements = open.identityPolicy("OperatorsOperator").Statement;
		const of = (action: string) =>
			statements
				.filter(({ Action }) => [Action].flat().includes(action))
				.flatMap(({ Resource }) => Resource);
		expect(of("dynamodb:PutItem")).toEqual([table(usersTable)]);
		expect(of("dynamodb:DeleteItem")).toEqual([table(usersTable)]);
		expect(of("bedrock-agentcore:StopRuntimeSession")).toEqual([
			expect.stringMatching(/:runtime\/AgentRuntime\w+$/),
			expect.stringMatching(/:runtime\/OpenClaw\/runtime-endpoint\/AgentRuntimeEndpointlive\w+$/),
		]);
		expect(table(stateTable)).not.toBe(table(usersTable));
		expect(
			open
				.identityPolicy("OperatorsRepairer")
				.Statement.flatMap(({ Action }) => Action)
				.sort(),
		).toEqual([
			"cloudformation:DescribeStacks",
			"kms:Decrypt",
			"s3:DeleteObject",
			"s3:GetObject",
			"s3:GetObject",
			"s3:ListBucket",
		]);
	});

	test("alone changes the table of users: the functions behind the webhook only read single items", () => {
		for (const role of ["RouterWebhookRole", "RouterWorkerRole"]) {
			const actions = open
				.identityPolicy(role)
				.Statement.filter(({ Resource }) => JSON.stringify(Resource).includes(`/${usersTable}`))
				.flatMap(({ Action }) => Action);
			expect([role, actions]).toEqual([role, ["dynamodb:GetItem"]]);
		}
	});

	test("is the only one that removes versions, even beside an administrator", async () => {
		const resource = `${bucket}/${COMMIT}`;
		for (const action of ["s3:DeleteObject", "s3:DeleteObjectVersion"])
			expect(await judge(open, "Administrator", { action, resource })).toEqual(DENIED);
	});

	test("sees names from outside of the VPC, and reads logs from inside only", async () => {
		const there = closed.arnOf("AWS::S3::Bucket", "WorkspaceBucket");
		const names = {
			action: "s3:ListBucketVersions",
			resource: there,
			context: { "s3:prefix": "users/anna/" },
		};
		const read = { action: "s3:GetObject", resource: `${there}/${COMMIT}` };
		const inside = { "aws:SourceVpce": "vpce-0123456789abcdef0" };
		expect(await judge(closed, "Operator", names)).toBe(ALLOWED);
		expect(await judge(closed, "Administrator", names)).toEqual(DENIED);
		expect(await judge(closed, "Repairer", read)).toEqual(DENIED);
		expect(await judge(closed, "Repairer", { ...read, context: inside })).toBe(ALLOWED);
	});
});

describe("an operator inside of the VPC, through its endpoints", () => {
	let vpc: Deployed;
	beforeAll(() => {
		vpc = new Deployed(synthesise("new-vpc").template);
	});

	test("assumes the two roles of operators, and no other", async () => {
		const assume = (prefix: string) =>
			judge(vpc, "Administrator", {
				action: "sts:AssumeRole",
				resource: vpc.arnOf("AWS::IAM::Role", prefix),
				through: "sts",
			});
		expect(await assume("OperatorsOperator")).toBe(ALLOWED);
		expect(await assume("OperatorsRepairer")).toBe(ALLOWED);
		expect(await assume("RouterWorkerRole")).toEqual(DENIED);
	});

	test("repairs and erases as from outside, and as nobody else", async () => {
		const there = vpc.arnOf("AWS::S3::Bucket", "WorkspaceBucket");
		const s3 = (action: string, key: string, context = {}): Asked => ({
			action: `s3:${action}`,
			resource: key === "" ? there : `${there}/${key}`,
			context,
			through: "s3",
		});
		const names = { "s3:prefix": "users/anna/" };
		const rows: readonly [Role, Role, Asked][] = [
			["Repairer", "Operator", s3("ListBucket", "", names)],
			["Repairer", "Operator", s3("GetObject", COMMIT)],
			["Repairer", "Operator", s3("GetObject", "users/anna/packs/a")],
			["Operator", "Repairer", s3("ListBucketVersions", "", names)],
			["Operator", "Repairer", s3("DeleteObject", "users/anna/packs/a")],
			["Operator", "Repairer", s3("DeleteObjectVersion", COMMIT)],
			["Operator", "Repairer", s3("PutObject", "audit/erasures/a.json", NEW)],
		];
		for (const [may, mayNot, asked] of rows) {
			expect([asked.action, await judge(vpc, may, asked)]).toEqual([asked.action, ALLOWED]);
			expect([asked.action, await judge(vpc, mayNot, asked)]).toEqual([asked.action, DENIED]);
			if (asked.action.includes("Delete"))
				expect(await judge(vpc, "Administrator", asked)).toEqual(DENIED);
		}
		expect(await judge(vpc, "Repairer", s3("DeleteObject", COMMIT))).toBe(ALLOWED);
	});

	test("finishes an erasure from outside too", async () => {
		const there = vpc.arnOf("AWS::S3::Bucket", "WorkspaceBucket");
		for (const [action, key, context] of [
			["s3:DeleteObjectVersion", COMMIT, {}],
			["s3:PutObject", "audit/erasures/a.json", NEW],
		] as const)
			expect(await judge(vpc, "Operator", { action, resource: `${there}/${key}`, context })).toBe(
				ALLOWED,
			);
	});
});

describe("a tool's session", () => {
	const name = () => bucket.split(":::")[1]!;

	test("erases one namespace, and reads none", async () => {
		const session = [
			...manageUsers("aws", usersTable),
			...endMachines("arn:aws:bedrock-agentcore:eu-west-1:1:runtime/OpenClaw"),
			...eraseNamespace("aws", name(), "anna"),
		];
		const on = (action: string, key: string) => ({ action, resource: `${bucket}/${key}`, session });
		const list = (prefix: string) => ({
			action: "s3:ListBucketVersions",
			resource: bucket,
			context: { "s3:prefix": prefix },
			session,
		});
		expect(await judge(open, "Operator", on("s3:DeleteObjectVersion", COMMIT))).toBe(ALLOWED);
		expect(await judge(open, "Operator", on("s3:DeleteObjectVersion", "users/ben/log/f"))).toEqual(
			DENIED,
		);
		expect(
			await judge(open, "Operator", on("s3:DeleteObjectVersion", "users/anna2/log/f")),
		).toEqual(DENIED);
		expect(await judge(open, "Operator", list("users/anna/"))).toBe(ALLOWED);
		for (const prefix of ["users/anna", "users/", "users/ben/"])
			expect(await judge(open, "Operator", list(prefix))).toEqual(DENIED);
		expect(await judge(open, "Operator", on("s3:GetObject", COMMIT))).toEqual(DENIED);
		expect(JSON.stringify(session).length).toBeLessThan(2_048 - 300);
	});

	test("repairs one log", async () => {
		const session = repairNamespace("aws", name(), "anna");
		const on = (action: string, key: string) => ({ action, resource: `${bucket}/${key}`, session });
		for (const action of ["s3:GetObject", "s3:DeleteObject"]) {
			expect(await judge(open, "Repairer", on(action, COMMIT))).toBe(ALLOWED);
			expect(await judge(open, "Repairer", on(action, "users/ben/log/f"))).toEqual(DENIED);
		}
		const pack = "users/anna/packs/a";
		expect(await judge(open, "Repairer", on("s3:GetObject", pack))).toBe(ALLOWED);
		expect(await judge(open, "Repairer", on("s3:DeleteObject", pack))).toEqual(DENIED);
		expect(await judge(open, "Repairer", on("s3:GetObject", "users/ben/packs/a"))).toEqual(DENIED);
	});
});

describe("the operators' trust policy", () => {
	const signedIn = { "aws:MultiFactorAuthPresent": "true", "aws:MultiFactorAuthAge": "60" };
	const person = `arn:aws:iam::${ACCOUNT}:user/anna`;
	test.each([
		["MFA a minute ago", person, signedIn, ALLOWED],
		["MFA an hour ago", person, { ...signedIn, "aws:MultiFactorAuthAge": "3600" }, DENIED],
		["no MFA", person, { "aws:MultiFactorAuthPresent": "false" }, DENIED],
		["a long-lived key", person, {}, DENIED],
		["a named role of Identity Center", OTHERS, {}, ALLOWED],
		["another role", `arn:aws:iam::${ACCOUNT}:role/Other`, {}, DENIED],
	])("decides on %s", async (_, principal, context, verdict) => {
		for (const role of ["OperatorsOperator", "OperatorsRepairer"]) {
			const answer = await runSimulation(
				{
					request: {
						action: "sts:AssumeRole",
						principal,
						resource: { accountId: ACCOUNT, resource: open.arnOf("AWS::IAM::Role", role) },
						contextVariables: { "aws:PrincipalArn": principal, ...context },
					},
					identityPolicies: [
						{
							name: "identity",
							policy: {
								Version: "2012-10-17",
								Statement: [{ Effect: "Allow", Action: "sts:AssumeRole", Resource: "*" }],
							},
						},
					],
					serviceControlPolicies: [],
					resourceControlPolicies: [],
					resourcePolicy: open.trustPolicy(role),
				},
				{},
			);
			if (answer.resultType === "error") throw new Error(JSON.stringify(answer.errors));
			expect(answer.overallResult).toEqual(verdict);
		}
	});

	test("gives sessions of an hour, and trusts no role by default", () => {
		const { template } = synthesise("public");
		for (const [id, { Properties }] of Object.entries(template.findResources("AWS::IAM::Role")))
			if (id.startsWith("Operators")) {
				expect(Properties.MaxSessionDuration).toBe(3_600);
				expect(Properties.AssumeRolePolicyDocument.Statement).toHaveLength(1);
			}
	});
});
