import { hash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { FaultyStore } from "../../../testkit/store/faulty-store.ts";
import { plainBucket } from "../../../testkit/store/plain-bucket.ts";
import { s3TestServer } from "../../../testkit/store/s3-server.ts";
import { type Workbench, workbench } from "../../../testkit/workbench.ts";
import { readLog } from "../commit/read-log.ts";
import { SidecarError } from "../errors.ts";
import { history } from "../history/history.ts";
import { encodeCondemned } from "../log/condemned.ts";
import { PackWriter } from "../log/pack-codec.ts";
import { namespaced } from "../store/namespaced.ts";
import type { PlainPlace } from "../store/plain.ts";

type Put = (path: string, body: string | Buffer) => Promise<void>;

/** A log of alice's, and a way to put plain objects next to it. */
interface Beside extends AsyncDisposable {
	readonly bench: Workbench;
	readonly put: Put;
	/** All keys below `users/alice/`. */
	keys(): Promise<string[]>;
}

async function onS3(): Promise<Beside> {
	const bucket = await plainBucket();
	const bench = await workbench(namespaced(bucket.store, "alice"));
	return {
		bench,
		put: (path, body) => bucket.put(`users/alice/${path}`, body),
		keys: async () =>
			[...(await bucket.read("users/alice/")).keys()].map((key) =>
				key.slice("users/alice/".length),
			),
		[Symbol.asyncDispose]: async () => {
			await bench[Symbol.asyncDispose]();
			await bucket[Symbol.asyncDispose]();
		},
	};
}

async function inDirectory(): Promise<Beside> {
	const bench = await workbench();
	const root = fileURLToPath(bench.store.url);
	return {
		bench,
		put: async (path, body) => {
			mkdirSync(dirname(join(root, path)), { recursive: true });
			writeFileSync(join(root, path), body);
		},
		keys: async () =>
			readdirSync(root, { recursive: true, withFileTypes: true })
				.filter((entry) => entry.isFile())
				.map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1)),
		[Symbol.asyncDispose]: () => bench[Symbol.asyncDispose](),
	};
}

const stores = [
	{ name: "a store in a directory", make: inDirectory, skip: false },
	{ name: "an S3 server", make: onS3, skip: s3TestServer() === undefined },
];

const text = (bench: Workbench, machine: string, path: string) =>
	readFileSync(join(bench.workspace(machine), path), "utf8");
const headOf = async (bench: Workbench) => (await readLog(bench.store)).head;

