import { rmSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type Ended, jsonObject, Place } from "../../../testkit/cli.ts";

/** In halves, so that this file contains no secret. */
const made = (start: string, rest: string) => start + rest;
const KEY = made("AKIA", "QWERTYUIOPASDFGH");
const CANARIES: Readonly<Record<string, string>> = {
	"aws.txt": KEY,
	"github.md": made("ghp_", "abcdefghijklmnopqrstuvwxyz0123456789"),
	"anthropic.env": made("sk-ant-api03-", "CANARYcanaryCANARYcanaryCANARYcanary0123456789"),
	"slack.json": `{"text":"a line\\n${made("xoxb-", "111111111111-222222222222-CANARYcanaryCANARYcanary")}"}`,
	"key.pem": `${made("-----BEGIN ", "RSA PRIVATE KEY-----")}\nCANARYcanaryCANARYcanaryCANARYcanaryCANARYcanaryCANARYcanary0123\n`,
	"nothing.txt": "CANARY-of-no-known-form",
};

describe("--on-secret", () => {
	test("warn stores the file and tells its path and kind, in words or as a log line", async () => {
		using place = new Place();
		writeFileSync(place.path("b", "notes.md"), KEY);
		const words = await place.cli("b", ["flush", "--namespace", "b"]);
		expect(words).toMatchObject({
			status: 0,
			stderr:
				"warning [security.secret-found] notes.md seems to hold a secret (aws-access-key-id) and is stored; --on-secret decides\n",
		});
		expect(words.stdout).not.toContain(KEY);

		writeFileSync(place.path("a", "notes.md"), KEY);
		const { status, events, stdout, stderr } = await place.cli("a", ["flush", "--json"]);
		expect(status).toBe(0);
		expect(events.filter(({ event }) => event === "security.secret-found")).toMatchObject([
			{
				level: "warn",
				kind: "security",
				path: "notes.md",
				secretKind: "aws-access-key-id",
				policy: "warn",
			},
		]);
		expect(stdout + stderr).not.toContain(KEY);
		expect((await place.cli("a", ["cat", "notes.md"])).stdout).toBe(KEY);
	});

	test("exclude leaves it out, and flush, status and run report that: exit status 0", async () => {
		using place = new Place();
		writeFileSync(place.path("a", "notes.md"), KEY);
		writeFileSync(place.path("a", "good"), "x");
		const exclude = ["--on-secret", "exclude"];
		const flushed = await place.cli("a", ["flush", ...exclude]);
		expect(flushed).toMatchObject({
			status: 0,
			stdout: expect.stringMatching(
				/^committed 2: .*\nleft out {2}notes\.md: .*aws-access-key-id\n$/,
			),
		});
		expect((await place.cli("a", ["ls"])).stdout).not.toContain("notes.md");

		const status = await place.cli("a", ["status", ...exclude]);
		expect(status.status).toBe(0);
		expect(status.stdout).toMatch(/left out +1 file, by choice: not durable/);
		expect(status.stdout).toMatch(/durable +yes, everything else/);
		// Without that policy it is reported as not durable.
		expect((await place.cli("a", ["status"])).status).toBe(3);
		expect(
			jsonObject((await place.cli("a", ["flush", "--json", ...exclude])).stdout),
		).toMatchObject({
			kind: "nothing",
			exitStatus: 0,
			excluded: [{ path: "notes.md" }],
		});
	});

	test("exclude under a daemon: callers see the daemon's policy, and the end reports what was left out", async () => {
		using place = new Place();
		writeFileSync(place.path("a", "notes.md"), KEY);
		const daemon = await place.run("a", ["--on-secret", "exclude"]);
		writeFileSync(place.path("a", "more"), "x");
		await daemon.waitForEvent("flush.committed");
		// The daemon's policy counts, whatever this call's is.
		const asked = await place.cli("a", ["status", "--json"]);
		expect(asked.status).toBe(0);
		expect(jsonObject(asked.stdout)).toMatchObject({
			durable: true,
			excludedCount: 1,
			daemon: { excluded: [{ path: "notes.md" }] },
		});
		expect(await daemon.stop()).toMatchObject({
			status: 0,
			stdout: expect.stringMatching(/^everything else is durable: commit \d+\n {2}notes\.md: /),
		});
	});

	test("fail refuses the flush, with exit status 3 and nothing stored", async () => {
		using place = new Place();
		writeFileSync(place.path("a", "notes.md"), KEY);
		writeFileSync(place.path("a", "good"), "x");
		const fail = ["--on-secret", "fail"];
		const flushed = await place.cli("a", ["flush", "--json", ...fail]);
		expect(flushed.status).toBe(3);
		expect(jsonObject(flushed.stdout).error).toMatchObject({
			code: "SECRET_FOUND",
			value: "notes.md",
			exitStatus: 3,
		});
		expect((await place.cli("a", ["ls"])).stdout).toBe("");
	});

	test("fail under a daemon: nothing is durable, the end gives the reason, exit status 3", async () => {
		using place = new Place();
		writeFileSync(place.path("a", "notes.md"), KEY);
		const fail = ["--on-secret", "fail"];
		await using daemon = await place.run("a", fail);
		await daemon.waitForEvent(
			"flush.failed",
			({ error }) => (error as { code: string }).code === "SECRET_FOUND",
		);
		const stopped = await daemon.stop();
		expect(stopped.status).toBe(3);
		expect(stopped.stdout).toContain("it holds aws-access-key-id");
	});
});

