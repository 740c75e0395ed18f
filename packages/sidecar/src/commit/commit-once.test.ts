import { describe, expect, it } from "vitest";
import { infoOf } from "../../../testkit/arbitrary-log.ts";
import { type Fate, FaultyStore } from "../../../testkit/store/faulty-store.ts";
import { workbench } from "../../../testkit/workbench.ts";
import { encodeCommit } from "../log/commit-codec.ts";
import { commitOnce, putPack } from "./commit-once.ts";
import { thisEnvironment } from "./environment.ts";

/** No pause between tries: the outcome must not depend on time. */
const environment = { ...thisEnvironment, sleep: async () => {} };
const commitOf = (wallTimeMs: number) =>
	encodeCommit(
		infoOf(1, { flags: { fence: true }, wallTimeMs }),
		{ changed: new Map(), removed: new Set() },
		new Map(),
	);

describe("commitOnce", () => {
	const cases: [Fate[], string, number][] = [
		[["ok"], "committed", 1],
		[["lost-answer"], "committed", 2],
		[["lost-answer", "lost-answer", "lost-answer"], "committed", 3],
		[["lost-request"], "committed", 2],
		[["late"], "committed", 2],
		[["lost-request", "lost-request", "lost-request"], "unknown", 3],
		[["lost-answer", "refused"], "unknown", 2],
	];
	for (const [fates, kind, puts] of cases) {
		it(`is ${kind} if the tries end in: ${fates.join(", ")}`, async () => {
			await using bench = await workbench();
			const store = new FaultyStore(bench.store, fates);
			const commit = commitOf(1);
			expect((await commitOnce(store, commit, environment)).kind).toBe(kind);
			expect(store.sent).toHaveLength(puts);
			for (const { key, body } of store.sent) {
				expect(key).toBe(commit.key);
				expect(body.equals(commit.bytes)).toBe(true);
			}
		});
	}

	// @id slot-of-another
	it("is lost if another commit has the slot, whatever happened to its own tries", async () => {
		for (const fates of [
			["ok"],
			["lost-answer"],
			["lost-request"],
			["late"],
			["lost-answer", "lost-answer", "lost-answer"],
		] as Fate[][]) {
			await using bench = await workbench();
			const winner = commitOf(2);
			await bench.store.putIfAbsent(winner.key, winner.bytes);
			const store = new FaultyStore(bench.store, fates);
			expect((await commitOnce(store, commitOf(1), environment)).kind).toBe("lost");
			expect((await bench.store.get(winner.key)).body.equals(winner.bytes)).toBe(true);
		}
	});

	it("stays unknown, not lost, if the slot cannot be read", async () => {
		await using bench = await workbench();
		const winner = commitOf(2);
		await bench.store.putIfAbsent(winner.key, winner.bytes);
		const store = new FaultyStore(bench.store);
		store.isDeaf = true;
		expect((await commitOnce(store, commitOf(1), environment)).kind).toBe("unknown");
	});

	it("throws a refusal of the first try: surely not committed", async () => {
		await using bench = await workbench();
		const store = new FaultyStore(bench.store, ["refused"]);
		await expect(commitOnce(store, commitOf(1), environment)).rejects.toMatchObject({
			code: "STORE_ACCESS_DENIED",
		});
		await expect(bench.store.get(commitOf(1).key)).rejects.toMatchObject({
			code: "OBJECT_NOT_FOUND",
		});
	});
});

describe("putPack", () => {
	it("either stores the pack or reports that the outcome is unknown", async () => {
		for (const fates of [["ok"], ["lost-answer"], ["lost-request", "late"]] as Fate[][]) {
			await using bench = await workbench();
			await putPack(
				new FaultyStore(bench.store, fates),
				"packs/x",
				Buffer.from("pack"),
				environment,
			);
			expect((await bench.store.get("packs/x")).body.toString()).toBe("pack");
		}
		await using bench = await workbench();
		const silent = new FaultyStore(bench.store, ["lost-request", "lost-request", "lost-request"]);
		await expect(
			putPack(silent, "packs/x", Buffer.from("pack"), environment),
		).rejects.toMatchObject({
			code: "STORE_UNREACHABLE",
		});
	});

	// @id pack-is-seen
	it("accepts that a pack is already there only after it has seen it", async () => {
		await using bench = await workbench();
		const liar = new FaultyStore(bench.store, [
			"refused-as-there",
			"refused-as-there",
			"refused-as-there",
			"refused-as-there",
		]);
		await expect(putPack(liar, "packs/x", Buffer.from("pack"), environment)).rejects.toMatchObject({
			code: "STORE_UNREACHABLE",
		});
		await putPack(liar, "packs/x", Buffer.from("pack"), environment);
		expect((await bench.store.get("packs/x")).body.toString()).toBe("pack");
	});
});
