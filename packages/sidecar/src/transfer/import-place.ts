/**
 * Imports a surveyed place. Objects are first downloaded into a private directory; a directory is
 * taken in place. The ordinary capture and one commit then make either the log's first content. So
 * databases are merged with their write-ahead logs, and the profile cleans and leaves out what it
 * always does. A failure anywhere before the commit leaves the log unchanged.
 *
 * Needs room on the disk for all objects once; nothing of it is left at the end.
 */
import { join } from "node:path";
import type { SecretPolicy } from "../capture/secret-guard.ts";
import type { Environment } from "../commit/environment.ts";
import { SidecarError } from "../errors.ts";
import type { Head } from "../log/fold.ts";
import { RECOVERED_DIRECTORY } from "../log/safe-path.ts";
import type { Path } from "../log/types.ts";
import type { ObjectStore } from "../store/port.ts";
import type { Logger, Progress } from "../telemetry/types.ts";
import type { FileTimes } from "../workspace/file-times.ts";
import { Materializer } from "../workspace/materialize.ts";
import type { Profile } from "../workspace/profile.ts";
import { companionOf } from "../workspace/sqlite-file.ts";
import { WorkspaceFilter } from "../workspace/workspace-filter.ts";
import { commitDirectory } from "./commit-directory.ts";
import { stageObjects } from "./stage-objects.ts";
import { withStaging } from "./staging-directory.ts";
import type { Survey } from "./survey-place.ts";

export interface ImportPlaceOptions {
	readonly store: ObjectStore;
	readonly profile: Profile;
	/** See `privateDirectory`. */
	readonly privateDir: string;
	readonly times: FileTimes;
	readonly quickHash: (bytes: Uint8Array) => bigint;
	readonly environment: Environment;
	readonly logger: Logger;
	readonly progress: Progress;
	/** Default `warn`. */
	readonly onSecret?: SecretPolicy | undefined;
	readonly signal?: AbortSignal | undefined;
}

export interface Imported {
	/** The commit that holds all of it. */
	readonly seq: number;
	/** Files in the commit's tree. */
	readonly files: number;
	readonly directories: number;
	readonly links: number;
	readonly bytes: number;
	/** Paths that exist and are not in the commit, and why. */
	readonly leftOut: readonly { readonly path: Path; readonly reason: string }[];
}

/** Space to leave free in addition to the download. */
const SPARE_BYTES = 16 * 1024 * 1024;

/** @throws SidecarError as `stageObjects` and `commitDirectory`; WORKSPACE_DISK_FULL */
export async function importPlace(options: ImportPlaceOptions, survey: Survey): Promise<Imported> {
	const started = performance.now();
	const { logger } = options;
	logger.info("import.started", { from: survey.url, files: survey.files, bytes: survey.bytes });
	const imported = await withStaging(options.privateDir, (staging) =>
		survey.kind === "objects"
			? importObjects(options, survey, staging)
			: importDirectory(options, survey, staging),
	);
	const { leftOut, ...counts } = imported;
	for (const { path, reason } of leftOut) logger.info("import.left-out", { path, reason });
	const ms = Math.round(performance.now() - started);
	logger.info("import.finished", { from: survey.url, ...counts, leftOut: leftOut.length, ms });
	return imported;
}

async function importObjects(
	options: ImportPlaceOptions,
	{ objects, tree, bytes }: Survey & { kind: "objects" },
	staging: string,
): Promise<Imported> {
	const directory = join(staging, "tree");
	const writer = Materializer.open(directory, options.times);
	try {
		const free = writer.spaceFor("").freeBytes;
		if (bytes + SPARE_BYTES > free) throw diskFull(directory, bytes, free);
		const { progress, signal } = options;
		await stageObjects({ objects, tree, writer, progress, signal });
	} finally {
		await writer.idle();
		writer.close();
	}
	const { filter } = WorkspaceFilter.open(directory, options.profile);
	const head = await commitDirectory({ ...options, directory, filter, tempDir: staging });
	return summary(head, [...tree.files.keys(), ...tree.directories]);
}

async function importDirectory(
	options: ImportPlaceOptions,
	{ path, filter, stats, special }: Survey & { kind: "directory" },
	staging: string,
): Promise<Imported> {
	const head = await commitDirectory({ ...options, directory: path, filter, tempDir: staging });
	const { leftOut, ...counts } = summary(head, stats.keys());
	return {
		...counts,
		leftOut: [
			...leftOut,
			...special.map((at) => ({ path: at, reason: "it is a socket, a FIFO or a device" })),
		],
	};
}

function summary({ seq, tree }: Head, paths: Iterable<Path>): Imported {
	let [files, directories, links, bytes] = [0, 0, 0, 0];
	for (const [path, entry] of tree) {
		if (entry.type === "file") {
			files++;
			bytes += entry.size;
		} else if (entry.type === "link") links++;
		else if (path !== "") directories++;
	}
	const leftOut: { path: Path; reason: string }[] = [];
	for (const path of paths)
		if (!tree.has(path)) leftOut.push({ path, reason: whyLeftOut(tree, path) });
	return { seq, files, directories, links, bytes, leftOut };
}

function whyLeftOut(tree: ReadonlyMap<Path, unknown>, path: Path): string {
	const database = companionOf(path);
	if (database === undefined || !tree.has(database))
		return "the profile, the ignore file or --on-secret exclude leaves it out";
	for (const at of tree.keys()) {
		if (at.startsWith(`${RECOVERED_DIRECTORY}/`) && at.endsWith(`/${path}`))
			return `the database beside it is damaged, and this was quarantined as ${at}`;
	}
	return "it belongs to the database beside it, which was taken together with it";
}

function diskFull(directory: string, bytes: number, free: number): SidecarError {
	return new SidecarError("WORKSPACE_DISK_FULL", {
		value: directory,
		reason: `${bytes} bytes must be downloaded, ${free} are free and ${SPARE_BYTES} of them must stay free`,
	});
}
