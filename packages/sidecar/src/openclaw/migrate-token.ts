/**
 * Replaces the gateway token that earlier versions of the sidecar wrote into `openclaw.json`,
 * `"${OPENCLAW_GATEWAY_TOKEN}"`, by a reference to the same variable (decision 59). OpenClaw hashes
 * the substituted text, and repeats all start-up migrations when the hash differs: 3 s on each
 * machine, because each has a token of its own. A reference stays the same.
 *
 * Changes only that text, byte for byte, and only if nothing else in the file changes its meaning.
 */
import {
	closeSync,
	constants,
	fchmodSync,
	fchownSync,
	fstatSync,
	fsyncSync,
	openSync,
	readFileSync,
	renameSync,
	rmSync,
	type Stats,
	writeFileSync,
} from "node:fs";
import { isDeepStrictEqual } from "node:util";
import JSON5 from "json5";
import { configPath, openConfig, type Variables, variable, variableRef } from "./config.ts";

const TOKEN = "OPENCLAW_GATEWAY_TOKEN";
const OLD = Buffer.from(`"token": ${JSON.stringify(variable(TOKEN))}`);
const NEW = Buffer.from(`"token": ${JSON.stringify(variableRef(TOKEN))}`);

/**
 * Call it only while the agent does not run.
 * @param workspace absolute
 * @returns whether the file was changed
 */
export function migrateToken(workspace: string, variables: Variables): boolean {
	if (variables.OPENCLAW_CONFIG_PATH !== undefined) return false;
	const found = readWithStat(workspace, variables);
	const migrated = found && withReference(found.bytes);
	// A second name of the file would keep the old text.
	if (migrated === undefined || found?.stat.nlink !== 1) return false;
	replace(configPath(workspace, variables), migrated, found.stat);
	return true;
}

function readWithStat(
	workspace: string,
	variables: Variables,
): { readonly bytes: Buffer; readonly stat: Stats } | undefined {
	const fd = openConfig(workspace, variables);
	if (fd === undefined) return undefined;
	try {
		return { bytes: readFileSync(fd), stat: fstatSync(fd) };
	} finally {
		closeSync(fd);
	}
}

/** Undefined if the file does not hold exactly what the sidecar wrote. */
function withReference(bytes: Buffer): Buffer | undefined {
	const at = bytes.indexOf(OLD);
	if (at < 0 || bytes.indexOf(OLD, at + 1) >= 0) return undefined;
	const migrated = Buffer.concat([bytes.subarray(0, at), NEW, bytes.subarray(at + OLD.length)]);
	try {
		const expected = JSON5.parse(bytes.toString());
		if (expected.gateway.auth.token !== variable(TOKEN)) return undefined;
		expected.gateway.auth.token = variableRef(TOKEN);
		return isDeepStrictEqual(JSON5.parse(migrated.toString()), expected) ? migrated : undefined;
	} catch {
		// OpenClaw does not start with it, or it has no such token.
		return undefined;
	}
}

/** Completely or not at all, with the same owner and mode. */
function replace(path: string, bytes: Buffer, { uid, gid, mode }: Stats): void {
	const partial = `${path}.migrating`;
	rmSync(partial, { force: true });
	const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
	const fd = openSync(partial, flags, 0o600);
	try {
		writeFileSync(fd, bytes);
		fchownSync(fd, uid, gid);
		fchmodSync(fd, mode & 0o7777);
		fsyncSync(fd);
	} finally {
		closeSync(fd);
	}
	renameSync(partial, path);
}
