/**
 * Inspects what is to be imported before a byte of it is fetched: the whole listing, every key
 * checked.
 *
 * The log's own objects may be under the same prefix. They are recognised by the shape of their
 * keys, `log/{12 hex}`, `packs/{64 hex}` and `sweeps/{64 hex}`. That is exact for commits, because
 * every object with a commit's key was already read as one. The others may also be files that
 * somebody named by a hash. Their bytes decide, and one that does not match its key is named as
 * ambiguous.
 */
import { statSync } from "node:fs";
import PQueue from "p-queue";
import { whyNoRoot } from "../commit/roots-in-tree.ts";
import { SidecarError } from "../errors.ts";
import { decodeCondemned } from "../log/condemned.ts";
import { type KeyProblem, KeyTree, shownProblems } from "../log/key-tree.ts";
import {
	LOG_PREFIX,
	PACK_PREFIX,
	SWEEP_PREFIX,
	seqOfKey,
	sha256OfPackKey,
	sha256OfSweepKey,
} from "../log/keys.ts";
import { MAX_ENTRIES } from "../log/limits.ts";
import { checkPackHeader, PACK_HEADER_BYTES } from "../log/pack-codec.ts";
import type { Path } from "../log/types.ts";
import type { PlainObject, PlainObjects, PlainPlace } from "../store/plain.ts";
import type { ObjectStore } from "../store/port.ts";
import type { Filter } from "../workspace/filter.ts";
import type { Profile } from "../workspace/profile.ts";
import { scan } from "../workspace/scan.ts";
import type { Stat } from "../workspace/stat.ts";
import { WorkspaceFilter } from "../workspace/workspace-filter.ts";

export interface SurveyOptions {
	/** The log's store. */
	readonly store: ObjectStore;
	readonly place: PlainPlace;
	/** The place contains the log, so that the log's own objects are not part of it. */
	readonly besideLog: boolean;
	readonly profile: Profile;
	readonly signal?: AbortSignal | undefined;
}

export type Survey = { readonly files: number; readonly bytes: number; readonly url: string } & (
	| {
			readonly kind: "objects";
			readonly objects: PlainObjects;
			readonly tree: KeyTree<PlainObject>;
	  }
	| {
			readonly kind: "directory";
			readonly path: string;
			/**
			 * The filter of the profile and the directory's ignore file; the log's own files are skipped,
			 * too.
			 */
			readonly filter: Filter;
			/** All paths, whatever the profile says. */
			readonly stats: ReadonlyMap<Path, Stat>;
			/** Sockets, FIFOs and devices. */
			readonly special: readonly Path[];
	  }
);

/** The number of problems after which the survey ends: enough to see what is wrong there. */
const MAX_PROBLEMS = 1_000;
const PARALLEL_LOOKS = 16;

/**
 * @returns undefined if there is nothing
 * @throws SidecarError SOURCE_UNSAFE (with every key that cannot be a path), WORKSPACE_TOO_LARGE,
 * WORKSPACE_UNREADABLE, STORE_*
 */
export async function surveyPlace(options: SurveyOptions): Promise<Survey | undefined> {
	return options.place.kind === "objects"
		? await surveyObjects(options, options.place.objects)
		: await surveyDirectory(options, options.place.path);
}

async function surveyObjects(
	options: SurveyOptions,
	objects: PlainObjects,
): Promise<Survey | undefined> {
	const { besideLog, signal } = options;
	const tree = new KeyTree<PlainObject>();
	const hashed: string[] = [];
	for await (const page of objects.list({ signal })) {
		for (const object of page) {
			if (besideLog && seqOfKey(object.key) !== undefined) continue;
			if (besideLog && isHashed(object.key)) hashed.push(object.key);
			else tree.add(object);
		}
		if (tree.problems.length >= MAX_PROBLEMS) break;
		if (tree.isTooLarge)
			throw new SidecarError("WORKSPACE_TOO_LARGE", {
				value: objects.url,
				reason: `more than ${MAX_ENTRIES} files and directories`,
			});
	}
	tree.finish();
	tree.problems.push(...(await ambiguous(options, hashed)));
	tree.problems.push(
		...noRoots(tree.files.keys(), () => false),
		...noRoots(tree.directories, () => true),
	);
	if (tree.problems.length > 0) throw unsafe(objects.url, tree.problems);
	// The place itself, as a console creates "folders", is nothing to import.
	if (tree.files.size + tree.directories.size === 0) return undefined;
	return {
		kind: "objects",
		objects,
		tree,
		files: tree.files.size,
		bytes: tree.bytes,
		url: objects.url,
	};
}

