import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { answer, type FaultServer, startFaultServer } from "../../../testkit/store/fault-server.ts";
import { openStore, parseStoreUrl } from "./open.ts";

describe("parseStoreUrl", () => {
	it.each([
		["file:///var/lib/store", { kind: "directory", path: "/var/lib/store" }],
		["file:///var/lib/store///", { kind: "directory", path: "/var/lib/store" }],
		["file:///with%20space/%23", { kind: "directory", path: "/with space/#" }],
		["file:///with space/ä", { kind: "directory", path: "/with space/ä" }],
		["file:///a/../b", { kind: "directory", path: "/b" }],
		["s3://bucket", { kind: "s3", bucket: "bucket", prefix: "" }],
		["s3://bucket/", { kind: "s3", bucket: "bucket", prefix: "" }],
		["s3://my.bucket-1/a", { kind: "s3", bucket: "my.bucket-1", prefix: "a" }],
		["s3://bucket/a/b=c/d@e/", { kind: "s3", bucket: "bucket", prefix: "a/b=c/d@e" }],
	])("understands %s", (url, location) => {
		expect(parseStoreUrl(url)).toEqual(location);
	});

	it.each([
		["", "neither"],
		["store", "neither"],
		["./store", "neither"],
		["/var/lib/store", "did you mean file:///var/lib/store"],
		["http://bucket.s3.amazonaws.com", "neither"],
		["S3://bucket", "neither"],
		["file:store", "absolute"],
		["file:/store", "absolute"],
		["file://store", "absolute"],
		["file://host/store", "absolute"],
		["file://", "absolute"],
		["file:///", "root directory"],
		["file:////", "root directory"],
		["file:///a/..", "root directory"],
		["file:///a?b", "%3F"],
		["file:///a#b", "%23"],
		["file:///a%2Fb", "decoded"],
		["file:///a%00b", "NUL"],
		["file:///%E0%A4%A", "decoded"],
		["s3:bucket", "s3://"],
		["s3:///prefix", "bucket's name"],
		["s3://", "bucket's name"],
		["s3://ab", "bucket's name"],
		["s3://Bucket", "bucket's name"],
		["s3://my_bucket", "bucket's name"],
		["s3://-bucket", "bucket's name"],
		["s3://bucket.", "bucket's name"],
		["s3://a..b", "bucket's name"],
		["s3://192.168.1.1", "bucket's name"],
		["s3://bucket:9000", "bucket's name"],
		[`s3://${"b".repeat(64)}`, "bucket's name"],
		["s3://bucket//a", "prefix"],
		["s3://bucket/a//b", "prefix"],
		["s3://bucket/../a", "prefix"],
		["s3://bucket/a b", "prefix"],
		["s3://bucket/a\n", "prefix"],
		["s3://bucket/ä", "prefix"],
	])("refuses %j: %s", (url, reason) => {
		expect(() => parseStoreUrl(url)).toThrow(
			expect.objectContaining({ name: "SidecarError", code: "STORE_URL_INVALID" }),
		);
		expect(() => parseStoreUrl(url)).toThrow(reason);
	});

	it("names the value", () => {
		expect(() => parseStoreUrl("gs://bucket/path")).toThrow("gs://bucket/path");
	});

	it.each([
		["https://AKIAKEY:hunter2@host/path", "https://…@host/path"],
		["s3://AKIAKEY:hunter2@bucket/path", "s3://…@bucket/path"],
		["AKIAKEY:hunter2@bucket", "…@bucket"],
		[
			"https://bucket.s3.amazonaws.com/a?X-Amz-Signature=hunter2&X-Amz-Credential=AKIAKEY",
			"https://bucket.s3.amazonaws.com/a?…",
		],
	])("does not repeat a secret: %s", (url, shown) => {
		expect(() => parseStoreUrl(url)).toThrow(
			expect.objectContaining({ code: "STORE_URL_INVALID", value: shown }),
		);
		expect(() => parseStoreUrl(url)).not.toThrow(/hunter2|AKIAKEY/);
	});

	it("refuses S3 Express, which lists in no order", () => {
		expect(() => parseStoreUrl("s3://bucket--usw2-az1--x-s3/a")).toThrow(
			expect.objectContaining({ code: "STORE_UNSUPPORTED" }),
		);
	});
});

