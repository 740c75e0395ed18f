/**
 * The journal of files that restores moved out of the workspace and that the log does not have.
 *
 * An entry is synced to the disk before its file moves. It is removed once a commit holds the file
 * or the file is back in its place. However the restore ends, the next start then knows what was
 * moved and where it is, and commits it (`capture/displaced-files.ts`).
 */
import {
	closeSync,
	existsSync,
	fsyncSync,
	openSync,
	readFileSync,
	renameSync,
	rmSync,
	writeSync,
} from "node:fs";
import { join } from "node:path";
import { SidecarError } from "../errors.ts";
import type { Path } from "../log/types.ts";
import { lstatPath } from "../workspace/stat.ts";

export interface Displaced {
	/** The original path in the workspace. */
	readonly path: Path;
	/** The restore that moved it, see `restoreId`. */
	readonly restore: string;
	/** Its path in that restore's trash: `path`, or `path` with a number appended. */
	readonly name: Path;
}

/** The directory outside the workspace that receives what the restore moves. */
export function trashOf(privateDir: string, restore: string): string {
	return join(privateDir, "trash", restore);
}

export class DisplacedJournal {
	readonly #file: string;

	/** @param privateDir see `privateDirectory` */
	constructor(privateDir: string, name = "displaced.jsonl") {
		this.#file = join(privateDir, name);
	}

	/** Files in the trash that a rule of the user keeps out of the log: no commit will have them. */
	static leftOut(privateDir: string): DisplacedJournal {
		return new DisplacedJournal(privateDir, "left-out.jsonl");
	}

	/** Oldest first. @throws SidecarError STATE_DIR_UNUSABLE */
	entries(): readonly Displaced[] {
		if (!existsSync(this.#file)) return [];
		return this.#explain(() => readFileSync(this.#file, "utf8"))
			.split("\n")
			.flatMap(parse);
	}

	/** Call it before they are moved. @throws SidecarError STATE_DIR_UNUSABLE, WORKSPACE_DISK_FULL */
	add(entries: readonly Displaced[]): void {
		if (entries.length > 0) this.#write(this.#file, "a", entries);
	}

	/**
	 * Call it once they are in the log, or back in their places. @throws SidecarError
	 * STATE_DIR_UNUSABLE, WORKSPACE_DISK_FULL
	 */
	remove(entries: readonly Displaced[]): void {
		if (entries.length === 0) return;
		const gone = new Set(entries.map(keyOf));
		const left = this.entries().filter((entry) => !gone.has(keyOf(entry)));
		if (left.length === 0) return this.#explain(() => rmSync(this.#file, { force: true }));
		this.#write(`${this.#file}.new`, "w", left);
		this.#explain(() => renameSync(`${this.#file}.new`, this.#file));
	}

	#write(file: string, flags: "a" | "w", entries: readonly Displaced[]): void {
		this.#explain(() => {
			const fd = openSync(file, flags, 0o600);
			try {
				// A line that a crash cut short must not spoil the next one.
				const bytes = Buffer.from(
					`\n${entries.map((entry) => JSON.stringify(entry)).join("\n")}\n`,
				);
				for (let written = 0; written < bytes.length; ) written += writeSync(fd, bytes, written);
				fsyncSync(fd);
			} finally {
				closeSync(fd);
			}
		});
	}

	#explain<Result>(work: () => Result): Result {
		try {
			return work();
		} catch (cause) {
			const { code } = cause as NodeJS.ErrnoException;
			const isFull = code === "ENOSPC" || code === "EDQUOT";
			throw new SidecarError(isFull ? "WORKSPACE_DISK_FULL" : "STATE_DIR_UNUSABLE", {
				value: this.#file,
				reason: code ?? String(cause),
				cause,
			});
		}
	}
}

/**
 * Entries of the journal whose bytes the log does not have, with their current location. Read-only.
 */
export function displacedFiles(
	privateDir: string,
): readonly (Displaced & { readonly to: string })[] {
	return new DisplacedJournal(privateDir)
		.entries()
		.filter(({ restore, name }) => lstatPath(trashOf(privateDir, restore), name) !== undefined)
		.map((displaced) => ({
			...displaced,
			to: `${trashOf(privateDir, displaced.restore)}/${displaced.name}`,
		}));
}

function keyOf({ restore, name }: Displaced): string {
	return `${restore}/${name}`;
}

/** If a crash cut a line short, its file has not moved yet. */
function parse(line: string): Displaced[] {
	try {
		const { path, restore, name } = JSON.parse(line) as Partial<Displaced>;
		return path !== undefined && restore !== undefined && name !== undefined
			? [{ path, restore, name }]
			: [];
	} catch {
		return [];
	}
}
