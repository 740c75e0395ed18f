/** The exact content of a disk, for comparison, read without the code under test. */
import { createHash } from "node:crypto";
import {
	type BigIntStats,
	closeSync,
	lstatSync,
	openSync,
	readdirSync,
	readlinkSync,
	readSync,
} from "node:fs";

export interface DiskEntry {
	readonly type: string;
	readonly mode: string;
	readonly mtimeNs: string;
	readonly content: string;
}

const slash = Buffer.from("/");

/**
 * Every path below `root`, with type, mode, time and a hash of the content. Paths that are not
 * plain ASCII are in hex.
 */
export function readDisk(
	root: string,
	skip: (path: string) => boolean = () => false,
): Map<string, DiskEntry> {
	const found = new Map<string, DiskEntry>();
	const visit = (path: Buffer, relative: Buffer) => {
		const name = /^[\x20-\x7e]*$/.test(relative.toString("latin1"))
			? relative.toString("latin1")
			: `hex:${relative.toString("hex")}`;
		if (skip(name)) return;
		const stat = lstatSync(path, { bigint: true });
		found.set(name, {
			type: typeOf(stat),
			mode: (Number(stat.mode) & 0o7777).toString(8),
			mtimeNs: String(stat.mtimeNs),
			content: contentOf(path, stat),
		});
		if (!stat.isDirectory()) return;
		for (const child of readdirSync(path, { encoding: "buffer" })) {
			visit(
				Buffer.concat([path, slash, child]),
				relative.length === 0 ? child : Buffer.concat([relative, slash, child]),
			);
		}
	};
	visit(Buffer.from(root), Buffer.alloc(0));
	return new Map([...found].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function typeOf(stat: BigIntStats): string {
	return stat.isDirectory()
		? "dir"
		: stat.isSymbolicLink()
			? "link"
			: stat.isFile()
				? "file"
				: "other";
}

function contentOf(path: Buffer, stat: BigIntStats): string {
	if (stat.isSymbolicLink()) return readlinkSync(path, { encoding: "buffer" }).toString("hex");
	if (!stat.isFile()) return "";
	const digest = createHash("sha256");
	const part = Buffer.alloc(1024 * 1024);
	const fd = openSync(path, "r");
	try {
		for (;;) {
			const read = readSync(fd, part, 0, part.length, null);
			if (read === 0) break;
			digest.update(part.subarray(0, read));
		}
	} finally {
		closeSync(fd);
	}
	return `${stat.size}:${digest.digest("hex")}`;
}
