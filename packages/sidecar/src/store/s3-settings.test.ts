import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { answer, startFaultServer } from "../../../testkit/store/fault-server.ts";
import { openStore } from "./open.ts";
import { s3Settings } from "./s3-settings.ts";
import { openS3Sink } from "./s3-sink.ts";

let dir = "";
beforeEach(() => {
	dir = mkdtempSync(join(tmpdir(), "aws-"));
	for (const name of Object.keys(process.env))
		if (name.startsWith("AWS_")) vi.stubEnv(name, undefined);
	vi.stubEnv("AWS_CONFIG_FILE", join(dir, "config"));
	vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", join(dir, "credentials"));
});
afterEach(() => {
	vi.unstubAllEnvs();
	rmSync(dir, { recursive: true });
});

function profile(text: string, name = "m"): void {
	writeFileSync(join(dir, "config"), `[profile ${name}]\n${text}\n`);
	vi.stubEnv("AWS_PROFILE", name);
}

describe("the endpoint", () => {
	it.each([
		["endpoint_url of the profile", "endpoint_url = http://profile:1", {}, "http://profile:1"],
		[
			"its services section before it",
			"services = here\nendpoint_url = http://profile:1\n[services here]\ns3 =\n  endpoint_url = http://section:2",
			{},
			"http://section:2",
		],
		[
			"AWS_ENDPOINT_URL before both",
			"endpoint_url = http://profile:1",
			{ AWS_ENDPOINT_URL: "http://env:3" },
			"http://env:3",
		],
		[
			"AWS_ENDPOINT_URL_S3 before all",
			"endpoint_url = http://profile:1",
			{ AWS_ENDPOINT_URL: "http://env:3", AWS_ENDPOINT_URL_S3: "http://s3:4" },
			"http://s3:4",
		],
		[
			"none that is to be ignored",
			"endpoint_url = http://profile:1\nignore_configured_endpoint_urls = true",
			{},
			undefined,
		],
		[
			"none that AWS_IGNORE_CONFIGURED_ENDPOINT_URLS ignores",
			"endpoint_url = http://profile:1",
			{ AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: "true" },
			undefined,
		],
	])("is %s", async (_, text, env, endpoint) => {
		profile(text);
		for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
		expect((await s3Settings({})).endpoint).toBe(endpoint);
	});

	// @id s3-default-profile
	it("of the default profile counts without AWS_PROFILE", async () => {
		writeFileSync(
			join(dir, "config"),
			"[default]\nendpoint_url = http://default:1\nregion = eu-west-9\n",
		);
		expect(await s3Settings({})).toMatchObject({
			endpoint: "http://default:1",
			region: "eu-west-9",
			pathStyle: true,
		});
	});

	it("of a missing services section is a usage error", async () => {
		profile("services = gone");
		await expect(s3Settings({})).rejects.toMatchObject({ code: "USAGE", value: "gone" });
	});

	it("of a profile with an invalid URL is a usage error", async () => {
		profile("endpoint_url = minio:9000");
		await expect(s3Settings({})).rejects.toMatchObject({ code: "USAGE", value: "minio:9000" });
	});
});

describe("path style", () => {
	it.each([
		["http://localhost:9000", true],
		["https://s3.example.com", true],
		["https://account.r2.cloudflarestorage.com", true],
		["https://amazonaws.com.example.org", true],
		["https://s3.eu-west-1.amazonaws.com", false],
		["https://s3.cn-north-1.amazonaws.com.cn", false],
		["https://s3.dualstack.eu-west-1.amazonaws.com", false],
		["https://bucket.vpce-1a2b.s3.eu-west-1.vpce.amazonaws.com", false],
	])("behind %s is %s, wherever the endpoint comes from", async (endpoint, pathStyle) => {
		expect((await s3Settings({ endpoint })).pathStyle).toBe(pathStyle);
		profile(`endpoint_url = ${endpoint}`);
		expect((await s3Settings({})).pathStyle).toBe(pathStyle);
	});

	it.each([
		["s3 =\n  addressing_style = virtual\nendpoint_url = http://localhost:1", false],
		["s3 =\n  addressing_style = path", true],
		["s3 =\n  addressing_style = auto\nendpoint_url = http://localhost:1", true],
		["addressing_style = path", true],
	])("is what the profile's addressing_style says: %j", async (text, pathStyle) => {
		profile(text);
		expect((await s3Settings({})).pathStyle).toBe(pathStyle);
		expect((await s3Settings({ forcePathStyle: !pathStyle })).pathStyle).toBe(!pathStyle);
	});

	it("with an invalid name is a usage error", async () => {
		profile("s3 =\n  addressing_style = vhost");
		await expect(s3Settings({})).rejects.toMatchObject({ code: "USAGE", value: "vhost" });
	});
});

