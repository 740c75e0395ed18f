import {
	chmodSync,
	closeSync,
	constants,
	copyFileSync,
	fchmodSync,
	fstatSync,
	fsyncSync,
	ftruncateSync,
	lstatSync,
	lutimesSync,
	mkdirSync,
	openSync,
	readdirSync,
	readlinkSync,
	readSync,
	renameSync,
	rmSync,
	symlinkSync,
	writeSync,
} from "node:fs";

/**
 * Moves a file, link or directory, also to another file system, with mode and time. Sockets and
 * other special files have no content and stay behind in that case. Not `cpSync`, which accepts
 * only UTF-8 names.
 *
 * Across file systems, the copy is complete and on its disk before anything is removed.
 * @throws NodeJS.ErrnoException; the entry is then complete at the old place or at the new one
 */
export function move(from: string | Buffer, to: string | Buffer): void {
	try {
		renameSync(from, to);
	} catch (error) {
		if ((error as NodeJS.ErrnoException).code !== "EXDEV") throw error;
		copyAside(from, to);
		makeWritable(from);
		rmSync(from, { recursive: true });
	}
}

/**
 * Copies a file, link or directory. On return the copy is on its disk.
 * @throws NodeJS.ErrnoException; nothing of the copy remains then
 */
export function copyAside(from: string | Buffer, to: string | Buffer): void {
	try {
		copy(from, to);
	} catch (error) {
		makeWritable(to);
		rmSync(to, { recursive: true, force: true });
		throw error;
	}
}

/** Replaces the content of an open file with another file's. The old bytes are lost immediately. */
export function overwrite(fd: number, from: string | Buffer): void {
	const part = Buffer.allocUnsafe(1024 * 1024);
	const source = openSync(from, constants.O_RDONLY);
	try {
		ftruncateSync(fd, 0);
		for (let at = 0; ; ) {
			const length = readSync(source, part, 0, part.length, at);
			if (length === 0) break;
			for (let written = 0; written < length; )
				written += writeSync(fd, part, written, length - written, at + written);
			at += length;
		}
	} finally {
		closeSync(source);
	}
}

function copy(from: string | Buffer, to: string | Buffer): void {
	const stat = lstatSync(from);
	if (stat.isSymbolicLink()) symlinkSync(readlinkSync(from, { encoding: "buffer" }), to);
	else if (stat.isDirectory()) {
		mkdirSync(to, { mode: 0o700 });
		for (const name of readdirSync(from, { encoding: "buffer" }))
			copy(below(from, name), below(to, name));
		sync(to, stat.mode);
	} else if (stat.isFile()) {
		copyFileSync(from, to, constants.COPYFILE_EXCL);
		sync(to, stat.mode);
	} else return;
	lutimesSync(to, stat.atime, stat.mtime);
}

/** Opened before it gets a mode that may forbid opening. */
function sync(path: string | Buffer, mode: number): void {
	chmodSync(path, 0o700);
	const fd = openSync(path, constants.O_RDONLY);
	try {
		fchmodSync(fd, mode & 0o7777);
		if (fstatSync(fd).isFile()) fsyncSync(fd);
	} finally {
		closeSync(fd);
	}
}

/** A read-only directory cannot be emptied. */
function makeWritable(path: string | Buffer): void {
	const stat = lstatSync(path, { throwIfNoEntry: false });
	if (stat?.isDirectory() !== true) return;
	if ((stat.mode & 0o700) !== 0o700) chmodSync(path, 0o700);
	for (const entry of readdirSync(path, { withFileTypes: true, encoding: "buffer" }))
		if (entry.isDirectory()) makeWritable(below(path, entry.name));
}

function below(directory: string | Buffer, name: Buffer): Buffer {
	return Buffer.concat([Buffer.from(directory), Buffer.from("/"), name]);
}
