/**
 * A bucket of the test run's S3 server, filled as other programs would fill it, and options to
 * access it through the library.
 */
import PQueue from "p-queue";
import { openStore } from "../../sidecar/src/store/open.ts";
import type { ObjectStore } from "../../sidecar/src/store/port.ts";
import { makeBucket, s3TestServer } from "./s3-server.ts";

export interface PlainBucket extends AsyncDisposable {
	readonly bucket: string;
	/** The store at the top of the bucket. */
	readonly store: ObjectStore;
	/** Options for the library's verbs. */
	readonly connection: {
		readonly endpoint: string;
		readonly region: string;
		readonly credentials: () => Promise<Credentials>;
	};
	put(key: string, body?: string | Buffer, metadata?: Record<string, string>): Promise<void>;
	/** Puts 32 objects at a time. */
	putAll(objects: Iterable<readonly [key: string, body: string | Buffer]>): Promise<void>;
	delete(key: string): Promise<void>;
	/** Every key, with its object. */
	read(
		prefix?: string,
	): Promise<Map<string, { readonly body: Buffer; readonly metadata: Record<string, string> }>>;
	count(prefix: string): Promise<number>;
	/** Multipart uploads that were not completed. */
	openUploads(): Promise<number>;
}

interface Credentials {
	readonly accessKeyId: string;
	readonly secretAccessKey: string;
}

export async function plainBucket(): Promise<PlainBucket> {
	const server = s3TestServer();
	if (server === undefined) throw new Error("no S3 server in this run: see s3TestServer");
	const sdk = await import("@aws-sdk/client-s3");
	const { endpoint, region, accessKeyId, secretAccessKey } = server;
	const bucket = await makeBucket(server);
	const client = new sdk.S3Client({
		endpoint,
		region,
		credentials: { accessKeyId, secretAccessKey },
		forcePathStyle: true,
	});
	const connection = {
		endpoint,
		region,
		credentials: async () => ({ accessKeyId, secretAccessKey }),
	};
	const store = await openStore(`s3://${bucket}`, connection);
	const put = async (
		key: string,
		body: string | Buffer = "",
		metadata?: Record<string, string>,
	) => {
		await client.send(
			new sdk.PutObjectCommand({
				Bucket: bucket,
				Key: key,
				Body: Buffer.from(body),
				...(metadata && { Metadata: metadata }),
			}),
		);
	};
	return {
		bucket,
		store,
		connection,
		put,
		putAll: async (objects) => {
			const queue = new PQueue({ concurrency: 32 });
			await queue.addAll(
				[...objects].map(
					([key, body]) =>
						() =>
							put(key, body),
				),
			);
		},
		delete: async (key) => {
			await client.send(new sdk.DeleteObjectCommand({ Bucket: bucket, Key: key }));
		},
		read: async (prefix = "") => {
			const found = new Map<string, { body: Buffer; metadata: Record<string, string> }>();
			for await (const page of sdk.paginateListObjectsV2(
				{ client },
				{ Bucket: bucket, Prefix: prefix, EncodingType: "url" },
			)) {
				for (const { Key } of page.Contents ?? []) {
					const key = decodeURIComponent((Key as string).replaceAll("+", " "));
					const { Body, Metadata = {} } = await client.send(
						new sdk.GetObjectCommand({ Bucket: bucket, Key: key }),
					);
					found.set(key, {
						body: Buffer.from((await Body?.transformToByteArray()) ?? []),
						metadata: Metadata,
					});
				}
			}
			return found;
		},
		count: async (prefix) => {
			let count = 0;
			for await (const page of sdk.paginateListObjectsV2(
				{ client },
				{ Bucket: bucket, Prefix: prefix },
			))
				count += page.Contents?.length ?? 0;
			return count;
		},
		openUploads: async () =>
			(await client.send(new sdk.ListMultipartUploadsCommand({ Bucket: bucket }))).Uploads
				?.length ?? 0,
		[Symbol.asyncDispose]: async () => {
			client.destroy();
			await store.close();
		},
	};
}
