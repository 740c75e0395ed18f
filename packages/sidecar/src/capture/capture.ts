/**
 * Turns hints into a draft of the next commit: inspects the hinted paths, reads what may have
 * changed, and collects new content.
 *
 * A hint always causes a read: a same-size rewrite within one tick of the file system's clock
 * leaves the stat unchanged. A path is gone only if lstat says so below a root that is still the
 * same directory. Does NOT guarantee a point-in-time view alone; Flush repeats captures until no
 * hint arrives in between.
 */

import { readlinkSync } from "node:fs";
import type { BlockBuilder } from "../commit/block-builder.ts";
import { isBelowAny } from "../disk/check-mounts.ts";
import type { LocalEntry } from "../disk/local-tree.ts";
import type { UnsetMetadata } from "../disk/unset-metadata.ts";
import { SidecarError } from "../errors.ts";
import { MAX_TIME_SECONDS } from "../log/limits.ts";
import { sameEntry } from "../log/same-entry.ts";
import type { Path } from "../log/types.ts";
import { decodeName, fsPath, joinPath, mainOf, parentOf } from "../path.ts";
import { besides, filesOfSet, mainFileOf } from "../workspace/file-set.ts";
import { FoldedNames } from "../workspace/folded-names.ts";
import { readNames } from "../workspace/read-names.ts";
import { Slice } from "../workspace/slice.ts";
import { COMPANIONS, filesOf, isCompanion, walFingerprint } from "../workspace/sqlite-file.ts";
import { identityOf, isRacy, lstatPath, type Stat, sameStat } from "../workspace/stat.ts";
import { whyNotStored } from "../workspace/why-not-stored.ts";
import { type CaptureContext, TooMuchNew } from "./capture-context.ts";
import { captureUnit } from "./capture-unit.ts";
import type { CapturedFile } from "./captured-file.ts";
import type { KnownRoots } from "./known-roots.ts";

/** A path that could not be taken, and the reason. It stays dirty. */
export interface Deferred {
	readonly path: Path;
	readonly reason: string;
}

export class Capture {
	readonly #context: CaptureContext;
	readonly #builder: BlockBuilder;
	readonly #root: Stat;
	readonly #roots: KnownRoots | undefined;
	/** Roots and mount points that were missing or replaced when the capture began. */
	readonly #unavailable: ReadonlyMap<Path, string>;
	/** New or different entries. Directory entries that differ only in mtime are in `minor`. */
	readonly changed = new Map<Path, LocalEntry>();
	/**
	 * Different only in a time that does not indicate new content: committed along with other
	 * changes.
	 */
	readonly minor = new Map<Path, LocalEntry>();
	/** Unchanged entries with a newer stat. */
	readonly confirmed = new Map<Path, LocalEntry>();
	readonly removed = new Set<Path>();
	readonly deferred = new Map<Path, string>();
	/** Raw files of databases without a consistent copy, by path. */
	readonly raw = new Map<Path, LocalEntry>();
	/** Too large for this capture. */
	readonly postponed = new Set<Path>();
	/** Left to background transfers. */
	readonly aside = new Set<Path>();
	/**
	 * Paths inspected in this round, with the stat that was seen after all of its hints. An unchanged
	 * path is not inspected again for its own hint or for a new directory above it. A locked database
	 * is awaited only once.
	 */
	readonly #looked = new Map<Path, Stat>();
	/** Reason by the path that is reported. */
	readonly #withoutRoom = new Map<Path, string>();
	readonly #unset: UnsetMetadata | undefined;
	readonly #folded: FoldedNames;
	readonly #slice = new Slice();

	/** @throws SidecarError WORKSPACE_NOT_DIRECTORY if the root is gone */
	constructor(context: CaptureContext, builder: BlockBuilder, roots?: KnownRoots) {
		this.#context = context;
		this.#builder = builder;
		this.#unset = context.unset?.();
		this.#folded = new FoldedNames(context.root);
		const root = lstatPath(context.root, "");
		if (root?.type !== "dir")
			throw new SidecarError("WORKSPACE_NOT_DIRECTORY", {
				value: mainOf(context.root),
				reason: "it is gone",
			});
		this.#root = root;
		this.#roots = roots;
		this.#unavailable = roots?.unavailable() ?? new Map();
	}

