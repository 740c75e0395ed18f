import { hash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { FileEntry, Path } from "../log/types.ts";
import { snapshotSqlite } from "../workspace/sqlite.ts";
import { readStable } from "../workspace/stable-read.ts";
import type { RestoreOptions } from "./restore-options.ts";

type Options = Pick<RestoreOptions, "root" | "profile" | "privateDir">;

/**
 * Copies of databases as a flush would store them: with the content of the WAL, and cleaned by the
 * profile.
 */
export class DatabaseCopies {
	readonly #options: Options;
	#directory: string | undefined;

	constructor(options: Options) {
		this.#options = options;
	}

	/**
	 * Whether a copy of the database has the content of the entry. The file itself may differ: rows
	 * may be in the WAL, and counters move.
	 */
	async isDatabase(path: Path, entry: FileEntry): Promise<boolean> {
		const { root, profile } = this.#options;
		const copy = await snapshotSqlite(root, path, this.#tempDir(), (database) =>
			profile.cleanSqlite?.(path, database),
		);
		if (copy.kind !== "snapshot") return false;
		try {
			let isSame = copy.sizeBytes === entry.size;
			if (!isSame) return false;
			const read = await readStable(
				copy.directory,
				copy.name,
				2 ** entry.chunkBits,
				(index, bytes) => {
					isSame = hash("sha256", bytes, "hex") === entry.chunks[index]?.sha256;
					return isSame;
				},
			);
			return isSame && read.kind === "stable";
		} finally {
			copy.dispose();
		}
	}

	/**
	 * The session uses the same directory for such copies and removes what a killed process left
	 * there.
	 */
	#tempDir(): string {
		if (this.#directory === undefined) {
			const parent = join(this.#options.privateDir, "tmp");
			mkdirSync(parent, { recursive: true, mode: 0o700 });
			this.#directory = mkdtempSync(join(parent, "status-"));
		}
		return this.#directory;
	}

	dispose(): void {
		if (this.#directory !== undefined) rmSync(this.#directory, { recursive: true, force: true });
	}
}
