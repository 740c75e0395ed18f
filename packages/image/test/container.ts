/**
 * The image as a platform runs it: a container with a root file system of its own, on the network
 * of this machine alone.
 */
import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { type Exit, Running } from "../../testkit/processes.ts";

/** What `docs/image.md` says it needs; every other capability is withheld. */
const CAPABILITIES = "chown,dac_override,fowner,fsetid,kill,setgid,setpcap,setuid";

/**
 * Runs where cgroups are hybrid, which Debian's crun does not; the limits are below what a process
 * without CAP_SYS_RESOURCE may set.
 */
const PODMAN = ["podman", "--runtime", "runc"];
const LIMITS = ["--ulimit", "nofile=20000:20000", "--ulimit", "nproc=4096:4096"];

const ENVIRONMENT = { PATH: process.env.PATH ?? "", HOME: process.env.HOME ?? "/root" };

export interface ContainerOptions {
	readonly env?: Readonly<Record<string, string>>;
	/** Paths of this machine by their place inside, `:ro` where they are only to be read. */
	readonly volumes?: Readonly<Record<string, string>>;
	/** Instead of the image's own: what comes after `run`. */
	readonly args?: readonly string[];
	/** Further arguments of `podman run`. */
	readonly options?: readonly string[];
	/** Default: the one for this machine's architecture. */
	readonly image?: string;
}

export class Container implements AsyncDisposable {
	readonly name = `openclaw-image-test-${randomUUID().slice(0, 8)}`;
	readonly process: Running;

	constructor(
		what: string,
		{ env = {}, volumes = {}, args = [], options = [], image = ownImage() }: ContainerOptions = {},
	) {
		const variables = Object.entries(env).flatMap(([name, value]) => ["--env", `${name}=${value}`]);
		const mounts = Object.entries(volumes).flatMap(([inside, outside]) => [
			"--volume",
			`${outside}:${inside}`,
		]);
		const rights = ["--cap-drop", "all", "--cap-add", CAPABILITIES];
		const how = [
			"--rm",
			"--name",
			this.name,
			"--pull",
			"never",
			"--network",
			"host",
			...LIMITS,
			...rights,
			...options,
		];
		this.process = new Running(
			what,
			[...PODMAN, "run", ...how, ...variables, ...mounts, image, ...args],
			ENVIRONMENT,
		);
	}

	/** Of its first process, as this machine sees it. */
	get pid(): number {
		return Number(podman("inspect", "--format", "{{.State.Pid}}", this.name));
	}

	/** As root inside, beside what runs there. */
	exec(...command: readonly string[]): string {
		return podman("exec", this.name, ...command);
	}

	signal(signal: NodeJS.Signals): void {
		podman("kill", "--signal", signal, this.name);
	}

	/** As a platform ends a machine. */
	async end(): Promise<Exit> {
		this.signal("SIGTERM");
		return await this.process.exited;
	}

	async [Symbol.asyncDispose](): Promise<void> {
		podman("rm", "--force", "--ignore", "--time", "0", this.name);
		await this.process.exited;
	}
}

/** Prints what a program of the image prints, without the sidecar. */
export function inImage(program: string, ...args: readonly string[]): string {
	return runIn(ownImage(), program, ...args);
}

/** The same for any image. */
export function runIn(image: string, program: string, ...args: readonly string[]): string {
	return podman(
		"run",
		"--rm",
		"--pull",
		"never",
		"--network",
		"none",
		...LIMITS,
		"--entrypoint",
		program,
		image,
		...args,
	);
}

/** The image's settings, as `podman image inspect` gives them. */
export function inspectImage(): {
	readonly Config: Readonly<Record<string, unknown>>;
	readonly Size: number;
} {
	return JSON.parse(podman("image", "inspect", ownImage()))[0];
}

/** Of a process of this machine, by `/proc/PID/status`. */
export function statusOf(pid: number): ReadonlyMap<string, string> {
	const lines = readFileSync(`/proc/${pid}/status`, "utf8").trim().split("\n");
	return new Map(lines.map((line) => line.split(/:\s*/, 2) as [string, string]));
}

function podman(...args: readonly string[]): string {
	const [file = "", ...globals] = PODMAN;
	return execFileSync(file, [...globals, ...args], {
		encoding: "utf8",
		env: ENVIRONMENT,
		stdio: ["ignore", "pipe", "pipe"],
	}).trimEnd();
}

/** Made by `main.ts`. */
function ownImage(): string {
	const name = process.env.OPENCLAW_TEST_IMAGE;
	if (name === undefined)
		throw new Error("OPENCLAW_TEST_IMAGE names no image: start this by `pnpm image:test`");
	return name;
}
