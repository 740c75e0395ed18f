/**
 * Tests each fault on the way to a real S3 server: what the writers of commits and packs conclude,
 * and what the server really has.
 */
import { createHash, randomBytes } from "node:crypto";
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { infoOf } from "../../testkit/arbitrary-log.ts";
import { Dice } from "../../testkit/dice.ts";
import {
	FAULT_NAMES,
	FAULTS,
	type Fault,
	type FaultProxy,
	seededPlan,
	startFaultProxy,
} from "../../testkit/store/fault-proxy.ts";
import { makeBucket, type S3TestServer, s3TestServer } from "../../testkit/store/s3-server.ts";
import { workbench } from "../../testkit/workbench.ts";
import { readDisk } from "../../testkit/workspace/disk.ts";
import { commitOnce, putPack } from "../src/commit/commit-once.ts";
import { thisEnvironment } from "../src/commit/environment.ts";
import { readLog } from "../src/commit/read-log.ts";
import { encodeCommit } from "../src/log/commit-codec.ts";
import { packKey } from "../src/log/keys.ts";
import { namespaced } from "../src/store/namespaced.ts";
import type { ObjectStore } from "../src/store/port.ts";
import { S3Store } from "../src/store/s3.ts";

/** No pause between tries, because no decision may depend on time. */
const environment = { ...thisEnvironment, sleep: async () => {} };

interface Line extends AsyncDisposable {
	readonly proxy: FaultProxy;
	/** Through the proxy. */
	readonly store: ObjectStore;
	/** Past the proxy. */
	readonly direct: ObjectStore;
}

async function line(): Promise<Line> {
	const server = s3TestServer() as S3TestServer;
	const bucket = await makeBucket(server);
	const proxy = await startFaultProxy(server.endpoint);
	const { accessKeyId, secretAccessKey, region } = server;
	const credentials = async () => ({ accessKeyId, secretAccessKey });
	const timeouts = { idleMs: 500, bulkIdleMs: 500 };
	const open = async (endpoint: string) =>
		namespaced(
			await S3Store.open({ bucket, endpoint, region, credentials, timeouts, backoffMs: [1, 1] }),
			"alice",
		);
	const [store, direct] = [await open(proxy.endpoint), await open(server.endpoint)];
	const close = async () => {
		for (const each of [store, direct, { close: () => proxy.stop() }]) await each.close();
	};
	return { proxy, store, direct, [Symbol.asyncDispose]: close };
}

/** The first `count` PUTs get the fault; with `deaf`, GETs do too. */
function onPuts(fault: Fault, count: number, deaf = false): FaultProxy["plan"] {
	return ({ verb, nth }) =>
		(verb === "PUT" && nth < count) || (verb === "GET" && deaf) ? fault : undefined;
}

const commitOf = (wallTimeMs: number) =>
	encodeCommit(
		infoOf(1, { flags: { fence: true }, wallTimeMs }),
		{ changed: new Map(), removed: new Set() },
		new Map(),
	);

async function inStore(store: ObjectStore, key: string): Promise<Buffer | undefined> {
	return await store.get(key).then(
		({ body }) => body,
		(error: { code?: string }) => {
			expect(error.code).toBe("OBJECT_NOT_FOUND");
			return undefined;
		},
	);
}

