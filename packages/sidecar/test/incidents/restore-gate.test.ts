/**
 * Incidents in which something wrote before the workspace was restored, or because it was not.
 * Numbers: docs/reliability.md.
 */
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setImmediate as nextTurn } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { s3Error, startFaultServer } from "../../../testkit/store/fault-server.ts";
import { DeafToPacks, FaultyStore } from "../../../testkit/store/faulty-store.ts";
import { workbench } from "../../../testkit/workbench.ts";
import { thisEnvironment } from "../../src/commit/environment.ts";
import { readLog } from "../../src/commit/read-log.ts";
import { run } from "../../src/index.ts";
import { openStore } from "../../src/store/open.ts";
import type { ListOptions } from "../../src/store/port.ts";
import { commit, put, textOf, textsOf } from "./files.ts";

/** In incident 1, restores gave up beyond 1,000. */
const MANY = 1_050;

describe("1: more files than expected", () => {
	// @id gate-1050-files
	it("all 1,050 files come back", async () => {
		await using bench = await workbench();
		const texts = Object.fromEntries(
			Array.from({ length: MANY }, (_, n) => [`memory/${n % 50}/${n}.md`, `memory ${n}`]),
		);
		put(bench, "a", texts);
		await commit(await bench.open("a"));
		await bench.open("b");
		expect(textsOf(bench, "b", Object.keys(texts))).toEqual(texts);
	});

	// @id gate-failed-restore
	it("a restore that fails midway opens no session and puts nothing, and the next one is complete", async () => {
		await using bench = await workbench();
		// More than a commit holds inline, so that the restore must read packs.
		put(bench, "a", { "MEMORY.md": "years of it" });
		writeFileSync(join(bench.workspace("a"), "noise"), randomBytes(5_000_000));
		await commit(await bench.open("a"));

		put(bench, "b", { "MEMORY.md": "the image's template" });
		const puts = bench.store.requests.put;
		const store = new DeafToPacks(bench.store);
		await expect(bench.open("b", { store })).rejects.toMatchObject({ code: "STORE_UNREACHABLE" });
		expect(bench.store.requests.put).toBe(puts);
		const tree = (await readLog(bench.store)).head.tree;
		const session = await bench.open("b");
		expect(textOf(bench, "b", "MEMORY.md")).toBe("years of it");
		// The template was replaced, and is quarantined.
		await commit(session);
		const after = (await readLog(bench.store)).head.tree;
		expect(new Map([...after].filter(([path]) => !path.startsWith(".recovered")))).toEqual(tree);
		expect([...after.keys()].filter((path) => path.endsWith("/MEMORY.md"))).toHaveLength(1);
	});
});

describe("6: caches of the directory from before its restore", () => {
	// @id gate-first-look
	it("the agent's first read finds its memory, not the image's defaults", async () => {
		await using bench = await workbench();
		put(bench, "a", { "MEMORY.md": "years of it" });
		await commit(await bench.open("a"), { closed: true });

		put(bench, "b", { "MEMORY.md": "the image's template" });
		const workspace = bench.workspace("b");
		const seen = join(bench.dir, "seen");
		const agent = ["sh", "-c", 'cat "$0/MEMORY.md" >> "$1"', workspace, seen];
		const store = await openStore(`file://${bench.dir}/store`);
		const ended = await run({
			store,
			namespace: "alice",
			profile: "plain",
			handoverWaitMs: 0,
			stateDir: join(bench.dir, "state-b"),
			workspace,
			command: agent,
		});
		expect(ended).toMatchObject({ exitStatus: 0 });
		expect(readFileSync(seen, "utf8")).toBe("years of it");
	});
});

describe("7: 403 treated as an empty store", () => {
	// @id gate-denied
	it.each([
		[403, "AccessDenied", "STORE_ACCESS_DENIED"],
		[403, "ExpiredToken", "STORE_ACCESS_DENIED"],
		[404, "NoSuchBucket", "STORE_BUCKET_MISSING"],
	])("%i %s: no agent starts, and nothing is put", async (status, code, expected) => {
		await using bench = await workbench();
		put(bench, "a", { "MEMORY.md": "the image's template" });
		const server = await startFaultServer(s3Error(status, code));
		try {
			const credentials = async () => ({ accessKeyId: "id", secretAccessKey: "key" });
			await using closing = await workbench(
				await openStore("s3://bucket", {
					endpoint: server.endpoint,
					region: "us-east-1",
					credentials,
				}),
			);
			const command = ["touch", join(bench.dir, "agent-was-here")];
			const options = {
				workspace: bench.workspace("a"),
				stateDir: join(bench.dir, "s"),
				profile: "plain",
				handoverWaitMs: 0,
			} as const;
			await expect(run({ ...options, store: closing.store, command })).rejects.toMatchObject({
				code: expected,
			});
			expect(existsSync(join(bench.dir, "agent-was-here"))).toBe(false);
			expect(server.requests.map(({ method }) => method)).not.toContain("PUT");
			expect(textOf(bench, "a", "MEMORY.md")).toBe("the image's template");
		} finally {
			await server.stop();
		}
	});
});

describe("11: a deadline counted from the snapshot of the machine", () => {
	// @id gate-days
	it("the gate waits while days pass on both clocks before the store answers, and opens on a complete workspace", async () => {
		await using bench = await workbench();
		put(bench, "a", { "MEMORY.md": "years of it", "notes/today.md": "today" });
		await commit(await bench.open("a"), { closed: true });

		let days = 0;
		const DAY_MS = 86_400_000;
		const environment = {
			...thisEnvironment,
			wallMs: () => thisEnvironment.wallMs() + days * DAY_MS,
			bootMs: () => thisEnvironment.bootMs() + days * DAY_MS,
		};
		const store = new SlowStore(bench.store);
		mkdirSync(bench.workspace("b"));
		let isOpen = false;
		const opening = bench.open("b", { store, environment }).then((session) => {
			isOpen = true;
			return session;
		});
		await store.asked;
		for (; days < 3; days++) for (let turn = 0; turn < 20; turn++) await nextTurn();
		expect(isOpen).toBe(false);
		store.answer();
		await opening;
		expect(textsOf(bench, "b", ["MEMORY.md", "notes/today.md"])).toEqual({
			"MEMORY.md": "years of it",
			"notes/today.md": "today",
		});
	});
});

/** Answers no LIST until it is released. */
class SlowStore extends FaultyStore {
	readonly #asked = Promise.withResolvers<void>();
	readonly #answered = Promise.withResolvers<void>();
	readonly asked = this.#asked.promise;

	answer(): void {
		this.#answered.resolve();
	}

	override async *list(prefix: string, options?: ListOptions) {
		this.#asked.resolve();
		await this.#answered.promise;
		yield* super.list(prefix, options);
	}
}
