import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import type { SQSRecord } from "aws-lambda";
import { createLogger, flush } from "openclaw-sidecar";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { FakeAws } from "../../testkit/functions/fake-aws.ts";
import { asInOwnProcess } from "../../testkit/functions/own-process.ts";

asInOwnProcess();

let dir: string;
let aws: FakeAws;
let store: string;

const NAMES = ["anna", "ben", "carla"];

const lines: string[] = [];
let handler: typeof import("./retention.ts").handler;

beforeAll(async () => {
	vi.doMock("./shared/log.ts", () => ({
		logger: createLogger("info", { write: (line: string) => void lines.push(line) }),
	}));
	handler = (await import("./retention.ts")).handler;
	aws = await FakeAws.start();
	Object.assign(process.env, {
		AWS_REGION: "eu-west-1",
		AWS_ACCESS_KEY_ID: "a",
		AWS_SECRET_ACCESS_KEY: "b",
	});
	dir = mkdtempSync(join(tmpdir(), "retention-"));
	store = pathToFileURL(join(dir, "store")).href;
	process.env.STORE_URL = store;
	for (const namespace of NAMES) {
		const workspace = join(dir, namespace);
		mkdirSync(workspace);
		writeFileSync(join(workspace, "memory"), namespace);
		await flush({
			store,
			namespace,
			workspace,
			stateDir: join(dir, `${namespace}.state`),
			profile: "plain",
		});
	}
});

beforeEach(() => {
	lines.length = 0;
	aws.batched.length = 0;
	aws.broken.clear();
	Object.assign(aws.queue, { waiting: 0, inWork: 1 });
});

afterAll(async () => {
	await aws[Symbol.asyncDispose]();
	rmSync(dir, { recursive: true });
});

interface Line {
	readonly event: string;
	readonly namespace?: string;
	readonly attempt?: number;
	readonly names?: number;
	readonly error?: { readonly message: string };
}
const logged = (event: string): readonly Line[] =>
	lines.map((line) => JSON.parse(line) as Line).filter((line) => line.event === event);
const swept = () => logged("retention.finished").map(({ namespace }) => namespace);

const deliver = async (body: string, attempt = 1, timeMs = 60_000) =>
	await handler(
		{ Records: [{ body, attributes: { ApproximateReceiveCount: String(attempt) } } as SQSRecord] },
		{ getRemainingTimeInMillis: () => timeMs },
	);

/** Delivers messages until the queue is empty, as SQS does: three times each. */
async function drain(
	bodies: readonly string[],
	{
		timeMs = () => 60_000,
		copies = 1,
	}: { timeMs?: (body: string, attempt: number) => number; copies?: number } = {},
): Promise<readonly string[]> {
	const dead: string[] = [];
	const waiting = bodies.map((body) => ({ body, attempt: 1 }));
	for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
		const { body, attempt } = next;
		const results = await Promise.allSettled(
			Array.from(
				{ length: copies },
				async () => await deliver(body, attempt, timeMs(body, attempt)),
			),
		);
		waiting.push(...aws.batched.splice(0).map((one) => ({ body: one, attempt: 1 })));
		if (results.every(({ status }) => status === "fulfilled")) continue;
		if (attempt === 3) dead.push(body);
		else waiting.push({ body, attempt: attempt + 1 });
	}
	return dead;
}

const START = '{"task":"start"}';
const sweepOf = (namespace: string) => JSON.stringify({ task: "sweep", namespace });

describe("a round", () => {
	test("processes every namespace, and the next round starts again at the first", async () => {
		for (let round = 0; round < 2; round++) {
			lines.length = 0;
			expect(await drain([START])).toEqual([]);
			expect(swept()).toEqual(NAMES);
			expect(logged("retention.page-listed")).toMatchObject([
				{ names: 3, last: "carla", isLast: true },
			]);
		}
	});

	test("does not start while another one runs, and a warning counts that", async () => {
		for (const queue of [
			{ waiting: 1, inWork: 1 },
			{ waiting: 0, inWork: 2 },
		]) {
			Object.assign(aws.queue, queue);
			await deliver(START);
		}
		expect(aws.batched).toEqual([]);
		expect(logged("retention.round-continues")).toHaveLength(2);
	});

	test("continues where a page ended, and a page without time still lists one name", async () => {
		await deliver('{"task":"list","after":"anna"}');
		expect(aws.batched.splice(0)).toEqual([sweepOf("ben"), sweepOf("carla")]);
		await deliver('{"task":"list"}', 1, 0);
		expect(aws.batched.splice(0)).toEqual([sweepOf("anna"), '{"task":"list","after":"anna"}']);
		expect(
			await drain([START], { timeMs: (body) => (body.includes("list") ? 0 : 60_000) }),
		).toEqual([]);
		expect(swept()).toEqual(NAMES);
	});

	test("sends a page again if the queue did not accept all of it", async () => {
		aws.broken.add("AmazonSQS.SendMessageBatch");
		await expect(deliver('{"task":"list"}')).rejects.toThrow();
		aws.broken.clear();
		expect(await drain(['{"task":"list"}'])).toEqual([]);
		expect(swept()).toEqual(NAMES);
	});
});

describe("a namespace", () => {
	test("that the end of the time interrupted is processed again", async () => {
		const dead = await drain([START], {
			timeMs: (body, attempt) => (body === sweepOf("ben") && attempt === 1 ? 0 : 60_000),
		});
		expect(dead).toEqual([]);
		expect([...swept()].sort()).toEqual(NAMES);
		expect(logged("retention.failed")).toMatchObject([{ namespace: "ben", attempt: 1 }]);
	});

	test("that takes longer than a call stops no other, and stays for a person", async () => {
		const dead = await drain([START], {
			timeMs: (body) => (body === sweepOf("ben") ? 0 : 60_000),
		});
		expect(dead).toEqual([sweepOf("ben")]);
		expect(swept()).toEqual(["anna", "carla"]);
		expect(logged("retention.failed").map(({ attempt }) => attempt)).toEqual([1, 2, 3]);
	});

	test("can be delivered twice at the same time, and so can every other message", async () => {
		expect(await drain([START], { copies: 2 })).toEqual([]);
		expect(new Set(swept())).toEqual(new Set(NAMES));
		expect(logged("retention.failed")).toEqual([]);
	});

	test("that cannot be read is named with its reason, after the others were processed", async () => {
		const log = join(dir, "store/users/anna/log");
		for (const name of readdirSync(log)) writeFileSync(join(log, name), "not a commit");
		expect(await drain([START])).toEqual([sweepOf("anna")]);
		expect(swept()).toEqual(expect.arrayContaining(["ben", "carla"]));
		const failures = logged("retention.failed");
		expect(failures.map(({ namespace }) => namespace)).toEqual(["anna", "anna", "anna"]);
		expect(failures[0]!.error!.message).toMatch(/^commit \d+ cannot be read/);
	});
});

test.each([
	"",
	"{}",
	'{"task":"sweep"}',
	'{"task":"sweep","namespace":""}',
	'{"task":"list","after":1}',
	"null",
])("the message %j is refused, and names what would do", async (body) => {
	await expect(deliver(body)).rejects.toThrow("the tasks are start, list and sweep");
});
