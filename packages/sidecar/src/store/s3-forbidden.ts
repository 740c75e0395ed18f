/**
 * Tests whether these credentials may overwrite and delete, which the log never does. Uses one
 * object to which nothing refers, with its own bytes, so that a success does no harm. Not part of
 * the port: no verb of the log needs it.
 */
import { connectS3, encryptionInput, type S3ConnectionOptions } from "./s3-client.ts";
import { S3Failure, type Wire } from "./s3-failure.ts";

/** `unclear`: neither success nor a denial; `reason` describes it. */
export type Permission =
	| { readonly kind: "allowed" }
	| { readonly kind: "denied" }
	| { readonly kind: "unclear"; readonly reason: string };

export interface ForbiddenTried {
	readonly overwrite: Permission;
	readonly delete: Permission;
}

/** @param key of an expendable object @param bytes its content @throws SidecarError USAGE */
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
