/**
 * A real Falco: finds it, lets it validate rules files, starts it, waits for it, and ends it.
 *
 * Falco's usual configuration is not read. Each run gets its own, which listens only on loopback
 * and prints alerts as JSON.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import {
	accessSync,
	closeSync,
	constants,
	existsSync,
	mkdirSync,
	openSync,
	writeFileSync,
} from "node:fs";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { stringify } from "yaml";
import type { Alert } from "./compare.ts";
import { shippedMatching } from "./places.ts";

const READY_MS = 90_000;
const ANSWER_MS = 60_000;
const TRIES = 4;
const BARRIER_RULE = "Barrier of the test";
const DROPPED = /syscall event drop/i;

export interface Plugins {
	readonly container: string | undefined;
	readonly cloudtrail: string | undefined;
	readonly json: string | undefined;
}

/** $FALCO, or the first one in PATH. */
export function findFalco(): string | undefined {
	const named = process.env.FALCO;
	if (named !== undefined) return existsSync(named) ? named : undefined;
	for (const directory of (process.env.PATH ?? "").split(delimiter)) {
		const path = join(directory, "falco");
		try {
			accessSync(path, constants.X_OK);
			return path;
		} catch {
			// Try the next directory.
		}
	}
	return undefined;
}

/** $FALCO_RULES, or the file of Falco's packages: Falco's own stable rules. */
export function findFalcoRules(): string | undefined {
	const { FALCO_RULES = "/etc/falco/falco_rules.yaml" } = process.env;
	return existsSync(FALCO_RULES) ? FALCO_RULES : undefined;
}

/** $FALCO_PLUGINS, or the directories of Falco's packages and falcoctl. */
export function findPlugins(): Plugins {
	const directories = [
		process.env.FALCO_PLUGINS,
		"/usr/share/falco/plugins",
		"/usr/local/share/falco/plugins",
	];
	const find = (name: string) =>
		directories
			.flatMap((directory) => (directory === undefined ? [] : [join(directory, `lib${name}.so`)]))
			.find((path) => existsSync(path));
	return { container: find("container"), cloudtrail: find("cloudtrail"), json: find("json") };
}

export function versionOf(falco: string): string {
	const output = execFileSync(falco, ["--version"], { encoding: "utf8" });
	const of = (name: string) => new RegExp(`${name}: *(\\S+)`).exec(output)?.[1] ?? "?";
	return `Falco ${of("Falco version")}, engine ${of("Engine")}`;
}

export interface EngineOptions {
	readonly falco: string;
	readonly plugins: Plugins;
	/** The path of its configuration. */
	readonly directory: string;
	readonly rules: readonly string[];
	/** What the container plugin reports for every process if there is no container runtime. */
	readonly asContainer?: { readonly id: string; readonly name: string; readonly image: string };
	/** A file of CloudTrail records instead of system calls. */
	readonly records?: string;
	readonly driver?: string;
	/** Default: that of the configuration that users copy. */
	readonly matching?: string;
}

interface PluginConfig {
	readonly name: string;
	readonly library_path: string;
	readonly init_config?: unknown;
	readonly open_params?: string;
}

function writeConfig(
	{
		directory,
		plugins,
		rules,
		asContainer,
		records,
		driver = "modern_ebpf",
		matching = shippedMatching(),
	}: EngineOptions,
	name: string,
): string {
	const loaded: PluginConfig[] = [];
	if (asContainer !== undefined && plugins.container !== undefined) {
		const off = Object.fromEntries(
			["docker", "podman", "containerd", "cri", "lxc", "libvirt_lxc", "bpm"].map((engine) => [
				engine,
				{ enabled: false },
			]),
		);
		const { id, name: containerName, image } = asContainer;
		const fixed = {
			enabled: true,
			container_id: id,
			container_name: containerName,
			container_image: image,
		};
		loaded.push({
			name: "container",
			library_path: plugins.container,
			init_config: { engines: { ...off, static: fixed } },
		});
	}
	if (records !== undefined && plugins.cloudtrail !== undefined && plugins.json !== undefined) {
		loaded.push({
			name: "cloudtrail",
			library_path: plugins.cloudtrail,
			init_config: "",
			open_params: records,
		});
		loaded.push({ name: "json", library_path: plugins.json, init_config: "" });
	}
	const config = {
		engine: { kind: driver },
		rule_matching: matching,
		rules_files: rules,
		plugins: loaded,
		load_plugins: loaded.map((plugin) => plugin.name),
		json_output: true,
		json_include_output_property: true,
		buffered_outputs: false,
		stdout_output: { enabled: true },
		syslog_output: { enabled: false },
		log_syslog: false,
		log_stderr: true,
		webserver: { enabled: false },
		syscall_event_drops: { threshold: 0, actions: ["log", "alert"], rate: 1, max_burst: 10 },
	};
	const path = join(directory, `${name}.yaml`);
	writeFileSync(path, stringify(config));
	return path;
}

