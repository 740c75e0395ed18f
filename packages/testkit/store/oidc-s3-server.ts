/**
 * An S3 server with an STS that trusts an OpenID issuer, as AWS does for a machine of the platform.
 * Its role `users` allows the keys below `users/` and the token's own `sub`, like the role of an
 * installation.
 */
import { createHash } from "node:crypto";
import { OidcIssuer } from "../platform/oidc-issuer.ts";
import { makeBucket, type StartedS3Server, startS3Server } from "./s3-server.ts";

export interface TrustingS3Server {
	readonly server: StartedS3Server;
	readonly bucket: string;
	/** Allows only keys below the prefix of the token's `sub`. */
	readonly roleArn: string;
}

export interface OidcS3Server extends TrustingS3Server, AsyncDisposable {
	readonly issuer: OidcIssuer;
}

/** @param rolePolicy of the role; default: all keys below the prefix of the token's `sub` */
export async function startOidcS3Server(
	rolePolicy?: (bucket: string) => object,
): Promise<OidcS3Server> {
	const issuer = await OidcIssuer.start();
	const trusting = await startTrustingS3Server(issuer, rolePolicy);
	const dispose = async () => {
		await trusting.server.stop();
		await issuer[Symbol.asyncDispose]();
	};
	return { ...trusting, issuer, [Symbol.asyncDispose]: dispose };
}

/** The same with an existing issuer, whose documents are requested at once. */
export async function startTrustingS3Server(
	issuer: { readonly url: string; readonly audience: string },
	rolePolicy?: (bucket: string) => object,
): Promise<TrustingS3Server> {
	const server = await startS3Server({
		MINIO_IDENTITY_OPENID_CONFIG_URL: `${issuer.url}/.well-known/openid-configuration`,
		MINIO_IDENTITY_OPENID_CLIENT_ID: issuer.audience,
		MINIO_IDENTITY_OPENID_CLIENT_SECRET: "unused",
		MINIO_IDENTITY_OPENID_ROLE_POLICY: "users",
	});
	const bucket = await makeBucket(server);
	await addPolicy(server, "users", (rolePolicy ?? ownPrefix)(bucket));
	// The server's name for the role of a client.
	const roleArn = `arn:minio:iam:::role/${createHash("sha1").update(issuer.audience).digest("base64url")}`;
	return { server, bucket, roleArn };
}

function ownPrefix(bucket: string): object {
	const below = "users/$" + "{jwt:sub}/*";
	return {
		Version: "2012-10-17",
		Statement: [
			{
				Effect: "Allow",
				Action: ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
				Resource: [`arn:aws:s3:::${bucket}/${below}`],
			},
			{
				Effect: "Allow",
				Action: ["s3:ListBucket"],
				Resource: [`arn:aws:s3:::${bucket}`],
				Condition: { StringLike: { "s3:prefix": [below] } },
			},
		],
	};
}

/** MinIO's admin API uses S3's signature, so the SDK signs a request that is then converted. */
async function addPolicy(server: StartedS3Server, name: string, policy: object): Promise<void> {
	const { S3Client, PutObjectCommand } = await import("@aws-sdk/client-s3");
	const { endpoint, region, accessKeyId, secretAccessKey } = server;
	const client = new S3Client({
		endpoint,
		region,
		credentials: { accessKeyId, secretAccessKey },
		forcePathStyle: true,
	});
	client.middlewareStack.add(
		(next) => async (args) => {
			const request = args.request as { path: string; query: Record<string, string> };
			request.path = "/minio/admin/v3/add-canned-policy";
			request.query = { name };
			return await next(args);
		},
		{ step: "build", priority: "low" },
	);
	try {
		await client.send(
			new PutObjectCommand({ Bucket: "any", Key: "any", Body: JSON.stringify(policy) }),
		);
	} finally {
		client.destroy();
	}
}
