/** One run: some machines of one user, a store, retention, and a storm, all from one seed. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { Dice } from "../../../testkit/dice.ts";
import { Cloud } from "./cloud.ts";
import { emptyDisk } from "./disk.ts";
import { Oracle, type Violation } from "./oracle.ts";
import { CALM, type Frozen, Process, type Weather } from "./process.ts";
import { sweepOnce } from "./retention.ts";
import { type End, type Habits, type Machine, Sidecar } from "./sidecar.ts";
import { DAY, HOUR, MINUTE, SECOND, World } from "./world.ts";

export interface Outcome {
	readonly seed: number;
	readonly violations: readonly Violation[];
	readonly counts: Oracle["counts"] & {
		clones: number;
		kills: number;
		freezes: number;
		events: number;
		days: number;
	};
	readonly trace: readonly string[];
	/**
	 * SHA-256 of every event, every line of the trace and the final contents of the store; empty
	 * without a trace.
	 */
	readonly digest: string;
}

/** Runs with a store that checks first and writes later. */
const RACY_SHARE = 0.1;

/** A run with more events than this is stuck. */
const MAX_EVENTS = 60_000;

export interface SimulateOptions {
	/** Keep a trace and a digest. Default false. */
	readonly isTold?: boolean;
	/** A store that checks first and writes later. Default: decided by the seed. */
	readonly isRacy?: boolean;
}

export async function simulate(seed: number, options: SimulateOptions = {}): Promise<Outcome> {
	// Storms cause thousands of errors, and their stacks are needed only to replay a seed.
	const { stackTraceLimit } = Error;
	if (options.isTold !== true) Error.stackTraceLimit = 0;
	try {
		return await new Run(seed, options).play();
	} finally {
		Error.stackTraceLimit = stackTraceLimit;
	}
}

class Run {
	readonly #seed: number;
	readonly #dice: Dice;
	readonly #world: World;
	readonly #cloud: Cloud;
	readonly #oracle: Oracle;
	readonly #weather: Weather;
	readonly #running = new Map<
		Process,
		{
			readonly sidecar: Sidecar;
			readonly habits: Habits;
			readonly start: Machine;
			readonly closes: boolean;
		}
	>();
	readonly #counts = { clones: 0, kills: 0, freezes: 0 };
	#processes = 0;
	#startMs: number;

