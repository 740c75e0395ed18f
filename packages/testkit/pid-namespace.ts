/** A pid namespace in which a command is PID 1, as in a container. */
import { execFileSync } from "node:child_process";
import { readProcesses } from "../sidecar/src/daemon/process-table.ts";

const FLAGS = ["--pid", "--fork", "--mount-proc", "--kill-child=SIGKILL"];

/**
 * The wrapper that starts a command in one. Undefined, with a message, if this system does not
 * allow it; in CI that is an error.
 */
export function pidNamespace(): readonly string[] | undefined {
	const ways = [FLAGS, ["--user", "--map-root-user", ...FLAGS]];
	let reason = "";
	for (const flags of ways) {
		try {
			execFileSync("unshare", [...flags, "true"], {
				stdio: ["ignore", "ignore", "pipe"],
				timeout: 10_000,
			});
			return ["unshare", ...flags];
		} catch (error) {
			reason =
				(error as { readonly stderr?: Buffer }).stderr?.toString().trim() ||
				(error as Error).message;
		}
	}
	if (process.env.CI === "true") throw new Error(`nothing can be PID 1 here: ${reason}`);
	console.warn(
		`skipped: nothing can be PID 1 here (\`unshare\` of util-linux, as root or with user namespaces): ${reason}`,
	);
	return undefined;
}

/** The only child of a process that starts one command, by its pid on the outside. */
export function childOf(pid: number): number {
	const child = readProcesses().find(({ parent }) => parent === pid);
	if (child === undefined) throw new Error(`${pid} has no child`);
	return child.pid;
}