	/**
	 * Whether the root is still the directory that was restored. Nothing in a different directory is
	 * a change of this workspace.
	 */
	isSameRoot(identity: string): boolean {
		const root = lstatPath(this.#context.root, "");
		return (
			root?.type === "dir" && identityOf(root) === identity && identityOf(this.#root) === identity
		);
	}

	/**
	 * Removes missing or replaced roots and mount points from the capture: they cause neither
	 * deletions nor changes. They stay dirty, and everything else is taken. Call it at the end of the
	 * capture, to include those that disappeared meanwhile.
	 */
	leaveOutRootsAstray(): void {
		for (const [path, reason] of new Map([
			...this.#unavailable,
			...(this.#roots?.unavailable() ?? []),
		])) {
			for (const found of [
				this.changed,
				this.minor,
				this.confirmed,
				this.removed,
				this.deferred,
				this.raw,
				this.postponed,
				this.aside,
			])
				for (const each of [...found.keys()])
					if (each === path || each.startsWith(`${path}/`)) found.delete(each);
			this.deferred.set(path, reason);
			this.#keepDirectoriesAbove(path);
		}
	}

	/** What stays in the log needs the directories that lead to it. */
	#keepDirectoriesAbove(path: Path): void {
		for (let above = parentOf(path); above !== ""; above = parentOf(above)) {
			this.removed.delete(above);
			if ((this.changed.get(above)?.entry.type ?? "dir") === "dir") continue;
			this.changed.delete(above);
			this.deferred.set(above, `it replaces a directory that the log keeps for ${path}`);
		}
	}

	/**
	 * Whether the path is in a missing or replaced volume. None of its bytes is read: they may belong
	 * to another one.
	 */
	#isAstray(path: Path): boolean {
		return isBelowAny(path, this.#unavailable);
	}

	async take(hints: Iterable<Path>): Promise<void> {
		const parents = new Set<Path>();
		try {
			for (const hint of hints) {
				const path = this.#topmostUnknown(hint);
				if (path === undefined || this.#isAstray(path)) continue;
				await this.#path(path);
				if (path !== "") parents.add(parentOf(path));
			}
		} finally {
			this.#looked.clear();
		}
		for (const parent of parents) this.#directoryItself(parent);
	}

	/** The hint itself or its first unknown ancestor; undefined if the filter skips it. */
	#topmostUnknown(hint: Path): Path | undefined {
		const { local, filter } = this.#context;
		if (hint === "") return hint;
		const names = hint.split("/");
		let path = "";
		for (const [index, name] of names.entries()) {
			path = joinPath(path, name);
			const isLast = index === names.length - 1;
			if (isLast) return path;
			if (filter(path, "dir") === "skip") return undefined;
			const known = this.changed.get(path) ?? local.get(path);
			if (known?.entry.type !== "dir" || this.removed.has(path)) return path;
		}
		return undefined;
	}

	async #path(path: Path): Promise<void> {
		const { root, local } = this.#context;
		this.#context.signal?.throwIfAborted();
		if (this.#slice.isOver) await this.#slice.next();
		let stat: Stat | undefined;
		try {
			stat = lstatPath(root, path);
			if (stat !== undefined && this.#folded.isOtherName(path, stat)) stat = undefined;
		} catch (error) {
			this.deferred.set(path, reasonOf(error));
			return;
		}
		if (stat === undefined || whyNotStored(root, path, stat, this.#context.filter) !== undefined)
			return this.#gone(path);
		if (!isKeptTime(stat.mtimeNs)) {
			this.deferred.set(path, "its time is outside the range of the log");
			return;
		}
		const looked = this.#looked.get(path);
		if (
			looked !== undefined &&
			(sameStat(looked, stat) || (looked.type === stat.type && this.deferred.has(path)))
		)
			return;
		if (stat.type !== "dir") {
			if (local.get(path)?.entry.type === "dir")
				for (const below of local.subtree(path)) this.#drop(below);
			this.#leaveOutBelow(path);
		}
		if (!this.#hasRoom(path, stat)) return;
		this.#looked.set(path, stat);
		if (stat.type === "dir") return await this.#directory(path, stat);
		if (stat.type === "link") return this.#link(path, stat);
		const main = mainFileOf(root, path);
		await this.#file(main, main === path ? stat : (lstatPath(root, main) as Stat));
	}

	/** Whether the path fits in the format's limits. Files that are left out are not read. */
	#hasRoom(path: Path, stat: Stat): boolean {
		const { room, local } = this.#context;
		const known = this.changed.get(path) ?? local.get(path);
		const chunks = known?.entry.type === "file" ? known.entry.chunks.length : 0;
		const left =
			(known === undefined ? room?.admit(path, stat.type === "link" ? stat.size : 0) : undefined) ??
			(stat.type === "file" && known?.database === undefined
				? room?.reserve(path, stat.size, chunks)
				: undefined);
		if (left === undefined) return true;
		this.#withoutRoom.set(left.path, left.reason);
		this.#context.large?.forget(path);
		return false;
	}

	/**
	 * Defers what does not fit. Call it when every path was inspected: taking a directory does not
	 * hide that something in it has no room.
	 */
	deferWithoutRoom(): void {
		for (const [path, reason] of this.#withoutRoom) this.deferred.set(path, reason);
	}

	/** Takes a file, or a non-SQLite database with its log. */
	async #file(main: Path, stat: Stat): Promise<void> {
		const { root, local, large, maxFileBytes = Number.POSITIVE_INFINITY } = this.#context;
		const paths = filesOfSet(root, main);
		for (const path of besides(main)) {
			const known = this.changed.get(path) ?? local.get(path);
			// Nearly every file has neither beside it, and then must not be opened to see what it is.
			if (known?.entry.type !== "file" || paths.includes(path) || isCompanion(root, path)) continue;
			// Removed with the database's commit: SQLite would roll an older log into the database.
			this.#gone(path);
		}
		for (const path of paths)
			this.#looked.set(path, path === main ? stat : (lstatPath(root, path) ?? stat));
		if (stat.size > maxFileBytes) {
			for (const path of paths) this.postponed.add(path);
			return;
		}
		const ready = large?.take(main);
		if (ready !== undefined) {
			for (const [path, { stat: taken, file }] of ready) this.#record(path, taken, file);
			const local = this.changed.get(main) ?? this.minor.get(main) ?? this.confirmed.get(main);
			// It changed meanwhile: what was taken is a state that it passed through.
			const isOther = local?.stat !== undefined && !sameStat(local.stat, stat);
			const hasMore =
				local?.database !== undefined && local.database !== walFingerprint(root, main);
			if (isOther || hasMore) this.#leaveAside(main, stat);
			return;
		}
		// What this capture already has of it is a state that it passed through.
		if (large?.isLarge(main, stat, local.get(main), this.#builder) === true)
			return this.#leaveAside(main, stat);
		const earlier = this.changed.get(main) ?? this.minor.get(main) ?? this.confirmed.get(main);
		const started = performance.now();
		try {
			const unit = await captureUnit(this.#context, this.#builder, main, stat, earlier, paths);
			for (const [path, { stat: taken, file }] of unit) this.#record(path, taken, file);
			if ([...unit.values()].every(({ file }) => file.kind === "taken" || file.kind === "same"))
				large?.outdate(main);
		} catch (error) {
			if (!(error instanceof TooMuchNew)) throw error;
			this.#leaveAside(main, stat);
		}
		large?.took(main, performance.now() - started);
	}

	#leaveAside(path: Path, stat: Stat): void {
		this.aside.add(path);
		this.#context.large?.want(path, stat);
	}

	async #directory(path: Path, stat: Stat): Promise<void> {
		const { local } = this.#context;
		const before = local.get(path);
		this.#keep(path, {
			entry: { type: "dir", mode: stat.mode & 0o3777, mtimeNs: stat.mtimeNs },
			stat,
			quick: undefined,
			database: undefined,
		});
		let names: Set<string>;
		try {
			names = new Set(readNames(this.#context.root, path));
		} catch (error) {
			// Its children are neither seen nor gone.
			if (isGone(error)) return this.#gone(path);
			this.deferred.set(path, reasonOf(error));
			return;
		}
		// A different directory with the same name: changes of its children before it was watched are
		// unknown.
		const isAnother = before?.stat === undefined || identityOf(before.stat) !== identityOf(stat);
		for (const name of names) {
			const child = joinPath(path, name);
			if (this.#isAstray(child)) continue;
			if (isAnother || (local.entry(child) === undefined && !this.changed.has(child)))
				await this.#path(child);
		}
		for (const child of [...local.children(path)])
			if (!names.has(child.slice(path === "" ? 0 : path.length + 1))) this.#gone(child);
	}

	/** Takes the mode and time of a directory whose children changed. */
	#directoryItself(path: Path): void {
		if (this.changed.has(path) || this.removed.has(path)) return;
		let stat: Stat | undefined;
		try {
			stat = lstatPath(this.#context.root, path);
		} catch (error) {
			this.deferred.set(path, reasonOf(error));
			return;
		}
		if (stat?.type !== "dir") return;
		this.#keep(path, {
			entry: { type: "dir", mode: stat.mode & 0o3777, mtimeNs: stat.mtimeNs },
			stat,
			quick: undefined,
			database: undefined,
		});
	}

	#link(path: Path, stat: Stat): void {
		let target: string;
		try {
			target = decodeName(readlinkSync(fsPath(this.#context.root, path), { encoding: "buffer" }));
		} catch (error) {
			if (isGone(error)) return this.#gone(path);
			this.deferred.set(path, reasonOf(error));
			return;
		}
		this.#keep(path, {
			entry: { type: "link", mtimeNs: stat.mtimeNs, target },
			stat,
			quick: undefined,
			database: undefined,
		});
	}

	#record(path: Path, stat: Stat, file: CapturedFile): void {
		for (const at of filesOf(path)) this.raw.delete(at);
		if (file.kind === "taken" || file.kind === "deferred")
			for (const [at, local] of file.raw ?? []) this.raw.set(at, local);
		switch (file.kind) {
			case "gone":
				return this.#gone(path);
			case "deferred":
				this.deferred.set(path, file.reason);
				return;
			case "same":
				this.#forget(path);
				this.confirmed.set(path, file.local);
				return;
			case "excluded": {
				// The old directory is gone even so.
				const isGone = this.removed.has(path);
				this.#forget(path);
				if (isGone) this.removed.add(path);
				return;
			}
			case "taken":
				if (file.note !== undefined)
					this.#context.logger.warn("capture.noted", { path, reason: file.note });
				if (file.local.database !== undefined) this.#dropCompanions(path);
				return this.#keep(path, file.local);
			default:
				throw new SidecarError("INTERNAL", {
					value: path,
					reason: `a capture of ${stat.type} ended oddly`,
				});
		}
	}

	/**
	 * Drops files that were stored on their own before the file became a database, such as the
	 * journal of an empty one.
	 */
	#dropCompanions(path: Path): void {
		for (const suffix of COMPANIONS) {
			const known = this.changed.get(path + suffix) ?? this.#context.local.get(path + suffix);
			if (known?.entry.type === "file") this.#gone(path + suffix);
		}
	}

	#keep(path: Path, captured: LocalEntry): void {
		const taken = {
			...captured,
			entry: this.#unset?.inLog(path, captured.entry) ?? captured.entry,
		};
		const before = this.#context.local.get(path);
		const local = {
			...taken,
			stat: taken.stat !== undefined && isRacy(taken.stat) ? undefined : taken.stat,
		};
		this.#forget(path);
		if (before === undefined || !sameEntry(before.entry, taken.entry))
			this.changed.set(path, local);
		else if (before.entry.mtimeNs !== taken.entry.mtimeNs) {
			if (taken.entry.type === "dir" || taken.database !== undefined) this.minor.set(path, local);
			else this.changed.set(path, local);
		} else if (
			before.stat === undefined ||
			local.stat === undefined ||
			!sameStat(before.stat, local.stat) ||
			before.database !== local.database
		) {
			this.confirmed.set(path, local);
		}
	}

	#gone(path: Path): void {
		this.#context.secrets.forget(path);
		this.#context.large?.forget(path);
		for (const below of [...this.#context.local.subtree(path)]) this.#drop(below);
		this.#leaveOutBelow(path);
		this.changed.delete(path);
		this.#looked.delete(path);
	}

	/** Drops what this capture took below a path that is no longer a directory. */
	#leaveOutBelow(path: Path): void {
		if (this.changed.get(path)?.entry.type !== "dir") return;
		for (const below of [...this.changed.keys()]) {
			if (!below.startsWith(`${path}/`)) continue;
			this.changed.delete(below);
			this.#looked.delete(below);
		}
	}

	#drop(path: Path): void {
		this.#forget(path);
		this.#looked.delete(path);
		this.removed.add(path);
	}

	#forget(path: Path): void {
		this.changed.delete(path);
		this.minor.delete(path);
		this.confirmed.delete(path);
		this.deferred.delete(path);
		this.removed.delete(path);
	}
}

/** Some file systems accept any time; the format does not. */
export function isKeptTime(timeNs: bigint): boolean {
	const seconds = timeNs / 1_000_000_000n;
	return seconds < MAX_TIME_SECONDS && seconds > -MAX_TIME_SECONDS;
}

function isGone(error: unknown): boolean {
	const code = (error as NodeJS.ErrnoException).code;
	return code === "ENOENT" || code === "ENOTDIR";
}

function reasonOf(error: unknown): string {
	return (error as NodeJS.ErrnoException).code ?? String(error);
}