async function surveyDirectory(options: SurveyOptions, path: string): Promise<Survey | undefined> {
	const { besideLog, profile, signal } = options;
	if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return undefined;
	const hashed: string[] = [];
	const isOurs = (at: Path) => {
		if (besideLog && isHashed(at)) hashed.push(at);
		return besideLog && (seqOfKey(at) !== undefined || isHashed(at));
	};
	const { stats, problems } = await scan(path, (at) => (isOurs(at) ? "skip" : "keep"), { signal });
	const unreadable = problems.filter(({ reason }) => reason === "unreadable");
	if (unreadable.length > 0) {
		const shown = unreadable.map(({ path: at, code }) => ({ key: at, reason: code ?? "EIO" }));
		throw new SidecarError("WORKSPACE_UNREADABLE", { value: path, reason: shownProblems(shown) });
	}
	// Directories that exist only for the log.
	for (const own of besideLog ? OWN_DIRECTORIES : [])
		if (![...stats.keys()].some((at) => at.startsWith(`${own}/`))) stats.delete(own);
	const wrong = [
		...(await ambiguous(options, hashed)),
		...noRoots(stats.keys(), (at) => stats.get(at)?.type === "dir"),
	];
	if (wrong.length > 0) throw unsafe(path, wrong);
	if (stats.size <= 1) return undefined;
	const files = [...stats.values()].filter(({ type }) => type !== "dir");
	const { filter } = WorkspaceFilter.open(path, profile);
	return {
		kind: "directory",
		path,
		url: path,
		stats,
		special: problems.map(({ path: at }) => at),
		filter: (at, type) => (stats.has(at) || at === "" ? filter(at, type) : "skip"),
		files: files.length,
		bytes: files.reduce((sum, { type, size }) => sum + (type === "file" ? Number(size) : 0), 0),
	};
}

const OWN_DIRECTORIES = [LOG_PREFIX, PACK_PREFIX, SWEEP_PREFIX].map((prefix) =>
	prefix.slice(0, -1),
);

/** Whether it is the key of an object of the log that is named by its content. */
function isHashed(key: string): boolean {
	return sha256OfPackKey(key) !== undefined || sha256OfSweepKey(key) !== undefined;
}

function noRoots(paths: Iterable<Path>, isDirectory: (path: Path) => boolean): KeyProblem[] {
	const problems: KeyProblem[] = [];
	for (const key of paths) {
		const reason = whyNoRoot(key, isDirectory(key));
		if (reason !== undefined) problems.push({ key, reason });
	}
	return problems;
}

async function ambiguous(
	{ store, signal }: SurveyOptions,
	keys: readonly string[],
): Promise<KeyProblem[]> {
	const problems: KeyProblem[] = [];
	const queue = new PQueue({ concurrency: PARALLEL_LOOKS });
	await queue.addAll(
		keys.map((key) => async () => {
			const isPack = sha256OfPackKey(key) !== undefined;
			const range = isPack && { range: { offset: 0, length: PACK_HEADER_BYTES } };
			const { body } = await store.get(key, { ...range, signal });
			try {
				if (isPack) checkPackHeader(key, body);
				else decodeCondemned(key, body);
			} catch (error) {
				if (!(error instanceof SidecarError) || error.code !== "OBJECT_CORRUPT") throw error;
				problems.push({
					key,
					reason: "its key is that of an object of the log, but its bytes are not",
				});
			}
		}),
	);
	return problems;
}

function unsafe(url: string, problems: readonly KeyProblem[]): SidecarError {
	return new SidecarError("SOURCE_UNSAFE", { value: url, reason: shownProblems(problems, 20) });
}