	constructor(seed: number, { isTold = false, isRacy }: SimulateOptions) {
		this.#seed = seed;
		this.#dice = new Dice(seed);
		this.#world = new World(isTold);
		this.#startMs = this.#world.nowMs;
		this.#cloud = new Cloud(this.#world);
		this.#oracle = new Oracle(this.#world, this.#cloud);
		const dice = this.#dice;
		this.#weather = {
			faults: dice.oneOf([0, 0.02, 0.1, 0.3, 0.5]),
			freezes: dice.oneOf([0, 0, 0.002, 0.01, 0.03]),
			racyMs: (isRacy ?? dice.chance(RACY_SHARE)) ? dice.oneOf([50, 300, 1000]) : 0,
		};
	}

	async play(): Promise<Outcome> {
		const dice = this.#dice;
		const isLong = dice.chance(0.1);
		const machines = 2 + dice.below(2);
		for (let index = 0; index < machines; index++) this.#host(`vm${index}`, isLong);
		for (let sweeps = dice.below(8); sweeps > 0; sweeps--)
			this.#world.after(dice.spread(MINUTE, 60 * DAY), () => this.#sweep(CALM));
		for (let troubles = dice.below(10); troubles > 0; troubles--)
			this.#world.after(dice.spread(SECOND, 20 * DAY), () => this.#trouble());
		await this.#world.run(() => this.#world.events > MAX_EVENTS);
		if (this.#world.events > MAX_EVENTS)
			this.#oracle.broken("noUnexpectedError", "the run does not end");
		await this.#conclude();
		return {
			seed: this.#seed,
			violations: this.#oracle.violations,
			counts: {
				...this.#oracle.counts,
				...this.#counts,
				events: this.#world.events,
				days: (this.#world.nowMs - this.#startMs) / DAY,
			},
			trace: this.#world.trace,
			digest: this.#world.digest(this.#cloud.content()),
		};
	}

	/**
	 * A machine that starts its sidecar a few times, sometimes with its old disk, sometimes with an
	 * empty one.
	 */
	#host(name: string, isLong: boolean): void {
		const dice = this.#dice;
		let machine: Machine = { disk: emptyDisk(), base: undefined };
		let lives = 1 + dice.below(3);
		const live = () => {
			if (lives-- === 0) return;
			const isCold = dice.chance(0.5);
			if (isCold) machine = { disk: emptyDisk(), base: undefined };
			const habits: Habits = {
				rounds: isLong ? 30 + dice.below(40) : 2 + dice.below(10),
				paceMs: dice.oneOf([
					[SECOND, 10 * SECOND],
					[SECOND, 2 * HOUR],
					[MINUTE, 3 * DAY],
				] as const),
				packs: dice.oneOf([0, 0.3, 1]),
			};
			const process = new Process({
				name: `${name}.${this.#processes++}`,
				world: this.#world,
				cloud: this.#cloud,
				dice: new Dice(dice.below(2 ** 31)),
				weather: this.#weather,
				wallSkewMs: dice.chance(0.3) ? (dice.roll() - 0.5) * 2 * DAY : 0,
			});
			this.#start(process, machine, habits, dice.chance(0.7), (sidecar) => {
				machine = sidecar.machine;
				this.#world.after(dice.spread(SECOND, isRaced ? MINUTE : 10 * DAY), live);
			});
		};
		// Writers conflict if they start together.
		const isRaced = this.#weather.racyMs > 0;
		this.#world.after(dice.spread(10, isRaced ? SECOND : 3 * DAY), live);
	}

	#start(
		process: Process,
		machine: Machine,
		habits: Habits,
		closes: boolean,
		ended: (sidecar: Sidecar) => void,
	): void {
		const sidecar = new Sidecar(process, this.#oracle, machine, habits, closes);
		const start = { disk: new Map(machine.disk), base: machine.base };
		this.#running.set(process, { sidecar, habits, start, closes });
		const gone = () => {
			if (!this.#running.delete(process)) return;
			ended(sidecar);
		};
		process.onKilled = gone;
		sidecar.run().then(
			(end: End) => {
				this.#world.tell(() => `${process.name} ends: ${end}`);
				gone();
			},
			(error: unknown) => {
				this.#oracle.broken(
					"noUnexpectedError",
					`${process.name}: ${error instanceof Error ? error.stack : String(error)}`,
				);
				gone();
			},
		);
	}

	/** Something happens to one of the machines. */
	#trouble(): void {
		const dice = this.#dice;
		const victim = dice.oneOf([...this.#running.keys()]);
		if (victim === undefined || victim.isReliving) return;
		switch (dice.weighted({ kill: 3, freeze: 3, cutOff: 2, clone: 2, clock: 1 })) {
			case "kill":
				this.#counts.kills++;
				this.#world.tell(() => `${victim.name} is killed`);
				victim.kill();
				break;
			case "freeze":
				this.#counts.freezes++;
				victim.freeze(dice.spread(MINUTE, 45 * DAY), dice.oneOf<Frozen>(["both", "wall", "boot"]));
				break;
			case "cutOff":
				victim.cutOff(dice.spread(MINUTE, 5 * DAY));
				break;
			case "clone":
				this.#clone(victim);
				break;
			case "clock":
				victim.setWall((dice.roll() - 0.5) * 2 * DAY);
				break;
		}
	}

	/** The machine's memory and disk continue a second time. */
	#clone(victim: Process): void {
		const known = this.#running.get(victim);
		if (known === undefined) return;
		this.#counts.clones++;
		this.#world.tell(() => `${victim.name} is continued a second time, as ${victim.name}'`);
		const clone = victim.clone(`${victim.name}'`, new Dice(this.#dice.below(2 ** 31)));
		this.#start(clone, known.start, known.habits, known.closes, () => {});
		this.#relive(clone);
	}

	/** The replay takes no time: nothing else happens meanwhile. */
	#relive(clone: Process): void {
		this.#world.hold(clone.relive(() => nextTurn()));
	}

	#sweep(weather: Weather): void {
		const process = new Process({
			name: `retention.${this.#processes++}`,
			world: this.#world,
			cloud: this.#cloud,
			dice: new Dice(this.#dice.below(2 ** 31)),
			weather: this.#dice.chance(0.5) ? weather : this.#weather,
			wallSkewMs: 0,
		});
		this.#world.tell(() => `${process.name} begins`);
		sweepOnce(process).then(
			(deleted) => this.#world.tell(() => `${process.name} ends, ${deleted} objects deleted`),
			(error: unknown) =>
				this.#oracle.broken(
					"noUnexpectedError",
					`${process.name}: ${error instanceof Error ? error.stack : String(error)}`,
				),
		);
	}

	/** After the storm, a fresh machine restores the newest commit, works on it, and closes. */
	async #conclude(): Promise<void> {
		if (this.#oracle.violations.length > 0 || this.#oracle.isTorn) return;
		const process = new Process({
			name: "last",
			world: this.#world,
			cloud: this.#cloud,
			dice: new Dice(this.#dice.below(2 ** 31)),
			weather: CALM,
			wallSkewMs: 0,
		});
		const habits: Habits = { rounds: 2, paceMs: [SECOND, MINUTE], packs: 0.5 };
		let end: End | undefined;
		const machine: Machine = { disk: emptyDisk(), base: undefined };
		const sidecar = new Sidecar(process, this.#oracle, machine, habits, true);
		sidecar.onRestored = (content) => this.#oracle.restored(content);
		sidecar.run().then(
			(how) => {
				end = how;
			},
			(error: unknown) =>
				this.#oracle.broken(
					"headIsRestorable",
					`the last machine: ${error instanceof Error ? error.stack : String(error)}`,
				),
		);
		await this.#world.run(() => false);
		if (end !== "closed") this.#oracle.broken("headIsRestorable", `the last machine ended: ${end}`);
		this.#oracle.concluded();
	}
}
