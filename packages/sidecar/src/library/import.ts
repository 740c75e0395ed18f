import { existsSync } from "node:fs";
import { thisEnvironment } from "../commit/environment.ts";
import { SidecarError } from "../errors.ts";
import { loadTools } from "../restore/load-tools.ts";
import { openPlace } from "../store/place.ts";
import type { PlainPlace } from "../store/plain.ts";
import { type Imported, importPlace } from "../transfer/import-place.ts";
import { surveyPlace } from "../transfer/survey-place.ts";
import {
	connectionOf,
	type OpenWorkspace,
	type WorkspaceOptions,
	withWorkspace,
} from "./options.ts";
import { isAmongLogs, placeOf, realPath } from "./place.ts";

export interface ImportOptions extends Omit<WorkspaceOptions, "workspace"> {
	/**
	 * `s3://bucket/prefix/` (key = path below it) or a directory. Default: the objects next to the
	 * log, `users/{namespace}/{path}`, as a first boot would adopt them.
	 */
	readonly from?: string | undefined;
}

export interface ImportResult extends Imported {
	/** Where it came from. */
	readonly from: string;
	readonly ms: number;
}

/**
 * Makes a directory, or objects whose keys are paths, the first content of a log: all of it in one
 * commit, or nothing. The source is not changed. docs/transfer.md lists what is preserved.
 *
 * @throws SidecarError LOG_NOT_EMPTY; SOURCE_UNSAFE (every key that cannot be a path),
 * SOURCE_CHANGED, USAGE (nothing is there), SUPERSEDED, NOT_DURABLE, WORKSPACE_DISK_FULL,
 * WORKSPACE_TOO_LARGE, STORE_*, STATE_DIR_UNUSABLE, and for a wrong option
 */
export async function importTree(options: ImportOptions = {}): Promise<ImportResult> {
	return await withWorkspace(options, async (opened) => {
		const started = performance.now();
		const source = await openSource(options, opened);
		try {
			const { place, besideLog, name } = source;
			const survey = await surveyPlace({ ...opened, place, besideLog });
			if (survey === undefined) throw nothingThere(place, name);
			const imported = await importPlace(
				{ ...opened, ...(await loadTools()), environment: thisEnvironment },
				survey,
			);
			return { from: name, ...imported, ms: Math.round(performance.now() - started) };
		} finally {
			await source.close();
		}
	});
}

interface Source {
	readonly place: PlainPlace;
	readonly besideLog: boolean;
	readonly name: string;
	readonly close: () => Promise<void>;
}

async function openSource(
	options: ImportOptions,
	{ store, storeUrl, settings }: OpenWorkspace,
): Promise<Source> {
	const beside = store.plain?.("");
	const own = beside === undefined ? undefined : urlOf(beside);
	if (options.from === undefined) {
		if (beside === undefined)
			throw new SidecarError("USAGE", {
				value: store.url,
				reason: "this store has no plain objects: name a source",
			});
		return { place: beside, besideLog: true, name: urlOf(beside), close: async () => {} };
	}
	const location = placeOf(options.from);
	const { place, close } = await openPlace(location, connectionOf(options, settings));
	const name = urlOf(place);
	if (name === own) return { place, besideLog: true, name, close };
	if (isAmongLogs(location, storeUrl)) {
		await close();
		throw new SidecarError("USAGE", {
			value: options.from,
			reason: "it contains other logs, or is among them",
			remedy:
				"to import the objects beside the log, name no source; `export` the log of another namespace first",
		});
	}
	return { place, besideLog: false, name, close };
}

function urlOf(place: PlainPlace): string {
	return place.kind === "objects" ? place.objects.url : realPath(place.path);
}

function nothingThere(place: PlainPlace, name: string): SidecarError {
	const isMissing = place.kind === "directory" && !existsSync(place.path);
	return new SidecarError("USAGE", {
		value: name,
		reason: isMissing ? "there is no such directory" : "there is nothing to import",
		remedy: "check the source, --store and --namespace",
	});
}