/** @returns Falco's errors and warnings about the files; empty if it accepts them */
export function validate(options: EngineOptions): readonly string[] {
	const config = writeConfig({ ...options, rules: [] }, "validate");
	const args = ["-c", config, ...options.rules.flatMap((file) => ["-V", file])];
	const { status, stdout, stderr, error } = spawnSync(options.falco, args, {
		encoding: "utf8",
		timeout: ANSWER_MS,
	});
	if (error !== undefined) return [error.message];
	const result = stdout.split("\n").find((line) => line.startsWith("{"));
	if (result === undefined) return [`exit ${status}: ${(stderr || stdout).trim().slice(-1_000)}`];
	const { falco_load_results: files } = JSON.parse(result) as {
		falco_load_results: readonly LoadResult[];
	};
	const lines = files.flatMap(({ name, errors, warnings }) =>
		[...errors, ...warnings].map(({ code, codedesc, message, context }) =>
			`${name}: ${code} ${message || codedesc} ${context?.snippet ?? ""}`.trim(),
		),
	);
	return lines.length === 0 && status !== 0 ? [`exit ${status}`] : lines;
}

interface LoadResult {
	readonly name: string;
	readonly errors: readonly Finding[];
	readonly warnings: readonly Finding[];
}
interface Finding {
	readonly code: string;
	readonly codedesc?: string;
	readonly message?: string;
	readonly context?: { readonly snippet?: string };
}

/** Runs to the end of the records. @throws if Falco fails */
export async function replayRecords(options: EngineOptions): Promise<readonly Alert[]> {
	const child = spawn(
		options.falco,
		["-c", writeConfig(options, "cloudtrail"), "--disable-source", "syscall"],
		{
			stdio: ["ignore", "pipe", "pipe"],
		},
	);
	const timer = setTimeout(() => child.kill("SIGKILL"), ANSWER_MS);
	const [stdout, stderr, [code]] = await Promise.all([
		text(child.stdout),
		text(child.stderr),
		once(child, "close") as Promise<[number | null]>,
	]);
	clearTimeout(timer);
	if (code !== 0)
		throw new Error(`Falco ended with status ${code}\n${stderr.trim().slice(-1_000)}`);
	return stdout.split("\n").flatMap((line) => parseAlert(line) ?? []);
}

async function text(stream: NodeJS.ReadableStream): Promise<string> {
	stream.setEncoding("utf8");
	let all = "";
	for await (const part of stream) all += String(part);
	return all;
}

function parseAlert(line: string): Alert | undefined {
	if (!line.startsWith("{")) return undefined;
	const value = JSON.parse(line) as Partial<Alert>;
	return value.rule === undefined ? undefined : (value as Alert);
}

/** Falco on the live system calls of this machine. */
export class LiveFalco implements AsyncDisposable {
	readonly #child: ChildProcess;
	readonly #barriers: string;
	readonly #waiting = new Map<string, () => void>();
	#alerts: Alert[] = [];
	#log = "";
	#barrier = 0;
	#hasEnded = false;

