/**
 * Storms on real disks: two machines edit one workspace, and restores of the second machine fail or
 * are killed at a random step.
 *
 * The invariant after each start, whether it failed, was killed or succeeded: every text that was
 * on the disk is still there, in the log, or in the trash and its journal. Once a flush reports
 * that all is durable, every text is in the log.
 */
import { mkdirSync } from "node:fs";
import { Dice } from "../../../testkit/dice.ts";
import { AgingStore } from "../../../testkit/store/aging-store.ts";
import { type Workbench, workbench } from "../../../testkit/workbench.ts";
import { readLog } from "../../src/commit/read-log.ts";
import { displacedFiles } from "../../src/disk/displaced.ts";
import { SidecarError, systemRefusal } from "../../src/errors.ts";
import type { Session } from "../../src/session/session.ts";
import { restoreAt } from "../incidents/restore-at.ts";
import { FailingDisk, type Failure } from "./failing-disk.ts";
import { edit, TextsInLog, textsBelow } from "./real-disk.ts";

export interface HalfRestores {
	readonly violations: readonly string[];
	readonly trace: readonly string[];
	readonly counts: {
		restores: number;
		failures: number;
		kills: number;
		displaced: number;
		commits: number;
	};
}

const NAMES = ["a", "b", "c", "d/a", "d/b", "d/e/f", "d", "e/x", "e"];
const ROUNDS = 5;

export async function halfRestores(seed: number): Promise<HalfRestores> {
	await using bench = await workbench(new AgingStore());
	using disk = new FailingDisk(bench.dir);
	return await new Storm(seed, bench, disk).play();
}

class Storm {
	readonly #dice: Dice;
	readonly #bench: Workbench;
	readonly #disk: FailingDisk;
	readonly #inLog: TextsInLog;
	#texts = 0;
	readonly violations: string[] = [];
	readonly trace: string[] = [];
	readonly counts = { restores: 0, failures: 0, kills: 0, displaced: 0, commits: 0 };

	constructor(seed: number, bench: Workbench, disk: FailingDisk) {
		this.#dice = new Dice(seed);
		this.#bench = bench;
		this.#disk = disk;
		this.#inLog = new TextsInLog(bench.store);
	}

	async play(): Promise<HalfRestores> {
		mkdirSync(this.#bench.workspace("a"));
		this.#edit("a", 8);
		await this.#live("a", 0);
		await this.#live("b", 0);
		for (let round = 0; round < ROUNDS && this.violations.length === 0; round++) {
			await this.#live("a", this.#dice.below(6));
			// While no sidecar runs.
			this.#edit("b", this.#dice.below(6));
			const mayFail = 1 + this.#dice.below(3);
			if (this.#dice.chance(0.2)) await this.#attempt(true, () => this.#look());
			for (let attempt = 0; attempt < mayFail; attempt++)
				if (await this.#attempt(true, () => this.#start("b"))) break;
			await this.#live("b", this.#dice.below(3));
		}
		this.counts.commits = this.#inLog.commits;
		return this;
	}

	/** A start without faults, some edits, and a flush that reports that all is durable. */
	async #live(machine: string, edits: number): Promise<void> {
		if (this.violations.length > 0) return;
		let session: Session | undefined;
		const open = async () => {
			session = await this.#start(machine);
		};
		if (machine === "b") await this.#attempt(false, open);
		else await open();
		if (session === undefined) return;
		// Another machine takes over the workspace before the first commit.
		if (machine === "b" && this.#dice.chance(0.3)) await this.#start("c");
		this.#edit(machine, edits);
		const texts = textsBelow(this.#bench.workspace(machine));
		for (let again = 0; again < 5; again++) {
			try {
				await session.flush({ sweep: true, closed: true });
			} catch (error) {
				return this.#broken(`${machine} cannot flush: ${(error as Error).stack}`);
			}
			if (session.waiting === 0 && (session.deferredDeletions === 0 || session.isSuperseded)) break;
		}
		await this.#inLog.refresh();
		if (session.waiting > 0)
			return this.#broken(`${machine} is not durable: ${JSON.stringify(session.waitingPaths)}`);
		for (const [text, where] of texts)
			if (!this.#inLog.has(text)) this.#broken(`${machine} said that ${where} is durable`);
		const left = displacedFiles(this.#bench.privateDir(machine));
		if (left.length > 0)
			this.#broken(`${machine} said that all is durable, and ${left[0]?.to} is not`);
	}

	async #start(machine: string): Promise<Session> {
		return await this.#bench.open(machine);
	}

	async #look(): Promise<void> {
		const { seq } = (await readLog(this.#bench.store)).head;
		await restoreAt(this.#bench, "b", 1 + this.#dice.below(seq));
	}

	/** @returns true if it ended without a failure */
	async #attempt(mayFail: boolean, start: () => Promise<unknown>): Promise<boolean> {
		const { workspace, privateDir } = this.#bench;
		const before = new Map([...textsBelow(workspace("b")), ...this.#journalled()]);
		const failure = this.#dice.oneOf<Failure>(["EIO", "EACCES", "ENOSPC", "killed", "killed"]);
		const steps = Math.floor(this.#dice.spread(1, 120));
		if (mayFail) this.#disk.arm(steps, failure);
		let error: unknown;
		try {
			await start();
		} catch (caught) {
			error = caught;
		}
		this.#disk.disarm();
		const { failed } = this.#disk;
		this.counts.restores++;
		this.trace.push(
			`a start of b${failed === undefined ? "" : `, ${failure} at ${failed}`}: ${error ?? "ok"}`,
		);
		if (failed !== undefined) this.counts[failure === "killed" ? "kills" : "failures"]++;
		if (error !== undefined && failed === undefined)
			this.#broken(`a start without a fault failed: ${(error as Error).stack}`);
		if (error !== undefined && failure !== "killed") this.#explained(error);
		await this.#inLog.refresh();
		const journalled = this.#journalled();
		this.counts.displaced += journalled.size;
		const now = textsBelow(workspace("b"));
		for (const [text, where] of before) {
			if (now.has(text) || journalled.has(text) || this.#inLog.has(text)) continue;
			const hidden = textsBelow(privateDir("b")).get(text);
			this.#broken(
				`the text of ${where} is ${hidden === undefined ? "gone" : `in ${hidden}, and in no journal`}`,
			);
		}
		return error === undefined;
	}

	#explained(error: unknown): void {
		// The command converts system errors into our own.
		const known = error instanceof SidecarError ? error : systemRefusal(error);
		const isExplained = known !== undefined && known.code !== "INTERNAL";
		if (!isExplained)
			this.#broken(`a failing disk gives an error without a code: ${(error as Error).stack}`);
	}

	/** Texts in b's trash that its journal names. */
	#journalled(): Map<string, string> {
		return new Map(
			displacedFiles(this.#bench.privateDir("b")).flatMap(({ to }) => [...textsBelow(to)]),
		);
	}

	#edit(machine: string, count: number): void {
		edit(this.#bench.workspace(machine), NAMES, count, this.#dice, () => `text ${this.#texts++}`);
	}

	#broken(what: string): void {
		this.violations.push(what);
		this.trace.push(`BROKEN: ${what}`);
	}
}
