import type {
	GetObjectCommandOutput,
	ListObjectsV2CommandOutput,
	S3Client,
} from "@aws-sdk/client-s3";
import { SidecarError } from "../errors.ts";
import type { PlainGetOptions, PlainObject, PlainObjects, PlainRead } from "./plain.ts";
import type { S3Connection } from "./s3-client.ts";
import type { Wire } from "./s3-failure.ts";
import { parsePage, readBody, unusable } from "./s3-wire.ts";

/** Runs one request, and repeats it while that may help. */
export type ReadS3 = <T>(
	method: "list" | "get",
	key: string,
	signal: AbortSignal | undefined,
	attempt: (wire: Wire, until: Parameters<S3Client["send"]>[1] & object) => Promise<T>,
) => Promise<T>;

/** Plain objects in a bucket. */
export class S3PlainObjects implements PlainObjects {
	readonly url: string;
	readonly #connection: S3Connection;
	readonly #bucket: string;
	readonly #prefix: string;
	readonly #read: ReadS3;

	/** @param prefix empty or ending in `/` */
	constructor(connection: S3Connection, bucket: string, prefix: string, read: ReadS3) {
		this.#connection = connection;
		this.#bucket = bucket;
		this.#prefix = prefix;
		this.#read = read;
		this.url = `s3://${bucket}/${prefix}`;
	}

	async *list({
		signal,
	}: {
		readonly signal?: AbortSignal | undefined;
	} = {}): AsyncGenerator<readonly PlainObject[]> {
		const { client, sdk } = this.#connection;
		let token: string | undefined;
		do {
			const input = {
				Bucket: this.#bucket,
				Prefix: this.#prefix,
				// XML cannot represent every character of a key.
				EncodingType: "url" as const,
				ContinuationToken: token,
			};
			const page = await this.#read("list", this.#prefix, signal, async (_, until) => {
				const output = decoded(await client.send(new sdk.ListObjectsV2Command(input), until));
				return parsePage(output, this.#prefix);
			});
			yield page.objects.map((object) => ({
				...object,
				key: object.key.slice(this.#prefix.length),
			}));
			token = page.next;
		} while (token !== undefined);
	}

	async get(
		object: PlainObject,
		{ range, into, signal }: PlainGetOptions = {},
	): Promise<PlainRead> {
		const { client, sdk } = this.#connection;
		const input = {
			Bucket: this.#bucket,
			Key: this.#prefix + object.key,
			IfMatch: object.etag,
			Range: range && `bytes=${range.offset}-${range.offset + range.length - 1}`,
		};
		const changed = (reason: string) =>
			new SidecarError("SOURCE_CHANGED", { value: this.url + object.key, reason });
		return await this.#read("get", input.Key, signal, async (wire, until) => {
			let output: GetObjectCommandOutput;
			try {
				output = await client.send(new sdk.GetObjectCommand(input), until);
			} catch (error) {
				if (wire.status === 412) throw changed("it was replaced after it was listed");
				if (wire.status === 404 && (error as Error).name === "NoSuchKey")
					throw changed("it was deleted after it was listed");
				throw error;
			}
			const { body, totalBytes } = await readBody(output, range, into);
			if (totalBytes !== object.sizeBytes)
				throw changed(`it has ${totalBytes} bytes, and had ${object.sizeBytes} when it was listed`);
			if (body.length !== (range?.length ?? totalBytes))
				throw unusable("fewer bytes than asked for");
			return { body, metadata: output.Metadata ?? {} };
		});
	}
}

/**
 * Decodes the keys of a listing that S3 encoded for XML. The encoding is that of a form, so `+` is
 * a space.
 */
function decoded(output: ListObjectsV2CommandOutput): ListObjectsV2CommandOutput {
	if (output.EncodingType !== "url" || output.Contents === undefined) return output;
	const decode = (key: string) => {
		try {
			return decodeURIComponent(key.replaceAll("+", " "));
		} catch {
			throw unusable("a listing whose keys are not encoded as it says");
		}
	};
	return {
		...output,
		Contents: output.Contents.map((object) =>
			object.Key === undefined ? object : { ...object, Key: decode(object.Key) },
		),
	};
}
