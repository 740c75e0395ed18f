/**
 * Tests whether these credentials may overwrite and delete, which the log never does. Uses one
 * object to which nothing refers, with its own bytes, so that a success does no harm. Not part of
 * the port: no verb of the log needs it.
 */
import { S3Client, type S3ConnectionOptions, type S3Request } from "./s3-client.ts";
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
	const client = await S3Client.open(options, 1);
	const object = { bucket: options.bucket, key };
	try {
		return {
			overwrite: await attempt(client, { ...object, method: "PUT", body: bytes }),
			delete: await attempt(client, { ...object, method: "DELETE" }),
		};
	} finally {
		client.close();
	}
}

async function attempt(client: S3Client, request: S3Request): Promise<Permission> {
	const wire: Wire = { method: "put", sent: 0 };
	try {
		(await client.send(wire, request)).body.destroy();
		return { kind: "allowed" };
	} catch (error) {
		return wire.status === 403
			? { kind: "denied" }
			: { kind: "unclear", reason: new S3Failure(error, wire).summary };
	}
}
