import { joinPath, ROOTS_DIRECTORY, type Roots, rootPath } from "../path.ts";
import type { Filter } from "./filter.ts";
import { lstatPath } from "./stat.ts";
import { type WorkspaceWatcher, watchWorkspace } from "./watch.ts";

/** Like `watchWorkspace`, for every directory of a workspace: hints are paths of the tree. */
export async function watchRoots(
	roots: Roots,
	filter: Filter,
	onHint: (path: string) => void,
	onDoubt: (reason: string) => void,
): Promise<WorkspaceWatcher> {
	const own: Filter = (path, type) =>
		path === ROOTS_DIRECTORY || path.startsWith(`${ROOTS_DIRECTORY}/`)
			? "skip"
			: filter(path, type);
	const starting = [
		watchWorkspace(roots.main, own, onHint, onDoubt),
		...[...roots.others].map(async ([name, directory]) => {
			const at = (path: string) => (path === "" ? rootPath(name) : joinPath(rootPath(name), path));
			// The next flush reports a root that is already gone. That is no reason to stop the agent.
			if (lstatPath(roots, rootPath(name))?.type !== "dir") {
				onDoubt("root");
				return { close: async () => {} };
			}
			return await watchWorkspace(
				directory,
				(path, type) => filter(at(path), type),
				(path) => onHint(at(path)),
				onDoubt,
			);
		}),
	];
	const started = await Promise.allSettled(starting);
	const watchers = started.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
	const close = async () => void (await Promise.all(watchers.map((watcher) => watcher.close())));
	const failed = started.find((each) => each.status === "rejected");
	if (failed === undefined) return { close };
	await close();
	throw failed.reason;
}
