import { askDaemon, type Control, type ControlVerb, takeControl } from "../daemon/control.ts";
import { SidecarError } from "../errors.ts";

/**
 * Keeps daemons and other commands off the workspace while `use` runs. @throws SidecarError
 * WORKSPACE_BUSY, STATE_DIR_UNUSABLE
 */
export async function withControl<T>(
	stateDir: string,
	workspace: string,
	verb: "restoring" | "flushing" | "recovering",
	use: () => Promise<T>,
): Promise<T> {
	const busy = () =>
		Promise.reject(
			new SidecarError("WORKSPACE_BUSY", {
				value: workspace,
				reason: `process ${process.pid} is ${verb} it`,
			}),
		);
	const status = async () => ({ phase: verb, pid: process.pid });
	const control: Control = await takeControl(stateDir, workspace, {
		status,
		flush: busy,
		drop: busy,
		restore: busy,
	});
	try {
		return await use();
	} finally {
		await control.close();
	}
}

/**
 * The daemon's answer; undefined if no daemon owns the workspace. @throws SidecarError as thrown by
 * the daemon
 */
export async function ask<T extends object>(
	stateDir: string,
	workspace: string,
	verb: ControlVerb,
	body?: object,
): Promise<T | undefined> {
	return (await askDaemon(stateDir, workspace, verb, body)) as T | undefined;
}
