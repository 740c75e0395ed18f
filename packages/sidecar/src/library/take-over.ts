import { existsSync, readdirSync } from "node:fs";
import { readLog } from "../commit/read-log.ts";
import { SidecarError } from "../errors.ts";
import { MOUNT_REMEDY } from "../restore/plan-disk.ts";
import { type DiskState, inspectDisk } from "../session/not-durable.ts";
import { Session } from "../session/session.ts";
import { requireRestored } from "./flush.ts";
import type { OpenWorkspace } from "./options.ts";

/**
 * Takes the tree over to bring it back to an earlier state: restore and fence, as every start does.
 * @throws SidecarError as `requireOwn` and `Session.open`
 */
export async function takeOver(opened: OpenWorkspace): Promise<Session> {
	await requireOwn(opened);
	return await Session.open({ ...opened, handoverWaitMs: opened.settings.handoverWaitMs });
}

/**
 * The workspace may be missing or empty; otherwise it must derive from the log, and have all of its
 * volumes.
 * @throws SidecarError WORKSPACE_NOT_RESTORED, NOT_DURABLE
 */
export async function requireOwn(opened: OpenWorkspace): Promise<void> {
	const { workspace } = opened.settings;
	if (!existsSync(workspace) || readdirSync(workspace).length === 0) return;
	const { head } = await readLog(opened.store, { signal: opened.signal });
	const disk = await inspectDisk(opened, head);
	requireRestored(workspace, head, disk);
	requireMounts(disk);
}

/** Going back must be complete. @throws SidecarError NOT_DURABLE */
function requireMounts({ notDurable }: DiskState): void {
	const away = notDurable.find(({ kind }) => kind === "away");
	if (away === undefined) return;
	throw new SidecarError("NOT_DURABLE", {
		value: away.path,
		reason: `${away.reason}; nothing was changed`,
		remedy: MOUNT_REMEDY,
	});
}
