import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { Place } from "../../../testkit/cli.ts";
import { PlatformMachine } from "../../../testkit/platform/platform.ts";
import { type OidcS3Server, startOidcS3Server } from "../../../testkit/store/oidc-s3-server.ts";
import { s3TestServer } from "../../../testkit/store/s3-server.ts";

describe("run --listen", () => {
	test("belongs to no user until the first request, serves it, drains, and the next machine continues its work", async () => {
		using place = new Place();
		const first = await PlatformMachine.boot(place, "a");
		expect(await first.ping()).toEqual({
			status: "Healthy",
			time_of_last_update: expect.any(Number),
		});
		expect(await first.status()).toMatchObject({ phase: "waiting", requestsServed: 0 });
		expect(first.process.events.map(({ event }) => event)).toEqual([
			"run.started",
			"server.listening",
		]);

		expect(await first.ask("hello")).toBe("turn 1 of default");
		const streamed = await first.invoke({ prompt: "again", stream: true });
		expect(await streamed.text()).toBe(
			["turn ", "2 ", "of ", "default "].map((word) => `data: "${word}"\n\n`).join(""),
		);
		await expect.poll(async () => (await first.ping()).status).toBe("Healthy");
		const { status, stderr } = await first.end();
		expect([status, stderr]).toEqual([0, expect.stringContaining("everything is durable")]);

		await using next = await PlatformMachine.boot(place, "b");
		expect(await next.ask("still there?")).toBe("turn 3 of default");
		expect((await next.end()).status).toBe(0);
	});

	test("ends at once if told to before any request, and nothing was written anywhere", async () => {
		using place = new Place();
		const machine = await PlatformMachine.boot(place, "a");
		const { status, events } = await machine.end();
		expect([status, events.at(-1)?.event]).toEqual([0, "run.stopped-before-start"]);
		expect((await place.cli("a", ["history", "--json"])).stdout).toBe("");
	});

	test("waits again after a restore that failed, and the next request tries it again", async () => {
		using place = new Place();
		const log = join(place.store, "users/default/log");
		await using machine = await PlatformMachine.boot(place, "a");
		mkdirSync(dirname(log), { recursive: true });
		writeFileSync(log, "");
		expect(await machine.ask("hello")).toBe("500 STORE_UNSUPPORTED");
		expect([(await machine.status()).phase, (await machine.ping()).status]).toEqual([
			"waiting",
			"Healthy",
		]);
		rmSync(log);
		expect(await machine.ask("hello")).toBe("turn 1 of default");
		expect(await machine.status()).toMatchObject({
			phase: "serving",
			daemon: { phase: "serving" },
		});
		expect((await machine.end()).status).toBe(0);
	});

	test("ends at once if told to while it restores, and refuses the request that waits", async () => {
		using place = new Place();
		await using first = await PlatformMachine.boot(place, "a");
		await first.ask("hello");
		const next = await PlatformMachine.boot(place, "b", ["--handover-wait", "10m"]);
		const refused = next.ask("hello");
		await next.process.waitForEvent("handover.waiting");
		expect([(await next.status()).phase, (await next.ping()).status]).toEqual([
			"restoring",
			"HealthyBusy",
		]);
		const { status, events } = await next.end();
		expect([status, await refused]).toEqual([0, "503 NOT_READY"]);
		expect(events.map(({ event }) => event)).toContain("run.stopped-before-start");
		expect(await first.ask("still mine")).toBe("turn 2 of default");
	});

	// @id interrupted-turn-not-repeated
	test("tells the caller of a turn that the end interrupts not to repeat it", async () => {
		using place = new Place();
		const machine = await PlatformMachine.boot(place, "a");
		await machine.ask("hello");
		const { headSeq } = (await machine.status()).daemon as { readonly headSeq: number };
		const hanging = machine.ask("hang");
		// The agent has the prompt once a commit holds it.
		await expect
			.poll(async () => ((await machine.status()).daemon as { headSeq: number }).headSeq)
			.toBeGreaterThan(headSeq);
		expect((await machine.end()).status).toBe(0);
		expect(await hanging).toBe("502 TURN_INTERRUPTED");
	});

	test("restarts a crashed agent, with its workspace unchanged", async () => {
		using place = new Place();
		await using machine = await PlatformMachine.boot(place, "a");
		await machine.ask("hello");
		expect(await machine.ask("crash")).toBe("502 AGENT_UNREACHABLE");
		await machine.process.waitForEvent("agent.restarted");
		await expect.poll(async () => await machine.ask("hello again")).toBe("turn 2 of default");
		expect((await machine.end()).status).toBe(0);
	});

	test("gives a new user of OpenClaw's a configuration, and finds the token of a restored user", async () => {
		using place = new Place();
		const env = {
			OPENCLAW_MODEL_BASE_URL: "http://127.0.0.1:1/v1",
			OPENCLAW_MODEL_ID: "model-7",
			OPENCLAW_MODEL_API_KEY: "CANARY",
		};
		const boot = async (name: string) =>
			await PlatformMachine.boot(place, name, ["--profile", "openclaw"], { env });
		await using first = await boot("a");
		expect(await first.ask("hello")).toBe("turn 1 of default");
		const config = readFileSync(place.path("a", "openclaw.json"), "utf8");
		expect(first.process.events.map(({ event }) => event)).toContain("agent.config-written");
		const onboarded = withToken(config, "of-the-user's-own");
		writeFileSync(place.path("a", "openclaw.json"), onboarded);
		const { status, stderr } = await first.end();
		expect(status).toBe(0);

		await using second = await boot("b");
		expect(await second.ask("still there?")).toBe("turn 2 of default");
		expect(readFileSync(place.path("b", "openclaw.json"), "utf8")).toBe(onboarded);
		expect(stderr + config + (await second.end()).stderr).not.toMatch(/CANARY|of-the-user's-own/);
	});

	test("replaces the token that earlier versions wrote, once, and commits the file", async () => {
		using place = new Place();
		const old = "$" + "{OPENCLAW_GATEWAY_TOKEN}";
		writeFileSync(place.path("a", "openclaw.json"), withToken('{"gateway": {"auth": {}}}', old));
		expect((await place.cli("a", ["flush", "--profile", "openclaw"])).status).toBe(0);
		const env = { OPENCLAW_MODEL_BASE_URL: "http://127.0.0.1:1/v1", OPENCLAW_MODEL_ID: "model-7" };
		const life = async (name: string) => {
			await using machine = await PlatformMachine.boot(place, name, ["--profile", "openclaw"], {
				env,
			});
			expect(await machine.ask("hello")).toMatch(/^turn \d of default$/);
			const { status, events } = await machine.end();
			expect(status).toBe(0);
			return events.filter(({ event }) => event === "agent.config-migrated").length;
		};
		expect([await life("b"), await life("c")]).toEqual([1, 0]);
		const { stdout } = await place.cli("d", ["cat", "openclaw.json"]);
		expect(JSON.parse(stdout).gateway.auth.token).toEqual({
			source: "env",
			provider: "default",
			id: "OPENCLAW_GATEWAY_TOKEN",
		});
	});

	test("reports what a new user's configuration lacks", async () => {
		using place = new Place();
		await using machine = await PlatformMachine.boot(place, "a", ["--profile", "openclaw"]);
		const response = await machine.invoke({ prompt: "hello" });
		expect([response.status, await response.json()]).toEqual([
			500,
			expect.objectContaining({ code: "USAGE", remedy: expect.stringContaining("AWS_REGION") }),
		]);
	});

	test("exits with 4 if another machine has taken the workspace over", async () => {
		using place = new Place();
		await using first = await PlatformMachine.boot(place, "a");
		await first.ask("hello");
		// The first commit may contain only the workspace's own directory.
		await expect
			.poll(async () => (await place.cli("look", ["ls"])).stdout)
			.toContain("memory.jsonl");
		await using second = await PlatformMachine.boot(place, "b");
		expect(await second.ask("hello")).toBe("turn 2 of default");
		await first.ask("too late");
		expect((await first.process.ended).status).toBe(4);
		expect(await second.ask("mine")).toBe("turn 3 of default");
	});

	test("reports missing identity settings, and an address that cannot be used", async () => {
		using place = new Place();
		const usage = async (...args: string[]) =>
			await place.cli("a", ["run", "--listen", "127.0.0.1:0", ...args]);
		expect(await usage("--identity", "web-identity")).toMatchObject({
			status: 2,
			stderr: expect.stringContaining("--issuer"),
		});
		expect(await usage("--issuer", "https://issuer.example")).toMatchObject({
			status: 2,
			stderr: expect.stringContaining("--audience"),
		});
		await using machine = await PlatformMachine.boot(place, "b");
		const taken = machine.url.replace("http://", "");
		expect(await usage("--listen", taken)).toMatchObject({
			status: 2,
			stderr: expect.stringContaining("EADDRINUSE"),
		});
	});

	test("writes metrics in CloudWatch's format among the log lines", async () => {
		using place = new Place();
		const machine = await PlatformMachine.boot(place, "a", [
			"--metrics",
			"--log-level",
			"debug",
			"--sweep-interval",
			"1s",
		]);
		await machine.ask("hello");
		await machine.process.waitForEvent("durability.measured");
		const { stderr } = await machine.end();
		const metrics = stderr
			.split("\n")
			.flatMap((line) =>
				line.startsWith('{"_aws"') ? [JSON.parse(line) as Record<string, unknown>] : [],
			);
		const names = new Set(metrics.flatMap((line) => Object.keys(line)));
		for (const name of [
			"RestoreTime",
			"FlushTime",
			"DurabilityLag",
			"DirtyFiles",
			"DirtyBytes",
			"StoreRequests",
			"Invocations",
		])
			expect(names).toContain(name);
	});
});

describe.skipIf(s3TestServer() === undefined)("run --listen with a user's token and S3", () => {
	const args = ({ issuer, roleArn, bucket, server }: OidcS3Server) => [
		...["--store", `s3://${bucket}`, "--region", server.region, "--endpoint", server.endpoint],
		...[
			"--identity",
			"web-identity",
			"--issuer",
			issuer.url,
			"--audience",
			issuer.audience,
			"--role-arn",
			roleArn,
			"--role-duration",
			"15m",
		],
	];
	const options = ({ server }: OidcS3Server) => ({
		env: { AWS_ENDPOINT_URL_STS: server.endpoint, AWS_REGION: server.region },
	});

	test("belongs to the user in the token: that user continues elsewhere, another sees nothing of it, and forgeries are refused and audited", async () => {
		using place = new Place();
		await using cloud = await startOidcS3Server();
		const { issuer } = cloud;
		const anna = await issuer.token({ sub: "anna" });
		const bob = await issuer.token({ sub: "bob" });
		const boot = async (name: string) =>
			await PlatformMachine.boot(place, name, args(cloud), options(cloud));

		const first = await boot("a");
		for (const [why, token] of [
			["no token", undefined],
			["expired", await issuer.token({ sub: "anna" }, { expiresInS: -60 })],
			["another issuer's", await issuer.token({ sub: "anna" }, { issuer: "https://evil.example" })],
			["tampered", `${anna.slice(0, -10)}AAAAAAAAAA`],
		] as const) {
			expect([why, await first.ask("hello", token)]).toEqual([why, "401 IDENTITY_REFUSED"]);
		}
		expect(await first.status()).toMatchObject({ phase: "waiting" });
		expect(
			await (
				await first.invoke(
					{ prompt: "hello", user: "bob", namespace: "bob", identityToken: bob },
					anna,
				)
			).json(),
		).toMatchObject({
			response: "turn 1 of anna",
		});
		expect(await first.ask("hello", bob)).toBe("403 NAMESPACE_FOREIGN");
		const { status, stderr, events } = await first.end();
		expect(status).toBe(0);
		const audited = events
			.map(({ event }) => event)
			.filter((event) => event.startsWith("security."));
		expect(audited).toEqual([
			...Array(4).fill("security.identity-refused"),
			"security.namespace-refused",
		]);
		for (const token of [anna, bob])
			for (const part of token.split(".").slice(1)) expect(stderr).not.toContain(part);

		await using second = await boot("b");
		expect(await second.ask("hello", anna)).toBe("turn 2 of anna");
		await using other = await boot("c");
		expect(await other.ask("hello", bob)).toBe("turn 1 of bob");
		expect(readFileSync(place.path("c", "memory.jsonl"), "utf8")).not.toContain("anna");
	});

	test("reports denied credentials in the request's answer and, at the end, in the exit status", async () => {
		using place = new Place();
		await using cloud = await startOidcS3Server();
		const machine = await PlatformMachine.boot(
			place,
			"a",
			[...args(cloud), "--role-arn", "arn:aws:iam::1:role/other"],
			options(cloud),
		);
		expect(await machine.ask("hello", await cloud.issuer.token({ sub: "anna" }))).toBe(
			"403 STORE_ACCESS_DENIED",
		);
		expect((await machine.ping()).status).toBe("Healthy");
		expect((await machine.end()).status).toBe(6);
	});
});

function withToken(config: string, token: string): string {
	const { gateway, ...rest } = JSON.parse(config);
	return JSON.stringify({ gateway: { ...gateway, auth: { token } }, ...rest }, undefined, 2);
}
