/**
 * How commands end. A command prints its result and returns its ending; `fail` prints the error and
 * what to do. So no command can end with a status that nothing explains.
 */
import { ERRORS, type ErrorCode, type ErrorDetail, SidecarError } from "../errors.ts";
import { count, inWords, plural } from "../telemetry/format.ts";

/**
 * A status, or the error that explains it. A bare status other than 0 stands for the general error
 * of its category.
 */
export type Ending = number | SidecarError | AgentEnded;

/** The agent's own status, which `run` passes on: it is no failure of the sidecar's. */
export interface AgentEnded {
	readonly agentStatus: number;
}

/** The first code of a category is too special to stand for all of it. */
const GENERAL: Readonly<Record<number, ErrorCode>> = Object.fromEntries(
	(
		[
			"INTERNAL",
			"USAGE",
			"NOT_DURABLE",
			"SUPERSEDED",
			"OBJECT_CORRUPT",
			"STORE_REFUSED",
			"STORE_UNREACHABLE",
		] as const
	).map((code) => [ERRORS[code].exitStatus, code]),
);

/** @returns the error to print; undefined if nothing failed */
export function errorOf(ending: Ending): SidecarError | undefined {
	if (ending instanceof SidecarError) return ending;
	if (typeof ending === "object" || ending === 0) return undefined;
	return new SidecarError(GENERAL[ending] ?? "INTERNAL");
}

/** @returns the process's status */
export function statusOf(ending: Ending): number {
	if (typeof ending === "number") return ending;
	return ending instanceof SidecarError ? ending.exitStatus : ending.agentStatus;
}

/** What kept a command's result from being durable, as counted by its report. */
export interface Lacking {
	/** 0, 3 not durable, 4 superseded. */
	readonly exitStatus: number;
	/** Paths whose state on this disk is not in the log. */
	readonly paths: number;
	readonly deferredDeletions: number;
	/** Why the directory must not be committed. */
	readonly notRestored?: string | undefined;
}

const DEFERRED_REMEDY =
	"to keep the files, run `openclaw-sidecar restore`; to delete them, run `openclaw-sidecar flush --confirm-deletions`";

/** The ending of every command that commits or compares. */
export function durableEnding(
	{ exitStatus, paths, deferredDeletions, notRestored }: Lacking,
	detail: ErrorDetail = {},
): Ending {
	if (exitStatus === 0) return 0;
	if (exitStatus === ERRORS.SUPERSEDED.exitStatus) return new SidecarError("SUPERSEDED", detail);
	if (notRestored !== undefined)
		return new SidecarError("NOT_DURABLE", {
			reason: `this directory must not be committed: ${notRestored}`,
			remedy: ERRORS.WORKSPACE_NOT_RESTORED.remedy,
			...detail,
		});
	const lacking = [
		...(paths > 0
			? [`${count(paths, "path")} on this disk ${plural(paths, "is", "are")} not in the log`]
			: []),
		...(deferredDeletions > 0
			? [
					`${count(deferredDeletions, "deletion")} ${plural(deferredDeletions, "is", "are")} deferred`,
				]
			: []),
	];
	return new SidecarError("NOT_DURABLE", {
		...(lacking.length > 0 && { reason: inWords(lacking) }),
		...(paths === 0 && deferredDeletions > 0 && { remedy: DEFERRED_REMEDY }),
		...detail,
	});
}
