/**
 * Runs the image as it is deployed, with a model of Amazon Bedrock: a user's token is traded for a
 * session, OpenClaw takes a turn, and the fake Bedrock checks the signature of the session. Then a
 * second machine goes on. No plugin may be fetched at a start, and nothing may wait for another host.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FakeBedrock } from "../../testkit/model/fake-bedrock.ts";
import { RecordingSts } from "../../testkit/model/recording-sts.ts";
import { type OidcS3Server, startOidcS3Server } from "../../testkit/store/oidc-s3-server.ts";
import { Container } from "./container.ts";
import { ask, machineVariables, TIMEOUT_MS, untilPinged } from "./contract.ts";
import { NameServer } from "./name-server.ts";

const MODEL = "global.anthropic.claude-opus-5";
/** OpenClaw looks for news there in the background, and goes on without: docs/image.md. */
const NEWS = ["catalog.openclaw.ai", "clawhub.ai"];

let directory: string;
let cloud: OidcS3Server;
let bedrock: FakeBedrock;
let sts: RecordingSts;
let names: NameServer;
beforeAll(async () => {
	directory = mkdtempSync(join(tmpdir(), "openclaw-image-"));
	writeFileSync(join(directory, "resolv.conf"), "nameserver 127.0.0.1\n");
	cloud = await startOidcS3Server();
	bedrock = await FakeBedrock.start({ service: "bedrock", region: cloud.server.region });
	sts = await RecordingSts.start(cloud.server.endpoint, bedrock.known);
	names = await NameServer.start();
});
afterAll(async () => {
	await names[Symbol.asyncDispose]();
	await sts[Symbol.asyncDispose]();
	await bedrock[Symbol.asyncDispose]();
	await cloud[Symbol.asyncDispose]();
	rmSync(directory, { recursive: true, force: true });
});

function machine(name: string): Container {
	const env = {
		...machineVariables(cloud, { METRICS: "true", MODEL_IDS: MODEL }),
		OPENCLAW_MODEL_ID: MODEL,
		AWS_ENDPOINT_URL_STS: sts.url,
		AWS_ENDPOINT_URL_BEDROCK_RUNTIME: bedrock.url,
	};
	return new Container(name, {
		env,
		volumes: { "/etc/resolv.conf:ro": join(directory, "resolv.conf") },
	});
}

/** A machine's whole life with one turn. */
async function turn(name: string, prompt: string) {
	await using vm = machine(name);
	await untilPinged(vm);
	const started = performance.now();
	const answer = await ask(prompt, await cloud.issuer.token({ sub: "anna" }));
	const answeredMs = performance.now() - started;
	expect(answer).toBe(bedrock.words.join(" "));
	const { ms: servingMs } = await vm.process.event("machine.serving");
	const printed = vm.process.events("agent.output").map(({ text }) => String(text));
	expect(await vm.end()).toEqual({ code: 0, signal: null });
	expect(vm.process.events("drain.finished").at(-1)).toMatchObject({ isDurable: true });
	return { answeredMs, servingMs: Number(servingMs), printed };
}

test("a turn is signed with the user's session, and a machine needs no other host to start, nor does the next one", {
	timeout: 4 * TIMEOUT_MS,
}, async () => {
	const first = await turn("vm-1", "My name is Anna.");
	const second = await turn("vm-2", "What is my name?");

	expect(bedrock.refused).toEqual([]);
	expect(sts.sessions.map(({ user }) => user)).toEqual(["anna", "anna"]);
	for (const { policy } of sts.sessions)
		expect(policy).toMatch(/bedrock:InvokeModel.*claude-opus-5/);
	const signers = new Set(bedrock.calls.map(({ accessKeyId }) => accessKeyId));
	expect(signers).toEqual(new Set(sts.sessions.map(({ accessKeyId }) => accessKeyId)));
	for (const { path, body } of bedrock.calls)
		expect([path, body.model]).toEqual(["/anthropic/v1/messages", MODEL]);
	// The second machine goes on with the conversation of the first.
	expect(JSON.stringify(bedrock.calls.at(-1)?.body.messages)).toContain("My name is Anna.");

	// No registry of packages, no metadata service, no other provider.
	expect(names.asked.filter((name) => !NEWS.includes(name))).toEqual([]);
	// What OpenClaw prints is in the log, as the text of events.
	expect(first.printed.join("\n")).toContain("gateway");

	const ratio = (of: "servingMs" | "answeredMs") => (second[of] / first[of]).toFixed(2);
	const seconds = (ms: number) => (ms / 1000).toFixed(1);
	console.log(
		[
			`first machine: agent ready after ${seconds(first.servingMs)} s, answer after ${seconds(first.answeredMs)} s`,
			`second machine: agent ready after ${seconds(second.servingMs)} s, answer after ${seconds(second.answeredMs)} s`,
			`second start by the first: ready ${ratio("servingMs")}, answer ${ratio("answeredMs")}`,
		].join("\n"),
	);
});
