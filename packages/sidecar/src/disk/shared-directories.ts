/**
 * Keeps additional roots exclusive to one workspace. A restore of another workspace would overwrite
 * them with its own content, and the first one's daemon would commit that as its agent's work.
 *
 * Known from the markers in the same state directory; a workspace that no longer exists has no
 * roots. Does NOT see another state directory, nor a workspace whose very first restore is still
 * running.
 */
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { SidecarError } from "../errors.ts";
import { mainOf, othersOf, type Root } from "../path.ts";
import { identityOf, lstatPath } from "../workspace/stat.ts";
import { type Marker, readMarker } from "./base-marker.ts";

/**
 * @throws SidecarError USAGE if a directory of this workspace is, contains or is inside one of
 * another workspace, and either is a root
 */
export function requireOwnDirectories(root: Root, privateDir: string): void {
	const main = mainOf(root);
	const own = identity(main);
	for (const { workspace, roots = {} } of otherMarkers(privateDir)) {
		if (workspace === main || (own !== undefined && identity(workspace) === own)) continue;
		const theirs = Object.values(roots).map(({ directory }) => directory);
		for (const directory of theirs)
			if (isOverlapping(main, directory))
				throw refusal(
					main,
					`it overlaps ${directory}, a root of the workspace ${workspace}`,
					"choose another directory with --workspace",
				);
		for (const [name, directory] of othersOf(root)) {
			const remedy = `give it another directory: --root ${name}=DIR`;
			if (isOverlapping(directory, workspace))
				throw refusal(directory, `the root ${name} overlaps the workspace ${workspace}`, remedy);
			const shared = theirs.find((their) => isOverlapping(directory, their));
			if (shared === undefined) continue;
			const how = shared === directory ? "is" : `overlaps ${shared},`;
			throw refusal(
				directory,
				`the root ${name} ${how} a root of the workspace ${workspace}`,
				remedy,
			);
		}
	}
}

function refusal(value: string, reason: string, remedy: string): SidecarError {
	return new SidecarError("USAGE", { value, reason, remedy });
}

/** Markers of existing workspaces, as they were when written. */
function otherMarkers(privateDir: string): (Marker & { readonly workspace: string })[] {
	const stateDir = dirname(privateDir);
	const found: (Marker & { readonly workspace: string })[] = [];
	for (const name of readdirSync(stateDir)) {
		const directory = join(stateDir, name);
		const marker = directory === privateDir ? undefined : readMarker(directory);
		const workspace = marker?.workspace;
		if (marker !== undefined && workspace !== undefined && identity(workspace) === marker.root)
			found.push({ ...marker, workspace });
	}
	return found;
}

function identity(directory: string): string | undefined {
	try {
		const stat = lstatPath(directory, "");
		return stat?.type === "dir" ? identityOf(stat) : undefined;
	} catch {
		return undefined;
	}
}

function isOverlapping(a: string, b: string): boolean {
	return a === b || a.startsWith(`${b}/`) || b.startsWith(`${a}/`);
}
