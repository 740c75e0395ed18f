/**
 * Runs the scripts of a case in `world.sh`, which has its own paths and users like a separate
 * machine.
 */
import { spawnSync } from "node:child_process";
import { accessSync, constants, readdirSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";
import { type Case, scriptOf, TEST, type Way } from "./cases.ts";

const LIMIT_MS = 60_000;
const ALWAYS_NEEDED = ["unshare", "setpriv", "mount", "sh"];

/** @returns the missing commands */
export function missingCommands({ needs }: Pick<Case, "needs">): readonly string[] {
	const directories = (process.env.PATH ?? "").split(delimiter);
	return [...ALWAYS_NEEDED, ...needs].filter(
		(name) => !directories.some((directory) => isExecutable(join(directory, name))),
	);
}

/**
 * Processes of the agent's user that already exist; their alerts would be attributed to the cases.
 */
export function foreignProcesses(uid: number): readonly string[] {
	return readdirSync("/proc").filter((name) => /^\d+$/.test(name) && ownerOf(name) === uid);
}

function ownerOf(pid: string): number | undefined {
	try {
		return statSync(`/proc/${pid}`).uid;
	} catch {
		// It ended meanwhile.
		return undefined;
	}
}

/** @returns the reason if the script did not do its task; otherwise undefined */
export function runScript({ kind, name, as, network }: Case, way: Way): string | undefined {
	const own = network === "own" ? ["--net"] : [];
	const world = [
		join(TEST, "world.sh"),
		process.execPath,
		TEST,
		as,
		network,
		`${kind}/${name}/${scriptOf(kind, way)}`,
	];
	const args = ["--mount", "--propagation", "private", ...own, "--", "sh", ...world];
	const { status, signal, stdout, stderr, error } = spawnSync("unshare", args, {
		encoding: "utf8",
		timeout: LIMIT_MS,
		stdio: ["ignore", "pipe", "pipe"],
		env: { PATH: process.env.PATH ?? "/usr/sbin:/usr/bin:/sbin:/bin", LANG: "C.UTF-8" },
	});
	if (error !== undefined) return error.message;
	return status === 0
		? undefined
		: `exit ${status ?? signal}: ${(stderr + stdout).trim().slice(-500)}`;
}

function isExecutable(path: string): boolean {
	try {
		accessSync(path, constants.X_OK);
		return true;
	} catch {
		return false;
	}
}
