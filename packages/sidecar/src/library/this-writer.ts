import { privatePath, readMarker } from "../disk/base-marker.ts";
import { SidecarError } from "../errors.ts";
import { type LogOptions, withLog } from "./options.ts";
import { withRealWorkspace } from "./workspace-place.ts";

/**
 * The writer that this machine was when it last owned the workspace; undefined if it never did.
 * Every start is a new writer, so earlier ones of this machine are not known. Creates nothing.
 * @internal
 */
export async function thisWriter(options: LogOptions): Promise<string | undefined> {
	return await withLog(options, async ({ settings, storeUrl }) => {
		try {
			const { workspace, stateDir, namespace } = withRealWorkspace(settings);
			return readMarker(privatePath(stateDir, { workspace, store: storeUrl, namespace }))?.writer;
		} catch (error) {
			// A look at the log needs no workspace.
			if (error instanceof SidecarError) return undefined;
			throw error;
		}
	});
}
