import { lstatSync, readdirSync, realpathSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import type { Config } from "../config/options.ts";
import { readMarker } from "../disk/base-marker.ts";
import { SidecarError } from "../errors.ts";
import { realPath } from "./place.ts";

/**
 * The settings with the workspace's real directory. Links to it are followed here, once. A link
 * that is replaced later has no effect, and every name of the directory finds the same state.
 *
 * Earlier releases used a path exactly as given. If this machine still has state under that name,
 * and none under the real one, that name is kept.
 * @throws SidecarError WORKSPACE_NOT_DIRECTORY for a link that leads nowhere, WORKSPACE_UNREADABLE
 */
export function withRealWorkspace(settings: Config): Config {
	const { workspace, stateDir } = settings;
	const real = realWorkspace(workspace);
	if (real === workspace) return settings;
	const isLink = lstatSync(workspace, { throwIfNoEntry: false })?.isSymbolicLink() === true;
	const known = isLink ? [] : knownWorkspaces(stateDir);
	return known.includes(workspace) && !known.includes(real)
		? settings
		: { ...settings, workspace: real };
}

/**
 * Applies the options' own checks of names to the directories that links lead to: a commit must not
 * contain its own store or state.
 * @throws SidecarError USAGE, STATE_DIR_UNUSABLE
 */
export function requireOutside(settings: Config, storeUrl: string): void {
	const { workspace, stateDir } = settings;
	const state = realPath(stateDir);
	if (isInside(state, realPath(workspace)))
		throw new SidecarError("STATE_DIR_UNUSABLE", {
			value: stateDir,
			reason: `it leads into the workspace ${workspace}, to ${state}`,
		});
	requireStoreOutside(settings, storeUrl);
}

/** @throws SidecarError USAGE */
export function requireStoreOutside({ workspace }: Config, storeUrl: string): void {
	if (!storeUrl.startsWith("file:")) return;
	const [inner, store] = [realPath(workspace), realPath(fileURLToPath(storeUrl))];
	const how = isInside(store, inner) ? "leads into" : isInside(inner, store) ? "holds" : undefined;
	if (how === undefined) return;
	throw new SidecarError("USAGE", {
		value: storeUrl,
		reason: `the store ${how} the workspace ${workspace}: its directory is ${store}`,
		remedy: "name a --store outside the workspace that does not contain it",
	});
}

/** A directory is inside itself. */
function isInside(inner: string, outer: string): boolean {
	return `${inner}/`.startsWith(outer === "/" ? outer : `${outer}/`);
}

function realWorkspace(workspace: string): string {
	try {
		return leadsTo(workspace);
	} catch (cause) {
		const { code } = cause as NodeJS.ErrnoException;
		if (code === "ENOENT" || code === "ELOOP" || code === "ENOTDIR") {
			const reason =
				code === "ENOTDIR"
					? "a part of the path is not a directory"
					: code === "ELOOP"
						? "it is a link that leads to itself"
						: "it is a link that leads nowhere";
			throw new SidecarError("WORKSPACE_NOT_DIRECTORY", { value: workspace, reason, cause });
		}
		throw new SidecarError("WORKSPACE_UNREADABLE", {
			value: workspace,
			reason: code ?? String(cause),
			cause,
		});
	}
}

/**
 * The target of a path; a missing path is placed below its parent's target. @throws
 * NodeJS.ErrnoException for example for a link that leads nowhere
 */
export function leadsTo(path: string): string {
	try {
		return realpathSync.native(path);
	} catch (error) {
		const { code } = error as NodeJS.ErrnoException;
		if (
			code !== "ENOENT" ||
			lstatSync(path, { throwIfNoEntry: false }) !== undefined ||
			dirname(path) === path
		)
			throw error;
		return join(leadsTo(dirname(path)), basename(path));
	}
}

/** As named by the markers in a state directory. */
function knownWorkspaces(stateDir: string): string[] {
	try {
		return readdirSync(stateDir).flatMap(
			(name) => readMarker(join(stateDir, name))?.workspace ?? [],
		);
	} catch {
		return [];
	}
}
