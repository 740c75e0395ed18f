import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { type Ended, jsonObject, Place } from "../../../testkit/cli.ts";
import { FaultyStore } from "../../../testkit/store/faulty-store.ts";
import { meeting, RacyStore } from "../../../testkit/store/racy-store.ts";
import {
	makeBucket,
	makeRestrictedUser,
	type S3Credentials,
	s3TestServer,
} from "../../../testkit/store/s3-server.ts";
import { doctor, openStore } from "../index.ts";
import type { PutOutcome } from "../store/port.ts";
import type { SweepableStore } from "../store/sweepable.ts";

interface Shown {
	readonly name: string;
	readonly status: string;
	readonly found: string;
	readonly code?: string;
}

const checksOf = ({ stdout }: Ended) =>
	new Map((jsonObject(stdout).checks as Shown[]).map((check) => [check.name, check]));
const statusesOf = (ended: Ended) =>
	Object.fromEntries([...checksOf(ended)].map(([name, { status }]) => [name, status]));

describe("with a directory", () => {
	test("exits with 0 for a healthy place, before the first commit and after it; the probe has no side effects", async () => {
		using place = new Place();
		writeFileSync(place.path("a", "f"), "x");
		const before = await place.cli("a", ["doctor", "--json"]);
		expect({ status: before.status, stderr: before.stderr }).toEqual({ status: 0, stderr: "" });
		expect(statusesOf(before)).toMatchObject({
			"permission: list": "ok",
			"create-only put is honoured": "not-tested",
			log: "ok",
		});
		await place.cli("a", ["flush"]);
		for (let again = 0; again < 2; again++) {
			const after = await place.cli("a", ["doctor", "--json"]);
			expect(after.status).toBe(0);
			expect(statusesOf(after)).toMatchObject({
				"create-only put is honoured": "ok",
				"permission: get": "ok",
				profile: "ok",
			});
			expect(checksOf(after).get("log")?.found).toMatch(
				/^commit 2, .*closed in order; 1 file, 1 B$/,
			);
			expect(checksOf(after).get("this disk")?.found).toBe("derives from commit 2");
		}
		writeFileSync(place.path("c", "mine"), "x");
		const other = checksOf(await place.cli("c", ["doctor", "--json"])).get("this disk");
		expect(other).toMatchObject({
			status: "warning",
			found: expect.stringMatching(
				/^never restored from this log, but it holds files: .*commit 2$/,
			),
			remedy: expect.stringContaining("--namespace"),
		});
		expect((await place.cli("b", ["restore"])).status).toBe(0);
		expect(readFileSync(place.path("b", "f"), "utf8")).toBe("x");
	});

	test("prints every check line by line for people, although one has failed", async () => {
		using place = new Place();
		writeFileSync(place.path("a"), "a file");
		const { status, stdout, stderr } = await place.cli("a", ["doctor"]);
		expect({ status, stderr }).toEqual({
			status: 2,
			stderr: expect.stringMatching(
				/^error \[WORKSPACE_NOT_DIRECTORY\] .*"workspace".*\nwhat to do: .*\n$/,
			),
		});
		expect(stdout).toMatch(
			/^PROBLEM {2}workspace: .*\n {9}what to do: .*\n {9}code: WORKSPACE_NOT_DIRECTORY$/m,
		);
		expect(stdout).toMatch(/^ok {7}permission: list: /m);
		expect(stdout).toMatch(/start with the first, workspace/);
	});

	test("warns of directories of agents that are not covered, also through a link", async () => {
		using place = new Place();
		mkdirSync(join(place.dir, "elsewhere"));
		mkdirSync(place.path("a", "agents/x"), { recursive: true });
		symlinkSync(join(place.dir, "elsewhere"), place.path("a", "workspace"));
		const inside = place.path("a", "agents/x");
		const config = {
			agents: {
				defaults: { workspace: "/srv/agent" },
				list: [{ workspace: place.path("a", "workspace") }, { agentDir: inside }],
			},
		};
		writeFileSync(place.path("a", "openclaw.json"), JSON.stringify(config));
		const ended = await place.cli("a", ["doctor", "--json", "--profile", "openclaw"]);
		expect(ended.status).toBe(0);
		const { status, found } = checksOf(ended).get("agents' directories") as Shown;
		expect(status).toBe("warning");
		expect(found).toContain("/srv/agent");
		expect(found).toContain(place.path("a", "workspace"));
		expect(found).not.toContain(inside);
	});

	test("names the daemon that owns the workspace", async () => {
		using place = new Place();
		await using daemon = await place.run("a");
		expect(checksOf(await place.cli("a", ["doctor", "--json"])).get("daemon")?.found).toContain(
			`process ${daemon.pid} is serving`,
		);
	});
});