describe("openStore", () => {
	const undo: (() => unknown)[] = [];
	beforeEach(() => {
		for (const name of Object.keys(process.env).filter((key) => key.startsWith("AWS_")))
			vi.stubEnv(name, undefined);
		vi.stubEnv("HOME", "/nonexistent");
		vi.stubEnv("AWS_ACCESS_KEY_ID", "id");
		vi.stubEnv("AWS_SECRET_ACCESS_KEY", "secret");
	});
	afterEach(async () => {
		vi.unstubAllEnvs();
		for (const step of undo.splice(0).reverse()) await step();
	});

	/** Answers every PUT with success, and so reveals where requests go. */
	async function listener(): Promise<FaultServer> {
		const server = await startFaultServer(answer(200, { etag: '"e"' }));
		undo.push(() => server.stop());
		return server;
	}

	async function put(url: string, options: Parameters<typeof openStore>[1] = {}): Promise<string> {
		const store = await openStore(url, options);
		undo.push(() => store.close());
		return (await store.putIfAbsent("log/1", Buffer.from("x"))).kind;
	}

	const regionOf = (server: FaultServer, index = 0) =>
		/Credential=id\/\d+\/([^/]+)\//.exec(
			String(server.requests[index]?.headers.authorization),
		)?.[1];

	it("opens a directory, and touches nothing until the first PUT", async () => {
		const base = await mkdtemp(join(tmpdir(), "store-"));
		undo.push(() => rm(base, { recursive: true }));
		const store = await openStore(`file://${base}/new`);
		expect(store.url).toBe(`file://${base}/new`);
		for await (const { objects } of store.list("")) expect(objects).toEqual([]);
		expect(await readdir(base)).toEqual([]);
		expect(await store.putIfAbsent("log/1", Buffer.from("x"))).toMatchObject({ kind: "created" });
		expect(await readdir(join(base, "new", "log"))).toEqual(["1"]);
	});

	it("rejects, instead of throwing, for an invalid URL", async () => {
		await expect(openStore("nonsense")).rejects.toMatchObject({ code: "STORE_URL_INVALID" });
	});

	it.each(["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"])("goes to %s, path style", async (name) => {
		const server = await listener();
		vi.stubEnv(name, server.endpoint);
		expect(await put("s3://bucket/pre")).toBe("created");
		expect(server.requests[0]?.url).toMatch(/^\/bucket\/pre\/log\/1/);
	});

	it("uses the option's endpoint first, then S3's own variable, then the general one", async () => {
		const [option, own, general] = [await listener(), await listener(), await listener()];
		vi.stubEnv("AWS_ENDPOINT_URL", general.endpoint);
		vi.stubEnv("AWS_ENDPOINT_URL_S3", own.endpoint);
		await put("s3://bucket");
		await put("s3://bucket", { endpoint: option.endpoint });
		expect([option, own, general].map(({ requests }) => requests.length)).toEqual([1, 1, 0]);
	});

	it("ignores the variables if AWS_IGNORE_CONFIGURED_ENDPOINT_URLS says so", async () => {
		const server = await listener();
		vi.stubEnv("AWS_ENDPOINT_URL_S3", server.endpoint);
		vi.stubEnv("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS", "true");
		await expect(openStore("s3://bucket")).rejects.toMatchObject({ code: "USAGE" });
	});

	it("takes the region from the option, AWS_REGION, AWS_DEFAULT_REGION, and us-east-1 with an endpoint", async () => {
		const server = await listener();
		const { endpoint } = server;
		await put("s3://bucket", { endpoint });
		vi.stubEnv("AWS_DEFAULT_REGION", "eu-central-2");
		await put("s3://bucket", { endpoint });
		vi.stubEnv("AWS_REGION", "eu-north-1");
		await put("s3://bucket", { endpoint });
		await put("s3://bucket", { endpoint, region: "sa-east-1" });
		expect([0, 1, 2, 3].map((index) => regionOf(server, index))).toEqual([
			"us-east-1",
			"eu-central-2",
			"eu-north-1",
			"sa-east-1",
		]);
	});

	it("requires a region if there is no endpoint", async () => {
		await expect(openStore("s3://bucket")).rejects.toMatchObject({
			code: "USAGE",
			remedy: expect.stringContaining("AWS_REGION"),
		});
	});

	it.each(["localhost:9000", "ftp://host", "http://", "nonsense"])(
		"refuses %s as an endpoint, naming it",
		async (endpoint) => {
			await expect(openStore("s3://bucket", { endpoint })).rejects.toMatchObject({
				code: "USAGE",
				value: endpoint,
			});
		},
	);

	it("does not repeat a password in an endpoint", async () => {
		const refused = openStore("s3://bucket", { endpoint: "https://user:hunter2@host" });
		await expect(refused).rejects.toMatchObject({ code: "USAGE", value: "https://…@host" });
		await expect(refused).rejects.not.toThrow("hunter2");
	});

	it("asks the given provider for credentials", async () => {
		const server = await listener();
		const credentials = async () => ({ accessKeyId: "from-the-provider", secretAccessKey: "s" });
		await put("s3://bucket", { endpoint: server.endpoint, credentials });
		expect(server.requests[0]?.headers.authorization).toContain("Credential=from-the-provider/");
	});

	it("loads the SDK for credentials that it must look for", async () => {
		const SCRIPT = `
			import { createRequire } from "node:module";
			import { openStore } from ${JSON.stringify(new URL("open.ts", import.meta.url).href)};
			const loaded = () => Object.keys(createRequire(import.meta.url).cache).some((path) => path.includes("@aws-sdk"));
			const directory = await openStore("file://" + process.argv[1]);
			await directory.putIfAbsent("log/1", Buffer.from("x"));
			const before = loaded();
			const endpoint = "http://127.0.0.1:9";
			const request = async () => {
				const store = await openStore("s3://bucket", { region: "eu-west-1", endpoint });
				await store.delete("log/1").catch(() => {});
			};
			Object.assign(process.env, { AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b" });
			await request();
			const withKeys = loaded();
			delete process.env.AWS_ACCESS_KEY_ID;
			await request();
			console.log(JSON.stringify([before, withKeys, loaded()]));
			process.exit();`;
		const base = await mkdtemp(join(tmpdir(), "store-"));
		undo.push(() => rm(base, { recursive: true }));
		const { stdout } = await promisify(execFile)(process.execPath, [
			"--input-type=module",
			"-e",
			SCRIPT,
			base,
		]);
		expect(JSON.parse(stdout)).toEqual([false, false, true]);
	});
});
