/** The commands that maintain a log: verify, gc, diff, rollback, repair. */
import { randomBytes } from "node:crypto";
import {
	mkdirSync,
	readdirSync,
	readFileSync,
	rmSync,
	statSync,
	utimesSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { jsonLines, jsonObject, Place } from "../../../testkit/cli.ts";
import {
	makeBucket,
	makeRestrictedUser,
	type S3Credentials,
	s3TestServer,
} from "../../../testkit/store/s3-server.ts";
import { plainProfile } from "../../../testkit/workbench.ts";
import { privateDirectory } from "../disk/base-marker.ts";
import { logKey } from "../log/keys.ts";
import { Roots } from "../path.ts";
import { Session } from "../session/session.ts";
import { namespaced } from "../store/namespaced.ts";
import { openStore } from "../store/open.ts";
import { silentLogger } from "../telemetry/logger.ts";
import { noProgress } from "../telemetry/progress.ts";

const DAY_S = 86_400;
const MiB = 1024 * 1024;

/** Moves the store's files, or one object, that many days into the past. */
function age(place: Place, days: number, only = ""): void {
	for (const name of readdirSync(place.store, { recursive: true, encoding: "utf8" })) {
		const path = join(place.store, name);
		const time = statSync(path).mtimeMs / 1000 - days * DAY_S;
		if (name.endsWith(only)) utimesSync(path, time, time);
	}
}

const storedKeys = (place: Place, namespace = "default") =>
	readdirSync(join(place.store, "users", namespace), { recursive: true, encoding: "utf8" }).filter(
		(name) => /[0-9a-f]{12}$/.test(name),
	);

/** The place's machine "a" as a writer in this process: a log of many commits in a second. */
async function openSession(place: Place) {
	const url = pathToFileURL(place.store).href;
	const store = await openStore(url);
	const privateDir = privateDirectory(join(place.dir, "a/state"), {
		workspace: place.path("a"),
		store: url,
		namespace: "default",
	});
	const session = await Session.open({
		...{
			store: namespaced(store, "default"),
			root: new Roots(place.path("a")),
			profile: plainProfile,
			privateDir,
		},
		...{ logger: silentLogger, progress: noProgress, handoverWaitMs: 0 },
	});
	return Object.assign(session, { [Symbol.asyncDispose]: async () => store.close() });
}

describe("one log, one command after the other", () => {
	let place: Place;
	beforeAll(async () => {
		place = new Place();
		writeFileSync(place.path("a", "keep"), "as ever");
		writeFileSync(place.path("a", "text"), "one");
		writeFileSync(place.path("a", "gone"), randomBytes(5 * MiB));
		await place.cli("a", ["flush"]);
		writeFileSync(place.path("a", "text"), "two, longer");
		writeFileSync(place.path("a", "new"), "");
		rmSync(place.path("a", "gone"));
		await place.cli("a", ["flush"]);
	});
	afterAll(() => place[Symbol.dispose]());

	test("diff shows which paths differ, and how", async () => {
		const { status, stdout } = await place.cli("a", ["diff", "2"]);
		expect(status).toBe(0);
		expect(stdout).toBe(
			"- gone  5 MiB\n+ new  0 B\n~ text  content 3 B -> 11 B, time\n2 -> 4: 3 paths differ\n",
		);
		const json = jsonObject((await place.cli("a", ["diff", "2", "4", "--json"])).stdout);
		expect(json).toMatchObject({ from: 2, to: 4 });
		expect(json.differences).toContainEqual({
			path: "text",
			kind: "changed",
			aspects: ["content", "time"],
			before: { type: "file", mode: "0644", size: 3, mtimeNs: expect.any(String) },
			after: { type: "file", mode: "0644", size: 11, mtimeNs: expect.any(String) },
		});
		expect((await place.cli("a", ["diff", "4"])).stdout).toBe("4 -> 4: no path differs\n");
		expect((await place.cli("a", ["diff", "9"])).status).toBe(2);
	});

	test("verify finds no damage", async () => {
		for (const args of [["verify"], ["verify", "--deep"]]) {
			const { status, stdout } = await place.cli("a", args);
			expect(status).toBe(0);
			expect(stdout).toMatch(/^checked {2}4 commits, .*\nall is well up to commit 4\n$/);
		}
		expect(jsonObject((await place.cli("a", ["verify", "--deep", "--json"])).stdout)).toMatchObject(
			{
				deep: true,
				newestSeq: 4,
				newestWholeSeq: 4,
				checkedBytes: 5 * MiB + 7 + 3 + 11,
				damaged: [],
				orphans: [],
			},
		);
	});

	test("gc deletes none of it, however old the newest commit is", async () => {
		age(place, 400);
		const before = storedKeys(place);
		const { status, stdout } = await place.cli("a", ["gc"]);
		expect(status).toBe(0);
		expect(stdout).toMatch(
			/^default: the newest commit is 4\nkept +4 commits, .*\ndeleted +0 commits, 0 B; 0 packs, 0 B\n$/,
		);
		expect(storedKeys(place)).toEqual(before);
	});

	test("rollback restores the earlier tree as a new commit", async () => {
		const { status, stdout } = await place.cli("a", ["rollback", "--to", "2"]);
		expect(stdout).toMatch(
			/^commit 7 has the tree of 2 again: \d paths changed, 5 MiB sent\n(?:[-+~] .+\n)+`openclaw-sidecar undo` takes it back\n/,
		);
		expect(status).toBe(0);
		expect(readFileSync(place.path("a", "text"), "utf8")).toBe("one");
		const [diff, state] = await Promise.all([
			place.cli("a", ["diff", "2", "7"]),
			place.cli("a", ["status"]),
		]);
		expect([diff.stdout, state.status]).toEqual([expect.stringContaining("no path differs"), 0]);
	});

	test("garbage in the newest slot: verify names it, gc deletes nothing, repair removes it after copying it", async () => {
		const file = join(place.store, "users/default", logKey(8));
		writeFileSync(file, "garbage, written with stolen keys");
		expect((await place.cli("a", ["restore"])).status).toBe(5);
		const verified = await place.cli("a", ["verify"]);
		expect(verified.status).toBe(5);
		expect(verified.stdout).toContain(
			`DAMAGED  ${logKey(8)}, needed by commit 8: [OBJECT_CORRUPT]`,
		);
		expect(verified.stdout).toMatch(/1 object damaged; the newest commit that is whole is 7\n$/);
		const swept = await place.cli("a", ["gc", "--json"]);
		expect(swept.status).toBe(5);
		expect(jsonObject(swept.stdout)).toMatchObject({
			sweptSeqs: [],
			problem: { seq: 8, code: "OBJECT_CORRUPT" },
		});

		const shown = await place.cli("a", ["repair", "--after", "7"]);
		expect(shown.status).toBe(5);
		expect(shown.stdout).toMatch(/^log\/.*commit 8, .*\[OBJECT_CORRUPT\].*\n$/);
		expect(shown.stderr).toMatch(
			/^error \[OBJECT_CORRUPT\].*1 object after commit 7 would be removed, and nothing was\n.*repeat the command with --yes\n$/,
		);
		expect(readFileSync(file, "utf8")).toMatch(/^garbage/);
		expect((await place.cli("a", ["repair", "--after", "6", "--yes"])).stderr).toMatch(
			/^error \[USAGE\] .*7: this later commit can be read/,
		);

		const repaired = await place.cli("a", ["repair", "--after", "7", "--yes", "--json"]);
		expect(repaired.status).toBe(0);
		const [object] = jsonObject(repaired.stdout).objects as { key: string; copy: string }[];
		expect(object).toMatchObject({
			key: logKey(8),
			copy: join(place.dir, "a/state/repair/default", logKey(8)),
		});
		expect(readFileSync(object?.copy as string, "utf8")).toBe("garbage, written with stolen keys");
		const [restored, again] = await Promise.all([
			place.cli("b", ["restore"]),
			place.cli("a", ["repair", "--after", "7"]),
		]);
		expect(restored.status).toBe(0);
		expect(again).toMatchObject({
			status: 0,
			stdout: "nothing follows commit 7: nothing to remove\n",
		});
	});

	test("rejects invalid arguments as a usage error", async () => {
		const wrong: [string[], RegExp][] = [
			[["gc", "--keep-all", "7"], /--keep-all accepts a number of hours/],
			[["gc", "--keep-all", "23h"], /23h: flag --keep-all must be at least 1d/],
			[["verify", "--keep-daily", "x"], /--keep-daily accepts/],
			[["repair", "--after", "-1"], /--after/],
			[["rollback"], /--to/],
			[["diff"], /A: this argument is required/],
		];
		for (const [args, said] of wrong) {
			const { status, stderr } = await place.cli("a", args);
			expect({ args, status }).toEqual({ args, status: 2 });
			expect(stderr).toMatch(said);
		}
	});
});

test("gc deletes what expired, over several runs; --dry-run only reports it; deleted commits are past retention", async () => {
	using place = new Place();
	await using session = await openSession(place);
	const commit = async (name: string, content: string | Buffer | undefined) => {
		if (content === undefined) rmSync(place.path("a", name));
		else writeFileSync(place.path("a", name), content);
		session.hint(name);
		await session.flush();
	};
	await commit("large", randomBytes(5 * MiB));
	await commit("large", undefined);
	while (session.head.seq < 66) await commit("turn", String(session.head.seq));
	age(place, 40);
	// Packs are deleted only once the newest commit is a day younger.
	age(place, -2, logKey(session.head.seq));
	const before = storedKeys(place);
	const dry = jsonObject((await place.cli("a", ["gc", "--dry-run", "--json"])).stdout);
	expect(storedKeys(place)).toEqual(before);
	const first = await place.cli("a", ["gc", "--json"]);
	expect(first.status).toBe(0);
	const done = jsonObject(first.stdout);
	expect({ ...dry, dryRun: false, storeTime: 0 }).toEqual({ ...done, storeTime: 0 });
	expect(done).toMatchObject({
		sweptSeqs: Array.from({ length: 63 }, (_, index) => 63 - index),
		packs: { condemned: { count: 1 } },
	});
	age(place, 2);
	expect((await place.cli("a", ["gc"])).stdout).toMatch(/\ndeleted +0 commits, 0 B; 1 pack, /);
	expect(storedKeys(place).filter((key) => !key.startsWith("log/"))).toEqual([]);
	for (const args of [
		["restore", "--at", "2"],
		["ls", "--at", "2"],
		["rollback", "--to", "2"],
	]) {
		const { status, stderr } = await place.cli("a", args);
		expect({ args, status }).toEqual({ args, status: 2 });
		expect(stderr).toMatch(/error \[COMMIT_EXPIRED\] /);
	}
	expect((await place.cli("b", ["restore"])).status).toBe(0);
	expect(readFileSync(place.path("b", "turn"))).toEqual(readFileSync(place.path("a", "turn")));
	expect((await place.cli("a", ["verify"])).stdout).toMatch(/\nswept {4}1-63\nall is well/);
});

test("gc of all namespaces continues after a damaged one", async () => {
	using place = new Place();
	const flushed = ["anna", "bert", "carl"].map(async (namespace) => {
		writeFileSync(place.path(namespace, "f"), namespace);
		return place.cli(namespace, ["flush", "--namespace", namespace]);
	});
	expect((await Promise.all(flushed)).map(({ status }) => status)).toEqual([0, 0, 0]);
	writeFileSync(join(place.store, "users/bert", logKey(3)), "garbage");
	mkdirSync(join(place.store, "other/log"), { recursive: true });
	const { status, stdout } = await place.cli("a", ["gc", "--all-namespaces", "--json"]);
	expect(status).toBe(5);
	const [error, ...results] = jsonLines(stdout).reverse();
	expect(error).toMatchObject({ error: { code: "OBJECT_CORRUPT", exitStatus: 5 } });
	expect(
		results
			.reverse()
			.map(({ namespace, problem }) => [namespace, (problem as { code: string } | null)?.code]),
	).toEqual([
		["anna", undefined],
		["bert", "OBJECT_CORRUPT"],
		["carl", undefined],
	]);
});

describe.skipIf(s3TestServer() === undefined)("on a real S3 server", () => {
	const environment = (
		credentials: S3Credentials | undefined = s3TestServer(),
	): NodeJS.ProcessEnv => ({
		AWS_ENDPOINT_URL_S3: s3TestServer()?.endpoint,
		AWS_REGION: s3TestServer()?.region,
		AWS_ACCESS_KEY_ID: credentials?.accessKeyId,
		AWS_SECRET_ACCESS_KEY: credentials?.secretAccessKey,
		...(credentials?.sessionToken !== undefined && { AWS_SESSION_TOKEN: credentials.sessionToken }),
	});

	test("the operator's principal may repair and delete, the writer's may not", async () => {
		using place = new Place();
		const bucket = await makeBucket();
		const writer = environment(
			await makeRestrictedUser(
				JSON.stringify({
					Version: "2012-10-17",
					Statement: [
						{
							Effect: "Allow",
							Action: ["s3:GetObject", "s3:PutObject", "s3:ListBucket"],
							Resource: ["*"],
						},
					],
				}),
			),
		);
		const args = place.args("a", `s3://${bucket}/pre`);
		const cli = async (env: NodeJS.ProcessEnv, ...more: string[]) =>
			place.cli("a", [...args, ...more], { env });
		writeFileSync(place.path("a", "f"), "one");
		expect((await cli(writer, "flush")).status).toBe(0);
		writeFileSync(place.path("a", "f"), "two");
		expect((await cli(writer, "flush")).status).toBe(0);
		expect((await cli(writer, "rollback", "--to", "2")).status).toBe(0);
		expect(readFileSync(place.path("a", "f"), "utf8")).toBe("one");
		const [diff, verified] = await Promise.all([
			cli(writer, "diff", "2"),
			cli(writer, "verify", "--deep"),
		]);
		expect([diff.stdout, verified.status]).toEqual([expect.stringContaining("no path differs"), 0]);

		const { S3Client, PutObjectCommand } = await import("@aws-sdk/client-s3");
		const { endpoint, region, ...credentials } = s3TestServer()!;
		const client = new S3Client({ endpoint, region, credentials, forcePathStyle: true });
		await client.send(
			new PutObjectCommand({
				Bucket: bucket,
				Key: `pre/users/default/${logKey(8)}`,
				Body: "garbage",
			}),
		);
		client.destroy();
		const [damaged, denied] = await Promise.all([
			cli(writer, "verify"),
			cli(writer, "repair", "--after", "7", "--yes"),
		]);
		expect([damaged.status, denied.status]).toEqual([5, 6]);
		expect((await cli(environment(), "repair", "--after", "7", "--yes")).status).toBe(0);
		const [swept, well] = await Promise.all([
			cli(environment(), "gc", "--all-namespaces"),
			cli(writer, "verify"),
		]);
		expect(swept.stdout).toMatch(/^default: the newest commit is 7\nkept +7 commits/);
		expect(well.status).toBe(0);
		// Nine processes, one after the other.
	}, 60_000);
});