it("takes the region of the profile before the default for an endpoint", async () => {
	profile("region = ap-south-2");
	expect((await s3Settings({ endpoint: "http://localhost:1" })).region).toBe("ap-south-2");
	vi.stubEnv("AWS_REGION", "eu-north-1");
	expect((await s3Settings({ endpoint: "http://localhost:1" })).region).toBe("eu-north-1");
});

describe("checksums", () => {
	async function putWith(): Promise<readonly string[]> {
		const server = await startFaultServer(answer(200, { etag: '"e"' }));
		try {
			const store = await openStore("s3://bucket", {
				endpoint: server.endpoint,
				region: "x",
				credentials: { accessKeyId: "a", secretAccessKey: "b" },
			});
			await store.putIfAbsent("log/1", Buffer.from("x"));
			await store.close();
			return Object.keys(server.requests[0]?.headers ?? {}).filter((name) =>
				/checksum|trailer/.test(name),
			);
		} finally {
			await server.stop();
		}
	}

	it("are sent by default", async () => {
		expect(await putWith()).toContain("x-amz-checksum-crc32");
	});

	// @id s3-checksums-when-required
	it("are not sent with AWS_REQUEST_CHECKSUM_CALCULATION=when_required", async () => {
		vi.stubEnv("AWS_REQUEST_CHECKSUM_CALCULATION", "when_required");
		expect(await putWith()).toEqual([]);
	});

	it("are not sent if the profile says when_required, and are sent if the variable says otherwise", async () => {
		profile("request_checksum_calculation = WHEN_REQUIRED");
		expect(await putWith()).toEqual([]);
		vi.stubEnv("AWS_REQUEST_CHECKSUM_CALCULATION", "WHEN_SUPPORTED");
		expect(await putWith()).toContain("x-amz-checksum-crc32");
	});

	it("of answers are requested if the SDK's setting says so", async () => {
		expect((await s3Settings({})).responseChecksums).toBe("WHEN_REQUIRED");
		vi.stubEnv("AWS_RESPONSE_CHECKSUM_VALIDATION", "when_supported");
		expect((await s3Settings({})).responseChecksums).toBe("WHEN_SUPPORTED");
	});

	it.each(["AWS_REQUEST_CHECKSUM_CALCULATION", "AWS_RESPONSE_CHECKSUM_VALIDATION"])(
		"of a wrong %s are a usage error that names it",
		async (name) => {
			vi.stubEnv(name, "never");
			await expect(s3Settings({})).rejects.toMatchObject({
				code: "USAGE",
				value: "never",
				message: expect.stringContaining(name),
			});
		},
	);
});

describe("encryption", () => {
	it.each([
		[{ sse: "AES256" } as const, { "x-amz-server-side-encryption": "AES256" }],
		[
			{ sse: "aws:kms", sseKmsKeyId: "alias/mine" } as const,
			{
				"x-amz-server-side-encryption": "aws:kms",
				"x-amz-server-side-encryption-aws-kms-key-id": "alias/mine",
			},
		],
	])("%j is requested with every PUT", async (given, headers) => {
		const server = await startFaultServer(answer(200, { etag: '"e"' }));
		const credentials = { accessKeyId: "a", secretAccessKey: "b" };
		const store = await openStore("s3://bucket", {
			endpoint: server.endpoint,
			region: "x",
			credentials,
			...given,
		});
		await store.putIfAbsent("packs/1", Buffer.from("x"));
		expect(server.requests[0]?.headers).toMatchObject(headers);
		await store.close();
		await server.stop();
	});

	it("with a KMS key and another algorithm is a usage error", async () => {
		const refused = openStore("s3://bucket", {
			endpoint: "http://127.0.0.1:9",
			sse: "AES256",
			sseKmsKeyId: "alias/k",
		});
		await expect(refused).rejects.toMatchObject({ code: "USAGE", value: "alias/k" });
	});

	// @id s3-export-settings
	it("is requested with every object of an export", async () => {
		const server = await startFaultServer(answer(200, { etag: '"e"' }));
		const credentials = { accessKeyId: "a", secretAccessKey: "b" };
		const sink = await openS3Sink({
			bucket: "b",
			prefix: "p/",
			endpoint: server.endpoint,
			region: "x",
			credentials,
			sse: "aws:kms:dsse",
		});
		await sink.put("f", Buffer.from("x"), { sizeBytes: 1, metadata: {} });
		expect(server.requests[0]?.headers["x-amz-server-side-encryption"]).toBe("aws:kms:dsse");
		await sink.close();
		await server.stop();
	});
});
