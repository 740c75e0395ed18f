/** The requests of other processes that a running daemon answers with a commit. */
import type { FlushResult } from "../capture/flush-result.ts";
import { undecided } from "../commit/until-resolved.ts";
import { SidecarError } from "../errors.ts";
import type { Selection } from "../history/select-quarantined.ts";
import type { FlushLoop } from "./flush-loop.ts";

/** Commits everything, with the large files that the rescan finds. */
export async function flushNow(flushes: FlushLoop, workspace: string): Promise<object> {
	const first = await flushes.flush(true);
	const result =
		first?.kind === "committed" || first?.kind === "nothing"
			? await withLarge(flushes, first)
			: first;
	if (result === undefined)
		throw flushes.lastError ?? new SidecarError("NOT_DURABLE", { value: workspace });
	if (result.kind === "unknown") throw undecided(result.cause);
	const { isSuperseded: superseded, excluded } = flushes.session;
	return { ...result, superseded, excluded };
}

/** Waits for the large files that a flush found, while other flushes continue, and commits them. */
async function withLarge(
	flushes: FlushLoop,
	first: Exclude<FlushResult, { kind: "unknown" }>,
): Promise<FlushResult | undefined> {
	const { large } = flushes.session;
	const { paths } = large;
	if (paths.length === 0) return first;
	await large.finished(paths);
	const last = await flushes.flush(false);
	if (last?.kind !== "committed" || first.kind !== "committed")
		return last?.kind === "nothing" ? { ...first, deferred: last.deferred } : last;
	const sum = (of: "changed" | "removed" | "bytes") => first[of] + last[of];
	return { ...last, changed: sum("changed"), removed: sum("removed"), bytes: sum("bytes") };
}

/** Runs after a flush, so that no commit of this writer is undecided. */
export async function dropNow(
	flushes: FlushLoop,
	workspace: string,
	what: unknown,
): Promise<object> {
	const wanted = selectionOf(what);
	await flushNow(flushes, workspace);
	return await flushes.alone(
		async () => await flushes.session.dropQuarantined(wanted, { closed: false }),
	);
}

/** From another process: nothing in it is trusted. */
function selectionOf(what: unknown): Selection {
	const { writer, path } = (typeof what === "object" && what !== null ? what : {}) as {
		readonly writer?: unknown;
		readonly path?: unknown;
	};
	return {
		...(typeof writer === "string" && { writer }),
		...(typeof path === "string" && { path }),
	};
}
