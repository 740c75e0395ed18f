import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { CLI_SOURCE, jsonObject, Place } from "../../../testkit/cli.ts";
import {
	makeBucket,
	makeRestrictedUser,
	type S3Credentials,
	s3TestServer,
} from "../../../testkit/store/s3-server.ts";
import { readDisk } from "../../../testkit/workspace/disk.ts";

const server = s3TestServer();

/** Options and environment that reach the test server. */
const onS3 = (bucket: string, credentials: S3Credentials = server!) => ({
	args: ["--endpoint", server!.endpoint, "--region", server!.region],
	url: `s3://${bucket}`,
	env: {
		AWS_ACCESS_KEY_ID: credentials.accessKeyId,
		AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
		...(credentials.sessionToken !== undefined && { AWS_SESSION_TOKEN: credentials.sessionToken }),
	},
});

test("export and import, for people and for programs", async () => {
	using place = new Place();
	mkdirSync(place.path("a", "dir"), { recursive: true });
	writeFileSync(place.path("a", "dir/f"), "one\n", { mode: 0o640 });
	symlinkSync("f", place.path("a", "dir/l"));
	await place.cli("a", ["flush"]);
	const out = join(place.dir, "out");
	const exported = await place.cli("a", ["export", out]);
	expect(exported).toMatchObject({ status: 0 });
	expect(exported.stdout).toMatch(
		/^exported commit 2 to .*\/out: 1 file, 4 B, 1 directory, 1 link, in \d+ ms\n$/,
	);
	expect(readDisk(out)).toEqual(readDisk(place.path("a")));

	const imported = await place.cli("b", ["import", out, "--namespace", "bob", "--json"]);
	expect(imported.status).toBe(0);
	expect(jsonObject(imported.stdout)).toMatchObject({
		from: out,
		seq: 2,
		files: 1,
		directories: 1,
		links: 1,
		bytes: 4,
		leftOut: [],
	});
	expect((await place.cli("b", ["cat", "dir/f", "--namespace", "bob"])).stdout).toBe("one\n");

	const again = await place.cli("b", ["import", out, "--namespace", "bob", "--json"]);
	expect(again.status).toBe(2);
	expect(jsonObject(again.stdout)).toMatchObject({
		error: { code: "LOG_NOT_EMPTY", exitStatus: 2 },
	});
	const occupied = await place.cli("a", ["export", out]);
	expect(occupied.status).toBe(2);
	expect(occupied.stderr).toMatch(
		/error \[TARGET_NOT_EMPTY\] .*\/out: dir is there\nwhat to do: name a new directory or prefix\n$/,
	);
	expect((await place.cli("a", ["export"])).stderr).toMatch(/TARGET: this argument is required/);
});

test("run on plain files next to an empty log adopts them before the agent starts", async () => {
	using place = new Place();
	const plain = join(place.store, "users/default/memory/MEMORY.md");
	mkdirSync(dirname(plain), { recursive: true });
	writeFileSync(plain, "who I am");
	const ran = await place.cli("b", [
		"run",
		"--",
		"sh",
		"-c",
		`cat ${place.path("b", "memory/MEMORY.md")}`,
	]);
	expect(ran).toMatchObject({ status: 0, stdout: "who I am" });
	expect(readFileSync(plain, "utf8")).toBe("who I am");
});

describe.skipIf(server === undefined)("with a real server", () => {
	test("exits with 3 and names, for people and for programs, what keys cannot carry", async () => {
		using place = new Place();
		mkdirSync(place.path("a"), { recursive: true });
		writeFileSync(Buffer.concat([Buffer.from(`${place.path("a")}/bad`), Buffer.of(0xff)]), "1");
		writeFileSync(place.path("a", "good"), "2");
		await place.cli("a", ["flush"]);
		const { args, url, env } = onS3(await makeBucket());
		const human = await place.cli("a", ["export", `${url}/x`, ...args], { env });
		expect(human.status).toBe(3);
		expect(human.stdout).toContain(
			"not carried  bad\\udcff: its name is not UTF-8, and a key must be\n",
		);
		const { status, stdout } = await place.cli(
			"a",
			["export", `${url}/x`, "--overwrite", "--json", ...args],
			{ env },
		);
		expect(status).toBe(3);
		expect(jsonObject(stdout)).toMatchObject({
			files: 1,
			notCarried: [{ path: "bad\udcff" }],
			others: 0,
			exitStatus: 3,
		});
	});

	test("keeps the gate shut if a listing is denied: exit status 6, no agent, nothing written", async () => {
		using place = new Place();
		const bucket = await makeBucket();
		const mayListLogOnly = await makeRestrictedUser(
			JSON.stringify({
				Version: "2012-10-17",
				Statement: [
					{
						Effect: "Allow",
						Action: ["s3:GetObject", "s3:PutObject"],
						Resource: `arn:aws:s3:::${bucket}/*`,
					},
					{
						Effect: "Allow",
						Action: "s3:ListBucket",
						Resource: `arn:aws:s3:::${bucket}`,
						Condition: { StringLike: { "s3:prefix": "users/default/log/*" } },
					},
				],
			}),
		);
		const { args, url, env } = onS3(bucket, mayListLogOnly);
		const touched = place.path("a", "touched");
		const ran = await place.cli(
			"a",
			["run", "--json", "--store", url, ...args, "--", "touch", touched],
			{ env },
		);
		expect(ran.status).toBe(6);
		expect(jsonObject(ran.stdout)).toMatchObject({ error: { code: "STORE_ACCESS_DENIED" } });
		expect(existsSync(touched)).toBe(false);
	});

	test("only an export loads lib-storage", async () => {
		using place = new Place();
		writeFileSync(place.path("a", "f"), "1");
		mkdirSync(place.path("a"), { recursive: true });
		const hook = `import { registerHooks } from "node:module"; registerHooks({ resolve(name, context, next) {
			if (name.includes("lib-storage")) process.stderr.write(JSON.stringify({ event: "loaded.lib-storage" }) + "\\n");
			return next(name, context); } });`;
		const { args, url, env } = onS3(await makeBucket());
		// The bundle resolves no modules at run time.
		const hooked = {
			entry: CLI_SOURCE,
			env: { ...env, NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(hook)}` },
		};
		const loads = async (command: readonly string[]) => {
			const { status, events } = await place.cli(
				"a",
				[...command, "--store", url, ...args],
				hooked,
			);
			expect(status).toBe(0);
			return events.some(({ event }) => event === "loaded.lib-storage");
		};
		expect(await loads(["flush"])).toBe(false);
		expect(await loads(["restore"])).toBe(false);
		expect(await loads(["export", `${url}/x`])).toBe(true);
	});
});