for (const { name, make, skip } of stores) {
	describe.skipIf(skip)(`a first boot on plain objects in ${name}`, () => {
		it("adopts them, and does not change them", async () => {
			await using beside = await make();
			const { bench, put } = beside;
			await put("MEMORY.md", "who I am");
			await put("memory/2026-01-01.md", "what I did");
			const before = await beside.keys();
			// Content of the image must not win.
			mkdirSync(bench.workspace("a"), { recursive: true });
			writeFileSync(join(bench.workspace("a"), "MEMORY.md"), "a template");
			const session = await bench.open("a", { expect: "existing" });
			expect(text(bench, "a", "MEMORY.md")).toBe("who I am");
			expect(text(bench, "a", "memory/2026-01-01.md")).toBe("what I did");
			expect(bench.logger.events.map(({ event }) => event)).toEqual(
				expect.arrayContaining([
					"import.adopting",
					"import.finished",
					"restore.moved",
					"fence.won",
				]),
			);
			expect(await beside.keys()).toEqual(expect.arrayContaining(before));

			// From now on only the log counts.
			writeFileSync(join(bench.workspace("a"), "MEMORY.md"), "who I became");
			await session.flush({ sweep: true, closed: true });
			await bench.open("b");
			expect(text(bench, "b", "MEMORY.md")).toBe("who I became");
			expect(bench.logger.events.filter(({ event }) => event === "import.adopting")).toHaveLength(
				1,
			);
		});

		it("takes a directory `log` or `packs` of the workspace as workspace content, before and after", async () => {
			await using beside = await make();
			const { bench, put } = beside;
			await put("log/2026-01-01.log", "before every commit's key");
			await put("log/gateway.log", "after every commit's key");
			await put("log/0123456789abc", "thirteen digits");
			await put("packs/holiday", "socks");
			const session = await bench.open("a");
			expect(text(bench, "a", "log/2026-01-01.log")).toBe("before every commit's key");
			expect(text(bench, "a", "packs/holiday")).toBe("socks");
			expect([...session.head.tree.keys()].sort()).toEqual([
				"",
				"log",
				"log/0123456789abc",
				"log/2026-01-01.log",
				"log/gateway.log",
				"packs",
				"packs/holiday",
			]);
			writeFileSync(join(bench.workspace("a"), "log/gateway.log"), "more");
			await session.flush({ sweep: true, closed: true });
			await bench.open("b");
			expect(text(bench, "b", "log/gateway.log")).toBe("more");
			const seqs: number[] = [];
			for await (const entry of history(bench.store, { limit: 3 })) seqs.push(entry.seq);
			const { seq } = await headOf(bench);
			expect(seqs).toEqual([seq, seq - 1, seq - 2]);
		});

		it("distinguishes packs that an interrupted try left from a file named like one", async () => {
			await using beside = await make();
			const { bench, put } = beside;
			await put("MEMORY.md", "1");
			const { key, bytes } = new PackWriter(Buffer.alloc(100), Buffer.alloc(16)).finish();
			await put(key, bytes);
			const condemned = encodeCondemned([key]);
			await put(condemned.key, condemned.bytes);
			await bench.open("a");
			expect([...(await headOf(bench)).tree.keys()].sort()).toEqual(["", "MEMORY.md"]);

			await using other = await make();
			await other.put("MEMORY.md", "1");
			const ambiguous = ["packs", "sweeps"].map(
				(directory) => `${directory}/${hash("sha256", "x", "hex")}`,
			);
			for (const key of ambiguous) await other.put(key, "a file that was named by its hash");
			const error = await other.bench.open("a").catch((thrown: unknown) => thrown);
			expect(error).toMatchObject({ code: "SOURCE_UNSAFE" });
			for (const key of ambiguous) expect((error as Error).message).toContain(key);
			expect((await headOf(other.bench)).seq).toBe(0);
		});

		it("adopts nothing if only the log itself exists", async () => {
			await using beside = await make();
			const { bench } = beside;
			const first = await bench.open("a");
			expect(first.head.seq).toBe(1);
			// Fences only: searched again, and nothing is found.
			await bench.open("b");
			expect((await headOf(bench)).tree.size).toBe(0);
			expect(bench.logger.events.some(({ event }) => event.startsWith("import."))).toBe(false);
		});

		it("adopts after a boot that was interrupted after its fence", async () => {
			await using beside = await make();
			const { bench, put } = beside;
			await bench.open("a");
			await put("MEMORY.md", "who I am");
			await bench.open("b");
			expect(text(bench, "b", "MEMORY.md")).toBe("who I am");
		});

		it("refuses with --expect new, and adopts nothing", async () => {
			await using beside = await make();
			const { bench, put } = beside;
			await put("MEMORY.md", "1");
			await expect(bench.open("a", { expect: "new" })).rejects.toMatchObject({ code: "USAGE" });
			expect((await headOf(bench)).seq).toBe(0);
		});
	});
}

describe("a boot", () => {
	/** The bench's store, with `place` as its plain objects. */
	const withPlain = (bench: Workbench, place: PlainPlace) =>
		Object.assign(new FaultyStore(bench.store), { plain: () => place });

	// @id adopt-failed-listing
	it("keeps the gate shut if the listing fails", async () => {
		await using bench = await workbench();
		const denied = new SidecarError("STORE_ACCESS_DENIED", { reason: "403" });
		const store = withPlain(bench, {
			kind: "objects",
			objects: {
				url: "s3://made/up/",
				list: async function* () {
					yield [{ key: "MEMORY.md", sizeBytes: 1, lastModifiedMs: 0, etag: undefined }];
					throw denied;
				},
				get: () => Promise.reject(new Error("nothing is read before the listing is whole")),
			},
		});
		await expect(bench.open("a", { store })).rejects.toBe(denied);
		expect((await headOf(bench)).seq).toBe(0);
		expect(existsSync(bench.workspace("a"))).toBe(false);
	});

	it("makes no request for adoption once the tree holds something", async () => {
		await using bench = await workbench();
		const first = await bench.open("a");
		await first.flush({ sweep: true, closed: true });
		let looked = 0;
		const store = Object.assign(new FaultyStore(bench.store), {
			plain: () => {
				looked++;
				return undefined;
			},
		});
		const before = { ...bench.store.requests };
		await bench.open("b", { store });
		expect(looked).toBe(0);
		const { list, put } = bench.store.requests;
		expect({ list: list - before.list, put: put - before.put }).toEqual({ list: 1, put: 1 });
	});
});
