/** If the store refuses a request, the command fails at once and gives the reason. */
import { mkdirSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { Place } from "../../../testkit/cli.ts";

const undo: (() => unknown)[] = [];
afterEach(async () => {
	for (const step of undo.splice(0).reverse()) await step();
});

interface Refusing {
	readonly endpoint: string;
	/** PUTs so far. */
	readonly puts: () => number;
	/** Refuses each PUT from now on, with this answer. */
	refuse(status: number, code: string, message?: string): void;
}

/** An in-memory S3 server that accepts PUTs until it is told to refuse them. */
async function server(): Promise<Refusing> {
	const objects = new Map<string, Buffer>();
	let refusal: { status: number; code: string; message: string } | undefined;
	let puts = 0;
	const http = createServer(async (request, response) => {
		const chunks: Buffer[] = [];
		for await (const chunk of request) chunks.push(chunk);
		const url = new URL(request.url ?? "", "http://x");
		const key = url.pathname.split("/").slice(2).join("/");
		const xml = (status: number, body: string) =>
			response.writeHead(status, { "content-type": "application/xml" }).end(body);
		const error = (status: number, code: string, message: string) =>
			xml(status, `<Error><Code>${code}</Code><Message>${message}</Message></Error>`);
		if (request.method === "PUT") {
			puts++;
			if (refusal !== undefined) return error(refusal.status, refusal.code, refusal.message);
			if (objects.has(key)) return error(412, "PreconditionFailed", "it exists");
			objects.set(key, Buffer.concat(chunks));
			return response.writeHead(200, { etag: '"e"' }).end();
		}
		if (url.searchParams.has("list-type")) {
			const prefix = url.searchParams.get("prefix") ?? "";
			const after = url.searchParams.get("start-after") ?? "";
			const keys = [...objects.keys()]
				.filter((each) => each.startsWith(prefix) && each > after)
				.sort();
			const listed = keys.slice(0, Number(url.searchParams.get("max-keys") ?? 1000));
			const contents = listed.map(
				(each) =>
					`<Contents><Key>${each}</Key><Size>${objects.get(each)?.length}</Size><LastModified>2026-01-01T00:00:00Z</LastModified></Contents>`,
			);
			return xml(
				200,
				`<ListBucketResult><Name>b</Name><IsTruncated>false</IsTruncated>${contents.join("")}</ListBucketResult>`,
			);
		}
		const body = objects.get(key);
		if (body === undefined) return error(404, "NoSuchKey", "no");
		const [, from = "0", to = `${body.length}`] =
			/bytes=(\d+)-(\d+)/.exec(request.headers.range ?? "") ?? [];
		const part = body.subarray(Number(from), Number(to) + 1);
		const range = `bytes ${from}-${Number(from) + part.length - 1}/${body.length}`;
		return response
			.writeHead(206, {
				"content-range": range,
				"content-length": part.length,
				"last-modified": new Date().toUTCString(),
				etag: '"e"',
			})
			.end(part);
	});
	await new Promise<void>((resolve) => http.listen(0, "127.0.0.1", resolve));
	undo.push(() => http.closeAllConnections());
	undo.push(() => http.close());
	return {
		endpoint: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
		puts: () => puts,
		refuse: (status, code, message = `about ${code}`) => {
			refusal = { status, code, message };
		},
	};
}

const ENV = { AWS_ACCESS_KEY_ID: "a", AWS_SECRET_ACCESS_KEY: "b", AWS_REGION: "x" };
const argsOf = (place: Place, { endpoint }: Refusing) => [
	...place.args("a", "s3://bucket"),
	"--endpoint",
	endpoint,
];

describe("a PUT that is refused from the start", () => {
	// @id refusal-ends-verb
	test.each([
		["flush", 400, "InvalidArgument", 6],
		["run", 400, "InvalidArgument", 6],
		["run", 403, "AccessDenied", 6],
		["run", 405, "MethodNotAllowed", 6],
		["run", 411, "MissingContentLength", 6],
		["run", 413, "EntityTooLarge", 6],
		["run", 507, "XMinioStorageFull", 6],
		["run", 400, "KMS.DisabledException", 6],
	])(
		"ends %s after one PUT, with the store's words: %i %s",
		async (verb, status, code, exitStatus) => {
			using place = new Place();
			writeFileSync(place.path("a", "f"), "x");
			const store = await server();
			store.refuse(status, code);
			const command = verb === "run" ? ["run", "--", "sleep", "60"] : ["flush"];
			const ended = await place.cli("a", [...argsOf(place, store), ...command], { env: ENV });
			expect(ended.status).toBe(exitStatus);
			expect(ended.stderr).toContain(`${status} ${code}: about ${code}`);
			expect(store.puts()).toBe(1);
		},
	);
});

// @id refusal-beside-agent
test("a commit that is refused while an agent works is not undecided, is retried rarely, and leaves the drain its time", async () => {
	using place = new Place();
	mkdirSync(place.path("a"), { recursive: true });
	writeFileSync(place.path("a", "first"), "x");
	const store = await server();
	await using daemon = place.start(
		"a",
		[
			...argsOf(place, store),
			"--drain-timeout",
			"60s",
			"--quiet-period",
			"10ms",
			"run",
			"--",
			"sh",
			"-c",
			"trap 'exit 0' TERM; while :; do sleep 0.1; done",
		],
		{ env: ENV },
	);
	await daemon.waitForEvent("watch.started");
	// The first commit is over, and the check of the fence before it.
	await daemon.waitForEvent("flush.committed");
	const before = store.puts();
	store.refuse(507, "XMinioStorageFull");
	writeFileSync(place.path("a", "f"), "x");
	const failed = await daemon.waitForEvent("flush.failed");
	expect(JSON.stringify(failed)).toContain("STORE_FULL");
	const startedMs = performance.now();
	daemon.signal("SIGTERM");
	const ended = await daemon.ended;
	expect(performance.now() - startedMs).toBeLessThan(20_000);
	expect(ended.status).toBe(3);
	expect(ended.events.map(({ event }) => event)).not.toContain("flush.undecided");
	expect(ended.events.map(({ event }) => event)).not.toContain("agent.killed");
	// One per flush: before the signal, beside the agent, and the last, of a disk that no longer
	// changes.
	expect(store.puts() - before).toBeLessThanOrEqual(4);
	expect(JSON.stringify(ended.events.find(({ event }) => event === "drain.failed"))).toContain(
		"XMinioStorageFull",
	);
});
