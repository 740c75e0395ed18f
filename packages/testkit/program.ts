import { spawnSync } from "node:child_process";

/**
 * Whether a program that a test runs is installed. If not, says so and how to get it.
 * @throws if CI=true: there, nothing may be skipped
 */
export function hasProgram(name: string, ...args: readonly string[]): boolean {
	if (spawnSync(name, args).error === undefined) return true;
	const reason = `not tried: ${name} is missing; install it, for example with \`apt-get install ${name}\``;
	if (process.env.CI === "true") throw new Error(reason);
	console.log(reason);
	return false;
}
