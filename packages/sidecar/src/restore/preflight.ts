/**
 * Checks that a planned restore can complete before anything is moved or written. What can be known
 * beforehand stops it with nothing done.
 *
 * How: each directory that will gain or lose a name is asked for write access once. Each file that
 * will be replaced, moved or removed is renamed to a place where the kernel must refuse it. The
 * kind of refusal tells whether the file could have moved. Missing paths cost nothing, so a restore
 * into an empty directory checks once. Read-only directories that we own are made writable for the
 * duration.
 *
 * A file that cannot be replaced and differs only in its mode stays unchanged. Does NOT see changes
 * between the check and the work.
 */
import { accessSync, closeSync, constants, lstatSync, openSync, renameSync } from "node:fs";
import { noteOpened } from "../disk/opened-directories.ts";
import { SidecarError } from "../errors.ts";
import { SQLITE_CHUNK_BITS } from "../log/limits.ts";
import type { Entry, Path } from "../log/types.ts";
import { fsPath, isRootItself, mainOf, parentOf, ROOTS_DIRECTORY, type Root } from "../path.ts";
import { holdsMount } from "../workspace/inner-mounts.ts";
import type { Materializer } from "../workspace/materialize.ts";
import { COMPANIONS } from "../workspace/sqlite-file.ts";
import { lstatPath, type Stat } from "../workspace/stat.ts";
import { hasContent } from "./compare-disk.ts";
import { requireNames } from "./names-on-disk.ts";
import type { DiskPlan } from "./plan-disk.ts";
import type { Action } from "./reconcile.ts";

/** Why something cannot be done, as text, and the remedy. */
interface Cause {
	readonly reason: string;
	readonly remedy: string;
}

interface Change {
	readonly path: Path;
	readonly action: Action;
	readonly entry: Entry | undefined;
	/**
	 * What exists now and must be removed. Undefined for a new path, the first that `directory`
	 * gains.
	 */
	readonly there: Stat | undefined;
	/** The directory that contains the path, or its nearest existing ancestor. */
	readonly directory: Path;
}

export interface PreflightOptions {
	readonly root: Root;
	readonly privateDir: string;
	/** The disk must become exactly the target, so a path that cannot be removed is an obstacle. */
	readonly isExact: boolean;
}

/**
 * May change the plan: it keeps paths that cannot be changed and need not be.
 * @returns paths that keep a mode other than the log's, because they cannot be replaced
 * @throws SidecarError WORKSPACE_READ_ONLY naming the first obstacle, WORKSPACE_NAME_UNFIT; nothing
 * was moved or written
 */
export async function preflight(
	options: PreflightOptions,
	writer: Materializer,
	planned: Pick<DiskPlan, "plan" | "target">,
): Promise<ReadonlySet<Path>> {
	const { root, privateDir } = options;
	const obstacles = new Obstacles(options, writer, planned);
	const changes = obstacles.changes();
	obstacles.requireWritableTop();
	if (changes.length === 0) return new Set();
	const openable = obstacles.lookAtDirectories(changes);
	noteOpened(privateDir, openable);
	// Outer directories first: they may not be searchable.
	for (const [path, mode] of [...openable].sort(([a], [b]) => a.length - b.length))
		writer.open(path, mode);
	const keepMode = await obstacles.lookAtPaths(changes);
	const places = {
		nearest: (path: Path) => obstacles.nearest(path),
		mountOf: (path: Path) => writer.mountOf(path),
	};
	requireNames(root, planned, places);
	return keepMode;
}

class Obstacles {
	readonly #root: Root;
	readonly #isExact: boolean;
	readonly #writer: Materializer;
	readonly #plan: Map<Path, Action>;
	readonly #target: DiskPlan["target"];
	readonly #nearest = new Map<Path, Path>();
	readonly #directories = new Map<Path, Cause | undefined>();

	constructor(
		{ root, isExact }: PreflightOptions,
		writer: Materializer,
		{ plan, target }: Pick<DiskPlan, "plan" | "target">,
	) {
		this.#root = root;
		this.#isExact = isExact;
		this.#writer = writer;
		this.#plan = plan;
		this.#target = target;
	}

