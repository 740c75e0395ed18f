import {
	chmodSync,
	copyFileSync,
	lstatSync,
	lutimesSync,
	mkdirSync,
	readdirSync,
	readlinkSync,
	renameSync,
	rmSync,
	symlinkSync,
} from "node:fs";

/**
 * Moves a file, link or directory, to another file system too; there with its mode and time. Sockets and their like hold nothing, and stay
 * behind then. Not `cpSync`, which takes no name that is not UTF-8.
 * @throws NodeJS.ErrnoException; what was to be moved is still there then
 */
export function move(from: string | Buffer, to: string | Buffer): void {
	try {
		renameSync(from, to);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== "EXDEV") throw error;
		copy(from, to);
		rmSync(from, { recursive: true });
	}
}

function copy(from: string | Buffer, to: string | Buffer): void {
	const stat = lstatSync(from);
	if (stat.isSymbolicLink()) symlinkSync(readlinkSync(from, { encoding: "buffer" }), to);
	else if (stat.isDirectory()) {
		mkdirSync(to, { mode: 0o700 });
		for (const name of readdirSync(from, { encoding: "buffer" })) copy(below(from, name), below(to, name));
	} else if (stat.isFile()) copyFileSync(from, to);
	else return;
	if (!stat.isSymbolicLink()) chmodSync(to, stat.mode & 0o7777);
	lutimesSync(to, stat.atime, stat.mtime);
}

function below(directory: string | Buffer, name: Buffer): Buffer {
	return Buffer.concat([Buffer.from(directory), Buffer.from("/"), name]);
}
