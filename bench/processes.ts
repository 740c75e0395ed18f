/**
 * Measured processes and their cost. Each is killed by its id when the benchmark ends, for any
 * reason.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";
import { cpuMs, memory, treeBytes } from "./proc.ts";

export interface Command {
	readonly argv: readonly string[];
	readonly env?: Readonly<Record<string, string>>;
	readonly cwd?: string;
	/** A readable name for error messages. */
	readonly name?: string;
}

export interface Measured {
	readonly wallMs: number;
	/** CPU time of the process and of all children that it waited for. */
	readonly cpuMs: number;
	/** VmHWM, or the sum of the process and its descendants if that is more; read every 20 ms. */
	readonly peakBytes: number;
	readonly stdout: string;
	readonly stderr: string;
}

const living = new Set<ChildProcess>();
process.once("exit", () => {
	for (const child of living) child.kill("SIGKILL");
});

const LOOK_MS = 20;
const KEPT_OUTPUT = 1_000_000;

/** Passes on only the variables that a program needs to run. */
export function baseEnv(): Record<string, string> {
	const { PATH = "", TMPDIR, LANG } = process.env;
	return { PATH, ...(TMPDIR !== undefined && { TMPDIR }), ...(LANG !== undefined && { LANG }) };
}

export function start(command: Command): ChildProcess {
	const [file, ...args] = command.argv as [string, ...string[]];
	const child = spawn(file, args, {
		env: { ...baseEnv(), ...command.env },
		stdio: ["ignore", "pipe", "pipe"],
		...(command.cwd !== undefined && { cwd: command.cwd }),
	});
	living.add(child);
	child.once("exit", () => living.delete(child));
	return child;
}

/** Runs it to its end. @throws if it does not end with status 0 */
export async function measure(command: Command): Promise<Measured> {
	const before = cpuMs("self").children;
	const startedMs = performance.now();
	const child = start(command);
	const stdout = collect(child.stdout);
	const stderr = collect(child.stderr);
	let peakBytes = 0;
	const pid = child.pid ?? 0;
	const looking = setInterval(() => {
		peakBytes = Math.max(peakBytes, memory(pid)?.peakBytes ?? 0, treeBytes(pid));
	}, LOOK_MS);
	let endedMs = 0;
	child.once("exit", () => {
		endedMs = performance.now();
	});
	try {
		const [code, signal] = (await once(child, "close")) as [number | null, string | null];
		if (code !== 0) {
			throw new Error(
				`${command.name ?? command.argv[0]} ended with ${signal ?? `status ${code}`}: ${(stderr() || stdout()).trim().slice(-1_500)}`,
			);
		}
	} finally {
		clearInterval(looking);
	}
	return {
		wallMs: endedMs - startedMs,
		cpuMs: cpuMs("self").children - before,
		peakBytes,
		stdout: stdout(),
		stderr: stderr(),
	};
}

export function collect(stream: NodeJS.ReadableStream | null): () => string {
	let text = "";
	stream?.setEncoding("utf8").on("data", (part: string) => {
		text = (text + part).slice(-KEPT_OUTPUT);
	});
	return () => text;
}

/** SIGTERM, and SIGKILL after `patienceMs`. */
export async function end(child: ChildProcess, patienceMs = 10_000): Promise<void> {
	if (child.exitCode !== null || child.signalCode !== null) return;
	const exited = once(child, "exit");
	child.kill("SIGTERM");
	const ended = await Promise.race([
		exited.then(() => true),
		delay(patienceMs, false, { ref: false }),
	]);
	if (!ended) child.kill("SIGKILL");
	await exited;
}