	private constructor(child: ChildProcess, barriers: string) {
		this.#child = child;
		this.#barriers = barriers;
		createInterface({ input: child.stdout as NodeJS.ReadableStream }).on("line", (line) =>
			this.#readLine(line),
		);
		(child.stderr as NodeJS.ReadableStream).setEncoding("utf8").on("data", (part: string) => {
			this.#log = (this.#log + part).slice(-4_000);
		});
		child.once("exit", () => {
			this.#hasEnded = true;
			for (const wake of this.#waiting.values()) wake();
		});
	}

	/**
	 * Ready once it reports the first file opened for it. @throws if it ends before, or reports
	 * nothing for 90 s
	 */
	static async start(options: EngineOptions): Promise<LiveFalco> {
		const barriers = join(options.directory, "barrier");
		mkdirSync(barriers, { recursive: true });
		const rule = join(options.directory, "barrier_rules.yaml");
		writeFileSync(
			rule,
			stringify([
				{
					rule: BARRIER_RULE,
					desc: "Events arrive in order.",
					condition: `evt.type in (open, openat, openat2) and fd.name startswith ${barriers}/`,
					output: "file=%fd.name",
					priority: "DEBUG",
				},
			]),
		);
		const config = writeConfig({ ...options, rules: [...options.rules, rule] }, "live");
		const child = spawn(options.falco, ["-c", config], { stdio: ["ignore", "pipe", "pipe"] });
		await once(child, "spawn");
		const falco = new LiveFalco(child, barriers);
		try {
			await falco.#untilReady();
		} catch (error) {
			await falco[Symbol.asyncDispose]();
			throw error;
		}
		falco.#alerts = [];
		return falco;
	}

	async #untilReady(): Promise<void> {
		const until = performance.now() + READY_MS;
		// It may not watch yet when the first of these files is opened, so there are more of them.
		while (performance.now() < until) {
			if (await this.#pass(500)) return;
			if (this.#hasEnded) throw new Error(`Falco ended before it was ready\n${this.#log.trim()}`);
		}
		throw new Error(`Falco was not ready within ${READY_MS / 1_000} s\n${this.#log.trim()}`);
	}

	/**
	 * Returns the alerts since the last call, once everything before this call was reported.
	 * @throws if Falco has ended, or lost events
	 */
	async takeAlerts(): Promise<readonly Alert[]> {
		// Twice, because the buffers of two processors are read one after the other.
		for (let i = 0; i < 2; i++)
			if (!(await this.#answers())) throw new Error(`Falco does not answer\n${this.#log.trim()}`);
		const alerts = this.#alerts;
		this.#alerts = [];
		if (alerts.some(({ rule }) => DROPPED.test(rule)))
			throw new Error("Falco lost events: this machine is too busy for a verdict");
		return alerts;
	}

	/** A busy engine may lose the event of one file, so there are more of them. */
	async #answers(): Promise<boolean> {
		for (let i = 0; i < TRIES && !this.#hasEnded; i++)
			if (await this.#pass(ANSWER_MS / TRIES)) return true;
		return false;
	}

	async #pass(timeoutMs: number): Promise<boolean> {
		const file = join(this.#barriers, String(++this.#barrier));
		const limit = new AbortController();
		const seen = new Promise<boolean>((resolve) =>
			this.#waiting.set(file, () => resolve(!this.#hasEnded)),
		);
		closeSync(openSync(file, "w"));
		const late = delay(timeoutMs, false, { signal: limit.signal }).catch(() => false);
		try {
			return this.#hasEnded ? false : await Promise.race([seen, late]);
		} finally {
			limit.abort();
			this.#waiting.delete(file);
		}
	}

	#readLine(line: string): void {
		const alert = parseAlert(line);
		if (alert === undefined) return;
		if (alert.rule !== BARRIER_RULE) this.#alerts.push(alert);
		else this.#waiting.get(String(alert.output_fields["fd.name"]))?.();
	}

	async [Symbol.asyncDispose](): Promise<void> {
		if (this.#hasEnded) return;
		const ended = once(this.#child, "exit");
		this.#child.kill("SIGTERM");
		const timer = setTimeout(() => this.#child.kill("SIGKILL"), 10_000);
		await ended;
		clearTimeout(timer);
	}
}