// @id doctor-second-put
test("reports a store that accepts a second create-only put as a problem", async () => {
	class Overwriting extends FaultyStore {
		override async putIfAbsent(key: string, body: Buffer): Promise<PutOutcome> {
			await super.putIfAbsent(key, body);
			return { kind: "created" };
		}
	}
	using place = new Place();
	mkdirSync(place.path("a"), { recursive: true });
	const store = new Overwriting(await openStore(`file://${place.store}`));
	const { exitStatus, checks } = await doctor({
		store,
		workspace: place.path("a"),
		stateDir: join(place.dir, "state"),
		profile: "plain",
	});
	expect(exitStatus).toBe(2);
	expect(checks.filter(({ status }) => status === "problem")).toMatchObject([
		{ name: "create-only put is honoured", code: "STORE_UNSUPPORTED" },
	]);
});

// @id doctor-race
test("reports a store that lets two of many puts at once win as a problem, and its puts have no side effects", async () => {
	using place = new Place();
	writeFileSync(place.path("a", "f"), "x");
	await place.cli("a", ["flush"]);
	const opened = await openStore(`file://${place.store}`);
	const checked = {
		workspace: place.path("a"),
		stateDir: join(place.dir, "state"),
		profile: "plain",
	} as const;
	expect((await doctor({ ...checked, store: opened })).checks).toContainEqual(
		expect.objectContaining({ name: "create-only put is atomic", status: "ok" }),
	);
	const racy = new RacyStore(opened as SweepableStore);
	const meet = meeting(2);
	racy.beforeWrite = async (key) => {
		if (key.includes("/packs/")) await meet();
	};
	const { exitStatus, checks } = await doctor({ ...checked, store: racy });
	expect(exitStatus).toBe(2);
	expect(checks.filter(({ status }) => status === "problem")).toMatchObject([
		{
			name: "create-only put is atomic",
			code: "STORE_UNSUPPORTED",
			found: expect.stringContaining("were accepted"),
		},
	]);
	expect((await place.cli("a", ["verify", "--deep"])).status).toBe(0);
	expect((await place.cli("b", ["restore"])).status).toBe(0);
});

test("exits with 7 for an endpoint where nothing listens, reports it once, and shows no credentials", async () => {
	using place = new Place();
	const env = {
		AWS_ACCESS_KEY_ID: "AKIDEXAMPLE",
		AWS_SECRET_ACCESS_KEY: "s3cret",
		AWS_SESSION_TOKEN: "t0ken",
		AWS_REGION: "us-east-1",
	};
	const ended = await place.cli(
		"a",
		[...place.args("a", "s3://bucket"), "doctor", "--json", "--endpoint", "http://127.0.0.1:9"],
		{ env },
	);
	expect(ended.status).toBe(7);
	const problems = [...checksOf(ended).values()].filter(({ status }) => status === "problem");
	expect(problems.map(({ name, code }) => [name, code])).toEqual([
		["permission: list", "STORE_UNREACHABLE"],
	]);
	expect(checksOf(ended).get("credentials")?.found).toMatch(/^temporary, from the environment/);
	expect(ended.stdout + ended.stderr).not.toMatch(/AKIDEXAMPLE|s3cret|t0ken/);
});

test("detects a wrong clock even if every request is refused", async () => {
	const server = createServer((_, response) => {
		const date = new Date(Date.now() + 25.5 * 60_000).toUTCString();
		response.writeHead(403, { date, "content-type": "application/xml" });
		response.end("<Error><Code>AccessDenied</Code><Message>no</Message></Error>");
	}).listen(0, "127.0.0.1");
	await new Promise((resolve) => server.once("listening", resolve));
	try {
		using place = new Place();
		const { port } = server.address() as AddressInfo;
		const env = { AWS_ACCESS_KEY_ID: "id", AWS_SECRET_ACCESS_KEY: "s3cret" };
		const args = [
			...place.args("a", "s3://bucket"),
			"doctor",
			"--json",
			"--endpoint",
			`http://127.0.0.1:${port}`,
		];
		const ended = await place.cli("a", args, { env });
		expect(ended.status).toBe(6);
		expect(checksOf(ended).get("clock")).toMatchObject({
			status: "problem",
			found: expect.stringMatching(/clock is 25 min \d\d s behind the store/),
		});
	} finally {
		server.close();
	}
});

