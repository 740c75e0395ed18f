import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { DynamoDBClient, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { createLogger, flush } from "openclaw-sidecar";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { asInOwnProcess } from "../../testkit/functions/own-process.ts";
import { type LocalTable, startTable } from "../../testkit/functions/table.ts";

asInOwnProcess();

let dir: string;
let table: LocalTable;
let store: string;

const NAMES = ["anna", "ben", "carla"];

const lines: string[] = [];
let handler: typeof import("./retention.ts").handler;

beforeAll(async () => {
	vi.doMock("./log.ts", () => ({
		logger: createLogger("info", { write: (line: string) => void lines.push(line) }),
	}));
	handler = (await import("./retention.ts")).handler;
	table = await startTable();
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

afterAll(async () => {
	await table[Symbol.asyncDispose]();
	rmSync(dir, { recursive: true });
});

const run = async () => await handler({}, { getRemainingTimeInMillis: () => 60_000 });

test("every namespace is processed", async () => {
	expect(await run()).toEqual({ done: 3, failures: {}, stoppedAfter: undefined });
});

test("a run begins where the last one stopped, and a complete round clears that place", async () => {
	const client = new DynamoDBClient({});
	const TableName = table.name;
	await client.send(
		new PutItemCommand({ TableName, Item: { id: { S: "retention" }, after: { S: "anna" } } }),
	);
	expect(await run()).toMatchObject({ done: 2 });
	expect(await run()).toMatchObject({ done: 3 });
});

test("a run without time keeps the place where the last one stopped", async () => {
	const client = new DynamoDBClient({});
	const TableName = table.name;
	await client.send(
		new PutItemCommand({ TableName, Item: { id: { S: "retention" }, after: { S: "ben" } } }),
	);
	expect(await handler({}, { getRemainingTimeInMillis: () => 0 })).toEqual({
		done: 0,
		failures: {},
		stoppedAfter: "ben",
	});
	expect(await run()).toMatchObject({ done: 1 });
});

test("an unreadable namespace fails the run, after the others were processed", async () => {
	const log = join(dir, "store/users/anna/log");
	for (const name of readdirSync(log)) writeFileSync(join(log, name), "not a commit");
	await expect(run()).rejects.toThrow(
		/^retention failed in 1 namespaces, the first: anna: commit \d+ cannot be read/,
	);
	expect(lines.join("")).toContain('"done":2');
});
