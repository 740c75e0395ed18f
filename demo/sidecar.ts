/** The command as a user runs it, on one of the machines. */
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Machine } from "./machine.ts";
import type { Running } from "./processes.ts";

const PACKAGE = join(import.meta.dirname, "../packages/sidecar");
const LAUNCHER = join(PACKAGE, "bin/openclaw-sidecar.mjs");

/** From the sources as they are now, so that the demo never shows an older build. */
export function buildSidecar(): void {
	execFileSync(process.execPath, [join(PACKAGE, "build.ts"), "--bundles-only"], { stdio: ["ignore", "ignore", "inherit"] });
}

export interface ListedEntry {
	readonly path: string;
	readonly type: "file" | "dir" | "link";
	readonly size?: number;
	readonly mode?: number;
	readonly mtimeNs?: string;
	readonly target?: string;
}

export class Sidecar {
	readonly #machine: Machine;
	readonly #options: readonly string[];
	readonly stateDirectory: string;

	constructor(machine: Machine, store: string) {
		this.#machine = machine;
		this.stateDirectory = join(machine.path, "home/.openclaw");
		mkdirSync(join(machine.outside, "run"), { recursive: true, mode: 0o700 });
		this.#options = ["--workspace", this.stateDirectory, "--store", store, "--namespace", "anna", "--state-dir", join(machine.path, "run")];
	}

	/** Signals go to the sidecar itself: `pnpm` in between would answer them in its own way. */
	run(agent: readonly string[], agentEnv: Readonly<Record<string, string>>): Running {
		return this.#machine.start("openclaw-sidecar run", [process.execPath, LAUNCHER, "run", ...this.#options, "--", ...agent], agentEnv);
	}

	async json<T>(verb: string, ...args: readonly string[]): Promise<T> {
		const { status, stdout, stderr } = await this.#machine.run([process.execPath, LAUNCHER, verb, ...this.#options, "--json", ...args]);
		if (status !== 0) throw new Error(`\`openclaw-sidecar ${[verb, ...args].join(" ")}\` ended with status ${status}\n${stderr.trim().slice(-2_000)}`);
		return JSON.parse(stdout.toString()) as T;
	}

	/** The bytes of a file as the log has it. */
	async cat(path: string, ...args: readonly string[]): Promise<Buffer> {
		const { status, stdout, stderr } = await this.#machine.run([process.execPath, LAUNCHER, "cat", ...this.#options, path, ...args]);
		if (status !== 0) throw new Error(`\`openclaw-sidecar cat ${path}\` ended with status ${status}\n${stderr.trim().slice(-2_000)}`);
		return stdout;
	}
}
