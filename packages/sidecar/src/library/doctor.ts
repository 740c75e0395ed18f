import type { Config } from "../config/options.ts";
import type { ErrorSpec } from "../errors.ts";
import { ERRORS } from "../errors.ts";
import { type Profile, profileNamed } from "../workspace/profile.ts";
import { leftOut, outsideWorkspaces, outwardLinks, profileFits } from "./doctor/agent-checks.ts";
import { type Check, type CheckResult, runChecks } from "./doctor/check.ts";
import {
	staging,
	stateDirectory,
	stateSpace,
	workspace,
	workspaceSpace,
} from "./doctor/disk-checks.ts";
import { logState, owner, thisDisk } from "./doctor/log-checks.ts";
import { exactTimes, inotify, node, notifications } from "./doctor/machine-checks.ts";
import { innerMounts } from "./doctor/mount-checks.ts";
import { DoctorContext } from "./doctor/patient.ts";
import { atomicPut } from "./doctor/race-check.ts";
import {
	clock,
	conditionalWrites,
	credentials,
	endpoint,
	forbidden,
	get,
	list,
	put,
} from "./doctor/store-checks.ts";
import { settingsOf, type WorkspaceOptions } from "./options.ts";
import { withRealWorkspace } from "./workspace-place.ts";

export type { CheckOutcome, CheckResult } from "./doctor/check.ts";
export { type Explanation, explain } from "./doctor/explain.ts";

export interface DoctorOptions extends WorkspaceOptions {
	/**
	 * Also try to overwrite and to delete the probe object, which should both be denied. Harmless,
	 * but it may trigger alarms. Default false.
	 */
	readonly tryForbidden?: boolean;
}

export interface Diagnosis {
	/** In the order in which they ran. */
	readonly checks: readonly CheckResult[];
	/** No problem was found; warnings do not count. */
	readonly isHealthy: boolean;
	/** 0, or that of the worst problem. */
	readonly exitStatus: 0 | ErrorSpec["exitStatus"];
}

/**
 * Ordered by dependency, so that the first problem is likely to be the cause of the following ones.
 */
const CHECKS: readonly Check[] = [
	node,
	exactTimes,
	workspace,
	staging,
	workspaceSpace,
	stateDirectory,
	stateSpace,
	inotify,
	notifications,
	profileFits,
	outsideWorkspaces,
	outwardLinks,
	leftOut,
	owner,
	endpoint,
	credentials,
	list,
	clock,
	put,
	conditionalWrites,
	get,
	atomicPut,
	forbidden,
	logState,
	thisDisk,
	innerMounts,
];

/** A workspace link that leads nowhere stays as given: the workspace check reports it. */
function realWhereItCanBe(settings: Config): Config {
	try {
		return withRealWorkspace(settings);
	} catch {
		return settings;
	}
}

/**
 * Worst first: a bug, damage, another owner, then an unreachable store, the settings, and changes
 * that only wait.
 */
const WORST_FIRST: readonly ErrorSpec["exitStatus"][] = [1, 5, 4, 6, 7, 2, 3];

/**
 * Checks everything that a sidecar needs and tells how to fix each problem. All checks run,
 * whatever the others find. Changes nothing, except that the store gets five objects of 28 bytes to
 * which nothing refers: `PROBE` once, and four of `race-check.ts` each time.
 * @throws SidecarError for a wrong option only
 */
export async function doctor(options: DoctorOptions = {}): Promise<Diagnosis> {
	const settings = realWhereItCanBe(settingsOf(options));
	const { store, profile, credentials, signal, tryForbidden = false } = options;
	const patient = new DoctorContext({
		settings,
		profile: typeof profile === "object" ? profile : (profileNamed(settings.profile) as Profile),
		tryForbidden,
		store: typeof store === "object" ? store : undefined,
		credentials,
		signal,
	});
	try {
		const checks = await runChecks(CHECKS, patient);
		const statuses = checks.flatMap((check) =>
			check.status === "problem" ? [ERRORS[check.code].exitStatus] : [],
		);
		return {
			checks,
			isHealthy: statuses.length === 0,
			exitStatus: WORST_FIRST.find((status) => statuses.includes(status)) ?? 0,
		};
	} finally {
		await patient.close();
	}
}
