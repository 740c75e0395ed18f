/** The server's side of the measurements: a bucket, and requests with the tool's own client. */
import { closeSync, fstatSync, openSync, readdirSync, readFileSync, readSync } from "node:fs";
import { join, relative } from "node:path";
import { S3Client } from "../packages/sidecar/src/store/s3-client.ts";
import { makeBucket, type S3TestServer } from "../packages/testkit/store/s3-server.ts";

const UPLOADS = 32;

export class Store {
	readonly bucket: string;
	readonly #server: S3TestServer;
	readonly #connection: S3Client;
	#timed = 0;

	private constructor(server: S3TestServer, bucket: string, connection: S3Client) {
		this.#server = server;
		this.bucket = bucket;
		this.#connection = connection;
	}

	static async open(server: S3TestServer): Promise<Store> {
		return new Store(server, await makeBucket(server), await connect(server, server.endpoint));
	}

	/** One object per file, the layout of every tool without packs. */
	async putFiles(directory: string, prefix: string): Promise<void> {
		const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) =>
			entry.isFile(),
		);
		const next = files[Symbol.iterator]();
		const upload = async () => {
			for (const entry of next) {
				const path = join(entry.parentPath, entry.name);
				await this.put(`${prefix}/${relative(directory, path)}`, readFileSync(path));
			}
		};
		await Promise.all(Array.from({ length: UPLOADS }, upload));
	}

	/** One file as this many objects: `key/0`, `key/1`, … */
	async putParts(file: string, parts: number, key: string): Promise<void> {
		const fd = openSync(file, "r");
		const { size } = fstatSync(fd);
		const step = Math.ceil(size / parts);
		for (let part = 0; part < parts; part++) {
			const body = Buffer.allocUnsafe(Math.min(step, size - part * step));
			readSync(fd, body, 0, body.length, part * step);
			await this.put(`${key}/${part}`, body);
		}
		closeSync(fd);
	}

	async put(key: string, body: Buffer): Promise<void> {
		await put(this.#connection, this.bucket, key, body);
	}

	/**
	 * A client that times single requests through `endpoint`, configured like the tool's.
	 */
	async timer(endpoint: string): Promise<RequestTimer> {
		const connection = await connect(this.#server, endpoint);
		return {
			putMs: async (sizeBytes) => {
				const body = Buffer.alloc(sizeBytes, 0x61);
				const startedMs = performance.now();
				await put(connection, this.bucket, `timed/${this.#timed++}`, body);
				return performance.now() - startedMs;
			},
			getMs: async (key) => {
				const startedMs = performance.now();
				const { body } = await connection.send(
					{ method: "get", sent: 0 },
					{ method: "GET", bucket: this.bucket, key },
				);
				for await (const _ of body);
				return performance.now() - startedMs;
			},
			close: () => connection.close(),
		};
	}

	close(): void {
		this.#connection.close();
	}
}

export interface RequestTimer {
	/** One create-only PUT of this many bytes. */
	putMs(sizeBytes: number): Promise<number>;
	/** One GET, read to its end. */
	getMs(key: string): Promise<number>;
	close(): void;
}

async function connect(
	{ region, accessKeyId, secretAccessKey }: S3TestServer,
	endpoint: string,
): Promise<S3Client> {
	return await S3Client.open(
		{ endpoint, region, credentials: async () => ({ accessKeyId, secretAccessKey }) },
		UPLOADS,
	);
}

async function put(client: S3Client, bucket: string, key: string, body: Buffer): Promise<void> {
	const headers = { "if-none-match": "*" };
	const request = { method: "PUT", bucket, key, headers, body } as const;
	(await client.send({ method: "put", sent: 0 }, request)).body.resume();
}
