/**
 * What the page may do with `--allow-restore`. Without it none of this exists.
 *
 * Nothing here writes by itself: the library's verbs do, with all of their checks.
 */
import * as z from "zod/mini";
import { SidecarError } from "../errors.ts";
import type { WorkspaceOptions } from "../library/options.ts";
import { recoverApply, recoverDrop } from "../library/recover.ts";
import { restorePaths } from "../library/restore-paths.ts";
import { type Answers, AT, on, PATH } from "./answer.ts";
import type { Dealt, Restored } from "./api.ts";

const SHOWN_CHANGES = 100;
const QUARANTINED = z.object({
	writer: z.string().check(z.regex(/^[0-9a-f]{32}$/)),
	path: PATH.check(z.minLength(1)),
});

export function writingAnswers(verbs: WorkspaceOptions): Answers {
	return {
		restore: on(
			z.object({ at: AT, path: PATH.check(z.minLength(1)), dryRun: z.boolean() }),
			// A person who closes the page must not interrupt it.
			async ({ at, path, dryRun }): Promise<Restored> => {
				const done = await restorePaths({ ...verbs, at, paths: [path], dryRun });
				const { changes, moved, committed, notTaken, deferredDeletions } = done;
				requireOwner(done.exitStatus);
				return {
					changes: changes
						.slice(0, SHOWN_CHANGES)
						.map(({ path, kind, bytes }) => ({ path, kind, bytes })),
					total: changes.length,
					moved: moved.length,
					...(committed !== undefined && { committed }),
					notTaken: notTaken.slice(0, SHOWN_CHANGES),
					notTakenCount: notTaken.length,
					deferredDeletions,
				};
			},
		),
		apply: on(QUARANTINED, async (wanted): Promise<Dealt> => {
			const { applied, seq, exitStatus, notTaken } = await recoverApply({ ...verbs, ...wanted });
			requireOwner(exitStatus);
			const [first] = notTaken;
			if (first !== undefined)
				throw new SidecarError("NOT_DURABLE", { value: first.path, reason: first.reason });
			return { files: applied.length, seq };
		}),
		drop: on(QUARANTINED, async (wanted): Promise<Dealt> => {
			const { files, seq } = await recoverDrop({ ...verbs, ...wanted });
			return { files, ...(seq !== undefined && { seq }) };
		}),
	};
}

/** @throws SidecarError SUPERSEDED */
function requireOwner(exitStatus: number): void {
	if (exitStatus === 4) throw new SidecarError("SUPERSEDED");
}
