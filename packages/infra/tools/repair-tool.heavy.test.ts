import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { flush } from "../../sidecar/src/library/flush.ts";
import { logKey } from "../../sidecar/src/log/keys.ts";
import { MAX_INLINE_BYTES } from "../../sidecar/src/log/limits.ts";
import { FakeAws } from "../../testkit/functions/fake-aws.ts";
import { FakeSts } from "../../testkit/functions/fake-sts.ts";
import { asInOwnProcess } from "../../testkit/functions/own-process.ts";
import { type PlainBucket, plainBucket } from "../../testkit/store/plain-bucket.ts";
import { s3TestServer } from "../../testkit/store/s3-server.ts";
import { runRepairTool } from "./repair-tool.ts";

asInOwnProcess();

describe.skipIf(s3TestServer() === undefined)("repairing one user's log", () => {
	let aws: FakeAws;
	let sts: FakeSts;
	let place: PlainBucket;
	let dir: string;

	beforeAll(async () => {
		[aws, sts, place] = [await FakeAws.start(), await FakeSts.start(), await plainBucket()];
		dir = mkdtempSync(join(tmpdir(), "openclaw-repair-"));
		const { accessKeyId, secretAccessKey, endpoint } = s3TestServer()!;
		Object.assign(process.env, {
			AWS_REGION: "us-east-1",
			AWS_ACCESS_KEY_ID: accessKeyId,
			AWS_SECRET_ACCESS_KEY: secretAccessKey,
			OPENCLAW_SIDECAR_ENDPOINT: endpoint,
			OPENCLAW_SIDECAR_STATE_DIR: join(dir, "state"),
		});
		const role = "arn:aws:iam::111111111111:role/OpenClaw";
		aws.stacks.set("OpenClaw", {
			StoreUrl: `s3://${place.bucket}`,
			RuntimeArn: "arn:aws:bedrock-agentcore:us-east-1:111111111111:runtime/OpenClaw-a",
			OperatorRole: `${role}-Operator`,
			RepairerRole: `${role}-Repairer`,
		});
		const workspace = mkdtempSync(join(dir, "workspace-"));
		writeFileSync(join(workspace, "memory"), "anna");
		// Too much for a commit, so it is in a pack, as in every real workspace.
		writeFileSync(join(workspace, "picture"), randomBytes(2 * MAX_INLINE_BYTES));
		await flush({
			store: `s3://${place.bucket}`,
			...place.connection,
			namespace: "anna",
			workspace,
			stateDir: join(dir, "writer"),
			profile: "plain",
		});
	});

	afterAll(async () => {
		for (const one of [aws, sts, place]) await one[Symbol.asyncDispose]();
		rmSync(dir, { recursive: true });
	});

	async function run(...args: string[]) {
		const [out, err]: [string[], string[]] = [[], []];
		const io = {
			out: (text: string) => void out.push(text),
			err: (text: string) => void err.push(text),
			ask: undefined,
		};
		const status = await runRepairTool(["--dir", dir, ...args], io);
		return { status, out: out.join("\n"), err: err.join("\n") };
	}

	test("shows what is wrong, and removes it after a copy, in a session for this log", async () => {
		expect(await place.count("users/anna/packs/")).toBeGreaterThan(0);
		const seq = [...(await place.read("users/anna/log/")).keys()].length;
		await place.put(`users/anna/${logKey(seq + 1)}`, "garbage");
		const damaged = await run("anna");
		expect([damaged.status, damaged.out + damaged.err]).toEqual([
			5,
			expect.stringContaining(`commit ${seq + 1}`),
		]);
		const shown = await run("anna", "--after", String(seq));
		expect([shown.status, shown.out + shown.err]).toEqual([
			5,
			expect.stringContaining("repeat the command with --yes"),
		]);
		const removed = await run("anna", "--after", String(seq), "--yes");
		expect([removed.status, removed.out]).toEqual([0, expect.stringContaining("removed 1 object")]);
		expect(await run("anna")).toMatchObject({ status: 0 });
		expect(new Set(sts.assumed.map(({ roleArn }) => roleArn))).toEqual(
			new Set(["arn:aws:iam::111111111111:role/OpenClaw-Repairer"]),
		);
		expect(sts.assumed[0]!.policy).toContain("users/anna/log/*");
	});

	test("refuses what is no command line", async () => {
		expect(await run()).toMatchObject({
			status: 2,
			err: expect.stringMatching(/missing required argument/),
		});
	});
});
