import type { Entry, Path } from "../log/types.ts";
import type { Stat } from "../workspace/stat.ts";
import type { DiskPlan } from "./plan-disk.ts";
import { isWritten } from "./restore-work.ts";

/** What a restore does, or would do, with one path of the disk. */
export interface RestoreChange {
	readonly path: Path;
	/** `time`: only its time changes. */
	readonly kind: "added" | "changed" | "removed" | "time";
	readonly type: Entry["type"];
	/** Of the file afterwards; of a removed one, before. 0 for directories and links. */
	readonly bytes: number;
}

/** Ordered as the plan. */
export function plannedChanges({
	plan,
	target,
	disk,
	retimed,
}: Pick<DiskPlan, "plan" | "target" | "disk" | "retimed">): RestoreChange[] {
	const changes: RestoreChange[] = [];
	for (const [path, action] of plan) {
		const there = disk.get(path);
		const entry = target.get(path);
		if (isWritten(action) && entry !== undefined && path !== "") {
			const bytes = entry.type === "file" ? entry.size : 0;
			changes.push({
				path,
				kind: there === undefined ? "added" : "changed",
				type: entry.type,
				bytes,
			});
		} else if (retimed.has(path) && entry !== undefined && entry.type !== "dir")
			changes.push({ path, kind: "time", type: entry.type, bytes: 0 });
		else if (
			(action === "trash" || action === "quarantine") &&
			there !== undefined &&
			// A commit without a tree, such as a log's first; the workspace's own directory stays.
			path !== ""
		)
			changes.push({ path, kind: "removed", type: typeOf(there), bytes: sizeOf(there) });
	}
	return changes;
}

function typeOf({ type }: Stat): Entry["type"] {
	return type === "dir" || type === "link" ? type : "file";
}

function sizeOf({ type, size }: Stat): number {
	return type === "file" ? size : 0;
}
