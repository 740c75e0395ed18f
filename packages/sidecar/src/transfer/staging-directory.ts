import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

/**
 * A private directory for the duration of `use`. It is always removed, and the next call removes
 * what a killed process left: a copy of a workspace holds credentials and must not remain.
 * @param privateDir see `privateDirectory`
 */
export async function withStaging<T>(
	privateDir: string,
	use: (directory: string) => Promise<T>,
): Promise<T> {
	const parent = join(privateDir, "staging");
	mkdirSync(parent, { recursive: true, mode: 0o700 });
	for (const name of readdirSync(parent)) {
		if (!isAlive(Number(name.split("-")[0]))) removeTree(join(parent, name));
	}
	const directory = mkdtempSync(join(parent, `${process.pid}-`));
	try {
		return await use(directory);
	} finally {
		removeTree(directory);
	}
}

/** Works even if the workspace's own modes forbid it: Go's module cache is read-only. */
function removeTree(directory: string): void {
	makeWritable(Buffer.from(directory));
	rmSync(directory, { recursive: true, force: true });
}

const SLASH = Buffer.from("/");

function makeWritable(directory: Buffer): void {
	chmodSync(directory, 0o700);
	for (const entry of readdirSync(directory, { withFileTypes: true, encoding: "buffer" })) {
		if (entry.isDirectory()) makeWritable(Buffer.concat([directory, SLASH, entry.name]));
	}
}

function isAlive(pid: number): boolean {
	try {
		process.kill(pid, 0);
		return true;
	} catch (error) {
		return (error as NodeJS.ErrnoException).code === "EPERM";
	}
}
