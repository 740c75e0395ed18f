/** Checks the state of the log, and which process owns the workspace. */

import { readLog } from "../../commit/read-log.ts";
import { askDaemon } from "../../daemon/control.ts";
import { privatePath, readMarker } from "../../disk/base-marker.ts";
import { ERRORS, type ErrorCode, SidecarError } from "../../errors.ts";
import { durability } from "../../session/durability.ts";
import { logStatus } from "../../session/status.ts";
import { humanBytes, humanDuration } from "../../telemetry/format.ts";
import type { DaemonReport } from "../status.ts";
import { type Check, ok, problem, warning } from "./check.ts";
import { credentials, endpoint, get, list } from "./store-checks.ts";

export const logState: Check = {
	name: "log",
	needs: [endpoint, credentials, list, get],
	look: async (patient) => {
		const { log, quarantined, storeTimeMs } = logStatus(
			await readLog(await patient.store(), { signal: patient.options.signal }),
		);
		if (log === undefined) return ok("empty: a new user");
		const age = humanDuration(Math.max(0, storeTimeMs - log.timeMs));
		const end = log.isClosed
			? "closed in order"
			: "not closed: its writer is running, or was interrupted";
		const found = `commit ${log.seq}, ${age} old, ${end}; ${log.entries} files and directories, ${humanBytes(log.bytes)}`;
		const files = quarantined.reduce((sum, one) => sum + one.files, 0);
		if (files === 0) return ok(found);
		return warning(
			`${found}; ${files} files quarantined by ${quarantined.length} superseded writers`,
			`\`openclaw-sidecar recover\` lists them and brings them back`,
		);
	},
};

export const thisDisk: Check = {
	name: "this disk",
	needs: [endpoint],
	look: async (patient) => {
		const { stateDir, workspace, namespace } = patient.settings;
		await patient.store();
		const marker = readMarker(
			privatePath(stateDir, { workspace, store: patient.storeUrl, namespace }),
		);
		if (marker === undefined) return ok("never restored from this log");
		if (!marker.complete)
			return warning("a restore was interrupted", "run `openclaw-sidecar restore` or `run` again");
		return ok(`derives from ${marker.baseSeq === 0 ? "an empty log" : `commit ${marker.baseSeq}`}`);
	},
};

export const owner: Check = {
	name: "daemon",
	look: async ({ settings: { stateDir, workspace } }) => {
		const daemon = (await askDaemon(stateDir, workspace, "status")) as DaemonReport | undefined;
		if (daemon === undefined) return ok("no daemon runs for this workspace on this machine");
		const {
			pid,
			phase,
			superseded,
			lastFlushError,
			waiting = 0,
			notTaken = [],
			deferredDeletions = 0,
			excluded = [],
		} = daemon;
		// Pending changes are committed within seconds, and are no reason for a warning.
		const { exitStatus } = durability({
			notDurable: notTaken.length,
			deferredDeletions,
			superseded,
		});
		if (exitStatus === 4)
			return problem(new SidecarError("SUPERSEDED", { value: `process ${pid}` }));
		if (lastFlushError) {
			const code = lastFlushError.code in ERRORS ? (lastFlushError.code as ErrorCode) : "INTERNAL";
			return {
				status: "problem",
				code,
				found: `process ${pid}: its last flush failed: ${lastFlushError.message}`,
				remedy: lastFlushError.remedy,
			};
		}
		const found = `process ${pid} is ${phase}; ${waiting} paths waiting, ${notTaken.length} not taken, ${deferredDeletions} deletions deferred, ${excluded.length} left out`;
		if (exitStatus === 0) return ok(found);
		return warning(found, "`openclaw-sidecar status` names them and says why");
	},
};
