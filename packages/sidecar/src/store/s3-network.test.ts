/** Proxies and certificates: everything between this machine and the store. */
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { answer, startFaultServer } from "../../../testkit/store/fault-server.ts";
import { openStore } from "./open.ts";

const undo: (() => unknown)[] = [];
afterEach(async () => {
	vi.unstubAllEnvs();
	for (const step of undo.splice(0).reverse()) await step();
});

beforeEach(() => {
	for (const name of Object.keys(process.env))
		if (/^AWS_|_proxy$/i.test(name)) vi.stubEnv(name, undefined);
});

const CREDENTIALS = { accessKeyId: "a", secretAccessKey: "b" };

async function storeAt(endpoint: string) {
	const store = await openStore("s3://bucket", { endpoint, region: "x", credentials: CREDENTIALS });
	undo.push(() => store.close());
	return store;
}

/** @returns its URL, and the lines it printed */
async function proxy(): Promise<{ url: string; seen: string[] }> {
	const child = spawn(
		process.execPath,
		[fileURLToPath(new URL("../../../testkit/store/forward-proxy.ts", import.meta.url))],
		{
			stdio: ["ignore", "pipe", "inherit"],
		},
	);
	undo.push(() => child.kill("SIGKILL"));
	const seen: string[] = [];
	const lines = createInterface({ input: child.stdout });
	const port = await new Promise<string>((resolve) => lines.once("line", resolve));
	lines.on("line", (line) => seen.push(line));
	return { url: `http://127.0.0.1:${port}`, seen };
}

function hasOpenssl(): boolean {
	try {
		execFileSync("openssl", ["version"]);
		return true;
	} catch {
		return false;
	}
}

/** A server whose certificate was signed by the test's own authority. */
async function tlsServer() {
	const dir = mkdtempSync(join(tmpdir(), "sidecar-tls-"));
	undo.push(() => rmSync(dir, { recursive: true }));
	const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: dir, stdio: "pipe" });
	const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
	openssl(
		"req",
		"-x509",
		...key,
		"-keyout",
		"ca.key",
		"-out",
		"ca.pem",
		"-days",
		"2",
		"-subj",
		"/CN=An authority of our own",
	);
	openssl("req", ...key, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost");
	writeFileSync(join(dir, "ext"), "subjectAltName=DNS:localhost,IP:127.0.0.1");
	openssl(
		"x509",
		"-req",
		"-in",
		"server.csr",
		"-CA",
		"ca.pem",
		"-CAkey",
		"ca.key",
		"-CAcreateserial",
		"-out",
		"server.pem",
		"-days",
		"2",
		"-extfile",
		"ext",
	);
	const read = (name: string) => readFileSync(join(dir, name));
	const server = createServer(
		{ key: read("server.key"), cert: read("server.pem") },
		(incoming, response) => {
			incoming.resume().on("end", () => response.writeHead(200, { etag: '"e"' }).end());
		},
	);
	await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
	undo.push(() => server.closeAllConnections());
	undo.push(() => server.close());
	return {
		endpoint: `https://127.0.0.1:${(server.address() as AddressInfo).port}`,
		ca: join(dir, "ca.pem"),
		dir,
	};
}

const put = async (endpoint: string) =>
	await (await storeAt(endpoint)).putIfAbsent("log/1", Buffer.from("x"));

describe("a proxy", () => {
	// @id s3-proxy
	it.each(["HTTP_PROXY", "http_proxy"])(
		"of %s carries requests to a store without TLS",
		async (name) => {
			const [server, via] = [await startFaultServer(answer(200, { etag: '"e"' })), await proxy()];
			undo.push(() => server.stop());
			vi.stubEnv(name, via.url);
			expect(await put(server.endpoint)).toMatchObject({ kind: "created" });
			expect(via.seen).toEqual([`PUT ${server.endpoint}/bucket/log/1`]);
		},
	);

	// @id s3-no-proxy
	it("is not used for a host that NO_PROXY lists", async () => {
		const [server, via] = [await startFaultServer(answer(200, { etag: '"e"' })), await proxy()];
		undo.push(() => server.stop());
		vi.stubEnv("HTTP_PROXY", via.url);
		vi.stubEnv("NO_PROXY", "other.example,127.0.0.1");
		expect(await put(server.endpoint)).toMatchObject({ kind: "created" });
		expect(via.seen).toEqual([]);
	});

	it("with an invalid URL is a usage error, without its password", async () => {
		vi.stubEnv("HTTPS_PROXY", "http://user:hunter2@[");
		const refused = storeAt("https://127.0.0.1:9");
		await expect(refused).rejects.toMatchObject({ code: "USAGE" });
		await expect(refused).rejects.not.toThrow("hunter2");
	});

	it("that is not running is named in the remedy", async () => {
		vi.stubEnv("HTTP_PROXY", "http://127.0.0.1:9");
		const store = await storeAt("http://127.0.0.1:10");
		await expect(store.get("log/1")).rejects.toMatchObject({
			code: "STORE_UNREACHABLE",
			remedy: expect.stringContaining("HTTP_PROXY is set"),
		});
	});
});

const canSign = hasOpenssl();
if (!canSign) console.log("openssl is not installed: the tests of certificates are skipped");

describe.skipIf(!canSign && process.env.CI !== "true")("an authority of our own", () => {
	// @id s3-ca-bundle
	it("is trusted if AWS_CA_BUNDLE names its certificate", async () => {
		const { endpoint, ca } = await tlsServer();
		vi.stubEnv("AWS_CA_BUNDLE", ca);
		expect(await put(endpoint)).toMatchObject({ kind: "created" });
	});

	it("is trusted if ca_bundle of the AWS profile names its certificate", async () => {
		const { endpoint, ca, dir } = await tlsServer();
		writeFileSync(join(dir, "config"), `[profile own]\nca_bundle = ${ca}\n`);
		vi.stubEnv("AWS_CONFIG_FILE", join(dir, "config"));
		vi.stubEnv("AWS_PROFILE", "own");
		expect(await put(endpoint)).toMatchObject({ kind: "created" });
	});

	it("is trusted through a proxy too", async () => {
		const { endpoint, ca } = await tlsServer();
		const via = await proxy();
		vi.stubEnv("AWS_CA_BUNDLE", ca);
		vi.stubEnv("https_proxy", via.url);
		expect(await put(endpoint)).toMatchObject({ kind: "created" });
		expect(via.seen).toEqual([`CONNECT ${new URL(endpoint).host}`]);
	});

	it("is not trusted by default, and the remedy tells how to trust it", async () => {
		const { endpoint } = await tlsServer();
		const store = await storeAt(endpoint);
		await expect(store.get("log/1")).rejects.toMatchObject({
			code: "STORE_UNREACHABLE",
			remedy: expect.stringContaining("AWS_CA_BUNDLE"),
		});
	});

	it.each([
		["that is not there", "/nonexistent/ca.pem"],
		["without a certificate", `${import.meta.dirname}/port.ts`],
	])("with a bundle %s is a usage error that names the file", async (_, file) => {
		vi.stubEnv("AWS_CA_BUNDLE", file);
		await expect(storeAt("https://127.0.0.1:9")).rejects.toMatchObject({
			code: "USAGE",
			value: file,
		});
	});
});
