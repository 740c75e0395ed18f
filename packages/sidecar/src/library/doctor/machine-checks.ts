/** Checks what the sidecar needs from the machine. */
import { readFileSync } from "node:fs";
import { SidecarError } from "../../errors.ts";
import type { Roots } from "../../path.ts";
import { count } from "../../telemetry/format.ts";
import { loadFileTimes } from "../../workspace/file-times.ts";
import type { Filter } from "../../workspace/filter.ts";
import { statOf } from "../../workspace/stat.ts";
import { findUnwatched, noWatchReason, type Unwatched } from "../../workspace/unwatched.ts";
import { watchRoots } from "../../workspace/watch-roots.ts";
import { WorkspaceFilter } from "../../workspace/workspace-filter.ts";
import { type Check, notTested, ok, problem, warning } from "./check.ts";
import { workspace } from "./disk-checks.ts";

const LEAST_NODE_MAJOR = 24;

/**
 * The newest security release of each line, when this was written. Those of October and November
 * 2026 close holes that a peer reaches over the network: Brotli (CVE-2026-111497), TLS names
 * (CVE-2026-105483, CVE-2026-123872), a crash of TLS servers (CVE-2026-126051).
 */
export const PATCHED_NODE: Readonly<Record<number, readonly [minor: number, patch: number]>> = {
	24: [22, 3],
	26: [12, 1],
};

export const node: Check = {
	name: "node",
	look: () => classifyNode(process.version),
};

export function classifyNode(version: string) {
	const [major = 0, minor = 0, patch = 0] = version.slice(1).split(".").map(Number);
	const [patchedMinor, patchedPatch] = PATCHED_NODE[major] ?? [0, 0];
	if (minor < patchedMinor || (minor === patchedMinor && patch < patchedPatch))
		return warning(
			`${version} lacks security fixes of Node, some for holes that a peer reaches over the network`,
			`run Node ${major}.${patchedMinor}.${patchedPatch} or a newer ${major}`,
		);
	if (major >= LEAST_NODE_MAJOR) return ok(version);
	return problem(
		new SidecarError("USAGE", {
			value: version,
			reason: "this Node is too old",
			remedy: `run Node ${LEAST_NODE_MAJOR} or newer`,
		}),
	);
}

export const exactTimes: Check = {
	name: "exact times",
	look: async () =>
		(await loadFileTimes()).exact
			? ok("times are restored to the nanosecond (koffi)")
			: warning(
					"times are restored to about 250 ns only, because koffi cannot be loaded here",
					"install openclaw-sidecar with its optional dependencies; nothing is lost without it",
				),
};

/** Linux's default; OpenClaw's installation of one plugin raises 3,400 events. */
const LEAST_QUEUED_EVENTS = 16_384;
const LEAST_INSTANCES = 16;

export interface InotifyLimits {
	readonly watches: number;
	readonly queuedEvents: number;
	readonly instances: number;
}

export const inotify: Check = {
	name: "inotify",
	needs: [workspace],
	look: async (patient) => {
		const limits = readLimits();
		if (limits === undefined) return notTested("this kernel does not report its inotify limits");
		if (statOf(patient.settings.workspace) === undefined)
			return notTested("the workspace does not exist yet");
		const { stats } = await patient.scan();
		return classifyInotify(limits, [...stats.values()].filter(({ type }) => type === "dir").length);
	},
};

export const notifications: Check = {
	name: "change notifications",
	needs: [workspace],
	look: async (patient) => {
		if (statOf(patient.settings.workspace) === undefined)
			return notTested("the workspace does not exist yet");
		const { roots, profile } = patient;
		const { filter } = WorkspaceFilter.open(roots, profile);
		const refused = await refusedWatches(roots, filter);
		const found = await findUnwatched(roots, filter);
		return classifyUnwatched([
			...refused,
			...found.filter(({ directory }) => !refused.some((each) => each.directory === directory)),
		]);
	},
};

/** Tries a watch on every directory, as a daemon does. */
async function refusedWatches(roots: Roots, filter: Filter): Promise<readonly Unwatched[]> {
	const reasons = new Set<string>();
	const onDoubt = (doubt: string) => {
		const reason = noWatchReason(doubt);
		if (reason !== undefined) reasons.add(reason);
	};
	const watcher = await watchRoots(roots, filter, () => {}, onDoubt);
	await watcher.close();
	return [...reasons].map((reason) => ({ directory: roots.main, reason }));
}

function classifyUnwatched(unwatched: readonly Unwatched[]) {
	if (unwatched.length === 0) return ok("the kernel reports changes made on this machine");
	return warning(
		unwatched.map(({ directory, reason }) => `${directory}: ${reason}`).join("; "),
		"nothing is lost: a running daemon finds such changes when it compares the workspace, every 5 s or less often. Use a local disk, or raise fs.inotify.max_user_watches and max_user_instances if the reason is ENOSPC or EMFILE",
	);
}

/**
 * One watch per directory. All processes of a user share the limit, so half of it is a safe budget.
 */
export function classifyInotify(
	{ watches, queuedEvents, instances }: InotifyLimits,
	directories: number,
) {
	const state = `${count(directories, "directory", "directories")} to watch, ${count(watches, "watch", "watches")} allowed, ${count(queuedEvents, "queued event")}, ${count(instances, "instance")}`;
	const raise = (name: string, to: number) =>
		`raise it: sysctl fs.inotify.${name}=${to}; until then the sweep each minute finds what events miss`;
	if (directories > watches / 2)
		return warning(
			`too few watches: ${state}`,
			raise("max_user_watches", Math.max(524_288, directories * 4)),
		);
	if (queuedEvents < LEAST_QUEUED_EVENTS)
		return warning(`a short queue: ${state}`, raise("max_queued_events", LEAST_QUEUED_EVENTS));
	if (instances < LEAST_INSTANCES)
		return warning(`few instances: ${state}`, raise("max_user_instances", 128));
	return ok(state);
}

function readLimits(): InotifyLimits | undefined {
	const read = (name: string) => Number(readFileSync(`/proc/sys/fs/inotify/${name}`, "utf8"));
	try {
		return {
			watches: read("max_user_watches"),
			queuedEvents: read("max_queued_events"),
			instances: read("max_user_instances"),
		};
	} catch {
		return undefined;
	}
}
