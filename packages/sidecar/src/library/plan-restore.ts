import { readLog } from "../commit/read-log.ts";
import { ownTree } from "../commit/roots-in-tree.ts";
import { aboutTurn, resolveBetweenTurns } from "../history/between-turns.ts";
import { readEarlier } from "../history/expired.ts";
import type { Path, Tree } from "../log/types.ts";
import { planDisk } from "../restore/plan-disk.ts";
import { plannedChanges, type RestoreChange } from "../restore/planned-changes.ts";
import { lstatPath, type Stat } from "../workspace/stat.ts";
import { type OpenWorkspace, withWorkspace } from "./options.ts";
import type { RestoreOptions } from "./restore.ts";
import type { RollbackOptions } from "./rollback.ts";
import { requireOwn } from "./take-over.ts";

export interface PlannedRestore {
	/** The commit; 0 if the log is empty. */
	readonly seq: number;
	/** What would be done to each path of this disk. */
	readonly changes: readonly RestoreChange[];
	/** A turn of the agent was running at the commit that was asked for. */
	readonly note?: string;
}

/**
 * Tells what `restore` would do. Writes nothing.
 * @throws SidecarError as `restore`, except WORKSPACE_BUSY
 */
export async function planRestore(options: RestoreOptions = {}): Promise<PlannedRestore> {
	return await withWorkspace(options, (opened) =>
		plan(opened, options.at === undefined ? undefined : String(options.at)),
	);
}

/**
 * Tells what `rollback` would do to this disk. Writes nothing. Changes of this disk that are in no
 * commit would be committed before.
 * @throws SidecarError as `rollback`, except WORKSPACE_BUSY and SECRET_FOUND
 */
export async function planRollback(options: RollbackOptions): Promise<PlannedRestore> {
	return await withWorkspace(options, async (opened) => {
		await requireOwn(opened);
		return await plan(opened, String(options.to));
	});
}

async function plan(opened: OpenWorkspace, when: string | undefined): Promise<PlannedRestore> {
	const { store, root, signal } = opened;
	const resolved = when === undefined ? undefined : await resolveBetweenTurns(store, when, signal);
	const at = resolved?.seq;
	const note = resolved && aboutTurn(resolved);
	const changes = async () => {
		const { head } = await readLog(store, { at, signal });
		const seq = { seq: head.seq, ...(note !== undefined && { note }) };
		if (lstatPath(root, "") === undefined)
			return { ...seq, changes: allAdded(ownTree(head.tree, root)) };
		const planned = await planDisk({ ...opened, at, acceptsMounts: at === undefined }, head);
		return { ...seq, changes: plannedChanges(planned) };
	};
	return await readEarlier(store, at, changes, signal);
}

/** What would be done to a directory that does not exist. */
export function allAdded(tree: Tree): RestoreChange[] {
	const disk = new Map<Path, Stat>();
	const plan = new Map([...tree.keys()].map((path) => [path, "write"] as const));
	return plannedChanges({ plan, target: tree, disk, retimed: new Set() });
}
