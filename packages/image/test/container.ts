/**
 * Runs the image like a platform: a container with its own root file system, on the network of this
 * machine only.
 */
import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { type Exit, Running } from "../../testkit/processes.ts";

/** The capabilities that `docs/image.md` lists; all others are dropped. */
const CAPABILITIES = "chown,dac_override,fowner,fsetid,kill,setgid,setpcap,setuid";

/**
 * crun of Debian fails if cgroups are hybrid. The limits are those that a process without
 * CAP_SYS_RESOURCE may set.
 */
const PODMAN = ["podman", "--runtime", "runc"];
const LIMITS = ["--ulimit", "nofile=20000:20000", "--ulimit", "nproc=4096:4096"];

const ENVIRONMENT = { PATH: process.env.PATH ?? "", HOME: process.env.HOME ?? "/root" };

export interface ContainerOptions {
	readonly env?: Readonly<Record<string, string>>;
	/** Paths of this machine by their path inside, with `:ro` if read-only. */
	readonly volumes?: Readonly<Record<string, string>>;
	/** Replaces the image's own arguments after `run`. */
	readonly args?: readonly string[];
	/** Additional arguments of `podman run`. */
	readonly options?: readonly string[];
	/** Default: the image for this machine's architecture. */
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

	/** The pid of its first process, as seen from this machine. */
	get pid(): number {
		return Number(podman("inspect", "--format", "{{.State.Pid}}", this.name));
	}

	/** Runs a command as root inside the running container. */
	exec(...command: readonly string[]): string {
		return podman("exec", this.name, ...command);
	}

	signal(signal: NodeJS.Signals): void {
		podman("kill", "--signal", signal, this.name);
	}

	/** Ends it as a platform ends a machine. */
	async end(): Promise<Exit> {
		this.signal("SIGTERM");
		return await this.process.exited;
	}

	async [Symbol.asyncDispose](): Promise<void> {
		podman("rm", "--force", "--ignore", "--time", "0", this.name);
		await this.process.exited;
	}
}

/** Runs a program of the image without the sidecar, and returns its output. */
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

/** The image's settings from `podman image inspect`. */
export function inspectImage(): {
	readonly Config: Readonly<Record<string, unknown>>;
	readonly Size: number;
} {
	return JSON.parse(podman("image", "inspect", ownImage()))[0];
}

/** The fields of `/proc/PID/status` of a process of this machine. */
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

/** The image that `main.ts` built. */
function ownImage(): string {
	const name = process.env.OPENCLAW_TEST_IMAGE;
	if (name === undefined)
		throw new Error("OPENCLAW_TEST_IMAGE names no image: run `pnpm image:test`");
	return name;
}
