import { type Environment, elapsedMs, type Moment, now } from "../commit/environment.ts";
import { isBelowAny } from "../disk/check-mounts.ts";
import { isAnyHeld, vanishedDirectories } from "../disk/deletion-brake.ts";
import type { LocalTree } from "../disk/local-tree.ts";
import { notMeant } from "../disk/meant-deletions.ts";
import type { Path } from "../log/types.ts";
import { parentOf } from "../path.ts";
import type { LogFields, Logger } from "../telemetry/types.ts";
import type { Filter } from "../workspace/filter.ts";
import type { Capture } from "./capture.ts";

export interface Judging {
	/** True for a sweep of the whole workspace: only a sweep confirms a deletion. */
	readonly isSweep: boolean;
	/** A drain: it confirms no deferred deletion. */
	readonly inHurry: boolean;
	/** The caller deleted on purpose. */
	readonly areMeant: boolean;
}

export interface BrakeOptions {
	readonly local: LocalTree;
	readonly filter: Filter;
	/** Paths whose deletion is never accepted at once. */
	readonly critical: readonly Path[];
	/** Paths that disappeared before the session began and whose deletion the restore accepted. */
	readonly believed: ReadonlySet<Path>;
	/** Paths that a restore removed on purpose, except those whose deletion is over. */
	readonly meant: () => ReadonlySet<Path>;
	/**
	 * A deferred deletion is committed if a sweep still finds the path gone this long after it was
	 * first missed.
	 */
	readonly confirmAfterMs: number;
	readonly environment: Environment;
	readonly logger: Logger;
}

/** Deletions that wait for a later sweep: the deletion brake's memory between flushes. */
export class DeferredDeletions {
	readonly #options: BrakeOptions;
	/** When each was first missed. */
	#deferred: ReadonlyMap<Path, Moment> = new Map();

	constructor(options: BrakeOptions) {
		this.#options = options;
	}

	get size(): number {
		return this.#deferred.size;
	}

	get paths(): readonly Path[] {
		return [...this.#deferred.keys()];
	}

	/** The topmost deferred paths: inspecting these inspects all of them. */
	get tops(): readonly Path[] {
		return [...this.#deferred.keys()].filter(
			(path) => path === "" || !this.#deferred.has(parentOf(path)),
		);
	}

	/**
	 * Selects the deletions of a capture that are accepted. The others stay in the log; a replacement
	 * of a deferred directory is deferred.
	 */
	judge(capture: Capture, { isSweep, inHurry, areMeant }: Judging): Set<Path> {
		const { local, environment, confirmAfterMs, logger } = this.#options;
		const gone = capture.removed;
		const suspect = areMeant ? new Set<Path>() : this.#suspect(gone);
		const isConfirmed = (since: Moment) =>
			isSweep && !inHurry && elapsedMs(environment, since) >= confirmAfterMs;
		const deferred = new Map<Path, Moment>();
		const fresh: Path[] = [];
		const confirmed: Path[] = [];
		for (const path of suspect) {
			const since = this.#deferred.get(path);
			if (since === undefined) fresh.push(path);
			if (since !== undefined && isConfirmed(since)) confirmed.push(path);
			else deferred.set(path, since ?? now(environment));
		}
		if (fresh.length > 0) logger.warn("deletion.deferred", this.#told(fresh));
		if (confirmed.length > 0) logger.warn("deletion.confirmed", this.#told(confirmed));
		this.#deferred = deferred;
		// A file replaced a directory: not before the deletion of the directory's children is accepted.
		for (const [path, { entry }] of capture.changed)
			if (
				entry.type !== "dir" &&
				local.get(path)?.entry.type === "dir" &&
				this.#isHeldBelow(path)
			) {
				capture.changed.delete(path);
				capture.deferred.set(
					path,
					"it replaces a directory whose deletion is deferred until a later sweep confirms it",
				);
			}
		return new Set([...gone].filter((path) => !deferred.has(path)));
	}

	#suspect(removed: ReadonlySet<Path>): ReadonlySet<Path> {
		if (removed.size === 0) return removed;
		const { local, critical, believed, filter } = this.#options;
		const meant = this.#options.meant();
		const gone = notMeant(removed, meant);
		const isFile = (path: Path) => local.get(path)?.entry.type !== "dir";
		const before = [...local.paths()].filter((path) => !meant.has(path));
		if (isAnyHeld(gone, before, isFile, criticalIn(critical, gone))) return gone;
		// Paths that the user's ignore file excludes have not disappeared.
		const isIgnored = (path: Path) =>
			path !== "" && filter(path, isFile(path) ? "file" : "dir") === "skip";
		const watched = new Set([...gone].filter((path) => !believed.has(path) && !isIgnored(path)));
		const whole = vanishedDirectories(watched, isFile);
		return new Set([...watched].filter((path) => isBelowAny(path, whole)));
	}

	#told(gone: readonly Path[]): LogFields {
		const { local, critical } = this.#options;
		const count = (paths: Iterable<Path>) =>
			[...paths].filter((path) => local.get(path)?.entry.type !== "dir").length;
		return {
			files: count(gone),
			filesBefore: count(local.paths()),
			critical: criticalIn(critical, new Set(gone)),
		};
	}

	#isHeldBelow(directory: Path): boolean {
		for (const path of this.#deferred.keys()) if (path.startsWith(`${directory}/`)) return true;
		return false;
	}
}

function criticalIn(critical: readonly Path[], gone: ReadonlySet<Path>): Path[] {
	return critical.filter((path) => gone.has(path));
}
