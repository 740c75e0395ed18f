/** Runs openclaw-sidecar like a user: the built bundle, as a process. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
	copyFileSync,
	cpSync,
	existsSync,
	mkdirSync,
	rmSync,
	statSync,
	symlinkSync,
} from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type Command, collect, end, type Measured, measure, start } from "./processes.ts";

const PACKAGE = join(import.meta.dirname, "../packages/sidecar");
const BUNDLE = join(PACKAGE, "dist/openclaw-sidecar.js");

/** A line of its log. */
export interface LogEvent {
	readonly event: string;
	readonly level: string;
	/** The time at which the line was seen here, on `performance.now()`'s clock. */
	readonly seenMs: number;
	readonly [field: string]: unknown;
}

export interface Place {
	readonly workspace: string;
	readonly namespace: string;
	readonly profile: "plain" | "openclaw";
	/** s3://bucket */
	readonly store: string;
	/** Endpoint and credentials. */
	readonly env: Readonly<Record<string, string>>;
	/** A directory of this "machine", for its home and the sidecar's private state. */
	readonly machine: string;
}

export class Tool {
	readonly #launcher: string;
	readonly bundleBytes: number;

	/**
	 * @param directory for a copy of the build, so that a rebuild does not change what is measured
	 */
	constructor(directory: string) {
		if (!existsSync(BUNDLE)) throw new Error("there is no build to measure: run `pnpm build`");
		rmSync(directory, { recursive: true, force: true });
		mkdirSync(join(directory, "dist"), { recursive: true });
		copyFileSync(BUNDLE, join(directory, "dist/openclaw-sidecar.js"));
		cpSync(join(PACKAGE, "bin"), join(directory, "bin"), { recursive: true });
		copyFileSync(join(PACKAGE, "package.json"), join(directory, "package.json"));
		// koffi is not part of the bundle.
		symlinkSync(join(PACKAGE, "node_modules"), join(directory, "node_modules"));
		this.#launcher = join(directory, "bin/openclaw-sidecar.mjs");
		this.bundleBytes = statSync(BUNDLE).size;
	}

	/** @param home the place of Node's compile cache, which is warm after the first run with it */
	bare(args: readonly string[], home: string): Command {
		return {
			argv: [process.execPath, this.#launcher, ...args],
			env: { HOME: home },
			name: `openclaw-sidecar ${args[0]}`,
		};
	}

	command(verb: string, place: Place, args: readonly string[] = []): Command {
		const { workspace, store, namespace, profile, machine } = place;
		const options = [
			"--workspace",
			workspace,
			"--store",
			store,
			"--namespace",
			namespace,
			"--profile",
			profile,
			"--state-dir",
			join(machine, "state"),
		];
		const { argv, name = verb } = this.bare([verb, ...options, ...args], machine);
		return { argv, name, env: { ...place.env, HOME: join(machine, "../home") } };
	}

	async run(verb: string, place: Place, args: readonly string[] = []): Promise<Measured> {
		return await measure(this.command(verb, place, args));
	}

	/** Started, restored and watching. */
	async daemon(place: Place, args: readonly string[] = []): Promise<Daemon> {
		const daemon = new Daemon(start(this.command("run", place, args)));
		await daemon.event("watch.started");
		return daemon;
	}
}

/** `openclaw-sidecar run`, and its log. */
export class Daemon {
	readonly #child: ChildProcess;
	readonly #stderr: () => string;
	readonly events: LogEvent[] = [];
	readonly #waiting = new Set<() => void>();
	#isOver = false;

	constructor(child: ChildProcess) {
		this.#child = child;
		child.stdout?.resume();
		this.#stderr = collect(child.stderr);
		const wake = () => {
			for (const each of [...this.#waiting]) each();
		};
		createInterface({ input: child.stderr as NodeJS.ReadableStream }).on("line", (line) => {
			const seenMs = performance.now();
			if (!line.startsWith("{")) return;
			this.events.push({ ...(JSON.parse(line) as Omit<LogEvent, "seenMs">), seenMs } as LogEvent);
			wake();
		});
		child.once("close", () => {
			this.#isOver = true;
			wake();
		});
	}

	get pid(): number {
		return this.#child.pid ?? 0;
	}

	/** The first event of this name at or after `from`. */
	async event(name: string, from = 0, timeoutMs = 120_000): Promise<LogEvent> {
		const deadline = performance.now() + timeoutMs;
		for (;;) {
			const found = this.events.slice(from).find(({ event }) => event === name);
			if (found !== undefined) return found;
			if (this.#isOver)
				throw new Error(
					`openclaw-sidecar run ended before ${name}: ${this.#stderr().slice(-1_500)}`,
				);
			if (performance.now() > deadline)
				throw new Error(`no ${name} within ${timeoutMs / 1000} s: ${this.#stderr().slice(-1_500)}`);
			await new Promise<void>((resolve) => {
				const wake = () => {
					clearTimeout(timer);
					this.#waiting.delete(wake);
					resolve();
				};
				const timer = setTimeout(wake, 1_000);
				this.#waiting.add(wake);
			});
		}
	}

	/** Ends it normally. @returns its exit status and the time that it took */
	async stop(): Promise<{ readonly status: number | null; readonly ms: number }> {
		const startedMs = performance.now();
		const exited = this.#child.exitCode === null ? once(this.#child, "exit") : undefined;
		await end(this.#child, 60_000);
		await exited;
		return { status: this.#child.exitCode, ms: performance.now() - startedMs };
	}
}
