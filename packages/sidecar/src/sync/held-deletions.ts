import type { Path } from "../log/types.ts";
import type { Log } from "../telemetry/types.ts";
import type { Capture } from "./capture.ts";
import { isAnyHeld } from "./deletion-brake.ts";
import type { LocalTree } from "./local-tree.ts";

export interface Judging {
	/** Was everything looked at? Only then is this a second scan. */
	readonly isSweep: boolean;
	/** A drain: a held deletion is not a deletion. */
	readonly inHurry: boolean;
	/** The caller deleted on purpose. */
	readonly areMeant: boolean;
}

/** Deletions that wait for a second scan: the deletion brake's memory between flushes. */
export class HeldDeletions {
	readonly #local: LocalTree;
	readonly #critical: readonly Path[];
	readonly #log: Log;
	#held: ReadonlySet<Path> = new Set();

	/** @param critical paths that no deletion takes at once */
	constructor(local: LocalTree, critical: readonly Path[], log: Log) {
		this.#local = local;
		this.#critical = critical;
		this.#log = log;
	}

	get paths(): ReadonlySet<Path> {
		return this.#held;
	}

	/**
	 * Which deletions of a capture are believed. The rest is held, stays in the log, and wants a sweep; what replaces a directory that is
	 * held is deferred.
	 */
	judge(capture: Capture, { isSweep, inHurry, areMeant }: Judging): Set<Path> {
		const gone = capture.removed;
		const isFile = (path: Path) => this.#local.get(path)?.entry.type !== "dir";
		const critical = this.#critical.filter((path) => gone.has(path));
		if (gone.size === 0 || areMeant || !isAnyHeld(gone, this.#local.paths(), isFile, critical)) {
			this.#held = new Set();
			return gone;
		}
		const count = (paths: Iterable<Path>) => [...paths].filter(isFile).length;
		const vanished = { files: count(gone), filesBefore: count(this.#local.paths()), critical };
		const isSecondScan = isSweep && this.#held.size > 0 && [...gone].every((path) => this.#held.has(path));
		if (isSecondScan && !inHurry) {
			this.#log.warn("deletion.confirmed", vanished);
			this.#held = new Set();
			return gone;
		}
		if (this.#held.size === 0) this.#log.warn("deletion.held", vanished);
		this.#held = new Set(gone);
		// A file where a directory was: not before the directory's children are believed to be gone.
		for (const [path, { entry }] of capture.changed)
			if (entry.type !== "dir" && this.#local.get(path)?.entry.type === "dir") {
				capture.changed.delete(path);
				capture.deferred.set(path, "it replaces a directory whose deletion is held until a second scan agrees");
			}
		return new Set();
	}
}
