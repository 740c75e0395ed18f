import { SidecarError } from "../errors.ts";
import type { PlainGetOptions, PlainObject, PlainObjects, PlainRead } from "./plain.ts";
import type { S3Client, S3Response } from "./s3-client.ts";
import type { Wire } from "./s3-failure.ts";
import { readBody, readPage, unusable } from "./s3-wire.ts";

/** Runs one request, and repeats it while that may help. */
export type ReadS3 = <T>(
	method: "list" | "get",
	key: string,
	signal: AbortSignal | undefined,
	attempt: (wire: Wire) => Promise<T>,
) => Promise<T>;

/** Plain objects in a bucket. */
export class S3PlainObjects implements PlainObjects {
	readonly url: string;
	readonly #client: S3Client;
	readonly #bucket: string;
	readonly #prefix: string;
	readonly #read: ReadS3;

	/** @param prefix empty or ending in `/` */
	constructor(client: S3Client, bucket: string, prefix: string, read: ReadS3) {
		this.#client = client;
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
		let token: string | undefined;
		do {
			const query = {
				"list-type": "2",
				prefix: this.#prefix,
				// XML cannot represent every character of a key.
				"encoding-type": "url",
				"continuation-token": token,
			};
			const page = await this.#read("list", this.#prefix, signal, async (wire) => {
				const request = { method: "GET", bucket: this.#bucket, query, signal } as const;
				return await readPage(await this.#client.send(wire, request), this.#prefix, true);
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
		const key = this.#prefix + object.key;
		const headers = {
			"if-match": object.etag,
			range: range && `bytes=${range.offset}-${range.offset + range.length - 1}`,
		};
		const changed = (reason: string) =>
			new SidecarError("SOURCE_CHANGED", { value: this.url + object.key, reason });
		return await this.#read("get", key, signal, async (wire) => {
			let response: S3Response;
			try {
				const request = { method: "GET", bucket: this.#bucket, key, headers, signal } as const;
				response = await this.#client.send(wire, request);
			} catch (error) {
				if (wire.status === 412) throw changed("it was replaced after it was listed");
				if (wire.status === 404 && (error as Error).name === "NoSuchKey")
					throw changed("it was deleted after it was listed");
				throw error;
			}
			const { body, totalBytes } = await readBody(response, range, into);
			if (totalBytes !== object.sizeBytes)
				throw changed(`it has ${totalBytes} bytes, and had ${object.sizeBytes} when it was listed`);
			if (body.length !== (range?.length ?? totalBytes))
				throw unusable("fewer bytes than asked for");
			return { body, metadata: metadataOf(response) };
		});
	}
}

const METADATA = "x-amz-meta-";

function metadataOf({ headers }: S3Response): Record<string, string> {
	return Object.fromEntries(
		Object.entries(headers).flatMap(([name, value]) =>
			name.startsWith(METADATA) && typeof value === "string"
				? [[name.slice(METADATA.length), value]]
				: [],
		),
	);
}
