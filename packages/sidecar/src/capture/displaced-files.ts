/**
 * Takes what restores displaced (`displaced.ts`) into the log, below `.recovered/{restore id}/`,
 * with the next commit of the session.
 *
 * Guarantees: an entry leaves the journal only once the log has its bytes, or a rule of the user
 * keeps them out of the log. Content that the head has at the same path, or that is already
 * displaced, is not stored again. Does NOT delete the copy in the trash.
 */
import { readlinkSync } from "node:fs";
import type { BlockBuilder } from "../commit/block-builder.ts";
import { quarantineDelta } from "../commit/quarantined.ts";
import { type Displaced, DisplacedJournal, trashOf } from "../disk/displaced.ts";
import { type LocalEntry, LocalTree } from "../disk/local-tree.ts";
import { quarantineWriter, RECOVERED_DIRECTORY } from "../log/safe-path.ts";
import { sameEntry } from "../log/same-entry.ts";
import type { Chunk, Entry, Path, Tree } from "../log/types.ts";
import { decodeName, fsPath } from "../path.ts";
import type { Filter } from "../workspace/filter.ts";
import { scan } from "../workspace/scan.ts";
import { isCompanion } from "../workspace/sqlite-file.ts";
import { lstatPath, type Stat } from "../workspace/stat.ts";
import type { CaptureContext } from "./capture-context.ts";
import { captureFile } from "./capture-file.ts";
import { SecretGuard } from "./secret-guard.ts";

/** What one commit takes from the journal. */
export interface CapturedDisplaced {
	/** Entries below `.recovered/`. */
	readonly changed: ReadonlyMap<Path, Entry<Chunk>>;
	/** Files and links, by their original paths in the workspace. */
	readonly paths: readonly Path[];
	readonly bytes: number;
	/** Entries that leave the journal with the commit. */
	readonly done: readonly Displaced[];
	/** Files among them that a rule keeps out of the log: the trash has the only copy. */
	readonly leftOut: readonly Displaced[];
}

/** A file or link in the trash. */
interface Found {
	readonly path: Path;
	readonly name: Path;
	readonly stat: Stat;
}

const KEEP_ALL: Filter = () => "keep";

export class DisplacedFiles {
	readonly #privateDir: string;
	readonly #journal: DisplacedJournal;
	readonly #leftOut: DisplacedJournal;
	#pending: readonly Displaced[] = [];
	#deferred: ReadonlyMap<Path, string> = new Map();
	#secrets: SecretGuard | undefined;

	private constructor(privateDir: string) {
		this.#privateDir = privateDir;
		this.#journal = new DisplacedJournal(privateDir);
		this.#leftOut = DisplacedJournal.leftOut(privateDir);
	}

	/** @throws SidecarError STATE_DIR_UNUSABLE */
	static open(privateDir: string): DisplacedFiles {
		const opened = new DisplacedFiles(privateDir);
		opened.refresh();
		return opened;
	}

	/** Entries that are not durable, as of the last read of the journal. */
	get size(): number {
		return this.#pending.length;
	}

	/**
	 * Reads the journal again: a rollback restores during an open session. @throws SidecarError
	 * STATE_DIR_UNUSABLE
	 */
	refresh(): number {
		this.#pending = this.#journal.entries();
		return this.size;
	}

	/** Entries that could not be taken at the last try, and why. */
	get deferred(): ReadonlyMap<Path, string> {
		return this.#deferred;
	}

