/**
 * One process in a virtual machine: its clocks, its connection to the store, its random numbers,
 * and its end.
 *
 * Every input is recorded in order, so that a memory image can continue twice. A second process
 * gets the same inputs in the same order up to that point, and then runs independently.
 */

import type { Dice } from "../../../testkit/dice.ts";
import type { Environment } from "../../src/commit/environment.ts";
import { SidecarError } from "../../src/errors.ts";
import type {
	GetOptions,
	GetResult,
	ListOptions,
	ListPage,
	ObjectStore,
	PutOutcome,
	RequestCounts,
} from "../../src/store/port.ts";
import type { Cloud } from "./cloud.ts";
import { DAY, HOUR, MINUTE, SECOND, type World } from "./world.ts";

/** The quality of the connection to the store: the share of requests with a fault. */
export interface Weather {
	readonly faults: number;
	/** The share of requests before which the whole machine stops for hours or days. */
	readonly freezes: number;
	/**
	 * The longest time between check and write in a racy store. Two PUTs of one key may both get a 200
	 * in that time. 0 means that the store is not racy.
	 */
	readonly racyMs: number;
}

export const CALM: Weather = { faults: 0, freezes: 0, racyMs: 0 };

/**
 * The clocks that run while a machine is frozen. At least one does; otherwise no process in it
 * could notice.
 */
export type Frozen = "both" | "wall" | "boot";

type Outcome = { readonly value: unknown } | { readonly error: Error };
type Kind = "put" | "read" | "sleep";

interface Call {
	readonly kind: Kind;
	readonly resolve: (value: unknown) => void;
	readonly reject: (error: Error) => void;
}

interface Journal {
	/** Clock readings, random numbers. */
	readonly sync: unknown[];
	readonly delivered: { readonly call: number; readonly outcome: Outcome }[];
}

/** An answer that never comes: the SDK gives up after 5 s without a byte. */
const TIMEOUT_MS = 5 * SECOND;

/** The faults of a PUT, by weight. */
const FATES = {
	lostRequest: 4,
	lostAnswer: 4,
	late: 4,
	conflict: 1,
	busy: 2,
	twice: 2,
	denied: 0.3,
};
/** Without those that write at once, because every write of a racy store is late. */
const RACY_FATES = {
	lostRequest: 4,
	lostAnswer: 0,
	late: 0,
	conflict: 1,
	busy: 2,
	twice: 0,
	denied: 0.3,
};

/** S3 lists 1,000 keys a page. A page here has few, so that the log changes between two pages. */
const PAGE_KEYS = 20;

export class Process {
	readonly name: string;
	readonly environment: Environment;
	readonly store: DeletingStore;
	readonly #world: World;
	readonly #cloud: Cloud;
	readonly #dice: Dice;
	weather: Weather;
	/** Called with the key and bytes of each PUT as it is sent. */
	onPut: (key: string, body: Buffer) => void = () => {};
	onKilled: () => void = () => {};
	#wallSkewMs: number;
	#bootedAtMs: number;
	#frozenUntilMs = 0;
	#cutOffUntilMs = 0;
	#isAlive = true;
	readonly #journal: Journal = { sync: [], delivered: [] };
	#replay: Journal | undefined;
	#replayed = 0;
	readonly #calls = new Map<number, Call>();
	#nextCall = 0;
	readonly #waiting: (() => void)[] = [];

	constructor(options: {
		readonly name: string;
		readonly world: World;
		readonly cloud: Cloud;
		readonly dice: Dice;
		readonly weather: Weather;
		readonly wallSkewMs: number;
		readonly past?: { readonly journal: Journal; readonly bootedAtMs: number };
	}) {
		this.name = options.name;
		this.#world = options.world;
		this.#cloud = options.cloud;
		this.#dice = options.dice;
		this.weather = options.weather;
		this.#wallSkewMs = options.wallSkewMs;
		this.#bootedAtMs = options.past?.bootedAtMs ?? options.world.nowMs;
		this.#replay = options.past?.journal;
		this.store = new DeletingStore(this);
		this.environment = {
			wallMs: () => this.#noted(() => Math.floor(this.#world.nowMs + this.#wallSkewMs)),
			bootMs: () => this.#noted(() => this.#world.nowMs - this.#bootedAtMs),
			sleep: (ms) =>
				this.#call<void>("sleep", () => ({ afterMs: ms, outcome: { value: undefined } })),
			hostName: "simulated",
			randomBytes: (count) =>
				this.#noted(() => Buffer.from(Array.from({ length: count }, () => this.#dice.below(256)))),
		};
	}

