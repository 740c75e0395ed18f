/**
 * Modes and times of the log that this disk refused, because its file system has none or another
 * user owns the path.
 *
 * They are recorded together with the disk's actual value. As long as the disk still has that
 * value, it counts as the log's: nobody changed it, so it is not committed, and the next machine
 * gets the log's value. Any other mode or time is a change like every other.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Entry, Path } from "../log/types.ts";
import { type Stat, sameTime } from "../workspace/stat.ts";

/** The metadata that decides, apart from content, whether an entry changed. */
export interface Metadata {
	readonly mode: number;
	readonly mtimeNs: bigint;
}

interface Unset {
	readonly log: Metadata;
	readonly disk: Metadata;
}

export class UnsetMetadata {
	readonly #unset: Map<Path, Unset>;

	constructor(unset: ReadonlyMap<Path, Unset> = new Map()) {
		this.#unset = new Map(unset);
	}

	static read(privateDir: string): UnsetMetadata {
		try {
			const rows = JSON.parse(readFileSync(fileIn(privateDir), "utf8")) as [
				string,
				number,
				string,
				number,
				string,
			][];
			return new UnsetMetadata(
				new Map(
					rows.map(([path, mode, mtime, diskMode, diskMtime]) => [
						path,
						{
							log: { mode, mtimeNs: BigInt(mtime) },
							disk: { mode: diskMode, mtimeNs: BigInt(diskMtime) },
						},
					]),
				),
			);
		} catch {
			return new UnsetMetadata();
		}
	}

	/** @throws NodeJS.ErrnoException */
	write(privateDir: string): void {
		const file = fileIn(privateDir);
		if (this.#unset.size === 0) return rmSync(file, { force: true });
		const rows = [...this.#unset].map(([path, { log, disk }]) => [
			path,
			log.mode,
			`${log.mtimeNs}`,
			disk.mode,
			`${disk.mtimeNs}`,
		]);
		writeFileSync(`${file}.new`, JSON.stringify(rows), { mode: 0o600 });
		renameSync(`${file}.new`, file);
	}

	get paths(): readonly Path[] {
		return [...this.#unset.keys()];
	}

	/** The mode and time of a path in the log's terms. */
	asInLog(path: Path, stat: Pick<Stat, "type" | "mode" | "mtimeNs">): Metadata {
		const mode = modeOf(stat);
		const unset = this.#unset.size === 0 ? undefined : this.#unset.get(path);
		if (unset === undefined) return { mode, mtimeNs: stat.mtimeNs };
		return {
			mode: mode === unset.disk.mode ? unset.log.mode : mode,
			mtimeNs: stat.mtimeNs === unset.disk.mtimeNs ? unset.log.mtimeNs : stat.mtimeNs,
		};
	}

	/** An entry that was read from the disk, in the log's terms. */
	inLog<C>(path: Path, entry: Entry<C>): Entry<C> {
		if (!this.#unset.has(path)) return entry;
		const { mode, mtimeNs } = this.asInLog(path, {
			type: entry.type,
			mode: entry.type === "link" ? 0o777 : entry.mode,
			mtimeNs: entry.mtimeNs,
		});
		return entry.type === "link" ? { ...entry, mtimeNs } : { ...entry, mode, mtimeNs };
	}

	/**
	 * Records how a path differs from its intended metadata. The time of a directory is not recorded:
	 * it changes with the directory's content.
	 * @param mode the intended mode; less than the entry's for a secret
	 * @returns whether it was recorded
	 */
	compare(path: Path, entry: Entry, mode: number, stat: Stat): boolean {
		const diskMode = modeOf(stat);
		const hasMode = entry.type === "link" || diskMode === mode;
		const hasTime = sameTime(entry.mtimeNs, stat.mtimeNs);
		if (hasMode && (hasTime || entry.type === "dir")) return false;
		const logMode = entry.type === "link" || hasMode ? diskMode : entry.mode;
		const mtimeNs = entry.type === "dir" || hasTime ? stat.mtimeNs : entry.mtimeNs;
		this.#unset.set(path, {
			log: { mode: logMode, mtimeNs },
			disk: { mode: diskMode, mtimeNs: stat.mtimeNs },
		});
		return true;
	}

	/** Keeps an earlier record of a path that was left unchanged. */
	keep(before: UnsetMetadata, path: Path, entry: Entry, stat: Stat | undefined): void {
		const unset = before.#unset.get(path);
		if (unset === undefined || stat === undefined || unset.disk.mode !== modeOf(stat)) return;
		if (entry.type === "link" || unset.log.mode === entry.mode) this.#unset.set(path, unset);
	}
}

/** The mode bits that a log keeps. */
function modeOf({ type, mode }: Pick<Stat, "type" | "mode">): number {
	return mode & (type === "dir" ? 0o3777 : 0o1777);
}

const fileIn = (privateDir: string) => join(privateDir, "unset.json");