describe.skipIf(s3TestServer() === undefined).each(FAULT_NAMES)("%s", (fault) => {
	const { reaches } = FAULTS[fault];
	const isHarmless = ["delay", "stale"].includes(fault);

	it.concurrent("on one PUT of a commit leaves it committed, with its exact bytes in the slot", async () => {
		await using at = await line();
		const { proxy, store, direct } = at;
		proxy.plan = onPuts(fault, 1);
		const commit = commitOf(1);
		expect(await commitOnce(store, commit, environment)).toMatchObject({ kind: "committed" });
		expect(proxy.happened.get(fault)).toBe(1);
		expect(await inStore(direct, commit.key)).toEqual(commit.bytes);
	});

	// @id fault-any-put
	it.concurrent("on every PUT leaves a commit committed if the server has it, otherwise undecided and absent until the same bytes are put again", async () => {
		await using at = await line();
		const { proxy, store, direct } = at;
		proxy.plan = onPuts(fault, 3);
		const commit = commitOf(1);
		expect((await commitOnce(store, commit, environment)).kind).toBe(
			reaches ? "committed" : "unknown",
		);
		expect(await inStore(direct, commit.key)).toEqual(reaches ? commit.bytes : undefined);
		expect(await commitOnce(store, commit, environment)).toMatchObject({ kind: "committed" });
		expect(await inStore(direct, commit.key)).toEqual(commit.bytes);
	});

	it.concurrent("on every PUT into the slot of another commit loses, and the other commit stays", async () => {
		await using at = await line();
		const { proxy, store, direct } = at;
		const winner = commitOf(2);
		await direct.putIfAbsent(winner.key, winner.bytes);
		proxy.plan = onPuts(fault, 3);
		expect(await commitOnce(store, commitOf(1), environment)).toEqual({ kind: "lost" });
		expect(await inStore(direct, winner.key)).toEqual(winner.bytes);
	});

	// @id fault-put-and-look
	it.concurrent("on every PUT and every read of the slot never reports a loss, and reports a commit only if the server confirmed it", async () => {
		await using at = await line();
		const { proxy, store, direct } = at;
		proxy.plan = onPuts(fault, 3, true);
		const commit = commitOf(1);
		const { kind } = await commitOnce(store, commit, environment);
		// The server refuses a request that arrived twice, and reading the slot then shows whose commit
		// it holds.
		expect(kind).toBe(isHarmless || fault === "twice" ? "committed" : "unknown");
		if (kind === "committed") expect(await inStore(direct, commit.key)).toEqual(commit.bytes);
	});

	// @id fault-pack-put
	it.concurrent("on PUTs of a pack leaves it stored, or with an unknown outcome", async () => {
		await using at = await line();
		const { proxy, store, direct } = at;
		const bytes = Buffer.alloc(300_000, fault);
		const key = packKey(createHash("sha256").update(bytes).digest("hex"));
		proxy.plan = onPuts(fault, 3);
		const put = putPack(store, key, bytes, environment);
		// A truncated 412 is still a 412.
		if (isHarmless || fault === "twice" || fault === "truncate") await put;
		else await expect(put).rejects.toMatchObject({ code: "STORE_UNREACHABLE" });
		expect(await inStore(direct, key)).toEqual(reaches ? bytes : undefined);
		await putPack(store, key, bytes, environment);
		expect(await inStore(direct, key)).toEqual(bytes);
	});
});

it.skipIf(s3TestServer() === undefined)(
	"a seed of faults during a load: nothing acknowledged is missing, and a restore is the source",
	async () => {
		const seed = Number(process.env.FC_SEED) || 1;
		await using at = await line();
		const { proxy, store, direct } = at;
		const dice = new Dice(seed);
		await using bench = await workbench(direct);
		const root = bench.workspace("a");
		mkdirSync(join(root, "notes"), { recursive: true });
		// Never the last files to be deleted, so that no deletion is held.
		for (let index = 0; index < 30; index++)
			writeFileSync(join(root, "notes", String(index)), "stays");
		const session = await bench.open("a", { store, environment });
		proxy.plan = seededPlan(seed, 0.25);
		const acknowledged = new Map<number, string>();
		for (let round = 0; round < 25; round++) {
			writeFileSync(join(root, "round"), String(round));
			for (let edits = dice.below(3); edits > 0; edits--) {
				const path = join(root, "notes", `n${dice.below(12)}`);
				if (dice.chance(0.3)) rmSync(path, { force: true });
				else writeFileSync(path, `${round} ${dice.roll()}`);
			}
			// Sometimes more than a commit carries inline.
			if (dice.chance(0.15)) writeFileSync(join(root, "large"), randomBytes(5 << 20));
			const result = await session.flush({ sweep: true }).catch((error: { code?: string }) => {
				expect(["STORE_UNREACHABLE", "NOT_DURABLE"]).toContain(error.code);
				return undefined;
			});
			// A flush that only settled an older commit reports that commit's number.
			if (result?.kind === "committed" && session.waiting === 0)
				acknowledged.set(session.head.seq, String(round));
		}
		expect([...proxy.happened.values()].reduce((sum, count) => sum + count, 0)).toBeGreaterThan(5);
		proxy.plan = () => undefined;
		for (
			let attempt = 0;
			attempt < 3 && (await session.flush({ sweep: true, closed: true })).kind !== "committed";
			attempt++
		);
		expect(session.waiting).toBe(0);

		expect(acknowledged.size).toBeGreaterThan(5);
		for (const [seq, round] of acknowledged) {
			const entry = (await readLog(direct, { at: seq })).head.tree.get("round");
			const sha256 = createHash("sha256").update(round).digest("hex");
			expect(entry?.type === "file" && entry.chunks[0]?.sha256, `commit ${seq}`).toBe(sha256);
		}
		await bench.open("fresh", { store: direct });
		expect(readDisk(bench.workspace("fresh"))).toEqual(readDisk(root));
	},
	120_000,
);
