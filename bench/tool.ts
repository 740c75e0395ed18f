/** Runs openclaw-sidecar like a user: the built bundle, as a process. */
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import {
	copyFileSync,
	cpSync,
	existsSync,
	mkdirSync,
	readdirSync,
	rmSync,
	statSync,
	symlinkSync,
	writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type Command, collect, end, type Measured, measure, start } from "./processes.ts";

const PACKAGE = join(import.meta.dirname, "../packages/sidecar");
const DIST = join(PACKAGE, "dist");

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

/** No quiet period, for measurements of the flush itself. */
export const AT_ONCE = [
	"--quiet-period",
	"0ms",
	"--max-delay",
	"0ms",
	"--sweep-interval",
	"60m",
] as const;

export class Tool {
	readonly #launcher: string;
	/** A copy: the pages of the bench's own program stay in memory, so it is never cold. */
	readonly node: string;
	readonly bundleBytes: number;

	/**
	 * @param directory for a copy of the build, so that a rebuild does not change what is measured
	 */
	constructor(directory: string, { syncs = true } = {}) {
		if (!existsSync(join(DIST, "openclaw-sidecar.js")))
			throw new Error("there is no build to measure: run `pnpm build`");
		rmSync(directory, { recursive: true, force: true });
		mkdirSync(join(directory, "dist"), { recursive: true });
		const files = readdirSync(DIST).filter((name) => /^openclaw-sidecar\.js$|\.mjs$/.test(name));
		for (const name of files) copyFileSync(join(DIST, name), join(directory, "dist", name));
		cpSync(join(PACKAGE, "bin"), join(directory, "bin"), { recursive: true });
		copyFileSync(join(PACKAGE, "package.json"), join(directory, "package.json"));
		// koffi is not part of the bundle.
		if (syncs) symlinkSync(join(PACKAGE, "node_modules"), join(directory, "node_modules"));
		else linkWithoutSyncfs(join(directory, "node_modules"));
		this.node = join(directory, "bin/node");
		copyFileSync(process.execPath, this.node);
		this.#launcher = join(directory, "bin/openclaw-sidecar.mjs");
		this.bundleBytes = files.reduce((sum, name) => sum + statSync(join(DIST, name)).size, 0);
	}

	/** @param home the place of Node's compile cache, which is warm after the first run with it */
	bare(args: readonly string[], home: string): Command {
		return {
			argv: [this.node, this.#launcher, ...args],
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

/** The dependencies, with a koffi whose `syncfs` does nothing. */
function linkWithoutSyncfs(directory: string): void {
	mkdirSync(join(directory, "koffi"), { recursive: true });
	const modules = join(PACKAGE, "node_modules");
	for (const name of readdirSync(modules))
		if (name !== "koffi") symlinkSync(join(modules, name), join(directory, name));
	const koffi = createRequire(join(PACKAGE, "package.json")).resolve("koffi");
	const manifest = { name: "koffi", type: "module", exports: "./index.js" };
	writeFileSync(join(directory, "koffi/package.json"), JSON.stringify(manifest));
	writeFileSync(join(directory, "koffi/index.js"), WITHOUT_SYNCFS.replaceAll("KOFFI", koffi));
}

const WITHOUT_SYNCFS = `
import koffi from "KOFFI";
export * from "KOFFI";
const nothing = Object.assign(() => 0, { async: (fd, done) => setImmediate(done, null, 0) });
export function load(...args) {
	const library = koffi.load(...args);
	return { func: (text) => (text.includes("syncfs") ? nothing : library.func(text)) };
}
export default { ...koffi, load };
`;

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
