import { readdirSync, rmSync } from "node:fs";
import type { LogRead } from "../commit/read-log.ts";
import { UnsetMetadata } from "../disk/unset-metadata.ts";
import { SidecarError } from "../errors.ts";
import { EMPTY_HEAD } from "../log/fold.ts";
import { unsafePath } from "../log/safe-path.ts";
import type { Path, Tree } from "../log/types.ts";
import { fsPath } from "../path.ts";
import { makeDirectories } from "../workspace/make-directories.ts";
import { Materializer } from "../workspace/materialize.ts";
import { requireDirectory } from "../workspace/scan.ts";
import type { RestoreOptions } from "./restore-options.ts";
import { RestoreWork } from "./restore-work.ts";

export type WriteTreeOptions = Pick<
	RestoreOptions,
	"store" | "profile" | "times" | "quickHash" | "label" | "logger" | "progress" | "signal"
>;

/**
 * Writes a tree into an empty directory, as a restore does but without a log: bytes, modes, times
 * and links. On failure, removes what it made.
 * @param directory absolute; created if missing
 * @throws SidecarError USAGE if it is not empty; TREE_UNSAFE, WORKSPACE_*, STORE_*, OBJECT_*
 */
export async function writeTree(
	options: WriteTreeOptions,
	directory: string,
	tree: Tree,
	starts: LogRead["starts"],
): Promise<void> {
	for (const path of tree.keys()) {
		const reason = unsafePath(path);
		if (reason !== undefined) throw new SidecarError("TREE_UNSAFE", { value: path, reason });
	}
	const made = makeEmpty(directory);
	const writer = Materializer.open(directory, options.times, true);
	try {
		const plan = new Map([...tree.keys()].map((path) => [path, "write"] as const));
		const disk = new Map([["" as Path, requireDirectory(directory)]]);
		const planned = {
			target: tree,
			base: undefined,
			marker: undefined,
			rootStat: requireDirectory(directory),
			disk,
			problems: [],
		};
		const work = new RestoreWork(
			{ ...options, root: directory, privateDir: directory },
			writer,
			{
				...{
					...planned,
					plan,
					retimed: new Set<Path>(),
					inLog: new Set<Path>(),
					deferredDeletions: 0,
					notBelieved: new Set<Path>(),
					roots: {},
					freshRoots: new Set(),
					away: new Map(),
					mounts: {},
				},
				unset: new UnsetMetadata(),
			},
			{ head: EMPTY_HEAD, newest: undefined, storeTimeMs: 0, starts },
		);
		await work.run();
		await writer.sync();
	} catch (error) {
		await writer.idle();
		writer.close();
		const tops = [...tree.keys()].filter((path) => path !== "" && !path.includes("/"));
		for (const top of tops) rmSync(fsPath(directory, top), { recursive: true, force: true });
		if (made !== undefined) rmSync(made, { recursive: true, force: true });
		throw error;
	}
}

/** @returns the first directory that had to be created */
function makeEmpty(directory: string): string | undefined {
	try {
		const made = makeDirectories(directory);
		if (readdirSync(directory).length === 0) return made;
	} catch (cause) {
		const reason = (cause as NodeJS.ErrnoException).code ?? String(cause);
		throw new SidecarError("USAGE", {
			value: directory,
			reason,
			remedy: "name a directory that can be created",
			cause,
		});
	}
	throw new SidecarError("USAGE", {
		value: directory,
		reason: "it is not empty",
		remedy: "name a directory that is empty or does not exist",
	});
}
