import { appendFileSync, mkdirSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { s3TestServer } from "../../../testkit/store/s3-server.ts";
import { s3Namespace, type Workbench, workbench } from "../../../testkit/workbench.ts";
import { anyDisk, makeDisk } from "../../../testkit/workspace/arbitrary-disk.ts";
import { readDisk } from "../../../testkit/workspace/disk.ts";

const stores = [
	{ name: "file store", make: () => workbench(), numRuns: 10, skip: false },
	{
		name: "S3 server",
		make: async () => workbench(await s3Namespace()),
		numRuns: 4,
		skip: s3TestServer() === undefined,
	},
];

for (const { name, make, numRuns, skip } of stores) {
	describe.skipIf(skip)(`restore(flush(tree)) == tree, ${name}`, () => {
		// @id round-trip-any-tree
		it("holds for any tree, and for any tree that replaces it", async () => {
			await fc.assert(
				fc.asyncProperty(anyDisk, anyDisk, async (first, second) => {
					await using bench: Workbench = await make();
					const source = bench.workspace("a");
					await makeDisk(source, first);
					const session = await bench.open("a");
					await session.flush({ sweep: true, closed: true });
					expect(session.waiting).toBe(0);
					await bench.open("b");
					expect(readDisk(bench.workspace("b"))).toEqual(readDisk(source));

					// Another tree in its place, then a warm restore over the first one's copy.
					const again = await bench.open("a");
					for (const path of readDisk(source).keys())
						if (path !== "" && !path.includes("/") && !path.startsWith("hex:"))
							rmSync(join(source, path), { recursive: true, force: true });
					await makeDisk(join(source, "second"), second);
					await again.flush({ sweep: true });
					await again.flush({ sweep: true, closed: true });
					expect(again.waiting).toBe(0);
					await bench.open("b");
					expect(readDisk(bench.workspace("b"))).toEqual(readDisk(source));
					await bench.open("c");
					expect(readDisk(bench.workspace("c"))).toEqual(readDisk(source));
				}),
				{ numRuns },
			);
			// Each restore ends with a syncfs, which waits for all other writes to this disk.
		}, 180_000);
	});
}

describe("a flush", () => {
	const prepare = async (): Promise<{
		bench: Workbench;
		root: string;
		session: Awaited<ReturnType<Workbench["open"]>>;
		sent: () => number;
	}> => {
		const bench = await workbench();
		const root = bench.workspace("a");
		mkdirSync(join(root, "notes"), { recursive: true });
		for (let index = 0; index < 50; index++)
			writeFileSync(join(root, "notes", `${index}.md`), `note ${index} `.repeat(300));
		const session = await bench.open("a");
		await session.flush({ sweep: true });
		const { requests } = bench.store;
		return { bench, root, session, sent: () => requests.list + requests.get + requests.put };
	};

	// @id requests-per-flush
	it("makes 1 request for one changed file, and none without changes", async () => {
		const { bench, root, session, sent } = await prepare();
		await using _ = bench;
		const before = sent();
		expect(await session.flush({ sweep: true })).toMatchObject({ kind: "nothing" });
		expect(sent() - before).toBe(0);
		writeFileSync(join(root, "notes/7.md"), "changed");
		session.hint("notes/7.md");
		expect(await session.flush()).toMatchObject({ kind: "committed", changed: 1 });
		expect(sent() - before).toBe(1);
	});

	it("sends no content for a rename, a touch, a copy or a changed mode", async () => {
		const { bench, root, session } = await prepare();
		await using _ = bench;
		const random = Buffer.from(
			Array.from({ length: 500_000 }, (_, index) => (index * 2654435761) >>> 13),
		);
		writeFileSync(join(root, "large.bin"), random);
		const first = await session.flush({ sweep: true });
		expect(first).toMatchObject({ kind: "committed" });
		renameSync(join(root, "large.bin"), join(root, "notes/renamed.bin"));
		utimesSync(join(root, "notes/3.md"), 1, 1);
		writeFileSync(join(root, "copy.bin"), random);
		const second = await session.flush({ sweep: true });
		expect(second).toMatchObject({ kind: "committed", removed: 1 });
		expect(second.kind === "committed" && second.bytes).toBeLessThan(2000);
	});

	it("sends what was appended, not the file", async () => {
		const { bench, root, session } = await prepare();
		await using _ = bench;
		const noise = (size: number, seed: number) =>
			Buffer.from(
				Uint32Array.from(
					{ length: size / 4 },
					(_, index) => Math.imul(index + seed, 2654435761) ^ (index << 7),
				).buffer,
			);
		writeFileSync(join(root, "log.bin"), noise(12 * 1024 * 1024, 1));
		await session.flush({ sweep: true });
		appendFileSync(join(root, "log.bin"), noise(2 * 1024 * 1024, 99));
		const appended = await session.flush({ sweep: true });
		expect(appended.kind === "committed" && appended.bytes).toBeLessThan(2.1 * 1024 * 1024);
	});
});