	/**
	 * @param superseded the writer's id if another writer owns the tree: readers then accept nothing
	 * from it outside its own directory
	 * @throws SidecarError STORE_*; the signal's reason
	 */
	async capture(
		context: CaptureContext,
		builder: BlockBuilder,
		tree: Tree,
		superseded?: string,
	): Promise<CapturedDisplaced> {
		this.#deferred = new Map();
		const changed = new Map<Path, Entry<Chunk>>();
		const paths: Path[] = [];
		const done: Displaced[] = [];
		const leftOut: Displaced[] = [];
		let bytes = 0;
		const known = quarantinedPaths(tree);
		for (const displaced of this.#pending) {
			const result = await this.#take(context, builder, displaced);
			if (result === undefined) continue;
			const { taken } = result;
			const entries = new Map(
				[...taken].filter(
					([name, { entry }]) => !isKnown(tree, known, pathOf(displaced, name), entry),
				),
			);
			// Use a separate directory there: this writer's own quarantine has the workspace's paths and
			// is updated in place.
			const home = superseded === undefined ? "" : `${displaced.restore}/`;
			const named = new Map(
				[...entries].map(([name, { entry }]) => [home + name, { name, entry }]),
			);
			const wanted = new Map([...named].map(([at, { entry }]) => [at, entry]));
			const aside = quarantineDelta(
				tree,
				superseded ?? displaced.restore,
				wanted,
				() => undefined,
				context.room?.holds,
			);
			const [left] = [
				...aside.tooLong.map((at) => [at, "its path is too long for"] as const),
				...aside.withoutRoom.map((at) => [at, "there is no room for it in"] as const),
			];
			if (left !== undefined) {
				const name = named.get(left[0])?.name as Path;
				this.#defer(
					pathOf(displaced, name),
					`${left[1]} ${RECOVERED_DIRECTORY}/; it is in ${this.#trash(displaced)}/${name}`,
				);
				continue;
			}
			done.push(displaced);
			leftOut.push(...result.leftOut);
			for (const [path, entry] of aside.delta.changed) changed.set(path, entry);
			for (const at of aside.taken) {
				const { name, entry } = named.get(at) as { name: Path; entry: Entry<Chunk> };
				paths.push(pathOf(displaced, name));
				if (entry.type === "file") bytes += entry.size;
			}
		}
		return { changed, paths, bytes, done, leftOut };
	}

	/** @throws SidecarError STATE_DIR_UNUSABLE, WORKSPACE_DISK_FULL */
	committed({ done, leftOut }: CapturedDisplaced): void {
		this.#leftOut.add(leftOut);
		this.#journal.remove(done);
		const gone = new Set(done);
		this.#pending = this.#pending.filter((displaced) => !gone.has(displaced));
	}

	#defer(path: Path, reason: string): void {
		this.#deferred = new Map([...this.#deferred, [path, reason]]);
	}

	#trash({ restore }: Displaced): string {
		return trashOf(this.#privateDir, restore);
	}

	/** `taken`: by name in the trash. Undefined if something must wait for the next commit. */
	async #take(
		context: CaptureContext,
		builder: BlockBuilder,
		displaced: Displaced,
	): Promise<
		| { readonly taken: ReadonlyMap<Path, LocalEntry>; readonly leftOut: readonly Displaced[] }
		| undefined
	> {
		const root = this.#trash(displaced);
		const within = {
			...context,
			root,
			local: new LocalTree(),
			filter: KEEP_ALL,
			keepsRaw: () => true,
			secrets: this.#guard(context),
		};
		const taken = new Map<Path, LocalEntry>();
		const leftOut: Displaced[] = [];
		let waits = false;
		for (const { path, name, stat } of await filesIn(root, displaced)) {
			if (context.filter(path, stat.type) === "skip") {
				context.logger.warn("quarantine.left-out", {
					path,
					to: `${root}/${name}`,
					reason: "the ignore file or the profile leaves it out",
				});
				leftOut.push({ path, restore: displaced.restore, name });
				continue;
			}
			if (stat.type === "link") {
				const target = decodeName(readlinkSync(fsPath(root, name), { encoding: "buffer" }));
				taken.set(name, {
					entry: { type: "link", mtimeNs: stat.mtimeNs, target },
					stat,
					quick: undefined,
					database: undefined,
				});
				continue;
			}
			if (stat.size > (context.maxFileBytes ?? Number.POSITIVE_INFINITY)) {
				waits = true;
				continue;
			}
			const file = await captureFile(within, builder, name, stat);
			if (file.kind === "taken") taken.set(name, file.local);
			if (file.kind === "excluded") leftOut.push({ path, restore: displaced.restore, name });
			const raw = file.kind === "taken" || file.kind === "deferred" ? file.raw : undefined;
			for (const [at, local] of raw ?? []) taken.set(at, local);
			if (file.kind !== "deferred" || raw?.has(name) === true) continue;
			waits = true;
			this.#defer(
				path,
				`a restore moved it to ${root}/${name}, where it cannot be read: ${file.reason}`,
			);
		}
		return waits ? undefined : { taken, leftOut };
	}

	/**
	 * Keeps secrets out of the log here too. Nothing here ends a flush: the file is no longer in the
	 * workspace.
	 */
	#guard({ secrets, profile, quickHash, logger }: CaptureContext): SecretGuard {
		this.#secrets ??= new SecretGuard({
			policy: secrets.policy === "fail" ? "exclude" : secrets.policy,
			profile,
			quickHash,
			logger,
		});
		return this.#secrets;
	}
}

/**
 * The files and links of an entry. Empty if it never moved: it is still in place, and the next
 * restore finds it.
 */
async function filesIn(root: string, { path, name }: Displaced): Promise<Found[]> {
	if (lstatPath(root, name) === undefined) return [];
	const { stats } = await scan(root, KEEP_ALL, { below: name });
	return [...stats]
		.filter(([at, { type }]) => type !== "dir" && !(type === "file" && isCompanion(root, at)))
		.map(([at, stat]) => ({ path: path + at.slice(name.length), name: at, stat }));
}

function pathOf({ path, name }: Displaced, at: Path): Path {
	return path + at.slice(name.length);
}

/** Entries below `.recovered/` by their original path in a workspace. */
function quarantinedPaths(tree: Tree): ReadonlyMap<Path, readonly Entry[]> {
	const found = new Map<Path, Entry[]>();
	for (const [at, entry] of tree) {
		const home = quarantineWriter(at);
		if (home === undefined || entry.type === "dir") continue;
		const path = at.slice(RECOVERED_DIRECTORY.length + home.length + 2);
		found.set(path, [...(found.get(path) ?? []), entry]);
	}
	return found;
}

function isKnown(
	tree: Tree,
	displaced: ReadonlyMap<Path, readonly Entry[]>,
	path: Path,
	entry: Entry<Chunk>,
): boolean {
	const there = tree.get(path);
	return [...(there === undefined ? [] : [there]), ...(displaced.get(path) ?? [])].some((known) =>
		sameEntry(known, entry),
	);
}
