/**
 * Processes that never outlive this one. Each leads a process group and is killed by its id when
 * this process ends, for any reason. A mark in its environment identifies all its descendants.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import { buffer, text } from "node:stream/consumers";
import { setTimeout as delay } from "node:timers/promises";

const MARK = "TESTKIT_RUN";
const RUN = randomUUID();

const running = new Set<Running>();

export interface Exit {
	readonly code: number | null;
	readonly signal: NodeJS.Signals | null;
}

/** A log line of the sidecar: JSON with an event's name. */
export interface LogEvent {
	readonly event: string;
	readonly level: string;
	readonly [field: string]: unknown;
}

export class Running {
	readonly name: string;
	readonly #child: ChildProcess;
	readonly #events: LogEvent[] = [];
	/**
	 * The last lines of both streams that are not events, what an agent printed, and what went wrong,
	 * for error messages.
	 */
	readonly #tail: string[] = [];
	readonly #waiting = new Set<() => void>();
	readonly exited: Promise<Exit>;
	#exit: Exit | undefined;

	/** @param env the whole environment: nothing is inherited from this process */
	constructor(name: string, argv: readonly string[], env: Readonly<Record<string, string>>) {
		this.name = name;
		const [file, ...args] = argv as [string, ...string[]];
		this.#child = spawn(file, args, {
			env: { ...env, [MARK]: RUN },
			stdio: ["ignore", "pipe", "pipe"],
			detached: true,
		});
		running.add(this);
		for (const stream of [this.#child.stdout, this.#child.stderr])
			this.#readLines(stream as NodeJS.ReadableStream);
		this.exited = new Promise((resolve) => {
			const settle = (exit: Exit) => {
				this.#exit = exit;
				running.delete(this);
				this.#wake();
				resolve(exit);
			};
			this.#child.once("error", (error) => {
				this.#tail.push(error.message);
				settle({ code: 127, signal: null });
			});
			// "close" rather than "exit", because it follows the last lines. Processes that it left
			// running may hold the streams open, so this wait is short.
			this.#child.once("exit", async (code, signal) => {
				await Promise.race([once(this.#child, "close"), delay(1_000, undefined, { ref: false })]);
				settle({ code, signal });
			});
		});
	}

	get pid(): number {
		return this.#child.pid ?? 0;
	}

	get exit(): Exit | undefined {
		return this.#exit;
	}

	/** The number of events so far: a position from which `event` can continue. */
	get mark(): number {
		return this.#events.length;
	}

	get tail(): string {
		return this.#tail.join("\n");
	}

	events(name: string, from = 0): readonly LogEvent[] {
		return this.#events.slice(from).filter(({ event }) => event === name);
	}

	/**
	 * Waits for the first event of this name at or after `from`. @throws if the process ends or the
	 * time is over
	 */
	async event(name: string, from = 0, timeoutMs = 60_000): Promise<LogEvent> {
		const deadline = AbortSignal.timeout(timeoutMs);
		for (;;) {
			const [found] = this.events(name, from);
			if (found !== undefined) return found;
			if (this.#exit !== undefined)
				throw new Error(`${this.name} ended (${textOf(this.#exit)}) before ${name}\n${this.tail}`);
			if (deadline.aborted)
				throw new Error(`${this.name}: no ${name} within ${timeoutMs / 1000} s\n${this.tail}`);
			await new Promise<void>((resolve) => {
				const wake = () => {
					this.#waiting.delete(wake);
					deadline.removeEventListener("abort", wake);
					resolve();
				};
				this.#waiting.add(wake);
				deadline.addEventListener("abort", wake);
			});
		}
	}

	signal(signal: NodeJS.Signals): void {
		if (this.#exit === undefined) this.#child.kill(signal);
	}

	/** kill -9 of the whole group: none of its processes runs another instruction. */
	killGroup(): void {
		if (this.#child.pid === undefined) return;
		try {
			process.kill(-this.#child.pid, "SIGKILL");
		} catch (error) {
			if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
		}
	}

	#readLines(stream: NodeJS.ReadableStream): void {
		let rest = "";
		stream.setEncoding("utf8");
		stream.on("data", (part: string) => {
			const lines = (rest + part).split("\n");
			rest = lines.pop() ?? "";
			for (const line of lines) this.#readLine(line);
			this.#wake();
		});
	}

	#readLine(line: string): void {
		const event = parseEvent(line);
		if (event !== undefined) this.#events.push(event);
		const isPrinted = event?.event === "agent.output";
		if (event === undefined || isPrinted || event.level === "error" || event.level === "warn") {
			this.#tail.push((isPrinted ? String(event.text) : line).slice(0, 300));
			if (this.#tail.length > 20) this.#tail.shift();
		}
	}

	#wake(): void {
		for (const wake of [...this.#waiting]) wake();
	}
}

function parseEvent(line: string): LogEvent | undefined {
	if (!line.startsWith("{")) return undefined;
	try {
		const value = JSON.parse(line) as Partial<LogEvent>;
		return typeof value.event === "string" && typeof value.level === "string"
			? (value as LogEvent)
			: undefined;
	} catch {
		return undefined;
	}
}

export interface Finished {
	readonly status: number;
	readonly stdout: Buffer;
	readonly stderr: string;
}

/** Runs a command to its end. @throws if it cannot be started, or exceeds the time */
export async function run(
	argv: readonly string[],
	env: Readonly<Record<string, string>>,
	timeoutMs = 60_000,
	cwd?: string,
): Promise<Finished> {
	const [file, ...args] = argv as [string, ...string[]];
	const child = spawn(file, args, {
		env: { ...env, [MARK]: RUN },
		stdio: ["ignore", "pipe", "pipe"],
		detached: true,
		...(cwd !== undefined && { cwd }),
	});
	const output = Promise.all([
		buffer(child.stdout),
		text(child.stderr),
		once(child, "close") as Promise<[number | null]>,
	]);
	const killed = new AbortController();
	const timer = setTimeout(() => {
		killed.abort();
		if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
	}, timeoutMs);
	children.add(child);
	try {
		const [stdout, stderr, [code]] = await output;
		if (killed.signal.aborted)
			throw new Error(`\`${argv.join(" ")}\` took longer than ${timeoutMs / 1000} s`);
		return { status: code ?? 128, stdout, stderr };
	} finally {
		clearTimeout(timer);
		children.delete(child);
	}
}

const children = new Set<ChildProcess>();

/**
 * Ids of living processes with the mark of this run. Without /proc there are none, and only process
 * groups are used.
 */
export function survivors(): readonly number[] {
	const found: number[] = [];
	for (const pid of pidsOf("/proc")) {
		try {
			const isMarked = readFileSync(`/proc/${pid}/environ`, "latin1").includes(`${MARK}=${RUN}`);
			// The environment of a zombie is empty.
			if (isMarked && pid !== process.pid) found.push(pid);
		} catch {
			// It ended meanwhile, or belongs to another user.
		}
	}
	return found;
}

function pidsOf(proc: string): readonly number[] {
	try {
		return readdirSync(proc)
			.filter((name) => /^\d+$/.test(name))
			.map(Number);
	} catch {
		return [];
	}
}

/**
 * Resolves when no process of this run is alive. @throws after the timeout, with the ids of those
 * still alive
 */
export async function allGone(timeoutMs: number): Promise<void> {
	const until = performance.now() + timeoutMs;
	for (;;) {
		const left = survivors();
		if (left.length === 0) return;
		if (performance.now() > until) throw new Error(`still running: ${left.join(", ")}`);
		await delay(20);
	}
}

/**
 * Kills the remaining processes, each by its id. Synchronous, so that a process can call it last.
 */
export function killEverything(): void {
	for (const process of running) process.killGroup();
	for (const child of children) {
		try {
			if (child.pid !== undefined) process.kill(-child.pid, "SIGKILL");
		} catch {
			// It already ended.
		}
	}
	for (const pid of survivors()) {
		try {
			process.kill(pid, "SIGKILL");
		} catch {
			// It already ended.
		}
	}
}

export function textOf({ code, signal }: Exit): string {
	return signal === null ? `exit status ${code}` : signal;
}
