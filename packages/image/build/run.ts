/** Runs programs that may be missing on this machine. Their stderr goes to the user. */
import { spawnSync } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { delimiter, join } from "node:path";

/** @throws Error with the command, if it does not end with status 0 */
export function run(
	[file = "", ...args]: readonly string[],
	env: NodeJS.ProcessEnv = process.env,
): void {
	const { status, signal, error } = spawnSync(file, args, { stdio: ["ignore", 2, 2], env });
	if (status !== 0) throw failure([file, ...args], status ?? signal ?? error?.message);
}

/** The program's output without trailing white space. @throws Error as `run` does */
export function outputOf([file = "", ...args]: readonly string[]): string {
	const { status, signal, error, stdout } = spawnSync(file, args, {
		stdio: ["ignore", "pipe", 2],
		encoding: "utf8",
		maxBuffer: 64 * 1024 * 1024,
	});
	if (status !== 0) throw failure([file, ...args], status ?? signal ?? error?.message);
	return stdout.trimEnd();
}

export function succeeds([file = "", ...args]: readonly string[]): boolean {
	return spawnSync(file, args, { stdio: "ignore" }).status === 0;
}

export function isInstalled(program: string): boolean {
	return (process.env.PATH ?? "").split(delimiter).some((directory) => {
		try {
			accessSync(join(directory, program), constants.X_OK);
			return true;
		} catch {
			return false;
		}
	});
}

function failure(command: readonly string[], how: number | string | undefined): Error {
	return new Error(`\`${command.join(" ")}\` failed: ${how}`);
}
