/**
 * Incidents in which data was reported as stored but was not, or never was stored. Numbers:
 * docs/reliability.md.
 */
import { randomBytes } from "node:crypto";
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { expect, it } from "vitest";
import { FaultyStore } from "../../../testkit/store/faulty-store.ts";
import { makeBucket, s3TestServer } from "../../../testkit/store/s3-server.ts";
import { workbench } from "../../../testkit/workbench.ts";
import { thisEnvironment } from "../../src/commit/environment.ts";
import { readLog } from "../../src/commit/read-log.ts";
import { restore } from "../../src/index.ts";
import { namespaced } from "../../src/store/namespaced.ts";
import { openStore } from "../../src/store/open.ts";
import { commit, put, textOf, textsOf } from "./files.ts";

/** Does not wait between tries. */
const hasty = { ...thisEnvironment, sleep: async () => {} };
/** All tries of one commit. */
const NO_ANSWER = ["lost-request", "lost-request", "lost-request"] as const;

// @id incident-3-failing-puts
it("3: puts that fail repeatedly are reported each time, and nothing is forgotten until one succeeds", async () => {
	await using bench = await workbench();
	const store = new FaultyStore(bench.store);
	const session = await bench.open("a", { store, environment: hasty });
	put(bench, "a", { "sessions.json": "one" });
	await commit(session);
	for (const text of ["two", "three", "four"]) {
		put(bench, "a", { "sessions.json": text });
		store.queue(...NO_ANSWER);
		session.hint("sessions.json");
		expect(await session.flush()).toMatchObject({ kind: "unknown" });
		expect(session.waiting).toBeGreaterThan(0);
	}
	await commit(session, { closed: true });
	expect(session.waiting).toBe(0);
	await bench.open("b");
	expect(textOf(bench, "b", "sessions.json")).toBe("four");
});

// @id incident-12-denied-for-hours
it("12: after a store denied access for hours, changes made meanwhile are committed", async () => {
	await using bench = await workbench();
	const store = new FaultyStore(bench.store);
	const session = await bench.open("a", { store });
	for (let hour = 0; hour < 3; hour++) {
		put(bench, "a", { [`notes/${hour}.md`]: `hour ${hour}` });
		store.queue("refused");
		await expect(session.flush({ sweep: true })).rejects.toMatchObject({
			code: "STORE_ACCESS_DENIED",
		});
		expect(session.isDue).toBe(true);
	}
	expect(await session.flush()).toMatchObject({ kind: "committed" });
	await bench.open("b");
	const paths = [0, 1, 2].map((hour) => `notes/${hour}.md`);
	expect(textsOf(bench, "b", paths)).toEqual(textsOf(bench, "a", paths));
});

// @id incident-12-renewed
it.skipIf(s3TestServer() === undefined)(
	"12: expired credentials are requested again, by the wall clock, without a new store",
	async () => {
		const server = s3TestServer();
		if (server === undefined) return;
		const { endpoint, region, accessKeyId, secretAccessKey } = server;
		const bucket = await makeBucket(server);
		let isBroken = false;
		let asked = 0;
		const credentials = async () => {
			asked++;
			return {
				accessKeyId,
				secretAccessKey: isBroken ? "no longer" : secretAccessKey,
				expiration: new Date(Date.now() + 1),
			};
		};
		await using bench = await workbench(
			namespaced(await openStore(`s3://${bucket}`, { endpoint, region, credentials }), "alice"),
		);
		const session = await bench.open("a");
		put(bench, "a", { "notes.md": "before" });
		await commit(session);
		isBroken = true;
		put(bench, "a", { "notes.md": "while denied" });
		await expect(session.flush({ sweep: true })).rejects.toMatchObject({
			code: "STORE_ACCESS_DENIED",
		});
		isBroken = false;
		const before = asked;
		await commit(session);
		expect(asked).toBeGreaterThan(before);
		await bench.open("b");
		expect(textOf(bench, "b", "notes.md")).toBe("while denied");
	},
);

// @id incident-15-before-commit
it("15: a flush that dies between its packs and its commit leaves the previous state intact", async () => {
	await using bench = await workbench();
	const store = new FaultyStore(bench.store);
	const session = await bench.open("a", { store });
	put(bench, "a", { "MEMORY.md": "one", "other.md": "one" });
	await commit(session);
	put(bench, "a", {
		"MEMORY.md": "two",
		"other.md": "two",
		large: randomBytes(6_000_000).toString("base64"),
	});
	store.beforePut = async (key) => {
		if (key.startsWith("log/")) throw new Error("killed");
	};
	await expect(session.flush({ sweep: true })).rejects.toThrow("killed");
	expect(store.sent.some(({ key }) => key.startsWith("packs/"))).toBe(true);

	await bench.open("b");
	expect(textsOf(bench, "b", ["MEMORY.md", "other.md"])).toEqual({
		"MEMORY.md": "one",
		"other.md": "one",
	});
	expect((await readLog(bench.store)).head.tree.has("large")).toBe(false);
});

// @id incident-17-transcript
it("17: a transcript under constant writes is cut after a complete record, and the next flush has the rest", async () => {
	await using bench = await workbench();
	const session = await bench.open("a");
	const path = "agents/main/sessions/1.jsonl";
	put(bench, "a", { [path]: '{"header":1}\n{"turn":' });
	const file = join(bench.workspace("a"), path);
	// Each read calls this when it begins. The file has grown by the end of the read, and never ends
	// with a complete record.
	const { signal } = new AbortController();
	signal.throwIfAborted = () => appendFileSync(file, '1}\n{"turn":');
	await session.flush({ sweep: true, signal });
	expect(bench.logger.events.map(({ event }) => event)).toContain("capture.noted");
	const store = await openStore(pathToFileURL(join(bench.dir, "store")).href);
	const restored = async (machine: string) => {
		const workspace = bench.workspace(machine);
		await restore({
			store,
			namespace: "alice",
			workspace,
			stateDir: join(bench.dir, machine),
			profile: "plain",
		});
		return textOf(bench, machine, path);
	};
	const cut = await restored("b");
	expect(cut).toMatch(/^\{"header":1\}\n(\{"turn":1\}\n)+$/);

	appendFileSync(file, "1}\n");
	await commit(session);
	const whole = textOf(bench, "a", path);
	expect(whole.length).toBeGreaterThan(cut.length);
	expect(await restored("c")).toBe(whole);
});

// @id incident-33-lives
it("33: after several lives that were each killed, every change of every life is stored", async () => {
	await using bench = await workbench();
	for (let life = 0; life < 4; life++) {
		// First the same machine resumed, then another one each time.
		const machine = life < 2 ? "same" : `machine ${life}`;
		const session = await bench.open(machine);
		const earlier = Array.from({ length: life }, (_, n) => `lives/${n}.md`);
		expect(textsOf(bench, machine, earlier)).toEqual(
			Object.fromEntries(earlier.map((path) => [path, path])),
		);
		put(bench, machine, { [`lives/${life}.md`]: `lives/${life}.md` });
		await commit(session);
	}
});

// @id incident-34-committed
it("34: nothing is reported as committed before the store confirmed it", async () => {
	await using bench = await workbench();
	const store = new FaultyStore(bench.store);
	const session = await bench.open("a", { store, environment: hasty });
	put(bench, "a", { "notes.md": "kept?" });
	store.queue(...NO_ANSWER);
	expect(await session.flush({ sweep: true })).toMatchObject({ kind: "unknown" });
	expect(session.waiting).toBeGreaterThan(0);
	expect((await readLog(bench.store)).head.tree.has("notes.md")).toBe(false);
});
