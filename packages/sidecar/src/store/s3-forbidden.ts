/**
 * May these credentials do what the log never does, overwrite and delete? Tried on one object that
 * nothing refers to, with the very bytes it holds, so that it harms nothing where it succeeds. Not
 * part of the port: no verb of the log has a use for it.
 */
import { connectS3, encryptionInput, type S3ConnectionOptions } from "./s3-client.ts";
import { S3Failure, type Wire } from "./s3-failure.ts";

/** `unclear`: neither an answer nor a denial, but what is said. */
export type Permission =
	| { readonly kind: "allowed" }
	| { readonly kind: "denied" }
	| { readonly kind: "unclear"; readonly reason: string };

export interface ForbiddenTried {
	readonly overwrite: Permission;
	readonly delete: Permission;
}

/**
 * @param key of an object that may be lost @param bytes what it holds @throws SidecarError USAGE
 */
export async function tryForbidden(
	options: S3ConnectionOptions & { readonly bucket: string },
	key: string,
	bytes: Buffer,
): Promise<ForbiddenTried> {
	const { sdk, client, bulkClient } = await connectS3(options, 1);
	const input = { Bucket: options.bucket, Key: key };
	try {
		return {
			overwrite: await attempt(() =>
				client.send(
					new sdk.PutObjectCommand({ ...input, Body: bytes, ...encryptionInput(options) }),
				),
			),
			delete: await attempt(() => client.send(new sdk.DeleteObjectCommand(input))),
		};
	} finally {
		client.destroy();
		bulkClient.destroy();
	}
}

async function attempt(request: () => Promise<unknown>): Promise<Permission> {
	try {
		await request();
		return { kind: "allowed" };
	} catch (error) {
		const wire: Wire = { method: "put", sent: 1 };
		const status = (error as { readonly $metadata?: { readonly httpStatusCode?: number } })
			.$metadata?.httpStatusCode;
		if (status === 403) return { kind: "denied" };
		return {
			kind: "unclear",
			reason: new S3Failure(error, status === undefined ? wire : { ...wire, status }).summary,
		};
	}
}
