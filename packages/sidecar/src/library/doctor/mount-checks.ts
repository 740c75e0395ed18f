import { readLog } from "../../commit/read-log.ts";
import { ownTree } from "../../commit/roots-in-tree.ts";
import { privatePath, readMarker } from "../../disk/base-marker.ts";
import { checkMounts, holdsIn } from "../../disk/check-mounts.ts";
import { SidecarError } from "../../errors.ts";
import { MOUNT_REMEDY } from "../../restore/plan-disk.ts";
import { mountsBelow } from "../../workspace/mounts.ts";
import { identityOf, lstatPath } from "../../workspace/stat.ts";
import { WorkspaceFilter } from "../../workspace/workspace-filter.ts";
import { type Check, ok, problem } from "./check.ts";
import { credentials, endpoint, get, list } from "./store-checks.ts";

/** Checks that each volume inside the workspace is the one that this disk had before. */
export const innerMounts: Check = {
	name: "mounts inside",
	needs: [endpoint, credentials, list, get],
	look: async (patient) => {
		const { settings, roots, profile } = patient;
		const { signal } = patient.options;
		const stat = lstatPath(roots, "");
		if (stat?.type !== "dir") return ok("the workspace does not exist yet");
		const store = await patient.store();
		const { stateDir, workspace, namespace } = settings;
		const marker = readMarker(
			privatePath(stateDir, { workspace, store: patient.storeUrl, namespace }),
		);
		const listed = mountsBelow(roots);
		if (listed === undefined) return ok("the kernel does not list mounts here");
		const { away, mounts } = checkMounts({
			root: roots,
			filter: WorkspaceFilter.open(roots, profile).filter,
			known: marker?.root === identityOf(stat) ? marker.mounts : undefined,
			listed,
			holds: holdsIn(ownTree((await readLog(store, { signal })).head.tree, roots)),
		});
		const [first] = away;
		if (first !== undefined) {
			const reason = away.size > 1 ? `${first[1]}, and ${away.size - 1} more` : first[1];
			return problem(
				new SidecarError("NOT_DURABLE", { value: first[0], reason, remedy: MOUNT_REMEDY }),
			);
		}
		const paths = Object.keys(mounts);
		return ok(
			paths.length === 0 ? "none" : `${paths.join(", ")}: each is the volume that was restored`,
		);
	},
};
