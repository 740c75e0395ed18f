/**
 * Storms with a volume inside the workspace that comes and goes. `v` of machine b is a real mount:
 * of its own volume, of nothing, or of another volume, also during a session. On machine a it is an
 * ordinary directory, which a edits.
 *
 * The invariant: while the volume is missing, no commit of b changes the log below `v`, and no
 * bytes of the other volume are stored. Every text of b's disk and of its volume stays there, in
 * the log, or in the journalled trash.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Dice } from "../../../testkit/dice.ts";
import { AgingStore } from "../../../testkit/store/aging-store.ts";
import { type Workbench, workbench } from "../../../testkit/workbench.ts";
import { readLog } from "../../src/commit/read-log.ts";
import { displacedFiles } from "../../src/disk/displaced.ts";
import type { Session } from "../../src/session/session.ts";
import { edit, TextsInLog, textOf, textsBelow } from "./real-disk.ts";

export interface InnerVolumes {
	readonly violations: readonly string[];
	readonly trace: readonly string[];
	readonly counts: {
		starts: number;
		away: number;
		other: number;
		toggles: number;
		commits: number;
	};
}

type State = "own" | "away" | "other";

const NAMES = ["a", "d/b", "d", "v/a", "v/b", "v/d/c", "v/e"];
const ROUNDS = 6;

export async function innerVolumes(seed: number): Promise<InnerVolumes> {
	await using bench = await workbench(new AgingStore());
	using storm = new Storm(seed, bench);
	return await storm.play();
}

class Storm implements Disposable {
	readonly #dice: Dice;
	readonly #bench: Workbench;
	readonly #inLog: TextsInLog;
	readonly #place: string;
	#state: State = "away";
	#texts = 0;
	readonly violations: string[] = [];
	readonly trace: string[] = [];
	readonly counts = { starts: 0, away: 0, other: 0, toggles: 0, commits: 0 };

	constructor(seed: number, bench: Workbench) {
		this.#dice = new Dice(seed);
		this.#bench = bench;
		this.#inLog = new TextsInLog(bench.store);
		this.#place = join(bench.workspace("b"), "v");
	}

	async play(): Promise<InnerVolumes> {
		for (const directory of [this.#place, this.#volume("own"), this.#volume("other")])
			mkdirSync(directory, { recursive: true });
		for (let index = 0; index < 3; index++)
			writeFileSync(join(this.#volume("other"), `${index}`), `of the other volume, ${index}`);
		this.#mount("own");
		for (const name of ["v/kept", "v/d/kept", "kept"]) {
			mkdirSync(join(this.#bench.workspace("b"), name, ".."), { recursive: true });
			writeFileSync(join(this.#bench.workspace("b"), name), `text ${this.#texts++}`);
		}
		await this.#b();
		for (let round = 0; round < ROUNDS && this.violations.length === 0; round++) {
			if (this.#dice.chance(0.5)) await this.#a();
			this.#mount(this.#dice.weighted<State>({ own: 2, away: 2, other: 1 }));
			this.#edit("b", this.#dice.below(4));
			await this.#b();
		}
		this.#mount("own");
		await this.#b();
		this.counts.commits = this.#inLog.commits;
		return this;
	}

	[Symbol.dispose](): void {
		this.#mount("away");
	}

	async #a(): Promise<void> {
		const session = await this.#bench.open("a");
		this.#edit("a", 1 + this.#dice.below(3));
		await session.flush({ sweep: true, closed: true });
	}

	async #b(): Promise<void> {
		this.counts.starts++;
		const before = this.#everything();
		const isAway = this.#state !== "own";
		const below = await this.#belowInLog();
		const session = await this.#bench.open("b");
		this.trace.push(`b starts, its volume: ${this.#state}`);
		if (!isAway && this.#dice.chance(0.4)) return await this.#goesAway(session, before);
		await this.#flush(session);
		await this.#check(before, isAway ? below : undefined);
		if (!isAway) await this.#checkDurable(session);
		else if (session.waiting === 0)
			this.#broken("a volume is away, and everything is called durable");
	}

	/** Between two flushes of a session, and back again. */
	async #goesAway(session: Session, before: ReadonlyMap<string, string>): Promise<void> {
		await this.#flush(session);
		const below = await this.#belowInLog();
		this.counts.toggles++;
		this.#mount(this.#dice.oneOf<State>(["away", "other"]));
		this.trace.push(`its volume is ${this.#state} now`);
		await this.#flush(session);
		await this.#check(before, below);
		this.#mount("own");
		await this.#flush(session);
		await this.#check(before, undefined);
		await this.#checkDurable(session);
	}

	async #flush(session: Session): Promise<void> {
		try {
			for (let again = 0; again < 3; again++)
				await session.flush({ sweep: true, deletionsAreMeant: this.#state === "own" });
		} catch (error) {
			this.#broken(`b cannot flush: ${(error as Error).stack}`);
		}
	}

	async #check(
		before: ReadonlyMap<string, string>,
		below: ReadonlyMap<string, string> | undefined,
	): Promise<void> {
		await this.#inLog.refresh();
		const now = this.#everything();
		for (const [text, where] of before)
			if (!now.has(text) && !this.#inLog.has(text)) this.#broken(`the text of ${where} is gone`);
		for (const text of textsBelow(this.#volume("other")).keys())
			if (this.#inLog.has(text)) this.#broken("a text of another volume is in the log");
		if (textsBelow(this.#volume("other")).size !== 3)
			this.#broken("the other volume was written to");
		if (below === undefined) return;
		const after = await this.#belowInLog();
		for (const [path, text] of below)
			if (after.get(path) !== text)
				this.#broken(`${path} changed in the log while its volume was away`);
		for (const path of after.keys())
			if (!below.has(path)) this.#broken(`${path} came to the log while its volume was away`);
	}

	async #checkDurable(session: Session): Promise<void> {
		if (session.waiting > 0)
			return this.#broken(`not durable: ${JSON.stringify(session.deferred)}`);
		await this.#inLog.refresh();
		for (const [text, where] of textsBelow(this.#bench.workspace("b")))
			if (!this.#inLog.has(text)) this.#broken(`${where} is called durable`);
	}

	/** The texts of b's disk, its volume, and its journal. */
	#everything(): Map<string, string> {
		const { workspace, privateDir } = this.#bench;
		const displaced = displacedFiles(privateDir("b")).flatMap(({ to }) => [...textsBelow(to)]);
		return new Map([
			...textsBelow(workspace("b")),
			...textsBelow(this.#volume("own")),
			...displaced,
		]);
	}

	/** The newest commit's content below `v`, by path. */
	async #belowInLog(): Promise<Map<string, string>> {
		const { tree } = (await readLog(this.#bench.store)).head;
		return new Map(
			[...tree]
				.filter(([path]) => path.startsWith("v/"))
				.map(([path, entry]) => [path, textOf(entry) ?? "directory"]),
		);
	}

	#edit(machine: string, count: number): void {
		const names =
			machine === "b" && this.#state !== "own"
				? NAMES.filter((name) => !name.startsWith("v/"))
				: NAMES;
		edit(this.#bench.workspace(machine), names, count, this.#dice, () => `text ${this.#texts++}`);
	}

	#volume(state: State): string {
		return join(this.#bench.dir, "volumes", state);
	}

	#mount(state: State): void {
		if (this.#state !== "away") execFileSync("umount", [this.#place], { stdio: "pipe" });
		this.#state = state;
		if (state === "own") return this.#bind(state);
		this.counts[state]++;
		if (state === "other") this.#bind(state);
	}

	#bind(state: State): void {
		execFileSync("mount", ["--bind", this.#volume(state), this.#place], { stdio: "pipe" });
	}

	#broken(what: string): void {
		this.violations.push(what);
		this.trace.push(`BROKEN: ${what}`);
	}
}
