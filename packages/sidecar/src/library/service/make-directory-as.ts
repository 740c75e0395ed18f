/** Directories of a system service, made by root with the rights of the service's user. */
import { spawnSync } from "node:child_process";
import { existsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { SidecarError } from "../../errors.ts";

export interface Account {
	readonly name: string;
	readonly uid: number;
	readonly gid: number;
	readonly home: string;
}

/**
 * Makes a missing directory and its missing parents, below one that the user owns. The user's own
 * rights decide, so that no setting and no link lends those of root.
 * @throws SidecarError USAGE, SYSTEM_REFUSED
 */
export function makeDirectoryAs({ name, uid, gid }: Account, directory: string): void {
	if (existsSync(directory)) return;
	let above = dirname(directory);
	while (!existsSync(above)) above = dirname(above);
	if (statSync(above).uid !== uid)
		throw new SidecarError("USAGE", {
			value: directory,
			reason: `it is missing, and ${above} is not a directory of ${name}`,
			remedy: `create it with \`install -d -m 0700 -o ${uid} -g ${gid} ${quoted(directory)}\`, then install again`,
		});
	const { status, stderr, error } = spawnSync(
		"/bin/sh",
		["-c", 'umask 077; exec mkdir -p -- "$1"', "sh", directory],
		{ uid, gid, cwd: "/", env: {}, encoding: "utf8", stdio: ["ignore", "ignore", "pipe"] },
	);
	if (status !== 0)
		throw new SidecarError("SYSTEM_REFUSED", {
			value: directory,
			reason: error?.message ?? stderr.trim(),
			cause: error,
		});
}

/** For a shell. */
export function quoted(path: string): string {
	return /^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`;
}
