/**
 * Captures files that must be from the same moment. Nearly always that is one file; otherwise it is
 * a non-SQLite database with its log.
 */

import type { BlockBuilder } from "../commit/block-builder.ts";
import type { LocalEntry } from "../disk/local-tree.ts";
import { SidecarError } from "../errors.ts";
import type { Path } from "../log/types.ts";
import { copySet, filesOfSet, type SetCopy } from "../workspace/file-set.ts";
import { lstatPath, type Stat } from "../workspace/stat.ts";
import type { CaptureContext } from "./capture-context.ts";
import { captureFile } from "./capture-file.ts";
import type { CapturedFile } from "./captured-file.ts";

export type CapturedUnit = ReadonlyMap<Path, { readonly stat: Stat; readonly file: CapturedFile }>;

/**
 * @param main as returned by `mainFileOf`
 * @param earlier results of an earlier round of the same capture
 * @param paths as returned by `filesOfSet`
 */
export async function captureUnit(
	context: CaptureContext,
	builder: BlockBuilder,
	main: Path,
	stat: Stat,
	earlier?: LocalEntry,
	paths = filesOfSet(context.root, main),
): Promise<CapturedUnit> {
	if (paths.length === 1)
		return new Map([
			[main, { stat, file: await captureFile(context, builder, main, stat, earlier) }],
		]);
	const copied = await copyOf(context, paths);
	if (copied.kind === "refused") return deferredAll(context, paths, stat, copied.reason);
	try {
		const unit = new Map<Path, { stat: Stat; file: CapturedFile }>();
		for (const each of copied.files) {
			const source = { root: copied.directory, path: each.name };
			const file = await captureFile(context, builder, each.path, each.stat, undefined, source);
			if (file.kind === "deferred" || file.kind === "gone")
				return deferredAll(
					context,
					paths,
					stat,
					file.kind === "gone" ? "its private copy is gone" : file.reason,
				);
			unit.set(each.path, { stat: each.stat, file: asOriginal(file, each) });
		}
		return unit;
	} finally {
		copied.dispose();
	}
}

async function copyOf(
	context: CaptureContext,
	paths: readonly Path[],
): Promise<SetCopy | { readonly kind: "refused"; readonly reason: string }> {
	try {
		return await copySet(context.root, paths, context.tempDir);
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		if (code === undefined) throw error;
		return {
			kind: "refused",
			reason: new SidecarError("WORKSPACE_DISK_FULL", { value: context.tempDir, reason: code })
				.message,
		};
	}
}

/** Combines the captured content of the copy with the stat of the original file. */
function asOriginal(file: CapturedFile, { stat, isOlder }: SetCopy["files"][number]): CapturedFile {
	if (file.kind !== "taken" || file.local.entry.type !== "file") return file;
	const entry = { ...file.local.entry, mode: stat.mode & 0o1777, mtimeNs: stat.mtimeNs };
	return { ...file, local: { ...file.local, entry, stat: isOlder ? undefined : stat } };
}

function deferredAll(
	{ root }: CaptureContext,
	paths: readonly Path[],
	stat: Stat,
	reason: string,
): CapturedUnit {
	return new Map(
		paths.map((path) => [
			path,
			{ stat: lstatPath(root, path) ?? stat, file: { kind: "deferred", reason } as const },
		]),
	);
}
