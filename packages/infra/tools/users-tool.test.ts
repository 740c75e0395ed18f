import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
	DeleteObjectCommand,
	GetObjectCommand,
	ListObjectVersionsCommand,
	PutBucketVersioningCommand,
	PutObjectCommand,
	S3Client,
} from "@aws-sdk/client-s3";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { FakeAws } from "../../testkit/functions/fake-aws.ts";
import { FakeRuntime } from "../../testkit/functions/fake-runtime.ts";
import { FakeSts } from "../../testkit/functions/fake-sts.ts";
import { asInOwnProcess } from "../../testkit/functions/own-process.ts";
import { type LocalTable, startTable } from "../../testkit/functions/table.ts";
import { makeBucket, s3TestServer } from "../../testkit/store/s3-server.ts";
import { sessionIdOf } from "../lambda/worker/session-id.ts";
import type { Ask } from "./ask.ts";
import type { Erasure } from "./erase.ts";
import { runUsersTool } from "./users-tool.ts";

asInOwnProcess();

const ROLE = "arn:aws:iam::111111111111:role/OpenClaw-Operator";
const RUNTIME = "arn:aws:bedrock-agentcore:us-east-1:111111111111:runtime/OpenClaw-a";

let table: LocalTable;
let aws: FakeAws;
let runtime: FakeRuntime;
let sts: FakeSts;
let dir: string;
let bucket = "none";

beforeAll(async () => {
	table = await startTable();
	aws = await FakeAws.start();
	runtime = await FakeRuntime.start();
	sts = await FakeSts.start();
	dir = mkdtempSync(join(tmpdir(), "openclaw-users-"));
	writeFileSync(join(dir, "cdk.json"), '{"context": {"openclaw:region": "us-east-1"}}');
});

afterAll(async () => {
	for (const one of [sts, runtime, aws, table]) await one[Symbol.asyncDispose]();
	rmSync(dir, { recursive: true });
});

beforeEach(async () => {
	aws.stacks.set("OpenClaw", {
		StoreUrl: `s3://${bucket}`,
		RuntimeArn: RUNTIME,
		OperatorRole: ROLE,
		RepairerRole: `${ROLE}-2`,
		UsersTable: table.users,
	});
	sts.needsMfa = false;
	sts.assumed.length = 0;
	runtime.onStop = () => {};
});

interface Ran {
	readonly status: number;
	readonly out: string;
	readonly err: string;
}

interface Given {
	readonly ask?: Partial<Ask>;
	readonly quiet?: () => Promise<void>;
	readonly pageSize?: number;
}

async function run(
	line: string,
	{ ask, quiet = async () => {}, ...more }: Given = {},
): Promise<Ran> {
	const [out, err]: [string[], string[]] = [[], []];
	const io = {
		out: (text: string) => void out.push(text),
		err: (text: string) => void err.push(text),
		ask: ask as Ask | undefined,
	};
	const [verb = "", ...rest] = line.split(" ");
	const status = await runUsersTool([verb, "--dir", dir, ...rest.filter(Boolean)], io, {
		quiet,
		...more,
	});
	return { status, out: out.join("\n"), err: err.join("\n") };
}

// Without the S3 server there is no STS here; `--current-credentials` needs none.
const AS_IS = "--current-credentials";

