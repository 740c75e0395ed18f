import { SidecarError } from "../errors.ts";
import { listNamespaces } from "../history/list-namespaces.ts";
import { DEFAULT_RETENTION } from "../log/plan-retention.ts";
import { type RetentionReport, retain as retainLog } from "../maintenance/retain.ts";
import type { ObjectStore } from "../store/port.ts";
import { isSweepable, type SweepableStore } from "../store/sweepable.ts";
import { silentLogger } from "../telemetry/logger.ts";
import type { Logger } from "../telemetry/types.ts";
import { type LogOptions, openRoot, withLog } from "./options.ts";

/** How much history is kept. */
export interface PolicyOptions {
	/** Keep every state of the workspace within this long, ms; at least a day. Default 7 days. */
	readonly keepAllMs?: number | undefined;
	/** Beyond that, keep the state at each midnight (UTC) within this long, ms. Default 30 days. */
	readonly keepDailyMs?: number | undefined;
}

export interface RetainOptions extends LogOptions, PolicyOptions {
	/** Only report what would be done. Default false. */
	readonly dryRun?: boolean;
	/** Default: silent. */
	readonly logger?: Logger;
}

/**
 * Deletes what is past retention in one namespace. The newest commit and everything it needs stay,
 * whatever their age. Nothing younger than a day is deleted. Safe beside writers, readers and other
 * runs. A pack is deleted at least a day after the run that found it unneeded, and only once the
 * newest commit is a day younger. So run it repeatedly, ideally daily. Requires permission to list,
 * get, put and delete below `users/`; writers must not have permission to delete.
 *
 * @example
 * // A scheduled function: one namespace after the other.
 * for await (const namespace of namespaces({ store })) await retain({ store, namespace });
 * @throws SidecarError USAGE (an invalid policy), STORE_UNSUPPORTED (a store that cannot delete),
 * STORE_*, and for a wrong option
 */
export async function retain(options: RetainOptions = {}): Promise<RetentionReport> {
	const { dryRun = false, logger = silentLogger, signal } = options;
	return await withLog(options, async ({ store }) =>
		retainLog(requireSweepable(store), { policy: policyOf(options), dryRun, logger, signal }),
	);
}

export interface NamespacesOptions extends Omit<LogOptions, "namespace"> {
	/** Begins after this one, which need not exist: use it to continue an interrupted run. */
	readonly after?: string;
}

/**
 * Every namespace of a store that contains an object, in the order of their bytes: one LIST each.
 * @throws SidecarError STORE_*, and for a wrong option
 */
export async function* namespaces(options: NamespacesOptions = {}): AsyncGenerator<string> {
	const { after, signal } = options;
	const { store, close } = await openRoot(options);
	try {
		yield* listNamespaces(store, { after, signal });
	} finally {
		await close();
	}
}

export function policyOf({ keepAllMs, keepDailyMs }: PolicyOptions): typeof DEFAULT_RETENTION {
	return {
		keepAllMs: keepAllMs ?? DEFAULT_RETENTION.keepAllMs,
		keepDailyMs: keepDailyMs ?? DEFAULT_RETENTION.keepDailyMs,
	};
}

/** @throws SidecarError STORE_UNSUPPORTED */
export function requireSweepable(store: ObjectStore): SweepableStore {
	if (isSweepable(store)) return store;
	throw new SidecarError("STORE_UNSUPPORTED", {
		value: store.url,
		reason: "it cannot delete",
		remedy: "pass a store from `openStore`",
	});
}
