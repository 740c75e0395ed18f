import { rmSync, writeFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type Ended, jsonObject, Place } from "../../test/cli.ts";

/** In halves, so that this file holds none. */
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
	test("warn stores it, and a log line tells path and kind", async () => {
		using place = new Place();
		writeFileSync(place.path("a", "notes.md"), KEY);
		const { status, events, stdout, stderr } = await place.cli("a", ["flush"]);
		expect(status).toBe(0);
		expect(events.filter(({ event }) => event === "security.secret-found")).toMatchObject([
			{ level: "warn", kind: "security", path: "notes.md", secretKind: "aws-access-key-id", policy: "warn" },
		]);
		expect(stdout + stderr).not.toContain(KEY);
		expect((await place.cli("a", ["cat", "notes.md"])).stdout).toBe(KEY);
	});

	test("exclude leaves it out, and flush, status and run say so: exit status 0", async () => {
		using place = new Place();
		writeFileSync(place.path("a", "notes.md"), KEY);
		writeFileSync(place.path("a", "good"), "x");
		const exclude = ["--on-secret", "exclude"];
		const flushed = await place.cli("a", ["flush", ...exclude]);
		expect(flushed).toMatchObject({
			status: 0,
			stdout: expect.stringMatching(/^committed 2: .*\nleft out {2}notes\.md: .*aws-access-key-id\n$/),
		});
		expect((await place.cli("a", ["ls"])).stdout).not.toContain("notes.md");

		const status = await place.cli("a", ["status", ...exclude]);
		expect(status.status).toBe(0);
		expect(status.stdout).toMatch(/left out +1 file, by choice: not durable/);
		expect(status.stdout).toMatch(/durable +yes, everything else/);
		// Whoever did not choose so is told that it is not durable.
		expect((await place.cli("a", ["status"])).status).toBe(3);
		expect(jsonObject((await place.cli("a", ["flush", "--json", ...exclude])).stdout)).toMatchObject({
			kind: "nothing",
			exitStatus: 0,
			excluded: [{ path: "notes.md" }],
		});

		const daemon = await place.run("a", exclude);
		writeFileSync(place.path("a", "more"), "x");
		await daemon.waitForEvent("flush.committed");
		// The daemon's choice counts, whatever this call's is.
		const asked = await place.cli("a", ["status", "--json"]);
		expect(asked.status).toBe(0);
		expect(jsonObject(asked.stdout)).toMatchObject({ durable: true, excludedCount: 1, daemon: { excluded: [{ path: "notes.md" }] } });
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
		expect(jsonObject(flushed.stdout).error).toMatchObject({ code: "SECRET_FOUND", value: "notes.md", exitStatus: 3 });
		expect((await place.cli("a", ["ls"])).stdout).toBe("");
		const ended = await (await place.run("b", fail)).stop();
		expect(ended.status).toBe(0);

		await using daemon = await place.run("a", fail);
		await daemon.waitForEvent("flush.failed", ({ error }) => (error as { code: string }).code === "SECRET_FOUND");
		const stopped = await daemon.stop();
		expect(stopped.status).toBe(3);
		expect(stopped.stdout).toContain("it holds aws-access-key-id");
	});
});

test("no secret of the workspace, the environment or the store's credentials is in any output, through errors and at trace level", async () => {
	using place = new Place();
	const canary = made("CANARY", "-in-the-environment");
	const env = {
		AWS_ACCESS_KEY_ID: made("AKIA", "CANARYCANARYCANA"),
		AWS_SECRET_ACCESS_KEY: `${canary}-secret`,
		AWS_SESSION_TOKEN: `${canary}-session`,
		OPENAI_API_KEY: `${canary}-other`,
		AWS_REGION: "us-east-1",
	};
	const trace = ["--log-level", "trace"];
	for (const [name, text] of Object.entries(CANARIES)) writeFileSync(place.path("a", name), text);
	const ended: Ended[] = [];

	const daemon = await place.run("a", [...trace, "--drain-timeout", "500ms"], { env });
	await daemon.waitForEvent("flush.committed");
	// A store that is gone, and a drain that fails.
	rmSync(place.store, { recursive: true });
	writeFileSync(place.store, "no directory any more");
	writeFileSync(place.path("a", "aws.txt"), `${KEY} again`);
	await daemon.waitForEvent("flush.undecided");
	ended.push(await place.cli("a", ["status", "--json", ...trace], { env }));
	ended.push(await daemon.stop());
	expect(ended[1]?.status).toBe(3);
	rmSync(place.store);

	for (const policy of ["exclude", "fail"]) ended.push(await place.cli("b", ["flush", "--on-secret", policy, ...trace], { env }));
	for (const name of Object.keys(CANARIES)) writeFileSync(place.path("b", name), CANARIES[name] as string);
	for (const policy of ["exclude", "fail"]) ended.push(await place.cli("b", ["flush", "--on-secret", policy, ...trace], { env }));
	const unreachable = [...place.args("b", "s3://bucket"), "--endpoint", "http://127.0.0.1:9", ...trace];
	for (const command of ["run", "doctor", "status"]) ended.push(await place.cli("b", [...unreachable, command, "--json"], { env }));

	const output = ended.map(({ stdout, stderr }) => stdout + stderr).join("\n");
	expect(output).toContain("security.secret-found");
	expect(output).toContain("STORE_UNREACHABLE");
	expect(output).not.toMatch(/CANARY/i);
	expect(output).not.toContain(KEY);
	expect(output).not.toContain(CANARIES["github.md"]);
});