describe.skipIf(s3TestServer() === undefined)("on a real S3 server", () => {
	let bucket: string;
	beforeAll(async () => {
		bucket = await makeBucket();
	});

	const environment = ({
		accessKeyId,
		secretAccessKey,
		sessionToken,
	}: S3Credentials): NodeJS.ProcessEnv => ({
		AWS_ENDPOINT_URL_S3: s3TestServer()?.endpoint,
		AWS_REGION: s3TestServer()?.region,
		AWS_ACCESS_KEY_ID: accessKeyId,
		AWS_SECRET_ACCESS_KEY: secretAccessKey,
		...(sessionToken !== undefined && { AWS_SESSION_TOKEN: sessionToken }),
	});

	const diagnose = async (prefix: string, actions: readonly string[], ...args: string[]) => {
		using place = new Place();
		const Statement = [
			{
				Effect: "Allow",
				Action: actions,
				Resource: [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`],
			},
		];
		const env = environment(
			await makeRestrictedUser(JSON.stringify({ Version: "2012-10-17", Statement })),
		);
		return await place.cli(
			"a",
			[...place.args("a", `s3://${bucket}/${prefix}`), "doctor", "--json", ...args],
			{ env },
		);
	};

	test.each([
		["list", ["s3:GetObject", "s3:PutObject"], "permission: list"],
		["put", ["s3:ListBucket", "s3:GetObject"], "permission: create-only put"],
		["get", ["s3:ListBucket", "s3:PutObject"], "permission: get"],
	])(
		"reports a missing permission to %s as one problem, exit status 6",
		async (prefix, actions, name) => {
			const ended = await diagnose(prefix, actions);
			expect(ended.status).toBe(6);
			const problems = [...checksOf(ended).values()].filter(({ status }) => status === "problem");
			expect(problems.map((check) => [check.name, check.code])).toEqual([
				[name, "STORE_ACCESS_DENIED"],
			]);
		},
	);

	test("accepts a principal that can neither overwrite nor delete, and warns of one that can", async () => {
		const needed = ["s3:ListBucket", "s3:GetObject", "s3:PutObject"];
		const untried = await diagnose("healthy", needed);
		expect(untried.status).toBe(0);
		expect(statusesOf(untried)).toMatchObject({
			credentials: "ok",
			clock: "ok",
			"create-only put is honoured": "ok",
			"overwrite and delete are denied": "not-tested",
		});
		// Without a bucket policy that requires the header, a put is a put.
		const tried = checksOf(await diagnose("healthy", needed, "--try-forbidden")).get(
			"overwrite and delete are denied",
		);
		expect(tried).toMatchObject({ status: "warning", found: "overwrite allowed, delete denied" });
		const mighty = checksOf(await diagnose("mighty", ["s3:*"], "--try-forbidden")).get(
			"overwrite and delete are denied",
		);
		expect(mighty).toMatchObject({ status: "warning", found: "overwrite allowed, delete allowed" });
	});
});

describe("--explain", () => {
	test("explains a pasted message, for people and for programs", async () => {
		using place = new Place();
		const text = "CloudFormation says IAM.ValidationError; before that [STORE_UNREACHABLE] came";
		const { status, stdout } = await place.cli("a", ["doctor", "--explain", text]);
		expect(status).toBe(0);
		expect(stdout).toMatch(
			/^IAM\.ValidationError: .*\n {2}cause: .*\n {2}what to do: .*\nSTORE_UNREACHABLE: .*\n {2}what to do: .*\n {2}exit status: 7\n$/,
		);
		const codes = jsonObject((await place.cli("a", ["doctor", "--json", "--explain", text])).stdout)
			.codes as { code: string }[];
		expect(codes.map(({ code }) => code)).toEqual(["IAM.ValidationError", "STORE_UNREACHABLE"]);
	});

	test("exits with 2 for a text without a code", async () => {
		using place = new Place();
		expect(await place.cli("a", ["doctor", "--explain", "help!"])).toMatchObject({
			status: 2,
			stderr: expect.stringMatching(/^error \[USAGE\] .*help!.*\nwhat to do: /),
		});
	});
});
