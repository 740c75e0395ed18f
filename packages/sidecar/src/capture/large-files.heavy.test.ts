import { randomFillSync } from "node:crypto";
import {
	appendFileSync,
	mkdirSync,
	readFileSync,
	renameSync,
	rmSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, it, onTestFinished, vi } from "vitest";
import { FaultyStore } from "../../../testkit/store/faulty-store.ts";
import { type Workbench, workbench } from "../../../testkit/workbench.ts";
import { readLog } from "../commit/read-log.ts";
import { drain } from "../daemon/drain.ts";
import { SidecarError } from "../errors.ts";
import type { Session } from "../session/session.ts";
import type { ObjectStore, PutOutcome } from "../store/port.ts";

const MiB = 1024 * 1024;
const random = (bytes: number) => randomFillSync(Buffer.allocUnsafe(bytes));

/** Delays packs until the gate opens or their sender gives up. */
class Gate extends FaultyStore {
	#opened = Promise.withResolvers<void>();
	/** The number of next packs to refuse. */
	refusals = 0;
	/** Packs that arrived at the gate. */
	packs = 0;

	open(): void {
		this.#opened.resolve();
	}

	shut(): void {
		this.#opened = Promise.withResolvers();
	}

	override async putIfAbsent(
		...[key, body, options]: Parameters<ObjectStore["putIfAbsent"]>
	): Promise<PutOutcome> {
		if (key.startsWith("packs/")) {
			this.packs++;
			if (this.refusals-- > 0)
				throw new SidecarError("STORE_ACCESS_DENIED", { value: key, reason: "made up" });
			const { signal } = options ?? {};
			const gaveUp = new Promise((resolve) =>
				signal?.addEventListener("abort", resolve, { once: true }),
			);
			await Promise.race([this.#opened.promise, gaveUp]);
			signal?.throwIfAborted();
		}
		return await super.putIfAbsent(key, body);
	}
}

interface Served {
	readonly session: Session;
	readonly store: Gate;
	readonly file: (name: string) => string;
	readonly paths: () => Promise<readonly string[]>;
}

/** Like a daemon: the workspace is watched, and packs do not arrive. */
async function served(bench: Workbench, onChange: () => void = () => undefined): Promise<Served> {
	const store = new Gate(bench.store);
	const session = await bench.open("a", { store });
	const watcher = await session.watch(onChange);
	onTestFinished(async () => await watcher.close());
	return {
		session,
		store,
		file: (name) => join(bench.workspace("a"), name),
		paths: async () =>
			[...(await readLog(bench.store)).head.tree.keys()].filter((path) => path !== "").sort(),
	};
}

describe("a large file", () => {
	// @id small-file-before-large
	it("does not delay a small one: that is durable during the transfer of the large one", async () => {
		await using bench = await workbench();
		const { session, store, file, paths } = await served(bench);
		const large = random(20 * MiB);
		writeFileSync(file("large"), large);
		writeFileSync(file("MEMORY.md"), "m");
		// A flush that waits for the large file gives up.
		const flushed = session
			.flush({ sweep: true, signal: AbortSignal.timeout(10_000) })
			.catch((error: unknown) => error);
		expect(await flushed).toMatchObject({ kind: "committed", deferred: [] });
		expect(await paths()).toEqual(["MEMORY.md"]);
		// It is reported as not durable.
		expect(session.waitingPaths).toEqual(["large"]);
		expect(session.large.sinceMs).toBeLessThan(performance.now());
		writeFileSync(file("second.md"), "s");
		session.hint("second.md");
		await session.flush();
		expect(await paths()).toEqual(["MEMORY.md", "second.md"]);

		store.open();
		await session.large.finished(["large"]);
		expect(session.isDue).toBe(true);
		await session.flush();
		expect(await paths()).toEqual(["MEMORY.md", "large", "second.md"]);
		expect(session.waiting).toBe(0);
		await bench.open("b");
		expect(readFileSync(join(bench.workspace("b"), "large")).equals(large)).toBe(true);
	});

	// @id rewritten-large-file-aside
	it("is also sent independently of the flushes if the log has it and most of its content changes", async () => {
		await using bench = await workbench();
		const { session, store, file, paths } = await served(bench);
		store.open();
		writeFileSync(file("large"), random(40 * MiB));
		await session.flush({ sweep: true });
		await session.large.finished(["large"]);
		await session.flush();
		const before = store.sent.length;
		appendFileSync(file("large"), "one line\n");
		session.hint("large");
		// Little of it is new, so it is sent in the commit.
		expect(await session.flush()).toMatchObject({ kind: "committed", changed: 1 });
		expect(store.sent.length - before).toBe(1);
		writeFileSync(file("large"), random(40 * MiB));
		writeFileSync(file("small"), "s");
		session.hint("large");
		session.hint("small");
		await session.flush();
		expect(await paths()).toEqual(["large", "small"]);
		expect(session.waitingPaths).toContain("large");
		await session.large.finished(["large"]);
		await session.flush();
		expect(session.waiting).toBe(0);
	});

	// @id renamed-large-file
	it("leaves its old name in the log until it is durable, if it is renamed before that", async () => {
		await using bench = await workbench();
		const { session, store, file, paths } = await served(bench);
		store.open();
		writeFileSync(file("old"), random(20 * MiB));
		mkdirSync(file("d"));
		writeFileSync(file("d/gone"), "g");
		await session.flush({ sweep: true });
		await session.large.finished(["old"]);
		await session.flush();
		renameSync(file("old"), file("new"));
		writeFileSync(file("new"), random(20 * MiB));
		rmSync(file("d"), { recursive: true });
		await session.flush({ sweep: true });
		// A deletion that cannot be half of a rename does not wait.
		expect(await paths()).toEqual(["old"]);
		expect(session.waiting).toBeGreaterThan(0);
		await session.large.finished(["new"]);
		await session.flush();
		expect(await paths()).toEqual(["new"]);
		expect(session.waiting).toBe(0);
	});

	it("is committed as it was if it changed during its transfer, and is taken again", async () => {
		await using bench = await workbench();
		const { session, store, file } = await served(bench);
		const first = random(20 * MiB);
		writeFileSync(file("large"), first);
		await session.flush({ sweep: true });
		// All of it is read, and one pack is pending.
		await vi.waitUntil(() => store.packs >= 2, { timeout: 20_000 });
		store.open();
		await session.large.finished(["large"]);
		store.shut();
		appendFileSync(file("large"), "more");
		await session.flush();
		const { tree } = (await readLog(bench.store)).head;
		expect(tree.get("large")).toMatchObject({ size: first.length });
		expect(session.waitingPaths).toEqual(["large"]);
		store.open();
		await session.large.finished(["large"]);
		await session.flush();
		expect((await readLog(bench.store)).head.tree.get("large")).toMatchObject({
			size: first.length + 4,
		});
	});

	// @id overtaken-transfer
	it("does not replace a newer state that a flush took during its transfer", async () => {
		await using bench = await workbench();
		const { session, store, file } = await served(bench);
		const inLog = async () => (await readLog(bench.store)).head.tree.get("file");
		writeFileSync(file("file"), random(20 * MiB));
		await session.flush({ sweep: true });
		// The third has the rest: all of it is read.
		await vi.waitUntil(() => store.packs >= 3, { timeout: 20_000 });
		writeFileSync(file("file"), "small and new");
		session.hint("file");
		await session.flush();
		expect(await inLog()).toMatchObject({ size: 13 });
		store.open();
		await session.large.finished(["file"]);
		session.hint("file");
		await session.flush();
		expect(await inLog()).toMatchObject({ size: 13 });
		expect(session.waiting).toBe(0);
	});

	// @id log-grows-in-transfer
	it("waits for another transfer if only the log of the database grew during the first", async () => {
		await using bench = await workbench();
		const { session, store, file } = await served(bench);
		using db = new DatabaseSync(file("x.db"));
		db.exec(
			"PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; CREATE TABLE t (id INTEGER PRIMARY KEY, body)",
		);
		const insert = db.prepare("INSERT INTO t (body) VALUES (?)");
		for (let row = 0; row < 20; row++) insert.run(random(MiB));
		db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
		await session.flush({ sweep: true });
		await vi.waitUntil(() => store.packs >= 2, { timeout: 20_000 });
		insert.run("the newest");
		session.hint("x.db-wal");
		await session.flush();
		store.open();
		await session.large.finished(["x.db"]);
		await session.flush();
		expect(session.waitingPaths).toEqual(["x.db"]);
		await session.large.finished(["x.db"]);
		await session.flush();
		expect(session.waiting).toBe(0);
		await bench.open("b");
		using copy = new DatabaseSync(join(bench.workspace("b"), "x.db"));
		expect(copy.prepare("SELECT body FROM t WHERE id = 21").get()).toEqual({ body: "the newest" });
	});

	// @id large-file-in-drain
	it("is sent by a drain, and named if there is no time for it", async () => {
		await using bench = await workbench();
		const { session, file, paths } = await served(bench);
		writeFileSync(file("large"), random(20 * MiB));
		await session.flush({ sweep: true });
		writeFileSync(file("last.md"), "l");
		const ended = await drain({
			session,
			agent: undefined,
			timeoutMs: 3_000,
			logger: bench.logger,
			idle: Promise.resolve(),
			stopWatching: async () => {},
		});
		expect(ended).toMatchObject({
			isDurable: false,
			lost: [{ path: "large", reason: expect.stringContaining("not durable") }],
		});
		expect(await paths()).toEqual(["last.md"]);
	});

	it("is retried and reported if the store does not accept it", async () => {
		await using bench = await workbench();
		const { session, store, file, paths } = await served(bench);
		store.open();
		store.refusals = 1;
		writeFileSync(file("large"), random(20 * MiB));
		await session.flush({ sweep: true });
		await session.large.finished(["large"]);
		await session.flush();
		expect(await paths()).toEqual(["large"]);
		expect(bench.logger.events.map(({ event }) => event)).toContain("flush.transfer-failed");
	});
});
