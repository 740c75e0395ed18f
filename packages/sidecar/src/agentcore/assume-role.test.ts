import {
	DeleteObjectCommand,
	GetObjectCommand,
	ListObjectsV2Command,
	PutObjectCommand,
	S3Client,
} from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type OidcS3Server, startOidcS3Server } from "../../../testkit/store/oidc-s3-server.ts";
import { makeBucket, s3TestServer } from "../../../testkit/store/s3-server.ts";
import { assertNamespace } from "../store/namespaced.ts";
import { silentLogger } from "../telemetry/logger.ts";
import { sessionName, stsFailure } from "./assume-role.ts";
import { type IdentityOptions, identityStrategy } from "./identity.ts";
import { encodeUserId } from "./namespace-code.ts";

/** Each wall alone: one must stop what the other lets through by mistake. */
const everything = (bucket: string) => ({
	Version: "2012-10-17",
	Statement: [
		{
			Effect: "Allow",
			Action: ["s3:*"],
			Resource: [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`],
		},
	],
});

describe.skipIf(s3TestServer() === undefined).each([
	["the role's policy and the session policy", undefined],
	["the session policy alone", everything],
])("credentials of a user, held by %s", (_, rolePolicy) => {
	let place: OidcS3Server;
	let root: S3Client;
	beforeAll(async () => {
		place = await startOidcS3Server(rolePolicy);
		const { endpoint, region, accessKeyId, secretAccessKey } = place.server;
		root = new S3Client({
			endpoint,
			region,
			credentials: { accessKeyId, secretAccessKey },
			forcePathStyle: true,
		});
		for (const user of ["anna", "ann", "bob"]) await put(root, `users/${user}/log/f`);
	});
	afterAll(async () => {
		root?.destroy();
		await place?.[Symbol.asyncDispose]();
	});

	const put = async (client: S3Client, key: string) =>
		await client.send(new PutObjectCommand({ Bucket: place.bucket, Key: key, Body: "x" }));
	const get = async (client: S3Client, key: string) =>
		await client.send(new GetObjectCommand({ Bucket: place.bucket, Key: key }));
	const list = async (client: S3Client, prefix: string) => {
		const { Contents = [] } = await client.send(
			new ListObjectsV2Command({ Bucket: place.bucket, Prefix: prefix }),
		);
		return Contents.map(({ Key }) => Key);
	};
	const remove = async (client: S3Client, key: string) =>
		await client.send(new DeleteObjectCommand({ Bucket: place.bucket, Key: key }));

	function strategy() {
		const { issuer, bucket, roleArn, server } = place;
		const options: IdentityOptions = {
			strategy: "web-identity",
			namespace: "unused",
			token: { issuer: issuer.url, audience: issuer.audience, userClaim: "sub" },
			roleArn,
			roleDurationS: 900,
			bucket: { bucket, prefix: "" },
			region: server.region,
			stsEndpoint: server.endpoint,
			logger: silentLogger,
		};
		return identityStrategy(options);
	}

	async function clientOf(user: string): Promise<S3Client> {
		const { identify, credentials } = strategy();
		const identity = await identify({
			authorization: `Bearer ${await place.issuer.token({ sub: user })}`,
			payloadToken: undefined,
		});
		const { renewing } = credentials(identity) ?? {};
		const { endpoint, region } = place.server;
		return new S3Client({
			endpoint,
			region,
			credentials: async () => await renewing!.provide(),
			forcePathStyle: true,
		});
	}

	const denied = expect.objectContaining({ name: "AccessDenied" });

	test("open the user's own prefix", async () => {
		const anna = await clientOf("anna");
		await put(anna, "users/anna/log/g");
		expect(await list(anna, "users/anna/")).toEqual(["users/anna/log/f", "users/anna/log/g"]);
		expect((await get(anna, "users/anna/log/f")).ContentLength).toBe(1);
		anna.destroy();
	});

	test("cannot open any other user's prefix: get, put, list and delete are denied", async () => {
		const anna = await clientOf("anna");
		for (const other of ["bob", "ann", "anna2"]) {
			await expect(get(anna, `users/${other}/log/f`)).rejects.toEqual(denied);
			await expect(put(anna, `users/${other}/log/h`)).rejects.toEqual(denied);
			await expect(list(anna, `users/${other}/`)).rejects.toEqual(denied);
			await expect(remove(anna, `users/${other}/log/f`)).rejects.toEqual(denied);
		}
		for (const prefix of ["", "users/", "users/ann"])
			await expect(list(anna, prefix)).rejects.toEqual(denied);
		anna.destroy();
		expect(await list(root, "users/bob/")).toEqual(["users/bob/log/f"]);
	});

	test("delete nothing, not even the user's own objects", async () => {
		const anna = await clientOf("anna");
		await expect(remove(anna, "users/anna/log/f")).rejects.toEqual(denied);
		anna.destroy();
		expect(await list(root, "users/anna/")).toContain("users/anna/log/f");
	});

	test("are not given for a token that STS rejects, and the error reveals nothing of it", async () => {
		const { identify, credentials } = strategy();
		const late = await place.issuer.token({ sub: "anna" }, { expiresInS: -20 });
		const user = credentials(
			await identify({ authorization: `Bearer ${late}`, payloadToken: undefined }),
		)!;
		const error = await user.renewing.provide().catch((thrown: unknown) => thrown);
		expect(error).toMatchObject({
			code: "STORE_ACCESS_DENIED",
			exitStatus: 6,
			remedy: expect.stringContaining("current token"),
		});
		expect(JSON.stringify(error) + (error as Error).message).not.toContain(late.split(".")[1]);
	});

	test("use a later request's token, and never an older one again", async () => {
		const { identify, credentials } = strategy();
		const identityOf = async (expiresInS: number) =>
			await identify({
				authorization: `Bearer ${await place.issuer.token({ sub: "anna" }, { expiresInS })}`,
				payloadToken: undefined,
			});
		const user = credentials(await identityOf(-20))!;
		await expect(user.renewing.provide()).rejects.toMatchObject({ code: "STORE_ACCESS_DENIED" });
		user.offer((await identityOf(600)).token);
		user.offer((await identityOf(-25)).token);
		user.offer(undefined);
		expect(await user.renewing.provide()).toMatchObject({
			accessKeyId: expect.any(String),
			expiration: expect.any(Date),
		});
	});
});

describe.skipIf(s3TestServer() === undefined)(
	"credentials of a user, from this machine's own role",
	() => {
		test("open the user's prefix and no other", async () => {
			const server = s3TestServer()!;
			const { endpoint, region } = server;
			const bucket = await makeBucket();
			const machine = {
				AWS_ACCESS_KEY_ID: server.accessKeyId,
				AWS_SECRET_ACCESS_KEY: server.secretAccessKey,
			};
			for (const [name, value] of Object.entries(machine)) vi.stubEnv(name, value);
			try {
				const { identify, credentials } = identityStrategy({
					strategy: "assume-role",
					namespace: "anna",
					token: undefined,
					roleArn: "arn:aws:iam::000000000000:role/test",
					roleDurationS: 900,
					bucket: { bucket, prefix: "agents" },
					region,
					stsEndpoint: endpoint,
					logger: silentLogger,
				});
				const user = credentials(
					await identify({ authorization: undefined, payloadToken: undefined }),
				)!;
				const client = new S3Client({
					endpoint,
					region,
					credentials: async () => await user.renewing.provide(),
					forcePathStyle: true,
				});
				await client.send(
					new PutObjectCommand({ Bucket: bucket, Key: "agents/users/anna/f", Body: "x" }),
				);
				const foreign = new PutObjectCommand({
					Bucket: bucket,
					Key: "agents/users/bob/f",
					Body: "x",
				});
				await expect(client.send(foreign)).rejects.toMatchObject({ name: "AccessDenied" });
				client.destroy();
			} finally {
				vi.unstubAllEnvs();
			}
		});
	},
);

test.each([
	["ThrottlingException", 400, "STORE_UNREACHABLE"],
	["Throttling", 400, "STORE_UNREACHABLE"],
	["IDPCommunicationErrorException", 400, "STORE_UNREACHABLE"],
	["InternalFailure", 500, "STORE_UNREACHABLE"],
	["TooManyRequestsException", 429, "STORE_UNREACHABLE"],
	["InvalidIdentityTokenException", 400, "STORE_ACCESS_DENIED"],
	["AccessDenied", 403, "STORE_ACCESS_DENIED"],
])("STS's answer %s (%i) is %s: only a denial is final", (name, httpStatusCode, code) => {
	const error = Object.assign(new Error("no"), { name, $metadata: { httpStatusCode } });
	expect(stsFailure(error, "arn:aws:iam::1:role/a")).toMatchObject({ code });
});

test("a role's session has a name that STS accepts, and that is the namespace if possible", () => {
	for (const id of ["anna@example.org", "ab", "x".repeat(64), "日本語", "a|b"])
		expect(sessionName(encodeUserId(id))).toBe(encodeUserId(id));
	for (const id of ["x", "x".repeat(65), "x".repeat(500), "日".repeat(30)])
		expect(sessionName(encodeUserId(id))).toMatch(/^=session-[0-9a-f]{32}$/);
	for (const id of ["anna@example.org", "x", "x".repeat(500), "日本語", "a|b"]) {
		const namespace = encodeUserId(id);
		assertNamespace(namespace);
		expect(sessionName(namespace)).toMatch(/^[\w+=,.@-]{2,64}$/);
	}
});
