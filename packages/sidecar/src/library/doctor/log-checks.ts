/** Checks the state of the log, and which process owns the workspace. */

import { readdirSync } from "node:fs";
import { readLog } from "../../commit/read-log.ts";
import { askDaemon } from "../../daemon/control.ts";
import { privatePath, readMarker } from "../../disk/base-marker.ts";
import { ERRORS, type ErrorCode, SidecarError } from "../../errors.ts";
import { durability } from "../../session/durability.ts";
import { logStatus } from "../../session/status.ts";
import { count, humanBytes, humanDuration } from "../../telemetry/format.ts";
import { RESERVED_DIRECTORY } from "../../workspace/filter.ts";
import { IGNORE_FILE } from "../../workspace/ignore-file.ts";
import { statOf } from "../../workspace/stat.ts";
import { type DaemonReport, withFence } from "../status.ts";
import { type Check, type CheckOutcome, ok, problem, warning } from "./check.ts";
import type { DoctorContext } from "./patient.ts";
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
		const found = `commit ${log.seq}, ${age} old, ${end}; ${count(log.files, "file")}, ${humanBytes(log.bytes)}`;
		const files = quarantined.reduce((sum, one) => sum + one.files, 0);
		if (files === 0) return ok(found);
		return warning(
			`${found}; ${count(files, "file")} quarantined by ${count(quarantined.length, "superseded writer")}`,
			"`openclaw-sidecar recover` lists what is quarantined, and brings it back",
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
		if (marker === undefined) return await ofUnknownDirectory(patient);
		if (!marker.complete)
			return warning("a restore was interrupted", "run `openclaw-sidecar restore` or `run` again");
		return ok(`derives from ${marker.baseSeq === 0 ? "an empty log" : `commit ${marker.baseSeq}`}`);
	},
};

export const owner: Check = {
	name: "daemon",
	look: async (patient) => {
		const { stateDir, workspace } = patient.settings;
		const daemon = (await askDaemon(stateDir, workspace, "status")) as DaemonReport | undefined;
		if (daemon === undefined) return ok("no daemon runs for this workspace on this machine");
		const {
			pid,
			phase,
			lastFlushError,
			waiting = 0,
			notTaken = [],
			deferredDeletions = 0,
			excluded = [],
		} = daemon;
		const { superseded } = withFence(daemon, await ownerOf(patient));
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
		const found = `process ${pid} is ${phase}; ${count(waiting, "path")} waiting, ${notTaken.length} not taken, ${count(deferredDeletions, "deletion")} deferred, ${excluded.length} left out`;
		if (exitStatus === 0) return ok(found);
		return warning(found, "`openclaw-sidecar status` names them and says why");
	},
};

/** A directory with files of its own may have another's log by mistake. */
async function ofUnknownDirectory(patient: DoctorContext): Promise<CheckOutcome> {
	const { workspace } = patient.settings;
	const holdsFiles =
		statOf(workspace)?.type === "dir" &&
		readdirSync(workspace).some((name) => name !== IGNORE_FILE && name !== RESERVED_DIRECTORY);
	if (!holdsFiles) return ok("never restored from this log");
	// If it cannot be listed, another check says so.
	const seq = await patient.listing().then(
		(listing) => listing.seq,
		() => 0,
	);
	if (seq === 0) return ok("never restored from this log");
	return warning(
		`never restored from this log, but it holds files: \`run\` and \`restore\` replace those that differ from commit ${seq}`,
		"if the log is another directory's, give this one its own --namespace or --store",
	);
}

/** Undefined if the log cannot be read: other checks report that. */
async function ownerOf(patient: DoctorContext): Promise<string | undefined> {
	try {
		const { head } = await readLog(await patient.store(), { signal: patient.options.signal });
		return head.fence.writer;
	} catch {
		return undefined;
	}
}
