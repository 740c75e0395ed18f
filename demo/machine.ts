/**
 * Simulates two machines on one. Each has its own directory, visible at the same absolute path, and
 * its own host name, because OpenClaw stores both in its databases. If this system does not allow
 * that, the second machine is only another directory.
 */
import { execFileSync } from "node:child_process";
import { mkdirSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { type Finished, Running, run } from "../packages/testkit/processes.ts";

export interface Isolation {
	/**
	 * The wrapper that starts a command with its own host name and mounts; undefined if that is not
	 * possible.
	 */
	readonly unshare: readonly string[] | undefined;
	/** The reason why not. */
	readonly reason: string;
}

/**
 * Absolute directories that the agent uses outside its state directory. Each machine gets its own
 * in their place.
 */
export type Scratch = readonly string[];

/**
 * $1 host name, $2 the machine's directory, $3 the path where it is visible, $4 the number of pairs
 * (directory, place) that follow, then the command.
 */
const ENTER = `
hostname "$1" && mount --bind "$2" "$3" || exit 126
pairs=$4; shift 4
while [ "$pairs" -gt 0 ]; do mount --bind "$1" "$2" || exit 126; shift 2; pairs=$((pairs - 1)); done
exec "$@"`;

/** Tries it as root, otherwise as the root of a user namespace. */
export function findIsolation(): Isolation {
	const ways = [
		["unshare", "--uts", "--mount", "--propagation", "private", "--"],
		["unshare", "--user", "--map-root-user", "--uts", "--mount", "--propagation", "private", "--"],
	];
	let reason = "";
	for (const unshare of ways) {
		try {
			const trial = [
				...unshare.slice(1),
				"sh",
				"-c",
				ENTER,
				"enter",
				"demo-trial",
				tmpdir(),
				tmpdir(),
				"0",
				"true",
			];
			execFileSync(unshare[0] as string, trial, {
				stdio: ["ignore", "ignore", "pipe"],
				timeout: 10_000,
			});
			return { unshare, reason: "" };
		} catch (error) {
			const { code, stderr } = error as NodeJS.ErrnoException & { stderr?: Buffer };
			reason =
				code === "ENOENT"
					? "there is no `unshare` here"
					: (stderr?.toString().trim().split("\n")[0] ?? String(error));
		}
	}
	return { unshare: undefined, reason };
}

export class Machine {
	readonly hostname: string;
	/** The path of its directory for the demo, which belongs to neither machine. */
	readonly outside: string;
	/** The path of its directory for its own processes. */
	readonly path: string;
	readonly #enter: readonly string[];
	readonly #env: Readonly<Record<string, string>>;
	readonly #madePlaces: string[] = [];

	/** @param root the demo's temporary directory */
	constructor(root: string, number: number, isolation: Isolation, scratch: Scratch) {
		this.hostname = `demo-machine-${number}`;
		this.outside = join(root, `machine-${number}`);
		this.path = isolation.unshare === undefined ? this.outside : join(root, "machine");
		for (const directory of ["home", "run", "tmp"])
			mkdirSync(join(this.outside, directory), { recursive: true, mode: 0o700 });
		mkdirSync(this.path, { recursive: true, mode: 0o700 });
		this.#enter = isolation.unshare === undefined ? [] : this.#entering(isolation.unshare, scratch);
		this.#env = {
			HOME: join(this.path, "home"),
			TMPDIR: join(this.path, "tmp"),
			PATH: process.env.PATH ?? "/usr/local/bin:/usr/bin:/bin",
			LANG: "C.UTF-8",
		};
	}

	start(
		name: string,
		argv: readonly string[],
		env: Readonly<Record<string, string>> = {},
	): Running {
		return new Running(name, [...this.#enter, ...argv], { ...this.#env, ...env });
	}

	async run(argv: readonly string[], timeoutMs?: number): Promise<Finished> {
		return await run([...this.#enter, ...argv], this.#env, timeoutMs);
	}

	/** Removes the empty directories that were needed as mount points. */
	leave(): void {
		for (const place of this.#madePlaces) {
			try {
				rmdirSync(place);
			} catch {
				// Another process uses it by now.
			}
		}
	}

	#entering(unshare: readonly string[], scratch: Scratch): readonly string[] {
		const pairs = scratch.flatMap((place) => {
			const own = join(this.outside, "tmp", basename(place));
			mkdirSync(own, { recursive: true, mode: 0o700 });
			if (mkdirSync(place, { recursive: true, mode: 0o700 }) !== undefined)
				this.#madePlaces.push(place);
			return [own, place];
		});
		return [
			...unshare,
			"sh",
			"-c",
			ENTER,
			"enter",
			this.hostname,
			this.outside,
			this.path,
			String(pairs.length / 2),
			...pairs,
		];
	}
}
