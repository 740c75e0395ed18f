/**
 * Runs examples/compose with podman-compose: the image that was built, MinIO from its binary, and a
 * script in the agent's place.
 */
import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { copyFileSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { freePort } from "../../testkit/free-port.ts";
import { OWN_ARCHITECTURE, ROOT } from "../build/place.ts";

const EXAMPLE = join(ROOT, "examples/compose");
const BINARIES = join(ROOT, ".cache/bin");
const MINIO_IMAGE = "localhost/openclaw-compose-test-minio";
/** Keeps what it finds, and writes when it starts. */
const AGENT = "cd ~openclaw/.openclaw && echo started >> starts && exec sleep 1000";
const project = `compose-test-${randomUUID().slice(0, 8)}`;

let place: string;

beforeAll(async () => {
	place = mkdtempSync(join(tmpdir(), "openclaw-compose-"));
	const minio = readdirSync(BINARIES).find((name) => name.startsWith("minio-"));
	copyFileSync(join(BINARIES, minio as string), join(place, "minio"));
	const recipe = 'FROM scratch\nCOPY minio /minio\nENTRYPOINT ["/minio"]\n';
	writeFileSync(join(place, "Containerfile"), recipe);
	run("buildah", "build", "--quiet", "--tag", MINIO_IMAGE, place);
	copyFileSync(join(EXAMPLE, "compose.yaml"), join(place, "compose.yaml"));
	const override = { services: { agent: { command: ["--", "sh", "-c", AGENT] } } };
	writeFileSync(join(place, "agent.yaml"), JSON.stringify(override));
	const env = [
		"STORE_USER=sidecar",
		"STORE_PASSWORD=choose-a-long-one",
		"MODEL_URL=http://127.0.0.1:1/v1",
		"MODEL_ID=some-model",
		`SIDECAR_IMAGE=localhost/openclaw-sidecar:${OWN_ARCHITECTURE}`,
		`MINIO_IMAGE=${MINIO_IMAGE}`,
		`PORT=${await freePort()}`,
	];
	writeFileSync(join(place, ".env"), env.join("\n"));
});
afterAll(() => {
	compose("down", "--volumes");
	rmSync(place, { recursive: true, force: true });
});

test("keeps the agent's directory in MinIO, drains on down, and brings it back on up", async () => {
	compose("up", "-d");
	const sidecar = (...args: readonly string[]) =>
		run(...PODMAN, "exec", `${project}_agent_1`, "openclaw-sidecar", ...args);
	await expect.poll(() => attempt(() => sidecar("cat", "starts"))).toBe("started\n");
	// Without volumes of the agent: the store is all that is left of it.
	compose("down", "-t", "30");
	compose("up", "-d");
	await expect.poll(() => attempt(() => sidecar("cat", "starts"))).toBe("started\nstarted\n");
	expect(sidecar("history", "--json")).toContain('"closed":true');
});

const PODMAN = ["podman", "--runtime", "runc", "--log-level", "error"];

function compose(...args: readonly string[]): string {
	const how = ["--project-name", project, "--podman-args", PODMAN.slice(1).join(" ")];
	const limits = ["--podman-run-args", "--ulimit nofile=20000:20000 --ulimit nproc=4096:4096"];
	const files = ["--file", "compose.yaml", "--file", "agent.yaml"];
	return run("podman-compose", ...how, ...limits, ...files, ...args);
}

function run(file = "", ...args: readonly string[]): string {
	return execFileSync(file, args, {
		cwd: place,
		encoding: "utf8",
		stdio: ["ignore", "pipe", "pipe"],
	});
}

function attempt(call: () => string): string | undefined {
	try {
		return call();
	} catch {
		return undefined;
	}
}