describe("no secret of the workspace, the environment or the store's credentials appears in the debug output", () => {
	const canary = made("CANARY", "-in-the-environment");
	const env = {
		AWS_ACCESS_KEY_ID: made("AKIA", "CANARYCANARYCANA"),
		AWS_SECRET_ACCESS_KEY: `${canary}-secret`,
		AWS_SESSION_TOKEN: `${canary}-session`,
		OPENAI_API_KEY: `${canary}-other`,
		AWS_REGION: "us-east-1",
	};
	const trace = ["--log-level", "debug"];
	const plant = (place: Place) => {
		for (const [name, text] of Object.entries(CANARIES)) writeFileSync(place.path("a", name), text);
	};
	const expectNone = ({ stdout, stderr }: Ended) => {
		expect(stdout + stderr).not.toMatch(/CANARY/i);
		for (const secret of [KEY, CANARIES["github.md"] as string])
			expect(stdout + stderr).not.toContain(secret);
	};

	test("of a daemon whose store disappears, including a failing drain", async () => {
		using place = new Place();
		plant(place);
		const daemon = await place.run("a", [...trace, "--drain-timeout", "500ms"], { env });
		await daemon.waitForEvent("flush.committed");
		rmSync(place.store, { recursive: true });
		writeFileSync(place.store, "no directory any more");
		writeFileSync(place.path("a", "aws.txt"), `${KEY} again`);
		// A slow machine looks at its won slots first, and that fails.
		const failures = ["flush.undecided", "flush.failed"];
		await Promise.any(failures.map(async (event) => await daemon.waitForEvent(event)));
		const ended = await daemon.stop();
		expect(ended.status).toBe(3);
		expect(ended.stderr).toContain("security.secret-found");
		expectNone(ended);
	});

	test.each(["exclude", "fail"])("of a flush under --on-secret %s", async (policy) => {
		using place = new Place();
		plant(place);
		const ended = await place.cli("a", ["flush", "--on-secret", policy, ...trace], { env });
		expect(ended.stderr).toContain("security.secret-found");
		expectNone(ended);
	});

	test.each(["run", "doctor", "status"])(
		"of %s with a store that cannot be reached",
		async (command) => {
			using place = new Place();
			plant(place);
			const args = [
				...place.args("a", "s3://bucket"),
				"--endpoint",
				"http://127.0.0.1:9",
				...trace,
				command,
				"--json",
			];
			const ended = await place.cli("a", args, { env });
			expect(ended.stdout).toContain("STORE_UNREACHABLE");
			expectNone(ended);
		},
	);
});
