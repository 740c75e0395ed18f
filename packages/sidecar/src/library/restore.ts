import { newRestoreId, thisEnvironment } from "../commit/environment.ts";
import { readLog } from "../commit/read-log.ts";
import { endSurvivors } from "../daemon/survivors.ts";
import { loadTools } from "../restore/load-tools.ts";
import type { Moved } from "../restore/restore-work.ts";
import type { Progress } from "../telemetry/types.ts";
import { withControl } from "./control.ts";
import {
	type Expectation,
	type OpenWorkspace,
	type WorkspaceOptions,
	withWorkspace,
} from "./options.ts";

export interface RestoreOptions extends WorkspaceOptions {
	/**
	 * Makes the directory exactly this commit: its number, or another form of `AtOptions.at`.
	 * Default: the newest, keeping local changes since the last restore.
	 */
	readonly at?: number | string | undefined;
	readonly expect?: Expectation;
}

export interface RestoreResult {
	/** The commit that was restored; 0 if the log is empty. */
	readonly seq: number;
	/** Of the whole tree. */
	readonly files: number;
	readonly bytes: number;
	/** Files written; the others existed already. */
	readonly written: number;
	readonly writtenBytes: number;
	/** Other files and links that got the log's time. */
	readonly timed: number;
	/** Paths changed here while no watcher ran: kept, and not durable before a flush. */
	readonly keptLocal: number;
	/**
	 * Paths that were moved to make room; `to` is an absolute path outside the workspace. If
	 * `isInLog` is false, this is the only copy until the next commit keeps it below `.recovered/`.
	 */
	readonly moved: readonly Moved[];
	/**
	 * Content of additional roots that are not configured here: it stays in the log, and is not on
	 * this disk.
	 */
	readonly elsewhere: readonly {
		readonly path: string;
		readonly files: number;
		readonly bytes: number;
	}[];
	/** A turn of the agent was running at the commit that `at` means. */
	readonly note?: string;
	readonly ms: number;
}

/**
 * Brings the workspace to a commit of the log. Commits nothing.
 *
 * @throws SidecarError WORKSPACE_BUSY if a daemon owns the directory; WORKSPACE_*,
 * STATE_DIR_UNUSABLE, COMMIT_NOT_FOUND, AGENT_SURVIVES, EXISTING_EXPECTED, STORE_*, OBJECT_*,
 * FORMAT_UNKNOWN, LIMIT_EXCEEDED, TREE_UNSAFE, and for a wrong option
 */
export async function restore(options: RestoreOptions = {}): Promise<RestoreResult> {
	return await withWorkspace(options, async (opened) => {
		const { settings, store, logger, signal } = opened;
		const { stateDir, workspace, expect } = settings;
		return await withControl(stateDir, workspace, "restoring", async () => {
			const started = performance.now();
			const resolved = options.at === undefined ? undefined : await resolve(opened, options.at);
			const { note } = resolved ?? {};
			const at = resolved?.seq;
			const reading = readLog(store, { at, signal });
			// Survivors end while the control socket is held, also if the log cannot be read.
			reading.catch(() => {});
			const tools = await loadTools();
			await endSurvivors({ ...opened, stateDir, workspace });
			const { boot } = await import("../session/boot.ts");
			const read = await reading;
			const counted = countingBytes(opened.progress);
			const label = newRestoreId(thisEnvironment);
			const how = { ...opened, ...tools, label, progress: counted.progress };
			const restored = await boot({ ...how, expect, acceptsMounts: true, read, at });
			await restored.finish(true);
			const { head, files, bytes, written, timed, keptLocal, moved, elsewhere } = restored;
			const ms = Math.round(performance.now() - started);
			logger.info("restore.finished", { seq: head.seq, files, bytes, written, keptLocal, ms });
			return {
				seq: head.seq,
				files,
				bytes,
				written,
				writtenBytes: counted.bytes(),
				timed,
				keptLocal,
				moved,
				elsewhere,
				...(note !== undefined && { note }),
				ms,
			};
		});
	});
}

async function resolve({ store, logger, signal }: OpenWorkspace, at: number | string) {
	const { aboutTurn, resolveBetweenTurns } = await import("../history/between-turns.ts");
	const resolved = await resolveBetweenTurns(store, String(at), signal);
	const note = aboutTurn(resolved);
	if (note !== undefined) logger.warn("restore.turn", { ...resolved });
	return { ...resolved, note };
}

function countingBytes(progress: Progress): { readonly progress: Progress; bytes(): number } {
	let sum = 0;
	const counting: Progress = {
		start: (phase, total) => progress.start(phase, total),
		advance: (done) => {
			sum += done.bytes;
			progress.advance(done);
		},
		end: () => progress.end(),
	};
	return { progress: counting, bytes: () => sum };
}
