/**
 * A link with a given round trip and a given rate per connection, between a client and a server on
 * this machine.
 *
 * Each direction of each connection is a lane. Data leaves the link once everything before it has
 * left at the given rate, and arrives half a round trip later. A lane holds at most 2 MiB; beyond
 * that, its source is paused, so a fast sender notices the rate as on a network. Opening a
 * connection costs one round trip, like TCP's handshake. Slow start and loss are not simulated.
 *
 * It is a process (`fork` it), so that its own time does not distort a measurement. It counts
 * requests by reading HTTP/1.1 heads.
 */

import type { AddressInfo } from "node:net";
import { connect, createServer, type Socket } from "node:net";
import { parseArgs } from "node:util";
import { RequestReader } from "../packages/testkit/store/request-reader.ts";

/** The answer of the process to a query. */
export interface ProxyStats {
	readonly requests: Readonly<Record<string, number>>;
	/** Bytes from clients to the server, and the other way. */
	readonly sentBytes: number;
	readonly receivedBytes: number;
	readonly connections: number;
	readonly cpuMs: number;
}

const LANE_BYTES = 2 * 1024 * 1024;
/**
 * The amount that a socket accepts before it reports that it is full: several chunks, so that they
 * leave together.
 */
const SOCKET_BYTES = 512 * 1024;
/**
 * The interval between two deliveries. At 85 MB/s, each carries 170 kB in one system call. Data
 * that is due within half an interval goes now, so that the mean is right.
 */
const TICK_MS = 2;
const EARLY_MS = TICK_MS / 2;
/** The mean delay of Node's timers, which count whole milliseconds of the loop's own time. */
const LATE_MS = 0.5;

interface Parcel {
	readonly dueMs: number;
	/** Undefined: the end of the stream. */
	readonly bytes: Buffer | undefined;
}

class Lane {
	readonly #source: Socket;
	readonly #sink: Socket;
	readonly #onBytes: (bytes: Buffer) => void;
	#parcels: Parcel[] = [];
	#next = 0;
	#held = 0;
	/** The time at which the link has accepted everything so far. */
	#freeAtMs: number;
	#isBlocked = false;

	constructor(source: Socket, sink: Socket, openAtMs: number, onBytes: (bytes: Buffer) => void) {
		this.#source = source;
		this.#sink = sink;
		this.#freeAtMs = openAtMs;
		this.#onBytes = onBytes;
		source.on("data", (bytes: Buffer) => this.#accept(bytes));
		source.on("end", () => this.#push(undefined));
		sink.on("drain", () => {
			this.#isBlocked = false;
			this.deliver(performance.now());
		});
	}

	#accept(bytes: Buffer): void {
		this.#onBytes(bytes);
		this.#held += bytes.length;
		this.#push(bytes);
		if (this.#held > LANE_BYTES) this.#source.pause();
	}

	#push(bytes: Buffer | undefined): void {
		this.#freeAtMs =
			Math.max(this.#freeAtMs, performance.now()) + (bytes?.length ?? 0) / bytesPerMs;
		this.#parcels.push({ dueMs: this.#freeAtMs + oneWayMs, bytes });
		waiting.add(this);
		arm(this.dueMs);
	}

	/** The time at which the next parcel is due; Infinity if none waits for the clock. */
	get dueMs(): number {
		return this.#isBlocked
			? Number.POSITIVE_INFINITY
			: (this.#parcels[this.#next]?.dueMs ?? Number.POSITIVE_INFINITY);
	}

	/** Delivers everything that is due and that the sink accepts. */
	deliver(nowMs: number): void {
		const sink = this.#sink;
		sink.cork();
		while (!this.#isBlocked) {
			const parcel = this.#parcels[this.#next];
			if (parcel === undefined || parcel.dueMs > nowMs + EARLY_MS) break;
			this.#next++;
			if (parcel.bytes === undefined) sink.end();
			else {
				this.#held -= parcel.bytes.length;
				this.#isBlocked = !sink.write(parcel.bytes);
			}
		}
		sink.uncork();
		if (this.#next > 64 || this.#next === this.#parcels.length) {
			this.#parcels = this.#parcels.slice(this.#next);
			this.#next = 0;
		}
		if (this.#held <= LANE_BYTES / 2 && this.#source.isPaused()) this.#source.resume();
		if (this.#parcels.length === 0) waiting.delete(this);
		else if (!this.#isBlocked) arm(this.dueMs);
	}

	drop(): void {
		this.#parcels = [];
		this.#next = 0;
		waiting.delete(this);
	}
}

const waiting = new Set<Lane>();
let timer: NodeJS.Timeout | undefined;
let timerAtMs = Number.POSITIVE_INFINITY;
let tickedAtMs = 0;

/** One timer for all lanes. */
function arm(dueMs: number): void {
	if (dueMs >= timerAtMs || dueMs === Number.POSITIVE_INFINITY) return;
	clearTimeout(timer);
	timerAtMs = dueMs;
	timer = setTimeout(
		tick,
		Math.max(0, Math.round(Math.max(dueMs, tickedAtMs + TICK_MS) - performance.now() - LATE_MS)),
	);
}

function tick(): void {
	timerAtMs = Number.POSITIVE_INFINITY;
	const nowMs = performance.now();
	tickedAtMs = nowMs;
	for (const lane of [...waiting]) if (lane.dueMs <= nowMs + EARLY_MS) lane.deliver(nowMs);
	for (const lane of waiting) arm(lane.dueMs);
}

const { values } = parseArgs({
	options: { port: { type: "string" }, delay: { type: "string" }, rate: { type: "string" } },
});
const oneWayMs = Number(values.delay) / 2;
const bytesPerMs = (Number(values.rate) * 1_000_000) / 1000;

const counts: Record<string, number> = {};
let sentBytes = 0;
let receivedBytes = 0;
let connections = 0;

const server = createServer(
	{ allowHalfOpen: true, noDelay: true, highWaterMark: SOCKET_BYTES },
	(client) => {
		connections++;
		const upstream = connect({
			host: "127.0.0.1",
			port: Number(values.port),
			allowHalfOpen: true,
			noDelay: true,
			...{ highWaterMark: SOCKET_BYTES },
		});
		const reader = new RequestReader((name) => {
			counts[name] = (counts[name] ?? 0) + 1;
		});
		const toServer = new Lane(client, upstream, performance.now() + 2 * oneWayMs, (bytes) => {
			sentBytes += bytes.length;
			reader.read(bytes);
		});
		const toClient = new Lane(upstream, client, 0, (bytes) => {
			receivedBytes += bytes.length;
		});
		for (const [socket, other] of [
			[client, upstream],
			[upstream, client],
		] as const) {
			socket.on("error", () => other.destroy());
			socket.on("close", (hadError) => {
				if (!hadError) return;
				toServer.drop();
				toClient.drop();
			});
		}
	},
);

server.listen(0, "127.0.0.1", () =>
	process.send?.({ port: (server.address() as AddressInfo).port }),
);

process.on("message", () => {
	const { user, system } = process.cpuUsage();
	const stats: ProxyStats = {
		requests: { ...counts },
		sentBytes,
		receivedBytes,
		connections,
		cpuMs: (user + system) / 1000,
	};
	process.send?.(stats);
});
process.on("disconnect", () => process.exit(0));