describe("the table of users", () => {
	test("gets users as words and from a file, once each, and lists them as the file that `add` reads", async () => {
		const file = join(dir, "team");
		writeFileSync(file, "# team\ntelegram.1 anna\nslack.T1.U1 anna\n");
		expect((await run(`add telegram.2 --file ${file} ${AS_IS}`)).out).toBe(
			"3 users added, 0 already there",
		);
		expect((await run(`add telegram.2 ${AS_IS} --json`)).out).toBe('{"added":0,"unchanged":1}');
		const { out } = await run(`list ${AS_IS} --json`);
		expect(JSON.parse(out)).toEqual({
			"slack.T1.U1": "anna",
			"telegram.1": "anna",
			"telegram.2": "telegram.2",
		});
		writeFileSync(file, out);
		expect((await run(`add --file ${file} ${AS_IS}`)).out).toBe("0 users added, 3 already there");
	});

	test("keeps a sender with its person, and reports another one after all others were added", async () => {
		await run(`add telegram.10=ben ${AS_IS}`);
		const { status, err } = await run(`add telegram.10=eve telegram.11=eve ${AS_IS}`);
		expect(status).toBe(1);
		expect(err).toMatch(
			/error \[USERS_CONFLICT\].*telegram\.10 is ben, not eve\nwhat to do: remove/,
		);
		expect((await run(`list ${AS_IS}`)).out).toMatch(/telegram\.10 ben\ntelegram\.11 eve/);
	});

	test("loses one sender, or all senders of a person", async () => {
		await table.allow({ "telegram.20": "carla", "slack.T1.U20": "carla", "telegram.21": "dora" });
		expect((await run(`remove telegram.21 ${AS_IS}`)).out).toBe("1 sender removed: telegram.21");
		expect((await run(`remove carla ${AS_IS}`)).out).toMatch(/^2 senders removed/);
		expect((await run(`remove carla ${AS_IS}`)).out).toMatch(/no user has that name/);
		expect((await run(`list ${AS_IS}`)).out).not.toMatch(/carla|dora/);
	});

	test("loses a user with a warning if the settings would bring them back", async () => {
		const setting = "-c openclaw:allowedUsers=telegram.22";
		await table.allow({ "telegram.22": "telegram.22", "telegram.23": "telegram.23" });
		expect((await run(`remove telegram.22 ${setting} ${AS_IS}`)).err).toMatch(
			/warning: openclaw:allowedUsers in cdk\.json still names telegram\.22\./,
		);
		expect((await run(`remove telegram.23 ${setting} ${AS_IS}`)).err).toBe("");
	});

	test("is refused what no channel can send, with the file's name", async () => {
		const file = join(dir, "wrong");
		writeFileSync(file, "telegram.@anna\n");
		expect(await run(`add --file ${file} ${AS_IS}`)).toMatchObject({
			status: 2,
			err: expect.stringMatching(/error \[USAGE\] .*wrong: "telegram\.@anna" is no user/),
		});
		expect((await run(`add --file ${file}.missing ${AS_IS}`)).err).toMatch(/ENOENT/);
	});
});

test("the tool says what is missing: a stack, a verb, a known setting", async () => {
	aws.stacks.clear();
	expect(await run(`list ${AS_IS}`)).toMatchObject({
		status: 1,
		err: expect.stringMatching(/STACK_NOT_FOUND\] us-east-1 has no stack OpenClaw.*\nwhat to do/),
	});
	expect(await run("lst")).toMatchObject({
		status: 2,
		err: expect.stringMatching(/unknown command/),
	});
	expect(await run("list -c openclaw:regio=x")).toMatchObject({
		status: 2,
		err: expect.stringMatching(/USAGE.*\n.*openclaw:regio: unknown setting/),
	});
	expect((await run("list -c region")).err).toMatch(/-c "region" is no setting/);
});

test("with an issuer of your own there is no table and no machine to end", async () => {
	const own = "-c openclaw:issuer=https://issuer.example";
	expect((await run(`stop anna ${own}`)).err).toMatch(/OWN_ISSUER.*only a token of your issuer/s);
	expect((await run(`erase anna ${own}`)).err).toMatch(/OWN_ISSUER.*--machine-ended/s);
	const { UsersTable: _, ...others } = aws.stacks.get("OpenClaw")!;
	aws.stacks.set("OpenClaw", others);
	expect((await run(`list ${own}`)).err).toMatch(/OWN_ISSUER.*the issuer decides/s);
});

test("a person's machine is ended by the id that the worker uses", async () => {
	runtime.live.add(sessionIdOf("anna"));
	expect((await run(`stop anna ${AS_IS}`)).out).toBe("anna: ended");
	expect((await run(`stop anna ${AS_IS}`)).out).toBe("anna: no machine is running");
});

