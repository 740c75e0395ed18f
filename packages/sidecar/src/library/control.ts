import { askDaemon, type Control, type ControlVerb, takeControl } from "../daemon/control.ts";
import { SidecarError } from "../errors.ts";

/** Keeps daemons and other commands off the workspace for as long as `use` takes. @throws SidecarError WORKSPACE_BUSY, STATE_DIR_UNUSABLE */
export async function withControl<T>(
	stateDir: string,
	workspace: string,
	verb: "restoring" | "flushing",
	use: () => Promise<T>,
): Promise<T> {
	const control: Control = await takeControl(stateDir, workspace, {
		status: async () => ({ phase: verb, pid: process.pid }),
		flush: () => Promise.reject(new SidecarError("WORKSPACE_BUSY", { value: workspace, reason: `process ${process.pid} is ${verb} it` })),
	});
	try {
		return await use();
	} finally {
		await control.close();
	}
}

/** The daemon's answer; undefined where no daemon looks after the workspace. @throws SidecarError as the daemon says it */
export async function ask<T extends object>(stateDir: string, workspace: string, verb: ControlVerb): Promise<T | undefined> {
	return (await askDaemon(stateDir, workspace, verb)) as T | undefined;
}