	get isAlive(): boolean {
		return this.#isAlive;
	}

	/** In [0, 1): the random numbers of the program that runs here. */
	roll(): number {
		return this.#noted(() => this.#dice.roll());
	}

	kill(): void {
		this.#isAlive = false;
		this.#calls.clear();
		this.onKilled();
	}

	/** The process stops for a while; the network does not wait. */
	freeze(ms: number, goesOn: Frozen): void {
		if (!this.#isAlive || this.#frozenUntilMs > this.#world.nowMs) return;
		this.#world.tell(
			() => `${this.name} freezes for ${(ms / HOUR).toFixed(1)} h, clocks that go on: ${goesOn}`,
		);
		this.#frozenUntilMs = this.#world.nowMs + ms;
		if (goesOn === "boot") this.#wallSkewMs -= ms;
		if (goesOn === "wall") this.#bootedAtMs += ms;
		this.#world.after(ms, () => {
			this.#world.tell(() => `${this.name} goes on`);
			for (const run of this.#waiting.splice(0)) this.#world.after(0, run);
		});
	}

	/** Sets the wall clock; the other clock is unaffected. */
	setWall(byMs: number): void {
		this.#wallSkewMs += byMs;
	}

	/** Replays what another process went through before. */
	get isReliving(): boolean {
		return this.#replay !== undefined;
	}

	/** None of its requests arrives for a while. */
	cutOff(ms: number): void {
		this.#world.tell(() => `${this.name} is cut off for ${(ms / HOUR).toFixed(1)} h`);
		this.#cutOffUntilMs = Math.max(this.#cutOffUntilMs, this.#world.nowMs + ms);
	}

	/**
	 * A second process with this one's memory, which got the same inputs so far. Call `relive` on it
	 * once its program runs. Requests in flight when the image was taken belong to this process; the
	 * clone's connections are broken.
	 */
	clone(name: string, dice: Dice): Process {
		return new Process({
			name,
			world: this.#world,
			cloud: this.#cloud,
			dice,
			weather: this.weather,
			wallSkewMs: this.#wallSkewMs,
			past: {
				journal: { sync: [...this.#journal.sync], delivered: [...this.#journal.delivered] },
				bootedAtMs: this.#bootedAtMs,
			},
		});
	}

	/** Replays a clone's past. @param turn lets every promise settle that can */
	async relive(turn: () => Promise<void>): Promise<void> {
		const past = this.#replay;
		if (past === undefined) return;
		await turn();
		for (const { call, outcome } of past.delivered) {
			this.#settle(call, outcome);
			await turn();
		}
		this.#replay = undefined;
		for (const [call, { kind }] of [...this.#calls]) {
			const broken = new SidecarError("STORE_UNREACHABLE", {
				reason: "the connection did not survive the snapshot",
			});
			const outcome: Outcome =
				kind === "sleep"
					? { value: undefined }
					: kind === "put"
						? { value: { kind: "unknown", cause: broken } }
						: { error: broken };
			this.#world.after(this.#dice.spread(1, MINUTE), () => this.#deliver(call, outcome));
		}
	}

	async list(
		prefix: string,
		startAfter: string,
		limit: number,
	): Promise<ListPage & { readonly isLast: boolean }> {
		return await this.#read(`LIST ${prefix}`, () => {
			const most = Math.min(limit, PAGE_KEYS);
			const keys = this.#cloud.keys(prefix, startAfter, most);
			const objects = keys.map((key) => {
				const { body, lastModifiedMs } = this.#cloud.objects.get(key) ?? {
					body: Buffer.alloc(0),
					lastModifiedMs: 0,
				};
				return { key, sizeBytes: body.length, lastModifiedMs };
			});
			return { value: { objects, storeTimeMs: this.#world.nowMs, isLast: keys.length < most } };
		});
	}

	async get(key: string, range: GetOptions["range"]): Promise<GetResult> {
		return await this.#read(`GET ${key}`, () => {
			const object = this.#cloud.objects.get(key);
			if (object === undefined)
				return { error: new SidecarError("OBJECT_NOT_FOUND", { value: key }) };
			const { body, lastModifiedMs } = object;
			const part =
				range === undefined ? body : body.subarray(range.offset, range.offset + range.length);
			return { value: { body: part, totalBytes: body.length, lastModifiedMs } };
		});
	}

	async delete(key: string): Promise<void> {
		await this.#read(`DELETE ${key}`, () => {
			this.#world.tell(() => `${this.name}: DELETE ${key}`);
			this.#cloud.delete(key);
			return { value: undefined };
		});
	}

	async put(key: string, body: Buffer): Promise<PutOutcome> {
		this.onPut(key, body);
		return await this.#call<PutOutcome>("put", () => this.#sendPut(key, Buffer.from(body)));
	}

	/** The outcome of a PUT. S3, or something on the way to it, can cause each of these. */
	#sendPut(
		key: string,
		body: Buffer,
	): { afterMs: number; outcome?: Outcome; at?: { ms: number; run: () => Outcome } } {
		const frozenMs = this.#maybeFreeze();
		const there = frozenMs + this.#dice.spread(5, 400);
		const back = there + this.#dice.spread(5, 400);
		const unknown = (reason: string): Outcome => ({
			value: { kind: "unknown", cause: new Error(reason) } satisfies PutOutcome,
		});
		const create = (): Outcome => ({
			value: {
				kind: this.#cloud.putIfAbsent(key, body) ? "created" : "exists",
			} satisfies PutOutcome,
		});
		const fate = this.#fate(frozenMs, this.weather.racyMs > 0 ? RACY_FATES : FATES);
		this.#world.tell(() => `${this.name}: PUT ${key} ${fate === "ok" ? "" : fate}`);
		switch (fate) {
			case "ok":
				if (this.weather.racyMs > 0) return this.#sendRacyPut(key, body, there, back - there);
				return { afterMs: back, at: { ms: there, run: create } };
			case "lostRequest":
				return { afterMs: frozenMs + TIMEOUT_MS, outcome: unknown("no answer") };
			case "lostAnswer":
				this.#world.after(there, create);
				return { afterMs: frozenMs + TIMEOUT_MS, outcome: unknown("no answer") };
			case "late":
				this.#world.after(there + this.#dice.spread(SECOND, 10 * DAY), () => {
					this.#world.tell(() => `a late PUT of ${this.name} arrives: ${key}`);
					create();
				});
				return { afterMs: frozenMs + TIMEOUT_MS, outcome: unknown("no answer") };
			case "conflict":
				return { afterMs: back, outcome: unknown("409 ConditionalRequestConflict") };
			case "busy":
				return { afterMs: back, outcome: unknown("503 SlowDown") };
			case "twice":
				// The answer to the second one is returned: a refusal, because of the first.
				this.#world.after(there, create);
				return { afterMs: back + 5, at: { ms: there + 5, run: create } };
			case "denied":
				return {
					afterMs: back,
					outcome: {
						error: new SidecarError("STORE_ACCESS_DENIED", { value: key, reason: "made up" }),
					},
				};
			default:
				throw new Error(`no such fate: ${fate}`);
		}
	}

	/** Checks now, writes later. */
	#sendRacyPut(
		key: string,
		body: Buffer,
		thereMs: number,
		backMs: number,
	): { afterMs: number; at: { ms: number; run: () => Outcome } } {
		const writesMs = this.weather.racyMs * (0.7 + 0.3 * this.#dice.roll());
		const run = (): Outcome => {
			if (this.#cloud.objects.has(key)) return { value: { kind: "exists" } satisfies PutOutcome };
			this.#world.after(writesMs, () => this.#cloud.write(key, body));
			return { value: { kind: "created" } satisfies PutOutcome };
		};
		return { afterMs: thereMs + writesMs + backMs, at: { ms: thereMs, run } };
	}

	async #read<T>(what: string, look: () => Outcome): Promise<T> {
		return await this.#call<T>("read", () => {
			const frozenMs = this.#maybeFreeze();
			const there = frozenMs + this.#dice.spread(5, 200);
			const fate = this.#fate(frozenMs, { unreachable: 1, denied: 0.1 });
			if (fate === "ok")
				return { afterMs: there + this.#dice.spread(5, 200), at: { ms: there, run: look } };
			this.#world.tell(() => `${this.name}: ${what} ${fate}`);
			const code = fate === "denied" ? "STORE_ACCESS_DENIED" : "STORE_UNREACHABLE";
			return {
				afterMs: frozenMs + TIMEOUT_MS,
				outcome: { error: new SidecarError(code, { value: what, reason: "made up" }) },
			};
		});
	}

	#fate<T extends string>(
		frozenMs: number,
		weights: Readonly<Record<T, number>>,
	): T | "ok" | "lostRequest" | "unreachable" {
		const isCutOff = this.#world.nowMs + frozenMs < this.#cutOffUntilMs;
		if (isCutOff) return "lostRequest" in weights ? "lostRequest" : "unreachable";
		return this.#dice.chance(this.weather.faults) ? this.#dice.weighted(weights) : "ok";
	}

	/** The machine may stop at any line, also between a decision and its request. */
	#maybeFreeze(): number {
		if (!this.#dice.chance(this.weather.freezes)) return 0;
		const ms = this.#dice.spread(MINUTE, 45 * DAY);
		this.freeze(ms, this.#dice.oneOf(["both", "wall", "boot"]));
		return ms;
	}

	#noted<T>(live: () => T): T {
		if (this.#replay !== undefined && this.#replayed < this.#replay.sync.length) {
			const value = this.#replay.sync[this.#replayed++] as T;
			this.#journal.sync.push(value);
			return value;
		}
		const value = live();
		this.#journal.sync.push(value);
		return value;
	}

	async #call<T>(
		kind: Kind,
		send: () => {
			readonly afterMs: number;
			readonly outcome?: Outcome;
			readonly at?: { readonly ms: number; readonly run: () => Outcome };
		},
	): Promise<T> {
		const call = this.#nextCall++;
		return await new Promise<T>((resolve, reject) => {
			this.#calls.set(call, { kind, resolve: resolve as (value: unknown) => void, reject });
			if (this.#replay !== undefined) return;
			const { afterMs, outcome, at } = send();
			if (at === undefined) {
				this.#world.after(afterMs, () => this.#deliver(call, outcome as Outcome));
				return;
			}
			this.#world.after(at.ms, () => {
				const result = at.run();
				this.#world.after(afterMs - at.ms, () => this.#deliver(call, result));
			});
		});
	}

	#deliver(call: number, outcome: Outcome): void {
		if (!this.#isAlive) return;
		if (this.#frozenUntilMs > this.#world.nowMs) {
			this.#waiting.push(() => this.#deliver(call, outcome));
			return;
		}
		this.#settle(call, outcome);
	}

	#settle(call: number, outcome: Outcome): void {
		const waiting = this.#calls.get(call);
		if (waiting === undefined) return;
		this.#calls.delete(call);
		this.#journal.delivered.push({ call, outcome });
		if ("error" in outcome) waiting.reject(outcome.error);
		else waiting.resolve(outcome.value);
	}
}

/** The port as the code under test sees it. */
export class DeletingStore implements ObjectStore {
	readonly url = "sim://bucket";
	readonly requests: RequestCounts = { list: 0, get: 0, put: 0 };
	readonly #process: Process;

	constructor(process: Process) {
		this.#process = process;
	}

	async *list(prefix: string, options: ListOptions = {}): AsyncGenerator<ListPage> {
		let left = options.limit ?? Number.POSITIVE_INFINITY;
		let after = options.startAfter ?? "";
		while (left > 0) {
			const { isLast, ...page } = await this.#process.list(prefix, after, left);
			yield page;
			left -= page.objects.length;
			after = page.objects.at(-1)?.key ?? after;
			if (isLast) return;
		}
	}

	async get(key: string, options: GetOptions = {}): Promise<GetResult> {
		return await this.#process.get(key, options.range);
	}

	async putIfAbsent(key: string, body: Buffer): Promise<PutOutcome> {
		return await this.#process.put(key, body);
	}

	async delete(key: string): Promise<void> {
		await this.#process.delete(key);
	}

	async close(): Promise<void> {}
}