test("a sender is no person: stopping or erasing it would miss the person's machine and workspace", async () => {
	await table.allow({ "telegram.30": "emil" });
	for (const line of [`stop telegram.30 ${AS_IS}`, `erase telegram.30 --yes telegram.30 ${AS_IS}`])
		expect((await run(line)).err).toMatch(
			/USAGE\] telegram\.30 is a sender of emil, not a person\nwhat to do: use the person's name: emil/,
		);
	expect((await run(`list ${AS_IS}`)).out).toContain("telegram.30 emil");
	await table.allow({ "telegram.31": "telegram.31" });
	expect((await run(`stop telegram.31 ${AS_IS}`)).status).toBe(0);
});

describe.skipIf(s3TestServer() === undefined)("erasing", () => {
	let s3: S3Client;

	beforeAll(async () => {
		const { endpoint, region, accessKeyId, secretAccessKey } = s3TestServer()!;
		bucket = await makeBucket();
		Object.assign(process.env, {
			AWS_ACCESS_KEY_ID: accessKeyId,
			AWS_SECRET_ACCESS_KEY: secretAccessKey,
			AWS_ENDPOINT_URL_S3: endpoint,
			AWS_REGION: region,
		});
		s3 = new S3Client({});
		await s3.send(
			new PutBucketVersioningCommand({
				Bucket: bucket,
				VersioningConfiguration: { Status: "Enabled" },
			}),
		);
	});

	beforeEach(async () => {
		await table.allow({ "telegram.1": "anna", "slack.T1.U1": "anna", "telegram.2": "anna2" });
		for (const key of ["users/anna/log/1", "users/anna/packs/a", "users/anna2/log/1"]) {
			await put(key);
			await put(key);
		}
		await s3.send(new DeleteObjectCommand({ Bucket: bucket, Key: "users/anna/packs/a" }));
	});

	async function put(Key: string): Promise<void> {
		await s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body: "secret text" }));
	}

	async function count(Prefix: string): Promise<number> {
		const { Versions = [], DeleteMarkers = [] } = await s3.send(
			new ListObjectVersionsCommand({ Bucket: bucket, Prefix }),
		);
		return Versions.length + DeleteMarkers.length;
	}

	test("removes every version and marker of one user, their rows and their machine, and leaves a record without a name", async () => {
		runtime.live.add(sessionIdOf("anna"));
		const before = await count("users/anna2/");
		const { status, out, err } = await run(
			"erase anna --yes anna --json -c openclaw:allowedUsers=slack.T1.U1",
		);
		expect([status, err]).toEqual([
			0,
			expect.stringMatching(/has 4 versions and 1 delete markers, 44 bytes/),
		]);
		expect(err).toMatch(/warning: openclaw:allowedUsers in cdk\.json still names slack\.T1\.U1/);
		const result = JSON.parse(out) as Erasure;
		expect(result).toMatchObject({
			senders: ["slack.T1.U1", "telegram.1"],
			machine: "ended",
			before: { versions: 4, deleteMarkers: 1, bytes: 44 },
			after: {
				versions: 0,
				deleteMarkers: 0,
				bytes: 0,
				sha256: createHash("sha256").digest("hex"),
			},
		});
		expect(await count("users/anna/")).toBe(0);
		expect(await count("users/anna2/")).toBe(before);
		expect(runtime.live.size).toBe(0);
		expect((await run(`list ${AS_IS} --json`)).out).not.toMatch(/"anna"/);
		const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: result.record! }));
		const record = await Body!.transformToString();
		expect(record).not.toContain("anna");
		expect(JSON.parse(record)).toMatchObject({
			outcome: "erased",
			by: "arn:aws:sts::111111111111:assumed-role/Operator/otto",
			namespaceSha256: createHash("sha256").update("anna").digest("hex"),
			before: result.before,
			after: result.after,
		});
		// STS got a policy for this namespace only.
		expect(sts.assumed).toEqual([
			expect.objectContaining({ roleArn: ROLE, policy: expect.stringContaining("users/anna/") }),
		]);
	});

	test("goes through a listing of many pages", async () => {
		const { out } = await run("erase anna --yes anna --json", { pageSize: 2 });
		expect((JSON.parse(out) as Erasure).before).toMatchObject({ versions: 4, deleteMarkers: 1 });
		expect(await count("users/anna/")).toBe(0);
		expect(await count("users/anna2/")).toBeGreaterThan(0);
	});

	test("shows what there is in a dry run, and changes nothing", async () => {
		const before = await count("users/anna/");
		runtime.live.add(sessionIdOf("anna"));
		const { status, out } = await run("erase anna --dry-run");
		expect(status).toBe(0);
		expect(out).toMatch(/senders: slack\.T1\.U1, telegram\.1\nusers\/anna\/ has \d+ versions/);
		expect(await count("users/anna/")).toBe(before);
		expect(runtime.live.size).toBe(1);
		expect((await run(`list ${AS_IS}`)).out).toMatch(/telegram\.1 anna/);
	});

	test("needs the name again, typed or as an option", async () => {
		const before = await count("users/anna/");
		expect(await run("erase anna")).toMatchObject({
			status: 2,
			err: expect.stringMatching(
				/NOT_CONFIRMED\] nothing was erased\nwhat to do: repeat with --yes anna/,
			),
		});
		expect((await run("erase anna --yes ann")).err).toMatch(/NOT_CONFIRMED\] "ann" is not anna/);
		expect((await run("erase anna", { ask: { text: async () => "yes" } })).status).toBe(2);
		expect(await count("users/anna/")).toBe(before);
		expect((await run("erase anna", { ask: { text: async () => "anna" } })).status).toBe(0);
		expect(await count("users/anna/")).toBe(0);
	});

	test("ends and erases again a machine that was started meanwhile", async () => {
		const stopped: string[] = [];
		runtime.onStop = (id) => void stopped.push(id);
		let rounds = 0;
		const quiet = async () => {
			if (++rounds > 1) return;
			await put("users/anna/log/2");
			runtime.live.add(sessionIdOf("anna"));
		};
		const { status, err } = await run("erase anna --yes anna", { quiet });
		expect([status, stopped]).toEqual([0, [sessionIdOf("anna"), sessionIdOf("anna")]]);
		expect(err).toMatch(/1 versions were written meanwhile/);
		expect(await count("users/anna/")).toBe(0);
		expect(runtime.live.size).toBe(0);
	});

	test("fails, with a record, while a machine that the platform lost writes", async () => {
		const quiet = async () => await put("users/anna/log/2");
		const { status, err } = await run("erase anna --yes anna", { quiet });
		expect(status).toBe(1);
		const [, key = ""] =
			/ERASE_NOT_PROVEN\].*\((audit\/\S+)\)\nwhat to do: .*after 20/.exec(err) ?? [];
		const { Body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
		expect(JSON.parse(await Body!.transformToString())).toMatchObject({
			outcome: "not proven",
			after: { versions: 1 },
		});
	});

	test("asks for the MFA code that the role needs", async () => {
		sts.needsMfa = true;
		expect((await run("erase anna --dry-run")).err).toMatch(
			/ACCESS_DENIED.*\nwhat to do: .*--mfa-serial/,
		);
		const device = "--mfa-serial arn:aws:iam::1:mfa/anna";
		expect((await run(`erase anna --dry-run ${device}`)).err).toMatch(
			/ANSWER_MISSING.*\nwhat to do: add --mfa-code/,
		);
		expect((await run(`erase anna --dry-run ${device} --mfa-code 123456`)).status).toBe(0);
		const ask = { text: async () => "654321" };
		expect((await run(`erase anna --dry-run ${device}`, { ask })).status).toBe(0);
		expect(sts.assumed.at(-1)).toMatchObject({ serial: "arn:aws:iam::1:mfa/anna", code: "654321" });
	});
});
