/**
 * Runs the shipped command, built at the start of the run, as a real process for tests. Collects
 * its log lines as they arrive.
 *
 * Nothing here sleeps: `waitForEvent` waits for a log line.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath, pathToFileURL } from "node:url";

export const CLI_SOURCE = fileURLToPath(new URL("../sidecar/src/cli/main.ts", import.meta.url));
/** The bundle that `build-command.ts` makes at the start of every run. */
export const CLI_BUNDLE = fileURLToPath(
	new URL("../sidecar/dist/openclaw-sidecar.js", import.meta.url),
);

/** Halves the time of a start. */
const COMPILE_CACHE = fileURLToPath(new URL("../../.cache/node", import.meta.url));

export interface LogEvent {
	readonly event: string;
	readonly level: string;
	readonly [field: string]: unknown;
}

export interface Ended {
	/** Undefined if a signal ended the process. */
	readonly status: number | undefined;
	readonly signal: NodeJS.Signals | undefined;
	readonly stdout: string;
	readonly stderr: string;
	readonly events: readonly LogEvent[];
}

export interface StartOptions {
	/** Added to an environment of PATH, HOME and a compile cache only. */
	readonly env?: NodeJS.ProcessEnv;
	/** Default: the temp directory. It is also HOME. */
	readonly cwd?: string;
	/** Default: `CLI_BUNDLE`. */
	readonly entry?: string;
	/** Runs the command as this user. */
	readonly uid?: number;
	/** A command that starts the command, such as a wrapper. */
	readonly below?: readonly string[];
	/** The destination of stdout; by default it is collected. */
	readonly stdout?: number;
}

const WAIT_MS = 20_000;

export class CliProcess implements AsyncDisposable {
	readonly events: LogEvent[] = [];
	readonly ended: Promise<Ended>;
	readonly #child: ChildProcess;
	readonly #waiting = new Set<() => void>();
	#stderr = "";
	#stdout: Buffer[] = [];
	#hasEnded = false;

	constructor(args: readonly string[], options: StartOptions = {}) {
		const { entry = CLI_BUNDLE, cwd = tmpdir(), uid, stdout = "pipe", below = [] } = options;
		const [file, ...rest] = [...below, process.execPath, entry, ...args] as [string, ...string[]];
		this.#child = spawn(file, rest, {
			cwd,
			env: { PATH: process.env.PATH, HOME: cwd, NODE_COMPILE_CACHE: COMPILE_CACHE, ...options.env },
			stdio: ["ignore", stdout, "pipe"],
			...(uid !== undefined && { uid, gid: uid }),
		});
		this.#child.stdout?.on("data", (chunk: Buffer) => {
			this.#stdout.push(chunk);
			this.#wake();
		});
		const lines = createInterface({ input: this.#child.stderr as NodeJS.ReadableStream });
		lines.on("line", (line) => this.#take(line));
		this.ended = new Promise((resolve, reject) => {
			this.#child.once("error", reject);
			this.#child.once("close", (code, signal) => {
				this.#hasEnded = true;
				this.#wake();
				resolve({
					status: code ?? undefined,
					signal: signal ?? undefined,
					stdout: Buffer.concat(this.#stdout).toString(),
					stderr: this.#stderr,
					events: this.events,
				});
			});
		});
	}

	get pid(): number {
		return this.#child.pid as number;
	}

	/**
	 * The first past or future event of that name for which `isIt` holds.
	 * @throws with all of stderr if the process ends without it, or after 20 s
	 */
	async waitForEvent(
		name: string,
		isIt: (event: LogEvent) => boolean = () => true,
	): Promise<LogEvent> {
		const deadline = Date.now() + WAIT_MS;
		for (;;) {
			const found = this.events.find((event) => event.event === name && isIt(event));
			if (found !== undefined) return found;
			if (this.#hasEnded || Date.now() > deadline) {
				throw new Error(
					`${this.#hasEnded ? "the process ended" : `${WAIT_MS} ms went by`} without ${name}; stderr:\n${this.#stderr}`,
				);
			}
			await this.#next(deadline - Date.now());
		}
	}

	/** The first line of its result. @throws if the process ends without one, or after 20 s */
	async firstLine(): Promise<string> {
		const deadline = Date.now() + WAIT_MS;
		for (;;) {
			const [line, ...rest] = Buffer.concat(this.#stdout).toString().split("\n");
			if (line !== undefined && rest.length > 0) return line;
			if (this.#hasEnded || Date.now() > deadline)
				throw new Error(`no line on stdout; stderr:\n${this.#stderr}`);
			await this.#next(deadline - Date.now());
		}
	}

	signal(signal: NodeJS.Signals): void {
		this.#child.kill(signal);
	}

	/** Sends a signal and waits for the end. */
	async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<Ended> {
		this.signal(signal);
		return await this.ended;
	}

	async [Symbol.asyncDispose](): Promise<void> {
		if (!this.#hasEnded) await this.stop("SIGKILL");
	}

	#take(line: string): void {
		this.#stderr += `${line}\n`;
		try {
			const parsed: unknown = JSON.parse(line);
			if (typeof parsed === "object" && parsed !== null && "event" in parsed)
				this.events.push(parsed as LogEvent);
		} catch {
			// Human-readable log lines.
		}
		this.#wake();
	}

	#wake(): void {
		for (const wake of this.#waiting) wake();
		this.#waiting.clear();
	}

	async #next(ms: number): Promise<void> {
		await new Promise<void>((resolve) => {
			const timer = setTimeout(resolve, ms);
			this.#waiting.add(() => {
				clearTimeout(timer);
				resolve();
			});
		});
	}
}