	/**
	 * An agent cannot work in a directory that it cannot write. @throws SidecarError
	 * WORKSPACE_READ_ONLY
	 */
	requireWritableTop(): void {
		const stat = lstatPath(this.#root, "");
		const cause = this.#whyNotWritable("", stat);
		const canOpen =
			stat?.uid === process.geteuid?.() &&
			stat !== undefined &&
			(stat.mode & 0o700) !== 0o700 &&
			!isSealed(this.#root, "");
		if (cause === undefined || canOpen) return;
		throw new SidecarError("WORKSPACE_READ_ONLY", { value: mainOf(this.#root), ...cause });
	}

	/** Every path that will appear, change or disappear. */
	changes(): Change[] {
		const changes: Change[] = [];
		const gains = new Set<Path>();
		for (const [path, action] of this.#plan) {
			if (action === "keep" || action === "keep-local" || action === "keep-deleted") continue;
			// The top directories are never replaced; a restore only sets their mode.
			if (path === "" || path === ROOTS_DIRECTORY || isRootItself(this.#root, path)) continue;
			const entry =
				action === "write" || action === "quarantine-and-write"
					? this.#target.get(path)
					: undefined;
			const parent = parentOf(path);
			const directory = this.nearest(parent);
			const there = directory === parent ? lstatPath(this.#root, path) : undefined;
			if (
				there === undefined
					? entry === undefined || gains.has(directory)
					: there.type === "dir" && entry?.type === "dir"
			)
				continue;
			// Thousands of new files in one new directory need one check.
			if (there === undefined) gains.add(directory);
			if (there !== undefined && entry === undefined && this.#stays(path, there)) continue;
			changes.push({ path, action, entry, there, directory });
		}
		return changes;
	}

	/** The directory itself, or its nearest existing ancestor. */
	nearest(path: Path): Path {
		const known = this.#nearest.get(path);
		if (known !== undefined) return known;
		const parent = parentOf(path);
		const above = path === "" ? "" : this.nearest(parent);
		const isThere =
			path === "" ||
			isRootItself(this.#root, path) ||
			(above === parent && lstatPath(this.#root, path)?.type === "dir");
		const nearest = isThere ? path : above;
		this.#nearest.set(path, nearest);
		return nearest;
	}

	/**
	 * A mount point whose path the log deleted cannot be removed. It stays, and the next commit
	 * contains it.
	 */
	#stays(path: Path, there: Stat): boolean {
		const { directories, files } = this.#writer.mounts;
		const isPoint =
			there.type === "dir" ? directories.includes(path) : files.has(path) && !this.#isExact;
		if (isPoint) this.#plan.set(path, "keep-local");
		return isPoint;
	}

	/** @returns directories that we own and must first make writable, with their modes */
	lookAtDirectories(changes: readonly Change[]): Map<Path, number> {
		const openable = new Map<Path, number>();
		const look = (path: Path) => {
			if (this.#directories.has(path)) return;
			const stat = lstatPath(this.#root, path);
			if (
				stat !== undefined &&
				stat.uid === process.geteuid?.() &&
				(stat.mode & 0o700) !== 0o700 &&
				!isSealed(this.#root, path)
			) {
				openable.set(path, stat.mode);
				this.#directories.set(path, undefined);
			} else this.#directories.set(path, this.#whyNotWritable(path, stat));
		};
		for (const { path, entry, there, directory } of changes) {
			if (this.#writer.mounts.files.has(path)) continue;
			look(directory);
			// A different parent means that names are written into the directory itself.
			if (there?.type === "dir" && entry !== undefined) look(path);
			look(this.#writer.mountOf(path));
		}
		return openable;
	}

	/**
	 * @returns paths that keep a mode other than the log's
	 * @throws SidecarError WORKSPACE_READ_ONLY
	 */
	async lookAtPaths(changes: readonly Change[]): Promise<ReadonlySet<Path>> {
		const found: [Path, Cause][] = [];
		const keepMode = new Set<Path>();
		for (const change of changes) {
			const cause = this.#whyNot(change);
			if (cause === undefined) continue;
			const { path, entry, there } = change;
			if (
				entry?.type === "file" &&
				there?.type === "file" &&
				there.size === entry.size &&
				(await hasContent(this.#root, path, entry))
			) {
				this.#plan.set(path, "keep");
				keepMode.add(path);
			} else found.push([path, cause]);
		}
		const [first] = found;
		if (first === undefined) return keepMode;
		const [path, { reason, remedy }] = first;
		const more = found.length > 1 ? `, and ${found.length - 1} more` : "";
		throw new SidecarError("WORKSPACE_READ_ONLY", {
			value: path,
			reason: `${reason}${more}; nothing was moved or written`,
			remedy,
		});
	}

	#whyNot({ path, entry, there, directory }: Change): Cause | undefined {
		if (there !== undefined && this.#writer.mounts.files.has(path))
			return this.#whyNotInPlace(path, entry);
		if (there?.type === "dir" && entry !== undefined && holdsMount(this.#writer.mounts, path))
			return this.#mountPoint(path, "it is a mount point, or holds one");
		const cause =
			this.#directories.get(directory) ?? this.#directories.get(this.#writer.mountOf(path));
		if (cause !== undefined) return cause;
		if (there === undefined) return undefined;
		if (there.type === "dir" && entry !== undefined && this.#directories.get(path) !== undefined)
			return this.#directories.get(path);
		return (
			this.#whyNotMoved(path, there) ??
			(entry === undefined ? undefined : this.#whyCompanionsStay(path, entry))
		);
	}

	/** Companion files of another version of the database: they are removed. */
	#whyCompanionsStay(path: Path, entry: Entry): Cause | undefined {
		if (entry.type !== "file" || entry.chunkBits !== SQLITE_CHUNK_BITS) return undefined;
		for (const suffix of COMPANIONS) {
			const companion = lstatPath(this.#root, path + suffix);
			const cause =
				companion === undefined || companion.type === "dir"
					? undefined
					: this.#whyNotMoved(path + suffix, companion);
			if (cause !== undefined) return cause;
		}
		return undefined;
	}

	#whyNotMoved(path: Path, there: Stat): Cause | undefined {
		const place = fsPath(this.#root, path);
		let probe: ReturnType<Materializer["probeFor"]>;
		try {
			probe = this.#writer.probeFor(path);
		} catch (error) {
			return this.#explain(this.#writer.mountOf(path), codeOf(error));
		}
		try {
			renameSync(place, there.type === "dir" ? probe.file : probe.directory);
		} catch (error) {
			const code = codeOf(error);
			if (
				code === "EISDIR" ||
				code === "ENOTDIR" ||
				code === "EEXIST" ||
				code === "ENOTEMPTY" ||
				code === "ENOENT"
			)
				return undefined;
			if (code === "EBUSY" || code === "EXDEV")
				return this.#mountPoint(
					path,
					"it is a mount point, or its directory is one that the system does not show",
				);
			return this.#whyRefused(path, there, code);
		}
		throw new SidecarError("INTERNAL", { value: path, reason: "a rename that must fail did not" });
	}

	#whyRefused(path: Path, there: Stat, code: string): Cause {
		if (code !== "EPERM") return this.#explain(path, code);
		const name = String(fsPath(this.#root, path));
		if (isSealed(this.#root, path))
			return {
				reason: "it is immutable (chattr +i)",
				remedy: `run \`chattr -i ${name}\`, then run this again`,
			};
		const above = lstatPath(this.#root, parentOf(path));
		const uid = process.geteuid?.();
		if (
			above !== undefined &&
			(above.mode & 0o1000) !== 0 &&
			there.uid !== uid &&
			above.uid !== uid
		)
			return {
				reason: `it belongs to user ${there.uid}, and in a directory with the sticky bit only its owner may replace it`,
				remedy: `run \`chown ${uid} ${name}\` as root, then run this again`,
			};
		const directory = String(fsPath(this.#root, parentOf(path)));
		if (there.type === "dir")
			return {
				reason: `it or its directory ${directory} is append-only (chattr +a)`,
				remedy: `run \`chattr -a ${name} ${directory}\`, then run this again`,
			};
		if (isAppendOnly(this.#root, path))
			return {
				reason: "it is append-only (chattr +a)",
				remedy: `run \`chattr -a ${name}\`, then run this again`,
			};
		return {
			reason: `its directory ${directory} is append-only (chattr +a)`,
			remedy: `run \`chattr -a ${directory}\`, then run this again`,
		};
	}

	#whyNotWritable(path: Path, stat: Stat | undefined): Cause | undefined {
		try {
			accessSync(fsPath(this.#root, path), constants.W_OK | constants.X_OK);
			return undefined;
		} catch (error) {
			return this.#explain(path, codeOf(error), stat);
		}
	}

	/** A single file that is a mount point: nothing can be renamed over it, but it can be written. */
	#whyNotInPlace(path: Path, entry: Entry | undefined): Cause | undefined {
		if (entry?.type !== "file")
			return this.#mountPoint(path, "it is a mount point, so it cannot be removed");
		try {
			closeSync(openSync(fsPath(this.#root, path), constants.O_WRONLY | constants.O_NOFOLLOW));
			return undefined;
		} catch (error) {
			const { reason } = this.#explain(path, codeOf(error));
			return this.#mountPoint(
				path,
				`another file is mounted on it, and cannot be written: ${reason}`,
			);
		}
	}

	#mountPoint(path: Path, reason: string): Cause {
		const point = String(fsPath(this.#root, path));
		return {
			reason,
			remedy: `unmount ${point}, or mount the directory that contains it instead; then run this again`,
		};
	}

	#explain(path: Path, code: string, stat = lstatPath(this.#root, path)): Cause {
		const place = String(fsPath(this.#root, path));
		if (code === "EROFS") {
			const { readOnly } = this.#writer.mounts;
			const mount = [...readOnly]
				.sort((a, b) => b.length - a.length)
				.find((each) => path === each || path.startsWith(`${each}/`));
			const point = String(fsPath(this.#root, mount ?? this.#writer.mountOf(path)));
			return {
				reason: `${point} is mounted read-only`,
				remedy: `mount ${point} writable, then run this again`,
			};
		}
		if (code === "EPERM" && isSealed(this.#root, path))
			return {
				reason: `${place} is immutable (chattr +i)`,
				remedy: `run \`chattr -i ${place}\`, then run this again`,
			};
		if (code === "EACCES" || code === "EPERM") {
			const uid = process.geteuid?.();
			return {
				reason: `${code}: ${place} belongs to user ${stat?.uid}, and user ${uid} may not write it`,
				remedy: `run \`chown ${uid} ${place}\` as root, then run this again`,
			};
		}
		return { reason: `${code}: ${place}`, remedy: "correct the named cause, then run this again" };
	}
}

/**
 * Whether the path is immutable. The kernel then answers EPERM to a check that modes and owners
 * otherwise answer with EACCES.
 */
function isSealed(root: Root, path: Path): boolean {
	const place = fsPath(root, path);
	// The check follows links, which cannot be immutable.
	if (lstatSync(place, { throwIfNoEntry: false })?.isSymbolicLink() !== false) return false;
	try {
		accessSync(place, constants.W_OK);
		return false;
	} catch (error) {
		return codeOf(error) === "EPERM";
	}
}

/**
 * Whether the path is append-only: the kernel then refuses every open for writing that does not
 * append.
 */
function isAppendOnly(root: Root, path: Path): boolean {
	try {
		closeSync(
			openSync(
				fsPath(root, path),
				constants.O_WRONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK,
			),
		);
		return false;
	} catch (error) {
		return codeOf(error) === "EPERM";
	}
}

function codeOf(error: unknown): string {
	return (error as NodeJS.ErrnoException).code ?? String(error);
}
