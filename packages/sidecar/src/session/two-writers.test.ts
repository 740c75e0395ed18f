import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { FaultyStore } from "../../../testkit/store/faulty-store.ts";
import { workbench } from "../../../testkit/workbench.ts";
import { thisEnvironment } from "../commit/environment.ts";
import { readLog } from "../commit/read-log.ts";

describe("two writers", () => {
	// @id newest-fence-owns-tree
	it("stay apart: the newest fence owns the tree, and the other writer's bytes go below .recovered/, updated in place", async () => {
		await using bench = await workbench();
		const first = await bench.open("a");
		writeFileSync(join(bench.workspace("a"), "MEMORY.md"), "one");
		await first.flush({ sweep: true });

		const second = await bench.open("b");
		writeFileSync(join(bench.workspace("b"), "MEMORY.md"), "two, by the owner");
		await second.flush({ sweep: true });

		for (const text of ["one, changed after the other took over", "one, changed again"]) {
			writeFileSync(join(bench.workspace("a"), "MEMORY.md"), text);
			expect(await first.flush({ sweep: true })).toMatchObject({
				kind: "committed",
				quarantined: true,
			});
			expect(first.isSuperseded).toBe(true);
		}
		// The losing writer must not delete.
		rmSync(join(bench.workspace("a"), "MEMORY.md"));
		await first.flush({ sweep: true });

		const { head } = await readLog(bench.store);
		expect(head.leftOut).toBe(0);
		expect([...head.tree.keys()].sort()).toEqual([
			"",
			".recovered",
			`.recovered/${first.writerId}`,
			`.recovered/${first.writerId}/MEMORY.md`,
			"MEMORY.md",
		]);
		expect(bench.logger.events.filter(({ event }) => event === "writer.superseded")).toHaveLength(
			1,
		);

		// The owner continues, and a third machine gets the owner's tree without what was quarantined.
		writeFileSync(join(bench.workspace("b"), "more.md"), "more");
		expect(await second.flush({ sweep: true, closed: true })).toMatchObject({
			kind: "committed",
			quarantined: false,
		});
		await bench.open("c");
		expect(readFileSync(join(bench.workspace("c"), "MEMORY.md"), "utf8")).toBe("two, by the owner");
		expect(readFileSync(join(bench.workspace("c"), "more.md"), "utf8")).toBe("more");
		expect(() => readFileSync(join(bench.workspace("c"), ".recovered"))).toThrow(/ENOENT/);
	});

	// @id declared-dead-grows-by-changes
	it("grow the tree by what one changed after it was declared dead, not by how often, even after an hour", async () => {
		await using bench = await workbench();
		const dead = await bench.open("dead");
		const write = (name: string, size: number, fill: number) =>
			writeFileSync(join(bench.workspace("dead"), name), Buffer.alloc(size, `${fill} `));
		write("log.jsonl", 100, 0);
		await dead.flush({ sweep: true });
		const owner = await bench.open("owner");

		// Half an hour at the pace of a superseded daemon; every size is the same from the second flush
		// on.
		const before = { ...bench.store.requests };
		for (let flush = 1; flush <= 60; flush++) {
			write("log.jsonl", 1000 + flush, flush);
			write("same", 2000, 7);
			expect(await dead.flush({ sweep: true })).toMatchObject({
				kind: "committed",
				quarantined: true,
			});
		}
		const { list, get, put } = bench.store.requests;
		// One PUT per flush. The first one also pays for the lost slot: its PUT, a look at its content
		// and at the won slots, and the catching up.
		expect({ put: put - before.put, list: list - before.list }).toEqual({ put: 61, list: 2 });
		expect(get - before.get).toBeLessThanOrEqual(4);
		const home = `.recovered/${dead.writerId}`;
		const { tree } = (await readLog(bench.store)).head;
		expect([...tree.keys()].sort()).toEqual([
			"",
			".recovered",
			home,
			`${home}/log.jsonl`,
			`${home}/same`,
			"log.jsonl",
		]);
		expect(tree.get(`${home}/log.jsonl`)).toMatchObject({ size: 1060 });

		// Idle costs nothing. The owner's next commit costs one lost slot, whatever happened meanwhile.
		const idle = { ...bench.store.requests };
		expect(await dead.flush({ sweep: true })).toMatchObject({ kind: "nothing" });
		expect(bench.store.requests).toEqual(idle);
		writeFileSync(join(bench.workspace("owner"), "f"), "x");
		expect(await owner.flush({ sweep: true })).toMatchObject({
			kind: "committed",
			quarantined: false,
		});
		expect(
			bench.logger.events
				.filter(({ event }) => event === "recover.waiting")
				.map(({ fields }) => fields),
		).toEqual([{ writers: [dead.writerId], files: 2, bytes: 3060 }]);
	});

	it("both leave a user's own directory named .recovered to the user", async () => {
		await using bench = await workbench();
		const own = (machine: string) => join(bench.workspace(machine), ".recovered");
		const first = await bench.open("a");
		mkdirSync(own("a"));
		writeFileSync(join(own("a"), "notes"), "mine");
		mkdirSync(join(own("a"), "0123456789abcdef".repeat(2)));
		writeFileSync(join(own("a"), "0123456789abcdef".repeat(2), "f"), "in a reserved place");
		expect(await first.flush({ sweep: true })).toMatchObject({
			kind: "committed",
			deferred: [
				{
					path: `.recovered/${"0123456789abcdef".repeat(2)}`,
					reason: expect.stringContaining("reserved"),
				},
			],
		});
		await bench.open("b");
		expect(readFileSync(join(own("b"), "notes"), "utf8")).toBe("mine");
		expect(readdirSync(own("b"))).toEqual(["notes"]);

		writeFileSync(join(own("a"), "notes"), "mine, later");
		await first.flush({ sweep: true });
		const { tree } = (await readLog(bench.store)).head;
		expect(tree.get(".recovered/notes")).toMatchObject({ size: 4 });
		expect(tree.get(`.recovered/${first.writerId}/.recovered/notes`)).toMatchObject({ size: 11 });
	});

	// @id lost-fence-applies-winner
	it("agree after a fence lost its slot: the winner's changes reach the disk first", async () => {
		await using bench = await workbench();
		const other = await bench.open("other");
		writeFileSync(join(bench.workspace("other"), "f"), "first");
		await other.flush({ sweep: true });
		const store = new FaultyStore(bench.store);
		let raced = false;
		store.beforePut = async () => {
			if (raced) return;
			raced = true;
			writeFileSync(join(bench.workspace("other"), "f"), "written between restore and fence");
			await other.flush({ sweep: true });
		};
		await bench.open("late", { store });
		expect(raced).toBe(true);
		expect(readFileSync(join(bench.workspace("late"), "f"), "utf8")).toBe(
			"written between restore and fence",
		);
	});

	// @id lost-answer-not-repeated
	it("never repeat a commit whose answer was lost, and forget nothing meanwhile", async () => {
		await using bench = await workbench();
		const store = new FaultyStore(bench.store);
		const environment = { ...thisEnvironment, sleep: async () => {} };
		const session = await bench.open("a", { store, environment });
		writeFileSync(join(bench.workspace("a"), "f"), "one");
		store.queue("lost-request", "lost-request", "lost-request");
		expect(await session.flush({ sweep: true })).toMatchObject({ kind: "unknown" });
		expect(session.waiting).toBeGreaterThan(0);
		writeFileSync(join(bench.workspace("a"), "g"), "two");
		session.hint("g");
		expect(await session.flush()).toMatchObject({ kind: "committed", seq: 3 });
		const bodies = store.sent
			.filter(({ key }) => key === store.sent[1]?.key)
			.map(({ body }) => body.toString("hex"));
		expect(new Set(bodies).size).toBe(1);
		expect([...(await readLog(bench.store)).head.tree.keys()].sort()).toEqual(["", "f", "g"]);
	});
});