/** Runs one command to its end; kills it after 20 s. */
export async function cli(args: readonly string[], options: StartOptions = {}): Promise<Ended> {
	const command = new CliProcess(args, options);
	const timer = setTimeout(() => command.signal("SIGKILL"), WAIT_MS);
	try {
		return await command.ended;
	} finally {
		clearTimeout(timer);
	}
}

/** A temp directory with a `file://` store that any number of "machines" share. */
export class Place implements Disposable {
	/** Readable for everyone, so that another user's process can work in it. */
	readonly dir = realpathSync(mkdtempSync(join(tmpdir(), "sidecar-cli-")));
	readonly store = join(this.dir, "store");

	constructor() {
		chmodSync(this.dir, 0o755);
	}

	/**
	 * Absolute path of a machine's workspace, or of a path in it. Creates only the directories above
	 * it.
	 */
	path(machine: string, ...names: readonly string[]): string {
		const path = join(this.dir, machine, "ws", ...names);
		mkdirSync(dirname(path), { recursive: true });
		return path;
	}

	/**
	 * Options for a machine: its own workspace and state, the shared store, no delays, the plain
	 * profile.
	 */
	args(machine: string, store = pathToFileURL(this.store).href): string[] {
		const own = [
			"--workspace",
			this.path(machine),
			"--state-dir",
			join(this.dir, machine, "state"),
		];
		return [...own, "--store", store, "--profile", "plain", "--handover-wait", "0ms"];
	}

	/** Runs one command on a machine. */
	async cli(machine: string, args: readonly string[], options: StartOptions = {}): Promise<Ended> {
		return await cli([...this.args(machine), ...args], { cwd: this.dir, ...options });
	}

	start(machine: string, args: readonly string[], options: StartOptions = {}): CliProcess {
		return new CliProcess([...this.args(machine), ...args], { cwd: this.dir, ...options });
	}

	/** A daemon that commits soon after each change; it is started and watching. */
	async run(
		machine: string,
		args: readonly string[] = [],
		options: StartOptions = {},
	): Promise<CliProcess> {
		const daemon = this.start(machine, ["run", "--quiet-period", "20ms", ...args], options);
		try {
			await daemon.waitForEvent("watch.started");
			return daemon;
		} catch (error) {
			await daemon[Symbol.asyncDispose]();
			throw error;
		}
	}

	[Symbol.dispose](): void {
		rmSync(this.dir, { recursive: true, force: true });
	}
}

/** The output of a command with `--json`: every line of stdout must be an object. */
export function jsonLines(stdout: string): Record<string, unknown>[] {
	if (stdout !== "" && !stdout.endsWith("\n"))
		throw new Error(`not a whole line: ${stdout.slice(-200)}`);
	return stdout
		.split("\n")
		.slice(0, -1)
		.map((line) => {
			const value: unknown = JSON.parse(line);
			if (typeof value !== "object" || value === null || Array.isArray(value))
				throw new Error(`not an object: ${line}`);
			return value as Record<string, unknown>;
		});
}

/** The only object that a command printed with `--json`. */
export function jsonObject(stdout: string): Record<string, unknown> {
	const [object, ...rest] = jsonLines(stdout);
	if (object === undefined || rest.length > 0) throw new Error(`not one object: ${stdout}`);
	return object;
}

/** A user to whom file modes apply: root ignores them. */
export function ordinaryUser(): Pick<StartOptions, "uid"> {
	return process.getuid?.() === 0 ? { uid: 65_534 } : {};
}
