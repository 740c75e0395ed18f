import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes, randomUUID } from "node:crypto";
import { once } from "node:events";
import { rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../free-port.ts";
import { type GoTool, GoToolUnavailable, goTool } from "../go-tool.ts";

/**
 * A real S3 server for tests, demo and benchmarks. It is MinIO, built once from the Go module proxy
 * into `.cache/bin`, and started on a free local port. This file does not need vitest.
 */

/** The only place where the version is pinned. */
const MINIO: GoTool = {
	module: "github.com/minio/minio",
	version: "v0.0.0-20260212201848-7aac2a2c5b7c",
	what: "the S3 test server (MinIO): once, 3 to 8 minutes on 2 cores",
};

/**
 * How tests find the server that `global-setup.ts` started. The variables are private, so that
 * tests without credentials stay without.
 */
const SERVER_VARIABLE = "OPENCLAW_TEST_S3_SERVER";

export interface S3Credentials {
	readonly accessKeyId: string;
	readonly secretAccessKey: string;
	readonly sessionToken?: string;
}

export interface S3TestServer extends S3Credentials {
	readonly endpoint: string;
	readonly region: string;
}

export interface StartedS3Server extends S3TestServer {
	readonly pid: number;
	/** Ends the process and removes its data. */
	stop(): Promise<void>;
}

/** The reason why there is no S3 server; the message is one readable line. */
export class S3ServerUnavailable extends Error {}

/** The server of this test run. `undefined` if there is none; the S3 tests are then skipped. */
export function s3TestServer(): S3TestServer | undefined {
	const provided = process.env[SERVER_VARIABLE];
	return provided === undefined ? undefined : (JSON.parse(provided) as S3TestServer);
}

/** Makes `s3TestServer` return `server`, here and in processes started from now on. */
export function provideS3TestServer(server: S3TestServer): void {
	const { endpoint, region, accessKeyId, secretAccessKey, sessionToken } = server;
	process.env[SERVER_VARIABLE] = JSON.stringify({
		endpoint,
		region,
		accessKeyId,
		secretAccessKey,
		sessionToken,
	});
}

/**
 * The server named by `S3_TEST_ENDPOINT` and the usual `AWS_*` variables, used instead of MinIO.
 */
export function s3ServerOfEnvironment(
	env: NodeJS.ProcessEnv = process.env,
): S3TestServer | undefined {
	const {
		S3_TEST_ENDPOINT: endpoint,
		AWS_ACCESS_KEY_ID: accessKeyId,
		AWS_SECRET_ACCESS_KEY: secretAccessKey,
	} = env;
	if (!endpoint) return undefined;
	if (!accessKeyId || !secretAccessKey) {
		throw new S3ServerUnavailable(
			"S3_TEST_ENDPOINT is set, but AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not",
		);
	}
	const region = env.AWS_REGION || "us-east-1";
	return {
		endpoint,
		region,
		accessKeyId,
		secretAccessKey,
		...(env.AWS_SESSION_TOKEN && { sessionToken: env.AWS_SESSION_TOKEN }),
	};
}

/**
 * Starts a new server with an empty store in 0.7 s. The first call takes 3 to 8 minutes more on 2
 * cores, to download and build it.
 *
 * @param env further variables of the server, e.g. `MINIO_IDENTITY_OPENID_CONFIG_URL`
 * @throws S3ServerUnavailable without Go, or if the build or the start fails
 */
export async function startS3Server(env: NodeJS.ProcessEnv = {}): Promise<StartedS3Server> {
	const minio = await goTool(MINIO).catch((error: unknown) => {
		throw error instanceof GoToolUnavailable ? new S3ServerUnavailable(error.message) : error;
	});
	const directory = await mkdtemp(join(tmpdir(), "openclaw-s3-"));
	const accessKeyId = `test-${randomBytes(6).toString("hex")}`;
	const secretAccessKey = randomBytes(20).toString("hex");
	try {
		// Another process may take the port before the server listens on it.
		for (let attempt = 1; ; attempt++) {
			const port = await freePort();
			const child = spawn(
				minio,
				["server", "--quiet", "--address", `127.0.0.1:${port}`, directory],
				{
					env: {
						PATH: process.env.PATH,
						HOME: directory,
						MINIO_ROOT_USER: accessKeyId,
						MINIO_ROOT_PASSWORD: secretAccessKey,
						MINIO_BROWSER: "off",
						MINIO_UPDATE: "off",
						...env,
					},
					stdio: ["ignore", "pipe", "pipe"],
				},
			);
			const output = collectOutput(child);
			const endpoint = `http://127.0.0.1:${port}`;
			if (await isReady(child, endpoint))
				return started(child, directory, {
					endpoint,
					region: "us-east-1",
					accessKeyId,
					secretAccessKey,
				});
			await end(child);
			if (attempt === 3)
				throw new S3ServerUnavailable(
					`the S3 test server does not start: ${output().trim().slice(-500)}`,
				);
		}
	} catch (error) {
		await rm(directory, { recursive: true, force: true });
		throw error;
	}
}

function started(child: ChildProcess, directory: string, server: S3TestServer): StartedS3Server {
	const pid = child.pid as number;
	const onExit = () => {
		child.kill("SIGKILL");
		// The process may still write while it ends.
		rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
	};
	process.once("exit", onExit);
	// A script that forgets `stop` still ends, and ends the server too.
	child.unref();
	for (const stream of [child.stdout, child.stderr])
		(stream as unknown as { unref(): void }).unref();
	return {
		...server,
		pid,
		stop: async () => {
			process.off("exit", onExit);
			await end(child);
			await rm(directory, { recursive: true, force: true });
		},
	};
}

/**
 * The end of the process's output. It must be read, because a full pipe would block the process.
 */
function collectOutput(child: ChildProcess): () => string {
	let text = "";
	for (const stream of [child.stdout, child.stderr]) {
		stream?.on("data", (chunk: Buffer) => {
			text = (text + chunk.toString()).slice(-10_000);
		});
	}
	return () => text;
}

async function isReady(child: ChildProcess, endpoint: string): Promise<boolean> {
	const deadline = Date.now() + 30_000;
	while (child.exitCode === null && child.signalCode === null && Date.now() < deadline) {
		const response = await fetch(`${endpoint}/minio/health/ready`, {
			signal: AbortSignal.timeout(1_000),
		}).catch(() => undefined);
		await response?.body?.cancel();
		if (response?.ok) return true;
		await sleep(25);
	}
	return false;
}

/** SIGTERM, and SIGKILL after 5 s. */
async function end(child: ChildProcess): Promise<void> {
	if (child.exitCode !== null || child.signalCode !== null) return;
	const exited = once(child, "exit");
	child.kill("SIGTERM");
	const timer = setTimeout(() => child.kill("SIGKILL"), 5_000);
	await exited;
	clearTimeout(timer);
}

/** @returns the name of a new, empty bucket */
export async function makeBucket(
	server: S3TestServer | undefined = s3TestServer(),
): Promise<string> {
	const { S3Client, CreateBucketCommand } = await import("@aws-sdk/client-s3");
	const { endpoint, region, ...credentials } = required(server);
	const client = new S3Client({ endpoint, region, credentials, forcePathStyle: true });
	try {
		const bucket = `test-${randomUUID()}`;
		await client.send(new CreateBucketCommand({ Bucket: bucket }));
		return bucket;
	} finally {
		client.destroy();
	}
}

/**
 * Credentials with exactly the permissions of `policyJson` (AssumeRole with an inline session
 * policy).
 *
 * @param policyJson an IAM policy document, e.g. one that allows `s3:GetObject` on
 * `arn:aws:s3:::bucket/*`
 */
export async function makeRestrictedUser(
	policyJson: string,
	server: S3TestServer | undefined = s3TestServer(),
): Promise<S3Credentials> {
	const { fromTemporaryCredentials } = await import("@aws-sdk/credential-providers");
	const { endpoint, region, ...masterCredentials } = required(server);
	const { accessKeyId, secretAccessKey, sessionToken } = await fromTemporaryCredentials({
		masterCredentials,
		clientConfig: { endpoint, region },
		params: {
			RoleArn: "arn:aws:iam::000000000000:role/test",
			RoleSessionName: "test",
			Policy: policyJson,
			DurationSeconds: 900,
		},
	})();
	return { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) };
}

function required(server: S3TestServer | undefined): S3TestServer {
	if (server === undefined)
		throw new Error(
			"no S3 test server in this run: guard the test with `describe.skipIf(s3TestServer() === undefined)`",
		);
	return server;
}
