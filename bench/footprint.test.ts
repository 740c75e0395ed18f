/**
 * What the shipped command costs, in figures that do not flicker: requests, bytes, opened files and
 * peak memory of real processes, on W1 at 1/20 and a real S3 server.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CliProcess, cli } from "../packages/testkit/cli.ts";
import { type Footprint, footprintOf, probed } from "../packages/testkit/footprint.ts";
import { CountingProxy, type Traffic } from "../packages/testkit/store/counting-proxy.ts";
import {
	makeBucket,
	type S3TestServer,
	s3TestServer,
} from "../packages/testkit/store/s3-server.ts";
import { GUARDS, type Limits } from "./guards.ts";
import { Random } from "./random.ts";
import { TextSource } from "./text.ts";
import { notes } from "./workloads.ts";

const FILES = 500;
const DIRECTORIES = 50;
const SEED = 20261123;
const CHANGED_BYTES = 3_000;

const server = s3TestServer();
const dir = mkdtempSync(join(tmpdir(), "footprint-"));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

type Cost = Omit<Traffic, "requests"> & Partial<Footprint> & { readonly requests: number };
const costs = new Map<string, Cost>();

function put(name: string, { requests, ...traffic }: Traffic, footprint?: Footprint): void {
	const count = Object.values(requests).reduce((sum, each) => sum + each, 0);
	costs.set(name, { ...traffic, ...footprint, requests: count });
}

describe.skipIf(server === undefined)("the command", () => {
	beforeAll(async () => await measure(server as S3TestServer), 60_000);

	const cases = Object.entries(GUARDS).flatMap(([name, { limits }]) =>
		Object.entries<Limits[string]>(limits).map(([figure, { most }]) => ({ name, figure, most })),
	);

	test.each(cases)("$name: $figure is at most $most", ({ name, figure, most }) => {
		const value = costs.get(name)?.[figure as keyof Cost];
		expect(value).toBeLessThanOrEqual(most);
		// Nothing was counted, so the limit guards nothing.
		if (most > 0) expect(value).toBeGreaterThan(0);
	});
});

/** A first commit, a restore, and a daemon that sweeps once and then commits one file. */
async function measure(s3: S3TestServer): Promise<void> {
	const bucket = await makeBucket(s3);
	await using proxy = await CountingProxy.start(s3.endpoint);
	const workspace = join(dir, "first");
	notes(workspace, FILES, DIRECTORIES, SEED);
	const report = (name: string) => join(dir, `${name}.report`);
	const env = (name: string) => ({
		...probed(report(name)),
		AWS_ENDPOINT_URL: proxy.endpoint,
		AWS_ACCESS_KEY_ID: s3.accessKeyId,
		AWS_SECRET_ACCESS_KEY: s3.secretAccessKey,
		AWS_REGION: s3.region,
		AWS_EC2_METADATA_DISABLED: "true",
	});
	const place = (machine: string) =>
		["--workspace", join(dir, machine), "--state-dir", join(dir, `${machine}-state`)].concat([
			"--store",
			`s3://${bucket}`,
			"--namespace",
			"footprint",
			"--profile",
			"plain",
		]);
	for (const [name, verb, machine] of [
		["first commit", "flush", "first"],
		["restore", "restore", "second"],
	] as const) {
		const { status, stderr } = await cli([verb, ...place(machine)], { env: env(name), cwd: dir });
		if (status !== 0) throw new Error(`${verb} ended with ${status}: ${stderr}`);
		put(name, proxy.take(), footprintOf(report(name)));
	}

	const often = ["--quiet-period", "0ms", "--max-delay", "0ms", "--sweep-interval", "1s"];
	const options = [...place("first"), ...often, "--handover-wait", "0ms", "--log-level", "debug"];
	await using daemon = new CliProcess(["run", ...options], { env: env("idle"), cwd: dir });
	await daemon.waitForEvent("watch.started");
	proxy.take();
	await daemon.waitForEvent("durability.measured");
	const idle = proxy.take();
	const text = new TextSource(new Random(SEED));
	// The first flush of a process also looks for commits of others.
	for (const name of ["first flush of a process", "flush of one file"]) {
		const before = new Set(daemon.events);
		writeFileSync(join(workspace, "changed.md"), text.markdown(CHANGED_BYTES));
		await daemon.waitForEvent("flush.committed", (event) => !before.has(event));
		put(name, proxy.take());
	}
	const { status, stderr } = await daemon.stop();
	if (status !== 0) throw new Error(`run ended with ${status}: ${stderr}`);
	put("idle", idle, footprintOf(report("idle")));
}
