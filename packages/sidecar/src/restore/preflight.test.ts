import { execFileSync } from "node:child_process";
import {
	chmodSync,
	existsSync,
	mkdirSync,
	readFileSync,
	rmSync,
	statSync,
	writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { plainProfile, type Workbench, workbench } from "../../../testkit/workbench.ts";
import { asOrdinaryUser } from "../../../testkit/workspace/as-ordinary-user.ts";
import { mounted } from "../../../testkit/workspace/mounted.ts";
import { readLog } from "../commit/read-log.ts";
import { noteOpened, setBackOpened } from "../disk/opened-directories.ts";
import { inspectDisk } from "../session/not-durable.ts";
import { noProgress } from "../telemetry/progress.ts";
import { loadFileTimes } from "../workspace/file-times.ts";
import { restore } from "./restore.ts";

async function restoreAt(bench: Workbench, machine: string, at: number): Promise<void> {
	const restored = await restore({
		...{
			store: bench.store,
			root: bench.workspace(machine),
			profile: plainProfile,
			privateDir: bench.privateDir(machine),
			at,
		},
		...{
			times: await loadFileTimes(),
			quickHash: () => 0n,
			label: "test",
			logger: bench.logger,
			progress: noProgress,
		},
	});
	await restored.finish(true);
}

/** Makes two commits of `A` and `B`; returns the first. */
async function twoCommits(bench: Workbench): Promise<number> {
	const root = bench.workspace("a");
	mkdirSync(root);
	const seqs: number[] = [];
	const session = await bench.open("a");
	for (const text of ["1", "2"]) {
		for (const name of ["A", "B"]) writeFileSync(join(root, name), text);
		const result = await session.flush({ sweep: true });
		if (result.kind === "committed") seqs.push(result.seq);
	}
	await session.flush({ closed: true });
	return seqs[0] as number;
}

describe("a restore", () => {
	for (const [reason, attribute] of [
		// @id immutable-file
		["immutable (chattr +i)", "i"],
		["append-only (chattr +a)", "a"],
	] as const) {
		// @id unreplaceable-file
		it(`moves nothing if one file cannot be replaced, and says why: ${reason}`, async (context) => {
			await using bench = await workbench();
			using made = mounted(context);
			const root = bench.workspace("a");
			const first = await twoCommits(bench);
			made.chattr(attribute, join(root, "B"));
			const error = await restoreAt(bench, "a", first).catch((caught: unknown) => caught);
			expect(error).toMatchObject({
				code: "WORKSPACE_READ_ONLY",
				value: "B",
				message: expect.stringContaining(reason),
			});
			expect((error as { remedy: string }).remedy).toContain(
				`chattr -${attribute} ${join(root, "B")}`,
			);
			expect(readFileSync(join(root, "A"), "utf8")).toBe("2");
			expect(existsSync(join(bench.privateDir("a"), "trash"))).toBe(false);
			expect(existsSync(join(root, ".openclaw-sidecar"))).toBe(false);
			// Nothing happened, so the next start has nothing to report.
			expect((await bench.open("a")).restored).toMatchObject({
				moved: [],
				written: 0,
				keptLocal: 0,
			});
		});
	}

	// @id obstacles-counted
	it("counts every obstacle and names the first", async (context) => {
		await using bench = await workbench();
		using made = mounted(context);
		const first = await twoCommits(bench);
		for (const name of ["A", "B"]) made.chattr("i", join(bench.workspace("a"), name));
		await expect(restoreAt(bench, "a", first)).rejects.toThrow(
			/A: it is immutable .*, and 1 more; nothing was moved/,
		);
	});

	// @id immutable-directory
	it("moves nothing if a directory is immutable", async (context) => {
		await using bench = await workbench();
		using made = mounted(context);
		const root = bench.workspace("a");
		const first = await twoCommits(bench);
		mkdirSync(join(root, "d"));
		writeFileSync(join(root, "d/f"), "f");
		await (await bench.open("a")).flush({ sweep: true, closed: true });
		made.chattr("i", join(root, "d"));
		await expect(restoreAt(bench, "a", first)).rejects.toThrow(/immutable/);
		expect(readFileSync(join(root, "A"), "utf8")).toBe("2");
	});

	// @id mode-only-difference
	it("leaves a file that differs only in its mode and cannot be replaced", async (context) => {
		await using bench = await workbench();
		using made = mounted(context);
		await twoCommits(bench);
		const root = bench.workspace("b");
		mkdirSync(root);
		writeFileSync(join(root, "A"), "2", { mode: 0o600 });
		made.chattr("i", join(root, "A"));
		const { seq } = (await readLog(bench.store)).head;
		const session = await bench.open("b");
		await session.flush({ sweep: true, closed: true });
		expect(readFileSync(join(root, "B"), "utf8")).toBe("2");
		// A mode that the disk imposed is not a change: the log keeps its own mode.
		const { head } = await readLog(bench.store);
		expect(head.seq).toBe(seq + 2);
		expect(head.tree.get("A")).toMatchObject({ mode: 0o644 });
		expect(
			bench.logger.events.find(({ event }) => event === "restore.metadata-not-set"),
		).toMatchObject({ fields: { paths: ["A"] } });
		const options = {
			store: bench.store,
			root,
			profile: plainProfile,
			privateDir: bench.privateDir("b"),
		};
		expect((await inspectDisk(options, head)).notDurable).toEqual([]);
	});

	// @id read-only-directories-opened
	it("removes files deleted elsewhere from read-only directories at any depth", async () => {
		await using bench = await workbench();
		const roots = ["a", "b"].map((machine) => bench.workspace(machine));
		giveAway(bench.dir);
		await asOrdinaryUser(async () => {
			const [root = "", other = ""] = roots;
			mkdirSync(join(root, "go/x/y"), { recursive: true });
			for (const name of ["go/x/y/f", "go/x/keep", "go/x/gone"])
				writeFileSync(join(root, name), name);
			for (const name of ["go/x/y", "go/x"]) chmodSync(join(root, name), 0o555);
			await (await bench.open("a")).flush({ sweep: true, closed: true });
			const session = await bench.open("b");
			for (const name of ["go/x", "go/x/y"]) chmodSync(join(other, name), 0o755);
			rmSync(join(other, "go/x/y"), { recursive: true });
			rmSync(join(other, "go/x/gone"));
			writeFileSync(join(other, "go/x/keep"), "changed");
			chmodSync(join(other, "go/x"), 0o555);
			await session.flush({ sweep: true, closed: true });
			await bench.open("a");
			expect(existsSync(join(root, "go/x/y"))).toBe(false);
			expect(existsSync(join(root, "go/x/gone"))).toBe(false);
			expect(readFileSync(join(root, "go/x/keep"), "utf8")).toBe("changed");
			expect(statSync(join(root, "go/x")).mode & 0o777).toBe(0o555);
			expect(existsSync(join(bench.privateDir("a"), "opened.json"))).toBe(false);
		});
	});

	// @id killed-restore-mode
	it("resets the mode of a directory that a killed restore left writable", async () => {
		await using bench = await workbench();
		const root = bench.workspace("a");
		mkdirSync(join(root, "ro"), { recursive: true });
		mkdirSync(join(root, "changed"));
		noteOpened(
			bench.privateDir("a"),
			new Map([
				["ro", 0o555],
				["changed", 0o555],
				["gone", 0o555],
			]),
		);
		chmodSync(join(root, "ro"), 0o755);
		chmodSync(join(root, "changed"), 0o700);
		setBackOpened(bench.privateDir("a"), root);
		expect(["ro", "changed"].map((name) => statSync(join(root, name)).mode & 0o777)).toEqual([
			0o555, 0o700,
		]);
		chmodSync(join(root, "ro"), 0o755);
		setBackOpened(bench.privateDir("a"), root);
		expect(statSync(join(root, "ro")).mode & 0o777).toBe(0o755);
	});
});

describe("the workspace's top directory", () => {
	// @id mode-set-unwatched
	it("keeps a mode that was set while no watcher ran, and commits it", async () => {
		await using bench = await workbench();
		const root = bench.workspace("a");
		mkdirSync(root, { mode: 0o755 });
		writeFileSync(join(root, "f"), "f");
		await (await bench.open("a")).flush({ sweep: true, closed: true });
		chmodSync(root, 0o700);
		const { head: before } = await readLog(bench.store);
		const options = {
			store: bench.store,
			root,
			profile: plainProfile,
			privateDir: bench.privateDir("a"),
		};
		expect((await inspectDisk(options, before)).notDurable).toMatchObject([
			{ path: "", kind: "changed" },
		]);
		const session = await bench.open("a");
		expect(statSync(root).mode & 0o777).toBe(0o700);
		await session.flush({ sweep: true, closed: true });
		expect((await readLog(bench.store)).head.tree.get("")).toMatchObject({ mode: 0o700 });
	});

	// @id mode-of-other-user
	it("keeps its mode if another user owns it, does not stop the restore, and is not a change", async () => {
		await using bench = await workbench();
		const root = bench.workspace("a");
		mkdirSync(root, { mode: 0o700 });
		writeFileSync(join(root, "f"), "f");
		chmodSync(join(root, "f"), 0o644);
		await (await bench.open("a")).flush({ sweep: true, closed: true });
		giveAway(bench.dir);
		for (const owned of ["b", "c"]) {
			mkdirSync(bench.workspace(owned));
			// Like a Kubernetes volume: owned by root and writable by all.
			chmodSync(bench.workspace(owned), 0o777);
		}
		await asOrdinaryUser(async () => {
			for (const start of ["first", "second"]) {
				const session = await bench.open("b");
				writeFileSync(join(bench.workspace("b"), start), start);
				await session.flush({ sweep: true, closed: true });
				expect((await readLog(bench.store)).head.tree.get(""), start).toMatchObject({
					mode: 0o700,
				});
			}
			const options = {
				store: bench.store,
				root: bench.workspace("b"),
				profile: plainProfile,
				privateDir: bench.privateDir("b"),
			};
			expect((await inspectDisk(options, (await readLog(bench.store)).head)).notDurable).toEqual(
				[],
			);
		});
		expect(bench.logger.events.some(({ event }) => event === "restore.metadata-not-set")).toBe(
			true,
		);
	});
});

/** Gives the directory to the user of `asOrdinaryUser`. */
function giveAway(directory: string): void {
	if (process.geteuid?.() === 0) execFileSync("chown", ["-R", "65534:65534", directory]);
}
