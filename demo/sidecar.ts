/** The command as a user runs it, on one of the machines. */
import { join } from "node:path";
import type { Running } from "../packages/testkit/processes.ts";
import type { Machine } from "./machine.ts";

export const SIDECAR_LAUNCHER = join(
	import.meta.dirname,
	"../packages/sidecar/bin/openclaw-sidecar.mjs",
);

/** A line of `ls --json`. */
export interface ListedEntry {
	readonly path: string;
	readonly type: "file" | "dir" | "link";
	readonly size?: number;
	/** Octal. */
	readonly mode?: string;
	readonly mtimeNs: string;
	readonly target?: string;
}

/** A line of `history --json`. */
export interface HistoryEntry {
	readonly seq: number;
	readonly writer: string;
	readonly kind: string;
	readonly flags: Readonly<Record<string, unknown>>;
	readonly changed: number;
	readonly removed: number;
	readonly objectBytes: number;
}

/** What `restore --json` prints. */
export interface Restored {
	readonly seq: number;
	readonly files: number;
	readonly bytes: number;
	readonly ms: number;
}

export class Sidecar {
	readonly #machine: Machine;
	readonly #options: readonly string[];
	/** As the machine's processes see it. */
	readonly stateDirectory: string;

	constructor(machine: Machine, store: string) {
		this.#machine = machine;
		this.stateDirectory = join(machine.path, "home/.openclaw");
		this.#options = [
			"--workspace",
			this.stateDirectory,
			"--store",
			store,
			"--namespace",
			"anna",
			"--state-dir",
			join(machine.path, "run"),
		];
	}

	/**
	 * Signals go to the sidecar itself, because `pnpm` in between would handle them in its own way.
	 */
	run(agent: readonly string[], agentEnv: Readonly<Record<string, string>>): Running {
		return this.#machine.start(
			"openclaw-sidecar run",
			[process.execPath, SIDECAR_LAUNCHER, "run", ...this.#options, "--", ...agent],
			agentEnv,
		);
	}

	async restore(): Promise<Restored> {
		return JSON.parse(String(await this.#verb("restore", "--json"))) as Restored;
	}

	/** @returns the paths of the newest commit */
	async list(): Promise<readonly ListedEntry[]> {
		return parseLines(await this.#verb("ls", "--json"));
	}

	/** Newest first. */
	async history(): Promise<readonly HistoryEntry[]> {
		return parseLines(await this.#verb("history", "--json", "--limit", "all"));
	}

	/** The bytes of a file in the log. */
	async cat(path: string, ...args: readonly string[]): Promise<Buffer> {
		return await this.#verb("cat", path, ...args);
	}

	async #verb(verb: string, ...args: readonly string[]): Promise<Buffer> {
		const { status, stdout, stderr } = await this.#machine.run([
			process.execPath,
			SIDECAR_LAUNCHER,
			verb,
			...this.#options,
			...args,
		]);
		if (status === 0) return stdout;
		throw new Error(
			`\`openclaw-sidecar ${[verb, ...args].join(" ")}\` ended with status ${status}\n${stderr.trim().slice(-2_000)}`,
		);
	}
}

function parseLines<T>(output: Buffer): readonly T[] {
	return output
		.toString()
		.split("\n")
		.filter((line) => line !== "")
		.map((line) => JSON.parse(line) as T);
}
