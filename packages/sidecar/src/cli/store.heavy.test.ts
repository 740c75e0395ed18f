import { randomBytes } from "node:crypto";
import {
	chmodSync,
	closeSync,
	mkdirSync,
	openSync,
	readdirSync,
	readFileSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { beforeAll, describe, expect, test } from "vitest";
import { type Ended, jsonLines, jsonObject, ordinaryUser, Place } from "../../../testkit/cli.ts";
import {
	makeBucket,
	makeRestrictedUser,
	type S3Credentials,
	s3TestServer,
} from "../../../testkit/store/s3-server.ts";
import { ls } from "../index.ts";
import type { FileEntry } from "../log/types.ts";

const MiB = 1024 * 1024;

const errorOf = ({ stdout }: Ended) => jsonLines(stdout).at(-1)?.error as Record<string, unknown>;

describe("a damaged log is exit status 5", () => {
	/** Flips a byte in the middle of the newest commit. */
	function damageNewest(place: Place): string {
		const directory = join(place.store, "users/default/log");
		const name = readdirSync(directory).sort()[0] as string;
		const file = join(directory, name);
		const bytes = readFileSync(file);
		bytes.writeUInt8(bytes.readUInt8(bytes.length >> 1) ^ 1, bytes.length >> 1);
		chmodSync(file, 0o600);
		writeFileSync(file, bytes);
		return `log/${name}`;
	}

	test("and is named; history still lists older commits, and they can be restored", async () => {
		using place = new Place();
		writeFileSync(place.path("a", "f"), "good");
		await place.cli("a", ["flush"]);
		writeFileSync(place.path("a", "f"), "newer");
		await place.cli("a", ["flush"]);
		const key = damageNewest(place);
		for (const command of ["status", "flush", "ls", "run", "restore"]) {
			const ended = await place.cli("a", [command, "--json"]);
			expect({ command, status: ended.status, error: errorOf(ended) }).toMatchObject({
				command,
				status: 5,
				error: { code: "OBJECT_CORRUPT", value: key, exitStatus: 5 },
			});
		}
		expect(readFileSync(place.path("a", "f"), "utf8")).toBe("newer");

		const history = await place.cli("a", ["history", "--json"]);
		expect(history.status).toBe(5);
		const [newest, ...older] = jsonLines(history.stdout);
		expect(newest).toMatchObject({ seq: 4, unreadable: { code: "OBJECT_CORRUPT" } });
		expect(older.slice(0, -1).map(({ seq }) => seq)).toEqual([3, 2, 1]);
		expect((await place.cli("a", ["history", "--all"])).stdout).toMatch(
			/\n +4 .*OBJECT_CORRUPT\n +3 /,
		);

		expect((await place.cli("a", ["restore", "--at", "2"])).status).toBe(0);
		expect(readFileSync(place.path("a", "f"), "utf8")).toBe("good");
		expect((await place.cli("b", ["cat", "f", "--at", "2"])).stdout).toBe("good");
	});

	test("in the middle of a file that cat is writing: stdout holds good bytes only, the error goes to stderr even with --json", async () => {
		using place = new Place();
		const content = randomBytes(40 * MiB);
		writeFileSync(place.path("a", "large"), content);
		await place.cli("a", ["flush"]);
		const { entries } = await ls({ store: pathToFileURL(place.store).href });
		const { chunks } = new Map(entries).get("large") as FileEntry;
		const last = chunks.at(-1)?.block;
		if (last === undefined) throw new Error("no chunks");
		const file = join(place.store, "users/default", last.key);
		const bytes = readFileSync(file);
		bytes.writeUInt8(bytes.readUInt8(last.offset) ^ 1, last.offset);
		chmodSync(file, 0o600);
		writeFileSync(file, bytes);

		const stdout = openSync(join(place.dir, "out"), "w");
		const { status, stderr } = await place.cli("a", ["cat", "large", "--json"], { stdout });
		closeSync(stdout);
		expect(status).toBe(5);
		expect(jsonLines(stderr).at(-1)).toMatchObject({
			error: { code: "OBJECT_CORRUPT", value: last.key },
		});
		const written = readFileSync(join(place.dir, "out"));
		expect(written.length).toBe(32 * MiB);
		expect(written.equals(content.subarray(0, written.length))).toBe(true);
	});
});

test("a store directory that may not be read is exit status 6", async () => {
	using place = new Place();
	mkdirSync(join(place.store, "users/default/log"), { recursive: true });
	chmodSync(place.store, 0o000);
	const { status, stderr } = await place.cli("a", ["ls"], ordinaryUser());
	chmodSync(place.store, 0o755);
	expect(status).toBe(6);
	expect(stderr).toMatch(
		/^error \[STORE_ACCESS_DENIED\] .*EACCES, permission denied\nwhat to do: /,
	);
});

test("an endpoint where nothing listens is exit status 7, and the workspace is unchanged", async () => {
	using place = new Place();
	writeFileSync(place.path("a", "f"), "mine");
	const args = place.args("a", "s3://bucket");
	const env = {
		AWS_ACCESS_KEY_ID: "id",
		AWS_SECRET_ACCESS_KEY: "s3cret",
		OPENCLAW_SIDECAR_ENDPOINT: "http://127.0.0.1:9",
	};
	const [run, flush] = await Promise.all([
		place.cli("a", [...args, "run", "--json"], { env }),
		place.cli("b", [...place.args("b", "s3://bucket"), "restore"], { env }),
	]);
	expect(run.status).toBe(7);
	expect(errorOf(run)).toMatchObject({
		code: "STORE_UNREACHABLE",
		message: expect.stringContaining("http://127.0.0.1:9: ECONNREFUSED"),
	});
	expect(flush).toMatchObject({
		status: 7,
		stdout: "",
		stderr: expect.stringMatching(/^error \[STORE_UNREACHABLE\] .*\nwhat to do: .*endpoint/),
	});
	expect(run.stdout + run.stderr + flush.stderr).not.toContain("s3cret");
	expect(readFileSync(place.path("a", "f"), "utf8")).toBe("mine");
});

test("missing credentials are exit status 6, and the message lists where they are looked for", async () => {
	using place = new Place();
	// Otherwise the metadata service of a cloud machine would be asked, and time out.
	const env = { AWS_EC2_METADATA_DISABLED: "true", AWS_REGION: "us-east-1" };
	const { status, stderr } = await place.cli("a", [...place.args("a", "s3://bucket"), "ls"], {
		env,
	});
	expect(status).toBe(6);
	expect(stderr).toMatch(/^error \[STORE_ACCESS_DENIED\] .*\nwhat to do: .*AWS_ACCESS_KEY_ID/);
});

describe.skipIf(s3TestServer() === undefined)("on a real S3 server", () => {
	let bucket: string;
	beforeAll(async () => {
		bucket = await makeBucket();
	});

	const environment = (
		credentials: S3Credentials | undefined = s3TestServer(),
	): NodeJS.ProcessEnv => ({
		AWS_ENDPOINT_URL_S3: s3TestServer()?.endpoint,
		AWS_REGION: s3TestServer()?.region,
		AWS_ACCESS_KEY_ID: credentials?.accessKeyId,
		AWS_SECRET_ACCESS_KEY: credentials?.secretAccessKey,
		...(credentials?.sessionToken !== undefined && { AWS_SESSION_TOKEN: credentials.sessionToken }),
	});

	/** Credentials that may perform these actions below the bucket and no others. */
	const allowedTo = async (...actions: string[]) =>
		environment(
			await makeRestrictedUser(
				JSON.stringify({
					Version: "2012-10-17",
					Statement: [
						{
							Effect: "Allow",
							Action: actions,
							Resource: [`arn:aws:s3:::${bucket}`, `arn:aws:s3:::${bucket}/*`],
						},
					],
				}),
			),
		);

	test("a flush is restored with the same content", async () => {
		using place = new Place();
		writeFileSync(place.path("a", "f"), "on S3");
		const url = `s3://${bucket}/prefix`;
		const flushed = await place.cli("a", [...place.args("a", url), "flush"], {
			env: environment(),
		});
		expect(flushed.status).toBe(0);
		const [restored, found] = await Promise.all([
			place.cli("b", [...place.args("b", url), "restore", "--json"], { env: environment() }),
			place.cli("a", [...place.args("a", url), "cat", "f", "--at", "0s"], { env: environment() }),
		]);
		expect(jsonObject(restored.stdout)).toMatchObject({ seq: 2, files: 1 });
		expect(readFileSync(place.path("b", "f"), "utf8")).toBe("on S3");
		expect(found.stdout).toBe("on S3");
	});

	test.each([
		["list", ["s3:GetObject", "s3:PutObject"]],
		["put", ["s3:ListBucket", "s3:GetObject"]],
		["get", ["s3:ListBucket", "s3:PutObject"]],
	])(
		"a missing permission to %s is exit status 6, and the gate stays shut",
		async (denied, actions) => {
			using place = new Place();
			const args = place.args("a", `s3://${bucket}/denied-${denied}`);
			if (denied === "get") {
				writeFileSync(place.path("b", "f"), "x");
				await place.cli("b", [...place.args("b", `s3://${bucket}/denied-${denied}`), "flush"], {
					env: environment(),
				});
			}
			const ended = await place.cli(
				"a",
				[...args, "run", "--json", "--", "touch", join(place.dir, "started")],
				{
					env: await allowedTo(...actions),
				},
			);
			expect(ended.status).toBe(6);
			expect(errorOf(ended)).toMatchObject({
				code: "STORE_ACCESS_DENIED",
				message: expect.stringContaining(`${denied} at http`),
			});
			expect(readdirSync(place.dir)).not.toContain("started");
		},
	);

	test("a missing bucket is exit status 2", async () => {
		using place = new Place();
		const { status, stderr } = await place.cli(
			"a",
			[...place.args("a", "s3://no-such-bucket-anywhere"), "ls"],
			{ env: environment() },
		);
		expect(status).toBe(2);
		expect(stderr).toMatch(/^error \[STORE_BUCKET_MISSING\] .*s3:\/\/no-such-bucket-anywhere/);
	});
});
